#!/usr/bin/env bash
# All that is too long or too large for every day: ScaLAPACK at real sizes, Slurm's real time limits, what laminar plan
# says against what is sent and taken, the same bits on any number of ranks everywhere, every fault there is. Ends with a summary; slurm/README.md has the output of one run.
#   bash tests/cluster/run.sh [PART...]
# Without parts all but ridge-7680, which takes eight times as long as ridge-3840, and package.sh, which is apart.
# LAMINAR=build/release/laminar names the program (built with -DLAMINAR_TESTS=ON), PYTHON=... a Python with scipy;
# else one is made in build/cluster.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
LAMINAR=$(realpath -e "${LAMINAR:-$root/build/release/laminar}") || exit 1
programs=${LAMINAR%/*}/tests
export LAMINAR LAMINAR_BUILD=${LAMINAR%/*} LAMINAR_SOURCE=$root LAMINAR_SHARED=${LAMINAR_SHARED:-$root/../shared} LAMINAR_GOLDEN=$root/tests/golden
# As the tests have it (tests/CMakeLists.txt): ranks that share the cores.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none \
    OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1

cores=$(nproc --all)
work=$(mktemp -d "${TMPDIR:-/tmp}/laminar-cluster.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

similarity() {
    mpirun -n 4 "$programs/cluster_similarity"
}

python() {
    local python=${PYTHON:-$root/build/cluster/bin/python}
    if [ -z "${PYTHON:-}" ] && ! "$python" -c 'import scipy' 2>/dev/null; then
        python3 -m venv "$root/build/cluster" && "$python" -m pip install --quiet numpy scipy || return 77
    fi
    OMP_NUM_THREADS=$cores "$python" "$@"
}

large() { # ridge | spectrum UNITS, rsa WORDS
    mpirun -n 4 "$programs/cluster_large" "$work" "$1" "$2" && python "$here/large.py" "$work" "$1" "$2"
}

# summary has a line a part.
part() { # NAME COMMAND...
    local began=$SECONDS status how
    echo "== $1"
    "${@:2}" </dev/null 2>&1
    status=$?
    case $status in
    0) how=passed ;;
    77) how=skipped ;;
    *) how=FAILED failed=1 ;;
    esac
    summary+="$(printf '%-16s %-8s %5d s' "$1" "$how" $((SECONDS - began)))"$'\n'
}

parts=("$@")
[ $# -gt 0 ] || parts=(similarity rsa-20000 ridge-3840 spectrum-3840 slurm messages plan scale same_bits faults)
failed=0 summary=
for name in "${parts[@]}"; do
    case $name in
    similarity) part "$name" similarity ;;
    ridge-* | spectrum-* | rsa-*) part "$name" large "${name%-*}" "${name#*-}" ;;
    scale) part "$name" bash "$here/$name.sh" "$work/scale.svg" ;;
    faults)
        part "$name" env LAMINAR_FAULT_PLACES=all LAMINAR_FAULTS="$programs/laminar_faults" bash "$root/tests/fault/table.bash"
        ;;
    *) part "$name" bash "$here/$name.sh" ;;
    esac
done
echo "== on $cores cores of $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
printf '%s' "$summary"
exit $failed
