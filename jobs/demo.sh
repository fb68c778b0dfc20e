#!/usr/bin/env bash
# Installs what is missing, builds laminar where that is due, and runs every profile there is on
# the demo's model and texts over two ranks.
#   bash jobs/demo.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
result=jobs/demo/demo.nc

stop() {
    echo "demo.sh: $1" >&2
    exit 1
}
# Through sudo, what is made is the caller's.
hand_over() {
    [ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build jobs/demo
}
trap hand_over EXIT

bash install-packages.sh build
mkdir -p build
echo "Building laminar (build/demo.log)"
if ! { cmake --preset release && cmake --build --preset release --parallel "$(nproc)"; } \
    >build/demo.log 2>&1 </dev/null; then
    tail -n 20 build/demo.log >&2
    stop "laminar could not be built; all of it stands in build/demo.log"
fi

# Two ranks on whatever cores there are, not bound to one each: a rank's threads need several.
ranks=2
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((($(nproc) + ranks - 1) / ranks))}
options=(-n "$ranks" --oversubscribe --bind-to none --mca btl_vader_single_copy_mechanism none)
[ "$(id -u)" -ne 0 ] || options+=(--allow-run-as-root)
mpirun "${options[@]}" build/release/laminar sweep jobs/demo/demo.yaml </dev/null ||
    stop "the run ended with an error, see the line above; nothing was written to $result"

echo
echo "The profiles are in $PWD/$result:"
build/release/laminar info "$result"
echo
build/release/laminar report "$result" -o "${result%.nc}.html" -q
echo "The same as pictures, for a browser: $PWD/${result%.nc}.html"
