#!/usr/bin/env bash
# SIGTERM, SIGINT and SIGUSR1: every command ends in good order, a run on all ranks though one was told.
. "$(dirname "${BASH_SOURCE[0]}")/ranks.bash"

demo_job "sequences: 4" "length: 64" "attention: {}" "heads: {}" "sae: {epochs: 60, latents: 256}"
prepare "$LAMINAR" sweep job.yaml -o whole.nc
whole=$(digest whole.nc)

# --- a signal to one rank of several
for case in "TERM 1 2 14" "INT 0 3 26" "USR1 2 3 30"; do
    read -r name rank count layers <<<"$case"
    start "$count" "$LAMINAR" sweep job.yaml -o cut.nc -q
    kept "$layers"
    signal "$name" "$rank"
    ended
    name="SIG$name to rank $rank of $count"
    same "$name: status of all" "$(for ((i = 0; i < count; i++)); do echo -n '8 '; done)" "$statuses"
    same "$name: says how to go on, in one line" \
        "laminar: ended by ${name%% *}; what is done is kept in cut.run: go on with --resume" \
        "$(grep laminar: "$log/err")"
    within 30 "$name"
    check "$name: no result" test ! -e cut.nc
    resumes "$name" $((4 - count)) "$whole"
done

# --- before anything is finished; what was there stays for --resume
start 2 "$LAMINAR" sweep job.yaml -o cut.nc -q --set sae.epochs=100000
while [ ! -e "$log/pid.1" ]; do sleep 0.02; done
sleep 0.5
signal TERM 1
ended
same "early: status" "8 8 " "$statuses"
same "early: one line" 1 "$(grep -c '^laminar: ended by SIGTERM' "$log/err")"
rm -rf cut.run

# --- mpirun passes SIGUSR1 on to all
mpirun -n 2 "$LAMINAR" sweep job.yaml -o cut.nc -q >"$log/out" 2>"$log/err" &
started=$!
kept 14
kill -USR1 "$started"
seconds_taken=$SECONDS
wait "$started"
same "SIGUSR1 to mpirun: status" 8 $?
seconds_taken=$((SECONDS - seconds_taken))
resumes "SIGUSR1 to mpirun" 2 "$whole"

# --- in the midst of a calculation that takes longer than anybody may wait
if [ -x "${LAMINAR_FAULTS:-}" ]; then
    printf '%s\n' "model: model" "text: page.html" "sequences: 4" "length: 64" "heads: {}" \
        "spectrum: {sites: [mlp_out], separation: no}" >job.yaml
    prepare "$LAMINAR" sweep job.yaml -o whole.nc
    export LAMINAR_FAULT_SLOW=60
    "$LAMINAR_FAULTS" sweep job.yaml -o alone.nc -q 2>"$log/alone" &
    alone=$!
    start 2 "$LAMINAR_FAULTS" sweep job.yaml -o cut.nc -q
    kept 12
    until [ -e alone.run/heads-11 ]; do sleep 0.02; done
    sleep 0.5
    kill -TERM $alone
    signal TERM 1
    ended
    unset LAMINAR_FAULT_SLOW
    name="SIGTERM to rank 1 of 2 at a calculation of a minute"
    same "$name: status of all" "8 8 " "$statuses"
    said="laminar: ended by SIGTERM in the midst of a long calculation; with --resume the run goes on from what was kept before"
    same "$name: one line" "$said" "$(grep '^laminar' "$log/err")"
    within 30 "$name"
    check "$name: what was finished is kept" test -e cut.run/heads-11
    resumes "$name" 1 "$(digest whole.nc)"
    wait $alone
    same "SIGTERM to a rank alone at a calculation of a minute: status" 8 $?
    same "SIGTERM to a rank alone at a calculation of a minute: one line" "$said" "$(cat "$log/alone")"
else
    echo "left out: a signal at a long calculation (laminar_faults is not built: LAMINAR_FAULTS)"
fi

# --- a second signal does not wait; one that follows at once is the same request
"$LAMINAR" synth gpt2:24x1024x16 big --dtype F32 -q & # writes 1.4 GB at most
first=$!
while [ -z "$(find big -type f -size +1M 2>/dev/null)" ]; do sleep 0.01; done
kill -STOP $first
kill -TERM $first
kill -TERM $first
kill -CONT $first
wait $first
same "synth: status" 8 "$?"
check "synth: nothing is left" test ! -e big

# --- tokenize
python3 -c 'print("a sentence with some words in it. " * 400000)' >long.txt 2>/dev/null ||
    for ((i = 0; i < 40000; i++)); do echo "a sentence with some words in it. And one more, and another one."; done >long.txt
# told COMMAND...: laminar gets SIGTERM as soon as it takes signals (or there is the file $await); it says so, ends with
# status 8 and leaves nothing.
told() {
    local before first status tries=0
    before=$(listing)
    "$LAMINAR" "$@" >"$log/out" 2>"$log/err" &
    first=$!
    while [ "/proc/$first/exe" -ef "$BASH" ]; do sleep 0.01; done
    until { (((0x$(sed -n 's/^SigBlk:\t//p' "/proc/$first/status") >> 14) & 1)) && [ -e "${await:-/}" ]; } ||
        [ $((tries += 1)) -gt 3000 ]; do
        sleep 0.01
    done
    kill -TERM $first
    wait $first
    status=$?
    same "$1: status" 8 "$status"
    same "$1: says why" "laminar: ended by SIGTERM" "$(cat "$log/err")"
    same "$1: nothing is left" "$before" "$(listing)"
}
told tokenize long.txt --model model -o long.npy -q

# --- plan; doctor; report, of many results; plot, while gnuplot draws
told plan job.yaml
told doctor
mapfile -t results < <(for ((i = 0; i < 64; i++)); do echo whole.nc; done)
told report "${results[@]}" -o whole.html
mkdir "$work/bin" figures
printf '#!/bin/sh\n: >"%s"\nexec sleep 60\n' "$log/drawing" >"$work/bin/gnuplot"
chmod +x "$work/bin/gnuplot"
began=$SECONDS
await=$log/drawing PATH=$work/bin:$PATH told plot whole.nc -o figures
check "plot: gnuplot is not waited for" test $((SECONDS - began)) -lt 30
