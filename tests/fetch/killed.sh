#!/usr/bin/env bash
# A fetch of 200 files, killed or asked to end at ten points drawn by a seed, ends with the manifest of one that ran through.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
serve
RANDOM=${LAMINAR_SEED:-1}

for ((i = 0; i < 200; i++)); do echo "$main/text/$i.txt?bytes=$((1000 + 397 * i))"; done >list
plain() { # a manifest without what differs from run to run: times, and where the cache lies
    grep -vE '^(  time|cache): ' "$1"
}

LAMINAR_CACHE=$work/through gets "through" text --list list -o through.yaml
forget
for ((kill = 1; kill <= 10; kill++)); do
    before=$(asked .)
    "$LAMINAR" fetch text --list list -o killed.yaml -q &
    process=$!
    more=$((RANDOM % 18 + 1)) # requests until it is killed
    while [ "$(asked .)" -lt $((before + more)) ] && kill -0 $process 2>/dev/null; do sleep 0.002; done
    name=$([ $((kill % 2)) -eq 0 ] && echo KILL || echo TERM)
    check "killed $kill: was running" kill "-$name" $process
    wait $process 2>/dev/null
    status=$?
    same "killed $kill: status after SIG$name" "$([ "$name" = TERM ] && echo 8 || echo 137)" $status
    check "killed $kill: no manifest yet" test ! -e killed.yaml
done
before=$(asked .)
gets "resumed" text --list list -o killed.yaml
same "the same manifest" "$(plain through.yaml)" "$(plain killed.yaml)"
check "all whole" whole killed.yaml
same "what was there is not asked for again, but for what was on its way" 1 "$(($(asked .) <= 210))"
same "nothing is left half" 0 "$(find "$LAMINAR_CACHE/parts" "$LAMINAR_CACHE/objects" -type f \( -path '*/parts/*' -o -name '*.tmp' \) | wc -l)"
