#!/usr/bin/env bash
# laminar doctor: one report alone and over ranks, exit status 0 where runs work and 10 where they would fail, nothing left
# behind. How fast this machine is decides nothing here: slow is a warning.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
unset OMPI_COMM_WORLD_SIZE PMI_SIZE SLURM_STEP_NUM_TASKS MV2_COMM_WORLD_SIZE
export LAMINAR_CACHE=$work/cache

# health FILE NAME: of a finding in a report.
health() { awk -v name="$2" '/^  (ok|warning|failure)/ && $2 == name {print $1}' "$1"; }
names="mpi ranks threads products blas memory netcdf folder cache gnuplot"
before=$(listing)
expect "alone" "$LAMINAR" doctor
for name in $names; do
    check "alone: $name" grep -Eq "^(ok|warning)$" <(health "$log/out" "$name")
done
for name in mpi netcdf folder; do same "alone: $name is well" ok "$(health "$log/out" "$name")"; done
check "alone: its speed" grep -Eq "GFLOP/s in single precision" "$log/out"
check "alone: not there is no fault" grep -q "not there yet" "$log/out"
same "nothing is left" "$before" "$(listing)"
check "the cache is not made" test ! -e "$LAMINAR_CACHE"
OMP_NUM_THREADS=1 ranks=2 expect "two ranks" "$LAMINAR" doctor
same "two ranks: one report" 1 "$(grep -c '  mpi  ' "$log/out")"
check "two ranks: hosts" grep -Eq "2 ranks: 2 on " "$log/out"
same "two ranks: nothing is left" "$before" "$(listing)"
OMP_NUM_THREADS=99 expect "too many threads" "$LAMINAR" doctor
same "too many threads: a warning" warning "$(health "$log/out" threads)"
check "too many threads: what to do" grep -A 4 '  threads  ' <(cat "$log/out")
# But one, which Open MPI wants to see before it starts.
mkdir "$work/few" && printf '#!/bin/sh\n' >"$work/few/rsh" && chmod +x "$work/few/rsh"
expect "no programs" env PATH="$work/few" "$LAMINAR" doctor
same "no programs: gnuplot" warning "$(health "$log/out" gnuplot)"
same "no programs: mpirun" warning "$(health "$log/out" mpi)"

# --- what would make runs fail
expect_error "ranks that are all alone" 10 "runs would fail here .ranks.: .*srun --mpi=pmix" \
    env SLURM_STEP_NUM_TASKS=4 "$LAMINAR" doctor -q
same "ranks that are all alone: the report is there" failure "$(health "$log/out" ranks)"
# Nobody can make a file there, not even root.
expect_error "a folder that cannot be written" 10 "runs would fail here .folder.: run where you may write" \
    bash -c 'cd /proc && exec "$0" doctor' "$LAMINAR"
expect_error "a wrong option" 2 "unknown option '--jsno' .nearest: '--json'" "$LAMINAR" doctor --jsno

# --- for programs
if python3 -c '' 2>/dev/null; then
    run "$LAMINAR" doctor --json
    same "JSON: status" "0 " "$statuses"
    check "JSON: findings and ranks" python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
assert report["fit"] is True
assert [f["name"] for f in report["findings"]] == sys.argv[2].split()
assert all((f["remedy"] is None) == (f["health"] == "ok") for f in report["findings"])
speed = report["ranks"][0]["speed"]
assert len(report["ranks"]) == 1 and all(value > 0 for value in speed.values())
' "$log/out" "$names"
    SLURM_STEP_NUM_TASKS=4 run "$LAMINAR" doctor --json
    check "JSON: unfit" python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["fit"])' "$log/out"
else
    echo "left out: JSON, for want of python3"
fi
