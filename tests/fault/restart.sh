#!/usr/bin/env bash
# Runs that are ended before their end, and go on: the same bits, and nothing done twice.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
seconds=120 # of a run: 14 ranks may have to share two cores

cp -r "$demo/model" "$demo/page.html" "$demo/story.txt" .
cat >job.yaml <<'END'
model: model
text: page.html
sequences: 4
length: 64
attention: {}
heads: {}
rsa: {permutations: 20, bootstraps: 20}
sae: {epochs: 20, latents: 128}
tuning: {text: story.txt}
END
prepare "$LAMINAR" sweep job.yaml -o whole.nc
whole=$(digest whole.nc)
check "nothing is left beside a result" test ! -e whole.run

# run_until COUNT SIGNAL RANKS [OPTION...]: starts the job, sends the signal to one of its ranks once
# so many layers are kept, and waits for its end. Its status is that of mpirun, or of laminar alone.
run_until() {
    local count=$1 signal=$2 ranks=$3 started victim tries=0
    shift 3
    if [ "$ranks" = alone ]; then
        "$LAMINAR" sweep job.yaml -o cut.nc "$@" >"$log/out" 2>"$log/err" &
    else
        mpirun -n "$ranks" "$LAMINAR" sweep job.yaml -o cut.nc "$@" >"$log/out" 2>"$log/err" &
    fi
    started=$!
    while [ "$(find cut.run -name '*-[0-9]*' 2>/dev/null | grep -vc '/\.laminar')" -lt "$count" ] &&
        [ -d "/proc/$started" ] && [ $((tries += 1)) -lt 3000 ]; do
        sleep 0.02
    done
    victim=$started
    [ "$ranks" = alone ] || victim=$(pgrep -P "$started" -x laminar | tail -n 1)
    [ -z "$victim" ] || kill "-$signal" "$victim" 2>/dev/null
    wait "$started"
}

# goes_on NAME RANKS: the cut run goes on, on that many ranks, to the same values.
goes_on() {
    check "$1: something is kept" test -e cut.run/identity
    ranks=$2 expect "$1: goes on" "$LAMINAR" sweep job.yaml -o cut.nc --resume
    same "$1: the same values" "$whole" "$(digest cut.nc)"
    check "$1: nothing is left" test ! -e cut.run
    rm -rf cut.nc cut.run
}

# --- a rank is killed, early and late, and the run goes on with another number of them, which is
# greater than that of the layers in some
for cut in "1 2 3" "14 3 1" "20 2 14" "30 14 2" "38 2 2" "47 1 3"; do
    read -r count before after <<<"$cut"
    run_until "$count" KILL "$before"
    differ "killed after $count layers, on $before ranks: status" 0 "$?"
    goes_on "killed after $count layers, on $before ranks, then $after" "$after"
done

# --- a signal to a program alone
run_until 40 TERM alone
same "SIGTERM: status" 8 "$?"
check "SIGTERM: says how to go on" \
    grep -qx "laminar: ended by SIGTERM; what is done is kept in cut.run: go on with --resume" \
    "$log/err"
check "SIGTERM: no result" test ! -e cut.nc

# --- what is kept: not gone over by accident, not mixed with another run's
expect_error "without --resume" 2 "cut.run is of a run that has not ended" \
    "$LAMINAR" sweep job.yaml -o cut.nc
if command -v flock >/dev/null; then
    exec 9>>cut.run/lock
    flock 9
    expect_error "at work" 2 "cut.run is of a run that is at work: wait for its end" \
        "$LAMINAR" sweep job.yaml -o cut.nc
    ranks=2 expect_error "at work, --resume" 2 "cut.run is of a run that is at work: wait for its end" \
        "$LAMINAR" sweep job.yaml -o cut.nc --resume
    exec 9>&-
else
    echo "left out: two runs in one folder (flock is not there)"
fi
expect_error "another job" 2 "sae.epochs was 20 and is 21" \
    "$LAMINAR" sweep job.yaml -o cut.nc --resume --set sae.epochs=21
expect_error "another seed" 2 "seed was 1 and is 2" \
    "$LAMINAR" sweep job.yaml -o cut.nc --resume --set seed=2
cp page.html kept.html
echo "<p>more</p>" >>page.html
expect_error "another text" 2 "text_sha256 was" "$LAMINAR" sweep job.yaml -o cut.nc --resume
mv kept.html page.html
cp -r model other
truncate -s -2 other/model.safetensors && printf '\x01\x02' >>other/model.safetensors
expect_error "another model" 2 "model_sha256 was" \
    "$LAMINAR" sweep job.yaml -o cut.nc --resume --set model=other
cp cut.run/identity kept
sed -i 's/^laminar: .*/laminar: 0.0.1/' cut.run/identity
expect_error "another version" 2 "laminar was 0.0.1 and is" \
    "$LAMINAR" sweep job.yaml -o cut.nc --resume
cp kept cut.run/identity

# --- damage: torn, changed by a bit, empty, each in the other's place
layers=(cut.run/*-[0-9]*)
truncate -s 100 "${layers[0]}"
printf '\x55' | dd of="${layers[1]}" bs=1 seek=150 conv=notrunc status=none
: >"${layers[2]}"
mv "${layers[3]}" kept && mv "${layers[4]}" "${layers[3]}" && mv kept "${layers[4]}"
run "$LAMINAR" sweep job.yaml -o cut.nc --resume
same "damaged: status" "0 " "$statuses"
same "damaged: five are done again" 5 "$(grep -c 'is damaged: the layer is done again' "$log/err")"
same "damaged: the same values" "$whole" "$(digest cut.nc)"

# --- nothing to go on with; a result that is there
rm -f cut.nc
expect "nothing kept" "$LAMINAR" sweep job.yaml -o cut.nc --resume
same "nothing kept: the same values" "$whole" "$(digest cut.nc)"
touch -d 2001-01-01 cut.nc
expect "there already" "$LAMINAR" sweep job.yaml -o cut.nc --resume
check "there already: not written again" test cut.nc -ot job.yaml
expect "there, but another's" "$LAMINAR" sweep job.yaml -o cut.nc --resume --set sae.epochs=1
differ "there, but another's: new values" "$whole" "$(digest cut.nc)"

# --- a run that would fail again leaves nothing
expect_error "a text that is too short" 3 "fewer than" \
    "$LAMINAR" sweep job.yaml -o short.nc --set sequences=100000
check "a text that is too short: nothing is left" test ! -e short.run
