#!/usr/bin/env bash
# Runs that are ended while sequences pass the model, streaming or not, and go on behind those that have: on
# any number of ranks, with the same bits, whatever has happened to what was kept last.
. "$(dirname "${BASH_SOURCE[0]}")/ranks.bash"
RANDOM=${LAMINAR_SEED:-1}

tiny_model model
cp "$demo/story.txt" .
cat story.txt story.txt >long.txt
cat >streaming.yaml <<'END'
model: model
text: story.txt
sequences: 0
length: 32
select: first
checkpoint: 0.001s
attention: {}
heads: {}
sae: {buffer: 992, batch: 200, epochs: 5, latents: 300, kind: topk, k: 20, resample: 7, splice: 4}
END
cat >passing.yaml <<'END'
model: model
text: long.txt
sequences: 0
length: 32
select: first
checkpoint: 0.001s
attention: {}
heads: {}
spectrum: {sites: [mlp_out], separation: no}
tuning: {sites: [qkv, mlp_fc], before: 40, after: 4}
rsa: {permutations: 5, bootstraps: 5}
sae: {epochs: 2, latents: 100}
END

# positions: those of layer 3 that are kept, lowest first.
positions() {
    find cut.run -name "seen-$1-3.*.0" 2>/dev/null | cut -d. -f3 | sort -n | tr '\n' ' '
}

# Whole ones, of any layer of any rank.
kept_files() {
    find cut.run -name '*-[0-9]*' ! -name '.*' 2>/dev/null | sort
}

# launch RANKS JOB [OPTION...]: the run, begun or gone on with, in the background.
launch() {
    local count=$1 job=$2 resume=()
    [ ! -e cut.run ] || resume=(--resume)
    start "$count" "$LAMINAR" sweep "$job.yaml" -o cut.nc "${resume[@]}" "${@:3}"
}

# kill_later: a random rank of the run, some time after more was kept than there had been; $kills counts
# those that came before its end.
kill_later() {
    local before tries=0 victims began
    before=$(kept_files)
    # Other layers and profiles may be kept sooner than what is looked at afterwards.
    while { [ "$(kept_files)" = "$before" ] || [ -z "$(positions attention)" ]; } &&
        [ -d "/proc/$started" ] && [ $((tries += 1)) -lt 3000 ]; do
        sleep 0.02
    done
    sleep "0.$((RANDOM % 3))"
    victims=("$log"/pid.*)
    began=$(date +%s%N)
    kill -KILL "$(cat "${victims[RANDOM % ${#victims[@]}]}")" 2>/dev/null
    wait "$started"
    seconds_taken="$seconds_taken $(since "$began")"
    [ -e cut.nc ] || kills=$((kills + 1))
}

# finishes NAME JOB RANKS DIGEST
finishes() {
    ranks=$3 seconds=120 expect "$1: goes on, to the end" "$LAMINAR" sweep "$2.yaml" -o cut.nc --resume
    same "$1: the same values" "$4" "$(digest cut.nc)"
    check "$1: nothing is left" test ! -e cut.run
}

# --- killed again and again, each time on another number of ranks
for job in "streaming 14 1 3" "passing 2 14 1"; do
    read -r job counts <<<"$job"
    kills=0 seconds_taken=
    prepare "$LAMINAR" sweep "$job.yaml" -o "$job.nc" --set checkpoint=never
    whole=$(digest "$job.nc")
    for count in $counts; do
        launch "$count" "$job"
        kill_later
        if [ -e cut.nc ]; then break; fi
        check "$job, killed on $count: what has passed is kept" test -n "$(kept_files)"
    done
    check "$job: killed before its end" test "$kills" -gt 0
    [ ! -e cut.nc ] || { same "$job: the same values" "$whole" "$(digest cut.nc)" && rm cut.nc; }
    taken=$(tr ' ' '\n' <<<"$seconds_taken" | sort -g | tail -n 1)
    finishes "$job, killed on $counts ranks, then on 1" "$job" 1 "$whole"
    row "a rank killed while sequences pass ($job), on $counts ranks in turn, then on 1" "at most $taken" cut.nc "$whole"
    rm -rf cut.nc cut.run
done

# --- a generation that is torn, changed, or not whole: the one before is taken; without any, all anew
prepare "$LAMINAR" sweep streaming.yaml -o whole.nc --set checkpoint=never
whole=$(digest whole.nc)
launch 2 streaming
until [ "$(positions sae | wc -w)" -eq 2 ] || [ ! -d "/proc/$started" ]; do sleep 0.02; done
signal USR1 1 # which leaves whole ones
ended
cp -r cut.run kept.run
latest=$(positions sae | cut -d' ' -f2) before=$(positions sae | cut -d' ' -f1)
for damage in "truncate -s 200" "rm" "flip" "all"; do
    rm -rf cut.run && cp -r kept.run cut.run
    case $damage in
    truncate*) what_is="a file of what was kept last is cut short: what was kept before is taken" ;;
    rm) what_is="one is missing: likewise" ;;
    flip) what_is="one has a changed byte: likewise" ;;
    all) what_is="all of one layer are damaged: from the start" ;;
    esac
    case $damage in
    flip) printf '\x55' | dd of="cut.run/seen-heads-5.$latest.0" bs=1 seek=300 conv=notrunc status=none ;;
    all) for file in cut.run/seen-*-2.*; do echo >>"$file"; done ;;
    *) $damage "cut.run/seen-sae-0.$latest.0" ;;
    esac
    ranks=3 seconds=120 expect "damage ($damage): goes on" "$LAMINAR" sweep streaming.yaml -o cut.nc --resume
    if [ "$damage" = all ]; then
        check "damage ($damage): from the start" test "$(grep -c 'goes on behind' "$log/err")" -eq 0
    else
        check "damage ($damage): the generation before" \
            grep -q "^laminar: the forward pass of .* goes on behind sequence $before of" "$log/err"
    fi
    [ "$damage" = rm ] || check "damage ($damage): says so" grep -q "is damaged: it is left out" "$log/err"
    same "damage ($damage): the same values" "$whole" "$(digest cut.nc)"
    row "$what_is" "seen by --resume" cut.nc "$whole"
    rm -rf cut.nc cut.run
done

# --- a signal leaves what has passed, though no state was due
for wait in 0.2 0.4 0.8 1.6 3.2 6.4; do # from its beginning, for it to come in the midst
    rm -rf cut.run cut.nc
    launch 3 streaming --checkpoint 1h
    until [ -e cut.run/identity ] || [ ! -d "/proc/$started" ]; do sleep 0.02; done
    sleep $wait
    signal USR1 1
    ended
    [ -z "$(positions sae)" ] || break
done
same "SIGUSR1: status of all" "8 8 8 " "$statuses"
within 30 "SIGUSR1"
taken=$seconds_taken
check "SIGUSR1: what has passed is kept" test -n "$(positions sae)"
at=$(positions sae)
ranks=14 seconds=120 expect "SIGUSR1: goes on" "$LAMINAR" sweep streaming.yaml -o cut.nc --resume
check "SIGUSR1: from there" grep -q "goes on behind sequence ${at% } of" "$log/err"
same "SIGUSR1: the same values" "$whole" "$(digest cut.nc)"
row "SIGUSR1 to rank 1 of 3 while sequences pass, then gone on with on 14" "$taken" cut.nc "$whole"
