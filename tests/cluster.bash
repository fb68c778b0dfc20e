# A throwaway Slurm and hosts of a network of their own, by ../shared/cluster; for scripts that have sourced library.sh.
# What is started here is ended when the script ends.
# shellcheck shell=bash
cluster=${LAMINAR_SHARED:-$LAMINAR_SOURCE/../shared}/cluster
up=() # "PROGRAM FOLDER" of each

take_down() {
    local status=$? one
    for one in ${up[@]+"${up[@]}"}; do
        "$cluster/${one%-up *}-down" "${one#* }" >/dev/null
        rm -rf "${one#* }"
    done
    (exit "$status")
    finish
}
trap take_down EXIT

# bring_up PROGRAM [OPTION...]: slurm-up or hosts-up with these options; its settings are in the file $settings, for
# the shell or the subshell that works there. Skips the whole script, with the reason, where that cannot be.
bring_up() {
    local state
    [ -x "$cluster/$1" ] || skip "$cluster/$1 is not there"
    state=$(mktemp -d /tmp/laminar-XXXXXX) || exit 1
    up+=("$1 $state")
    "$cluster/$1" "${@:2}" "$state" >"$log/up" 2>&1 ||
        skip "no $1 (are the packages there? bash install-packages.sh cluster): $(tail -n 1 "$log/up")"
    settings=$state/env.sh
}

# hosts_up [COUNT]: from here on "${on_hosts[@]}" -np RANKS COMMAND... runs over these hosts in turn, by TCP alone; the
# settings are for that command alone.
hosts_up() {
    bring_up hosts-up -n "${1:-3}"
    mapfile -t on_hosts < <(sed -n 's/^export //p' "$settings")
    on_hosts=(env "${on_hosts[@]}" OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp "${on_hosts[0]#ON=}" h1
        mpirun --map-by node --oversubscribe -x OMP_NUM_THREADS -x OMP_WAIT_POLICY)
}

# cut PATTERN MPIRUN... -- COMMAND...: begins it, and kills rank 1 as soon as a file fits the pattern; its status in
# $status.
cut() {
    local pattern=$1 launch=() started
    shift
    while [ "$1" != -- ]; do
        launch+=("$1")
        shift
    done
    shift
    rm -f "$log"/pid.*
    # shellcheck disable=SC2016 # for the shells of the ranks
    "${launch[@]}" bash -c 'echo $$ >"$0/pid.$OMPI_COMM_WORLD_RANK"; exec "$@"' "$log" "$@" \
        </dev/null >"$log/out" 2>"$log/err" &
    started=$!
    until_there "$pattern"
    kill -KILL "$(cat "$log/pid.1")"
    wait $started
    status=$?
}

# in_slurm: from here on jobs go to the one that is up.
in_slurm() {
    . "$settings"
    unset OMPI_MCA_pml OMPI_MCA_btl # ctest's: shared memory alone
    PATH=${LAMINAR%/*}:$PATH
}

# submit NAME [OPTION of sbatch...] -- SCRIPT ARGUMENT...: a script of slurm/; the job's number in $id, what it says in
# $log/NAME.
submit() {
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    id=$(sbatch --parsable --cpus-per-task=1 --output="$log/$name" ${options[@]+"${options[@]}"} \
        "$LAMINAR_SOURCE/slurm/$1.sbatch" "${@:2}" 2>"$log/sbatch") ||
        fail "$name: submitted" "it was refused" "$log/sbatch"
}

# field JOB NAME: what scontrol says of it.
field() {
    scontrol -o show job "$1" 2>>"$log/scontrol" | sed -n "s/.* $2=\([^ ]*\).*/\1/p"
}

# job_ended JOB [SECONDS]: waits until it is over for good; how in $ended.
job_ended() {
    local tries=$((${2:-120} * 5))
    while ended=$(field "$1" JobState) && [[ $ended =~ ^(PENDING|RUNNING|COMPLETING|REQUEUED)$ ]] &&
        [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.2
    done
}

# ended_as NAME JOB "STATE EXIT:SIGNAL RESTARTS" LOG [SECONDS]: it is over, and so it ended.
ended_as() {
    job_ended "$2" "${5:-120}"
    ended="$ended $(field "$2" ExitCode) $(field "$2" Restarts)"
    if [ "$ended" = "$3" ]; then pass "$1: ended"; else fail "$1: ended" "$ended, not $3" "$4"; fi
}

# until_there PATTERN [COUNT]: waits for so many files that fit it.
until_there() {
    local tries=600
    while [ "$(compgen -G "$1" | wc -l)" -lt "${2:-1}" ] && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
    [ $tries -gt 0 ] || fail "waiting" "for ${2:-1} of $1"
}
