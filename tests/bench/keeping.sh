#!/usr/bin/env bash
# What it costs to keep states for --resume: runs a job with none and with many of them in turn, and says what one
# takes, and what share that is of the 5 minutes from one to the next that are the default.
#   LAMINAR=build/release/laminar bash tests/bench/keeping.sh PAIRS INTERVAL JOB.yaml [OPTION of laminar sweep...]
set -uo pipefail
pairs=$1 interval=$2
shift 2
out=$(mktemp -d "${TMPDIR:-/tmp}/laminar-keeping.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT
TIMEFORMAT='%R %U %S'

# once CHECKPOINT OPTION...: of a run on one rank, the clock's seconds, those of the processor, how often a state was
# kept, MB of all states, seconds that they held the rank up, and seconds that it waited for them at its end.
once() {
    { time "$LAMINAR" sweep "${@:2}" --checkpoint "$1" --verbose -o "$out/x.nc" >"$out/out" 2>"$out/err"; } 2>"$out/time" || {
        cat "$out/err" >&2
        exit 1
    }
    awk '
        FNR == NR { wall = $1; cpu = $2 + $3; next }
        /states were kept/ { gsub(/[:,]/, ""); times += $5; megabytes += $7; held += $15; end += $18 }
        END { print wall, cpu, times + 0, megabytes + 0, held + 0, end + 0 }' "$out/time" "$out/err"
    rm -f "$out/x.nc"
}

for ((i = 0; i < pairs; i++)); do
    for checkpoint in never "$interval"; do
        line=$(once $checkpoint "$@") || exit 1
        echo "$checkpoint: $line" >&2
        echo "$checkpoint $line"
    done
done | awk -v threads="${OMP_NUM_THREADS:-$(nproc)}" '
    $1 == "never" { wall -= $2; cpu -= $3; n++; base += $2 }
    $1 != "never" { wall += $2; cpu += $3; times += $4; megabytes += $5; held += $6; end += $7 }
    END {
        if (!times) { print "no state was kept: a shorter interval?"; exit 1 }
        printf "%d runs of %.0f s, %.1f states each, of %.0f MB\n", n, base / n, times / n, megabytes / times
        printf "a state holds the run up for %.2f s; in all it takes %.2f s of processor time, %.2f s more of the clock\n",
            held / times, cpu / times, wall / times
        printf "of 5 minutes: %.2f%%, %.2f%% of the time of %d threads, %.2f%%\n", held / times / 3, cpu / times / 3 / threads, threads, wall / times / 3
    }'
