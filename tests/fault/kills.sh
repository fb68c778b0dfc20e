#!/usr/bin/env bash
# A random rank is killed at 50 random moments of a run that is started again each time, on 2 or 3 ranks; it
# comes to its end all the same, with the values of a run that nothing happened to.
. "$(dirname "${BASH_SOURCE[0]}")/ranks.bash"
RANDOM=${LAMINAR_SEED:-1}

demo_job "sequences: 2" "length: 32" "attention: {}" "heads: {}" "rsa: {permutations: 20, bootstraps: 20}" \
    "sae: {epochs: 12, latents: 256}"
prepare "$LAMINAR" sweep job.yaml -o whole.nc
whole=$(digest whole.nc)

# sweep COUNT: the run, begun or gone on with, each rank's process in $log/pid.RANK; mpirun is $started.
sweep() {
    local resume=()
    [ ! -e cut.run ] || resume=(--resume)
    rm -f "$log"/pid.*
    # shellcheck disable=SC2016
    timeout -k 5 60 mpirun -n "$1" bash -c 'echo $$ >"$0/pid.$OMPI_COMM_WORLD_RANK"; exec "$@"' "$log" \
        "$LAMINAR" sweep job.yaml -o cut.nc -q "${resume[@]}" </dev/null >"$log/out" 2>"$log/err" &
    started=$!
}

# How long a run takes to its end, from which the moments are drawn: most of them before it.
began=$(date +%s%N)
sweep 2
wait "$started"
same "not killed: the same values" "$whole" "$(digest cut.nc)"
milliseconds=$((($(date +%s%N) - began) / 1000000))
rm -rf cut.nc

kills=0 alone=0 ends=0 slowest=0 unsaid=0
while [ "$kills" -lt 50 ] && [ "$ends" -lt 50 ]; do
    count=$((2 + RANDOM % 2)) victim=$((RANDOM % 3)) moment=$((RANDOM * RANDOM % (2 * milliseconds / 3)))
    sweep "$count"
    while [ ! -e "$log/pid.$((victim % count))" ] && [ -d "/proc/$started" ]; do sleep 0.005; done
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    # It stands still while it is looked whether the ranks watch each other: then laminar names it. Before, in MPI's
    # start, and after, only mpirun can, whose own line sometimes does not come.
    pid=$(cat "$log/pid.$((victim % count))")
    kill -STOP "$pid" 2>/dev/null
    watched=true
    for ((i = 0; i < count; i++)); do
        grep -qsx laminar-watch "/proc/$(cat "$log/pid.$i" 2>/dev/null)"/task/*/comm || watched=false
    done
    killed=$(date +%s%N)
    if kill -KILL "$pid" 2>/dev/null; then
        kills=$((kills + 1))
        wait "$started"
        status=$?
        taken=$((($(date +%s%N) - killed) / 1000000))
        [ "$taken" -le "$slowest" ] || slowest=$taken
        if ! $watched; then
            alone=$((alone + 1))
        elif ! grep -q "^laminar: error: rank $((victim % count)) (.*) was killed" "$log/err"; then
            unsaid=$((unsaid + 1))
            fail "kill $kills, of rank $((victim % count)) of $count after $moment ms" "status $status" "$log/err"
        fi
        # Of a rank that had just come to its end nothing need be said: the run ends well, with its result.
        [ "$status" -ne 0 ] || [ -e cut.nc ] || fail "kill $kills" "status 0 without a result" "$log/err"
    else
        wait "$started"
    fi
    if [ -e cut.nc ]; then # it had come to its end
        ends=$((ends + 1))
        same "end $ends, after $kills kills: the same values" "$whole" "$(digest cut.nc)"
        rm -rf cut.nc cut.run
    fi
done
echo "$kills kills, after which the run ended within $slowest ms; it came to its end $ends times; $alone were \
before the ranks watched each other, or after"
same "kills" 50 "$kills"
check "many of them while they did" test $((kills - alone)) -ge 5
same "kills without a line that names rank and host" 0 "$unsaid"
check "each ended the run within 15 s" test "$slowest" -le 15000
sweep 2
wait "$started"
same "the end: status" 0 $?
same "the end: the same values" "$whole" "$(digest cut.nc)"
row "a random rank of 2 or 3 killed, $kills times" "at most $(printf '%d.%d' $((slowest / 1000)) $((slowest % 1000 / 100)))" cut.nc "$whole"
check "the end: nothing is left" test ! -e cut.run
