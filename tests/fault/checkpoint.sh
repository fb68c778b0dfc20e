#!/usr/bin/env bash
# Autoencoders whose training is ended, and goes on from where it was kept last: the same bits.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

cp -r "$demo/model" "$demo/page.html" .
cat >job.yaml <<'END'
model: model
text: page.html
sequences: 4
length: 64
sae: {epochs: 30, latents: 300}
END
sweep=("$LAMINAR" sweep job.yaml)

# start RANKS [OPTION...]: begins the cut run, with its state kept as often as it can be, and waits
# until a state is there.
start() {
    local ranks=$1 tries=0
    shift
    mpirun -n "$ranks" "${sweep[@]}" -o cut.nc --checkpoint 0.01s "$@" >"$log/out" 2>"$log/err" &
    started=$!
    until compgen -G 'cut.run/sae-*.*' >/dev/null || [ ! -d "/proc/$started" ] ||
        [ $((tries += 1)) -ge 1500 ]; do
        sleep 0.02
    done
}

# cut SIGNAL RANKS [OPTION...]: the same, then sends the signal to one rank, and waits for the end.
cut() {
    local signal=$1 victim
    shift
    start "$@"
    victim=$(pgrep -P "$started" -x laminar | tail -n 1)
    [ -z "$victim" ] || kill "-$signal" "$victim" 2>/dev/null
    wait "$started"
}

# goes_on NAME WHOLE RANKS [OPTION...]: the cut run goes on within a layer, to the same values.
goes_on() {
    local name=$1 whole=$2 count=$3
    shift 3
    ranks=$count expect "$name: goes on" "${sweep[@]}" -o cut.nc --resume "$@"
    check "$name: within a layer" grep -Eq '^laminar: sae, layer [0-9]+ goes on at epoch' "$log/err"
    same "$name: the same values" "$whole" "$(digest cut.nc)"
    check "$name: nothing is left" test ! -e cut.run
    rm -rf cut.nc cut.run
}

# --- every kind of training, killed, goes on with other ranks and threads
for what in "2 1 kind=relu" "1 3 kind=topk k=20 dead_after=120" "3 2 kind=batchtopk k=20" \
    "1 2 kind=jumprelu" "2 3 kind=gated" "2 3 published"; do
    read -r before after sets <<<"$what"
    if [ "$sets" = published ]; then
        with=(--set mode=published)
    else
        with=(--set sae.batch=60 --set sae.resample=25)
        for set in $sets; do with+=(--set "sae.$set"); done
    fi
    prepare "${sweep[@]}" -o whole.nc "${with[@]}"
    cut KILL "$before" "${with[@]}"
    differ "$sets, killed on $before ranks: status" 0 "$?"
    OMP_NUM_THREADS=2 goes_on "$sets, then on $after" "$(digest whole.nc)" "$after" "${with[@]}"
done

# --- no room for a state: the run goes on without, and ends well
mkdir full
# shellcheck disable=SC2016
mounted=(unshare --user --map-root-user --mount bash -c '
    mount -t tmpfs -o size=600k tmpfs full && "$@" && cp full/x.nc .' -)
if "${mounted[@]}" touch full/x.nc 2>/dev/null; then
    expect "a full disk: ends well" "${mounted[@]}" "${sweep[@]}" -o full/x.nc --checkpoint 0.01s
    same "a full disk: says so once" 1 "$(grep -c 'the disk is full .* keeps no more states' \
        "$log/err")"
    prepare "${sweep[@]}" -o whole.nc
    same "a full disk: the same values" "$(digest whole.nc)" "$(digest x.nc)"
    row "no room for a state on the disk, which is said" "goes on" x.nc "$(digest whole.nc)"
else
    echo "left out: a full disk, which this system lets nobody mount"
fi
