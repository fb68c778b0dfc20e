#!/usr/bin/env bash
# Ranks that are killed and links that go down: all ranks end soon, one line names the rank and its host,
# and what is finished is there to go on with.
. "$(dirname "${BASH_SOURCE[0]}")/ranks.bash"

demo_job "sequences: 4" "length: 64" "attention: {}" "heads: {}" "sae: {epochs: 60, latents: 256}"
prepare "$LAMINAR" sweep job.yaml -o whole.nc
whole=$(digest whole.nc)

# says NAME RANK HOST WHAT: one line of error, of the rank.
says() {
    same "$1: one line names rank and host" "laminar: error: rank $2 ($3) $4: all ranks end" \
        "$(grep '^laminar: error: ' "$log/err")"
}

for case in "1 2 3" "0 2 14" "2 3 26" "0 3 30"; do
    read -r rank count layers <<<"$case"
    start "$count" "$LAMINAR" sweep job.yaml -o cut.nc -q
    kept "$layers"
    signal KILL "$rank"
    ended
    name="rank $rank of $count killed"
    says "$name" "$rank" "$(hostname)" "was killed or has crashed (out of memory?)"
    within 15 "$name"
    resumes "$name" $((4 - count)) "$whole"
done

# --- a rank that runs out of memory, which the system ends
# limited PID: it gets no more memory than it has; false where nobody can do that.
limited() {
    local v1=/sys/fs/cgroup/memory/laminar-test-$$ v2=/sys/fs/cgroup/laminar-test-$$
    if mkdir "$v1" 2>/dev/null && echo 0 >"$v1/memory.limit_in_bytes" 2>/dev/null; then
        group=$v1
    elif mkdir "$v2" 2>/dev/null && echo 0 >"$v2/memory.max" 2>/dev/null; then
        group=$v2
    else
        rmdir "$v1" "$v2" 2>/dev/null
        return 1
    fi
    echo "$1" >"$group/cgroup.procs" || { rmdir "$group" && return 1; }
}
start 2 "$LAMINAR" sweep job.yaml -o cut.nc -q
kept 3
if limited "$(cat "$log/pid.1")" 2>"$log/limited"; then
    ended
    name="rank 1 of 2 out of memory, and ended by the system"
    says "$name" 1 "$(hostname)" "was killed or has crashed (out of memory?)"
    check "$name: it was the system" test "$(sed -n 's/^oom_kill //p' "$group"/memory.{oom_control,events} 2>/dev/null)" -gt 0
    within 15 "$name"
    rmdir "$group"
    resumes "$name" 1 "$whole"
else
    echo "left out: a rank out of memory (no control group can be made here)"
    wait "$started"
    rm -rf cut.nc cut.run
fi

# --- a rank that hangs, as one whose host does
start 2 "$LAMINAR" sweep job.yaml -o cut.nc -q --set watchdog=3s
kept 20
signal STOP 1
began=$(date +%s%N)
for ((i = 0; i < 300; i++)); do
    [ ! -e "$log/status.0" ] || break
    sleep 0.1
done
seconds_taken=$(since "$began")
signal KILL 1 2>/dev/null # mpirun may have done so
wait "$started"
same "silent: status of the other" 7 "$(cat "$log/status.0")"
says silent 1 "$(hostname)" "was not heard of for 3 s (is its host or the network down?)"
resumes "rank 1 of 2 hangs, watchdog 3 s" 3 "$whole"

# --- hosts on a network of their own
cluster=$LAMINAR_SHARED/cluster
if [ ! -x "$cluster/hosts-up" ] || [ "$(id -u)" -ne 0 ]; then
    echo "left out: a link that goes down ($cluster/hosts-up is not there, or this is not root)"
    exit
fi
hosts=$(mktemp -d /tmp/laminar-XXXX)
trap '"$cluster/hosts-down" "$hosts" >/dev/null; finish' EXIT
if ! settings=$("$cluster/hosts-up" -n 3 "$hosts" 2>"$log/hosts"); then
    echo "left out: a link that goes down ($(tail -n 1 "$log/hosts"))"
    exit
fi
eval "$settings"
unset OMPI_MCA_btl # ctest's: shared memory alone
for cut in h3 h2; do
    $ON h1 mpirun -np 3 --map-by node "$LAMINAR" sweep job.yaml -o cut.nc -q --set watchdog=10s \
        </dev/null >"$log/out" 2>"$log/err" &
    started=$!
    kept 14
    $ON $cut ip link set eth0 down
    began=$SECONDS
    wait $started
    differ "$cut is cut off: status" 0 $?
    taken=$((SECONDS - began))
    check "$cut is cut off: within 30 s" test $taken -le 30
    says "$cut is cut off" $((${cut#h} - 1)) $cut "was not heard of for 10 s (is its host or the network down?)"
    $ON $cut ip link set eth0 up
    sleep 1
    $ON h1 timeout 120 mpirun -np 3 --map-by node "$LAMINAR" sweep job.yaml -o cut.nc -q --resume </dev/null 2>"$log/err" ||
        fail "$cut is cut off: goes on" "status $?" "$log/err"
    same "$cut is cut off: goes on to the same values" "$whole" "$(digest cut.nc)"
    row "the link of one host of 3 goes down, watchdog 10 s" "$taken" cut.nc "$whole"
    rm -rf cut.nc cut.run
done
