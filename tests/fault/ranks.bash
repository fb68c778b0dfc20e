# Runs in the background whose ranks can be signalled one by one; for the scripts here, beside
# tests/library.sh.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

# demo_job LINE...: the demo's model and texts, and job.yaml of these lines.
demo_job() {
    cp -r "$demo/model" "$demo/page.html" "$demo/story.txt" .
    printf '%s\n' "model: model" "text: page.html" "$@" >job.yaml
}

# start RANKS COMMAND...: in the background. Each rank's process is in $log/pid.RANK, its status, once it
# has ended, in $log/status.RANK; mpirun is told of no failure, so that what ends the ranks is laminar.
# $started is mpirun's process.
start() {
    rm -f "$log"/pid.* "$log"/status.*
    # shellcheck disable=SC2016 # for the shells of the ranks
    mpirun -n "$1" bash -c '
        bash -c "echo \$\$ >\"\$0.new\" && mv \"\$0.new\" \"\$0\"; exec \"\$@\"" "$0/pid.$OMPI_COMM_WORLD_RANK" "$@"
        echo $? >"$0/status.$OMPI_COMM_WORLD_RANK"' "$log" "${@:2}" </dev/null >"$log/out" 2>"$log/err" &
    started=$!
}

# kept COUNT: waits until so many layers are kept in cut.run.
kept() {
    local tries=0
    while [ "$(find cut.run -name '*-[0-9]*' 2>/dev/null | grep -vc '/\.laminar')" -lt "$1" ] &&
        [ -d "/proc/$started" ] && [ $((tries += 1)) -lt 3000 ]; do
        sleep 0.02
    done
}

# signal NAME RANK: to one rank of the run.
signal() {
    kill "-$1" "$(cat "$log/pid.$2")"
}

# ended: waits for the run; $seconds_taken since the call, $statuses of the ranks in order.
ended() {
    local began
    began=$(date +%s%N)
    wait "$started"
    seconds_taken=$(since "$began")
    statuses=$(cat "$log"/status.* 2>/dev/null | tr '\n' ' ')
}

# within SECONDS NAME
within() {
    check "$2: within $1 s" awk -v taken="$seconds_taken" -v most="$1" 'BEGIN { exit !(taken <= most) }'
}

# resumes NAME RANKS DIGEST: the run that was cut goes on to these values and leaves nothing.
resumes() {
    local taken=$seconds_taken
    ranks=$2 seconds=120 expect "$1: goes on" "$LAMINAR" sweep job.yaml -o cut.nc -q --resume
    same "$1: the same values" "$3" "$(digest cut.nc)"
    row "$1, then gone on with on $2" "$taken" cut.nc "$3"
    check "$1: nothing is left" test ! -e cut.run
    rm -rf cut.nc cut.run
}
