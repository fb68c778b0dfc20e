#!/usr/bin/env bash
# The demo's six profiles, standard and published, on 1, 2, 3, 5, 12, 13, 24 and 30 ranks of 1 and 2 threads, over shared
# memory, over TCP between three hosts, and in a Slurm of two nodes; each run through, and killed at a random moment and
# gone on with on the next number of ranks: all have the same profile_sha256. Prints one line a place and mode, with how
# many runs it took.
#   LAMINAR=... LAMINAR_SOURCE=... LAMINAR_SHARED=... bash tests/cluster/same_bits.sh [here|tcp|slurm...]
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/cluster.bash"
need_mpirun
RANDOM=${LAMINAR_SEED:-1}
places=("$@")
[ $# -gt 0 ] || places=(here tcp slurm)
seconds=300
counts=(1 2 3 5 12 13 24 30)

cp -r "$demo/model" "$demo/page.html" "$demo/story.txt" "$demo/demo.yaml" .
fast=(--set sequences=7 --set sae.epochs=2 --set sae.latents=200 --set tuning.before=20 --set spectrum.before=20)
standard=("${fast[@]}")
published=("${fast[@]}" --set mode=published --set html=auto)

# launcher PLACE RANKS THREADS: what starts so many ranks there, in ${launcher[@]}.
launcher() {
    case $1 in
    here) launcher=(mpirun -n "$2") ;;
    tcp) launcher=("${on_hosts[@]}" -np "$2") ;;
    slurm) launcher=(srun --quiet --mpi=pmix -K1 --overcommit -N $(($2 > 1 ? 2 : 1)) -n "$2") ;;
    esac
}

# begin PLACE RANKS THREADS OPTION...: the run, in the background.
begin() {
    launcher "$1" "$2"
    rm -f "$log"/pid.*
    # shellcheck disable=SC2016 # for the shells of the ranks
    OMP_NUM_THREADS=$3 timeout -k 5 $seconds "${launcher[@]}" \
        bash -c 'echo $$ >"$0/pid.${OMPI_COMM_WORLD_RANK:-$SLURM_PROCID}"; exec "$@"' "$log" \
        "$LAMINAR" sweep demo.yaml "${@:4}" </dev/null >"$log/out" 2>"$log/err" &
    started=$!
}

# kill_one RANKS: a random rank, once a random kind of file is kept; $kills counts those that came before the end.
kill_one() {
    local kinds=(seen-attention seen-sae seen-tuning attention heads rsa sae tuning spectrum) kind victim
    kind=${kinds[RANDOM % ${#kinds[@]}]} victim=$((RANDOM % $1))
    until compgen -G "cut.run/$kind-*" >/dev/null || [ ! -d "/proc/$started" ]; do sleep 0.02; done
    kill -KILL "$(cat "$log/pid.$victim")" 2>/dev/null
    wait "$started"
    [ -e cut.nc ] || kills=$((kills + 1))
}

# all_counts PLACE MODE
all_counts() {
    local -n options=$2
    local i threads runs=0 kills=0 wrong=0 next
    for threads in 1 2; do
        for ((i = 0; i < ${#counts[@]}; i++)); do
            begin "$1" "${counts[i]}" $threads "${options[@]}" -o through.nc
            wait "$started"
            same "$1, $2, ${counts[i]}x$threads" "$whole" "$(digest through.nc)"
            same "$1, $2, ${counts[i]}x$threads: all took part" "${counts[i]}x$threads" \
                "$(attribute through.nc ranks)x$(attribute through.nc threads_per_rank)"
            next=${counts[(i + 1) % ${#counts[@]}]}
            begin "$1" "${counts[i]}" $threads "${options[@]}" -o cut.nc --checkpoint 0.001s
            kill_one "${counts[i]}"
            begin "$1" "$next" $((3 - threads)) "${options[@]}" -o cut.nc --resume
            wait "$started"
            same "$1, $2, ${counts[i]}x$threads killed, then ${next}x$((3 - threads))" "$whole" "$(digest cut.nc)"
            check "nothing is left" test ! -e cut.run
            [ "$whole" = "$(digest through.nc)" ] && [ "$whole" = "$(digest cut.nc)" ] || wrong=$((wrong + 1))
            runs=$((runs + 2))
            rm -rf through.nc cut.nc cut.run
        done
    done
    check "$1, $2: killed before the end" test $((4 * kills)) -ge $runs
    summary+="$1, $2: $runs runs, $kills of them killed and gone on with; $wrong came to other values"$'\n'
}

summary=
declare -A whole_of
for mode in standard published; do
    declare -n chosen=$mode
    OMP_NUM_THREADS=1 prepare "$LAMINAR" sweep demo.yaml "${chosen[@]}" -o whole.nc
    whole_of[$mode]=$(digest whole.nc)
    rm whole.nc
done
for place in "${places[@]}"; do
    case $place in
    tcp) hosts_up 3 ;;
    slurm)
        bring_up slurm-up -n 2 -c 32
        in_slurm
        ;;
    esac
    for mode in standard published; do
        whole=${whole_of[$mode]}
        all_counts "$place" $mode
    done
done
printf '%s' "$summary"
