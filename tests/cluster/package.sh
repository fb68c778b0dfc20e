#!/usr/bin/env bash
# Installs the Debian package on a bare Debian 12, made by debootstrap in a folder of the test's own, and runs the demo's job
# there. As root, with a network; some minutes and 1 GB. Started by hand:
#   bash tests/cluster/package.sh [BUILD]
# BUILD: the folder of the build (build/release); MIRROR: where Debian is, if not where debootstrap looks by itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$(realpath "${1:-build/release}")
for program in debootstrap dpkg-shlibdeps cpack; do
    command -v $program >/dev/null || { echo "package.sh: $program is missing: apt-get install debootstrap dpkg-dev cmake" >&2; exit 1; }
done
work=$(mktemp -d)
tree=$work/tree
trap 'umount "$tree/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
step() {
    echo "== $1"
    shift
    "$@" >"$work/log" 2>&1 </dev/null || { tail -n 20 "$work/log" >&2; echo "package.sh: failed: $*" >&2; exit 1; }
}
inside() { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none "$@"; }

step "the package" cpack --config "$build/CPackConfig.cmake" -B "$work/packed"
step "a bare Debian" debootstrap --variant=minbase bookworm "$tree" ${MIRROR:+"$MIRROR"}
mount -t proc proc "$tree/proc"
cp "$work"/packed/*.deb "$tree/root/"
step "installing it" inside bash -c 'apt-get -q update && apt-get -q install -y --no-install-recommends /root/laminar-profile_*.deb'
step "the demo's job" inside bash -c 'cp -r /usr/share/doc/laminar-profile/examples/demo /root/ && cd /root/demo &&
    mpirun --oversubscribe -n 2 laminar sweep demo.yaml --set sae.epochs=2 && laminar info demo.nc && laminar report demo.nc -o demo.html'
step "laminar doctor" inside bash -c 'cd /root && laminar doctor'
cat "$work/log"
step "taking it away" inside bash -c 'apt-get -q purge -y laminar-profile && ! ls -d /usr/bin/laminar /usr/share/doc/laminar-profile'
echo "the package installs, runs and goes"
