#!/usr/bin/env bash
# Every place in the program that makes a call which can fail (memory, files, MPI, netCDF, products), one in a
# run: no rank hangs, all say the same in one line or go on without, no half of a result is left, and
# --resume comes to the values of a run that nothing happened to. By default some 40 places, evenly drawn from
# all; LAMINAR_FAULT_PLACES=all takes every one, another number so many.
. "$(dirname "${BASH_SOURCE[0]}")/ranks.bash"

[ -x "${LAMINAR_FAULTS:-}" ] || skip "laminar_faults is not built (LAMINAR_FAULTS)"
tiny_model model
python3 -c 'print("a sentence with some words in it, but not with many of them. " * 200)' >text.txt 2>/dev/null ||
    for ((i = 0; i < 200; i++)); do echo "a sentence with some words in it, but not with many of them. "; done >text.txt
job() {
    cat >"$1.yaml" <<END_OF_JOB
model: model
text: text.txt
sequences: 68
length: 32
output: cut.nc
checkpoint: 0.001s
attention: {}
heads: {}
rsa: {permutations: 10, bootstraps: 10}
sae: {$2, latents: 64, splice: 1}
END_OF_JOB
}
job begun "epochs: 2"
job resumed "epochs: 12, buffer: 1024, batch: 256"

# Of each job: that no call fails, the values, and, of the second one, what is kept when it is ended.
for job in begun resumed; do
    prepare "$LAMINAR" sweep $job.yaml -o "$job.nc"
    mv $job.nc "$log"
done
start 2 "$LAMINAR" sweep resumed.yaml -q
until [ -n "$(find cut.run -name 'seen-sae-5.*' 2>/dev/null | sed -n 2p)" ] || [ ! -d "/proc/$started" ]; do sleep 0.01; done
signal USR1 1
ended
check "something is kept to go on with" test -n "$(find cut.run -name 'seen-sae-5.*')"
mv cut.run "$log/kept.run"

# attempt JOB OPTION...: on two ranks, from the start or from what was kept.
attempt() {
    rm -rf cut.nc cut.run .laminar-*
    whole=$(digest "$log/$1.nc")
    [ "$1" = begun ] || cp -r "$log/kept.run" cut.run
    [ "$1" = begun ] || set -- "$@" --resume
    ranks=2 seconds=60 run "$LAMINAR_FAULTS" sweep "$1.yaml" -q "${@:2}"
}

for job in begun resumed; do
    for rank in 0 1; do
        export LAMINAR_FAULT=$rank:$log/places.$rank
        attempt $job
        same "finding the places of rank $rank, $job: status" "0 0 " "$statuses"
        same "finding the places of rank $rank, $job: the same values" "$whole" "$(digest cut.nc)"
        sed "s/^/$job:$rank:/" "$log/places.$rank" >>"$log/all"
    done
done
# A place that both jobs have is tried in the first.
sort -t: -k2,3 -k1,1 "$log/all" | awk -F: '!tried[$2 ":" $3]++' >"$log/places"
all=$(wc -l <"$log/places")
most=${LAMINAR_FAULT_PLACES:-40}
[ "$most" != all ] || most=$all
echo "$all places, of which $most are tried"

# What the message of a call that failed says, and the status of the run; 0 where the run goes on without.
expected() {
    case $1 in
    malloc | calloc | realloc | strdup | strndup | open_memstream | lam_arena_alloc | lam_product_block | mmap | \
        pthread_create) echo "5" ;;
    MPI_*) echo "7" ;;
    nc_*) echo "1|5" ;; # the file is made in memory
    *) echo "3|4" ;;
    esac
}

# judge NAME: of a run that has ended: why it is not what it should be, or nothing.
judge() {
    local codes lines
    case $statuses in *"mpirun 124 "*) echo "a hang" ;; esac
    codes=$(tr ' ' '\n' <<<"$statuses" | sort -u | grep .)
    lines=$(grep -c '^laminar: error: ' "$log/err")
    if [ "$codes" = 0 ]; then # it went on without
        [ "$(digest cut.nc)" = "$whole" ] || echo "other values"
        return
    fi
    [ ! -e cut.nc ] || [ "$(digest cut.nc)" = "$whole" ] || echo "half a result is left"
    [ -z "$(find . -maxdepth 1 -name '.laminar-*')" ] || echo "a temporary file is left"
    [ "$lines" -eq 1 ] || echo "$lines lines of error"
    # Where MPI itself fails the ranks cannot agree: the first to know ends the others.
    [ "${1#MPI_}" = "$1" ] || codes=$(grep -vx '1[0-9][0-9]' <<<"$codes")
    grep -qxE "$(expected "$1")" <<<"$codes" || echo "status $statuses"
}

missed=0 slowest=0
for ((i = 0; i < most; i++)); do
    IFS=': ' read -r job rank place name < <(sed -n "$((i * all / most + 1))p" "$log/places")
    began=$SECONDS
    LAMINAR_FAULT=$rank:$place attempt "$job"
    [ $((SECONDS - began)) -le "$slowest" ] || slowest=$((SECONDS - began))
    case="$name at $place, rank $rank, $job"
    # What is a matter of time, like how often a rank reports its progress, may not have come.
    grep -q '^fault: ' "$log/err" || missed=$((missed + 1))
    why=$(judge "$name")
    said=$(grep -h '^laminar: ' "$log/err" | head -n 1)
    if [ -z "$why" ]; then pass "$case: ${said:-goes on}"; else fail "$case" "${why//$'\n'/, }" "$log/err"; fi
    if [ ! -e cut.nc ]; then
        seconds=60 run env -u LAMINAR_FAULT "$LAMINAR" sweep "$job.yaml" -q --resume
        same "$case: goes on to the same values" "$whole" "$(digest cut.nc)"
    fi
    case $name in
    opendir | unlink) ;; # it cannot be removed then
    *) check "$case: nothing is left" test ! -e cut.run ;;
    esac
    rm -rf cut.nc cut.run .laminar-*
done
[ "$failed" -ne 0 ] || { cp "$log/begun.nc" cut.nc && whole=$(digest cut.nc); }
row "one call fails (memory, file, MPI, netCDF, product), at each of $most places of $all" "the whole run at most $slowest" cut.nc "$whole"
check "places that were missed: $missed" test $((10 * missed)) -le "$most"
