#!/usr/bin/env bash
# What each command does when all is well, from its help to the job that a result holds.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"

tiny_model model
cp "$demo/story.txt" text.txt
tiny_job job.yaml

# --- help
# helped WORDS COMMAND...: succeeds, says these words, and nothing as an error.
helped() {
    local words=$1 word missing=
    shift
    run "$LAMINAR" "$@"
    for word in $words; do
        grep -qe "$word" "$log/out" || missing="$missing $word"
    done
    if [ "$statuses" = "0 " ] && [ -z "$missing" ] && [ ! -s "$log/err" ]; then
        pass "laminar $*"
    else
        fail "laminar $*" "status $statuses; missing:$missing" "$log/err"
    fi
}
general="--quiet --verbose --help --version"
helped "sweep sae plan info compare tokenize synth exit.status" --help
helped "sweep sae plan info tokenize synth" help
helped "sweep sae info tokenize synth" -h
helped "Usage JOB.yaml --output --set $general model mode seed text html sequences length select" \
    sweep --help
helped "Usage JOB.yaml --output --set" help sweep
helped "Usage --site --kind --latents --epochs --batch --l1 --learning-rate --splice --text --html
    --sequences --length --select --model --mode --seed --output --threads --set
    $general" sae --help
helped "Usage --ranks --nodes --network --scale --json --set $general" plan --help
helped "Usage --json --tensors $general" info --help
helped "Usage --model --html --pieces --output $general" tokenize --help
helped \
    "Usage --dtype --seed --shard --tokenizer $general gpt2-large pythia-2.8b LAYERSxWIDTHxHEADS" \
    synth --help
helped "Usage --rtol $general" compare --help
for command in "" sweep sae plan info compare tokenize synth; do
    # shellcheck disable=SC2086 # none, where it is empty
    helped '^laminar.[0-9]*\.[0-9]*\.[0-9]*$' $command --version
done
expect "help before what else is wrong" "$LAMINAR" sweep --nonsense --help

# --- tokens: the pieces, put together, are the text
prepare "$LAMINAR" tokenize text.txt --model model --pieces -o tokens.npy
"$LAMINAR" tokenize text.txt --model model >pieces
count=$(wc -l <pieces)
printf '%b' "$(sed "s/^[0-9]*\t[0-9]*\t'\(.*\)'$/\1/" pieces | tr -d '\n')" >again.txt
check "the pieces are the text" cmp text.txt again.txt
same "the pieces are counted" "$count" "$("$LAMINAR" info --json tokens.npy |
    sed -n 's/^  "tokens": \([0-9]*\),/\1/p')"
same "the manifest has the text's digest" "$(sha256sum <text.txt | cut -d ' ' -f 1)" \
    "$(sed -n 's/^source_sha256: "\(.*\)"/\1/p' tokens.yaml)"
same "the ids are those of the pieces" "$(cut -f 2 pieces)" \
    "$(tail -c "$((2 * count))" tokens.npy | od -An -v -tu2 -w2 | tr -d ' ')"

expect "a sweep of the text" "$LAMINAR" sweep job.yaml
whole=$(digest result.nc)
expect "a sweep of its tokens" "$LAMINAR" sweep job.yaml --set text=tokens.npy -o tokens.nc
same "the same values" "$whole" "$(digest tokens.nc)"
expect "a sweep without a job file" "$LAMINAR" sae --model model --text text.txt --sequences 4 \
    --length 32 --epochs 1 --latents 16 -o sae.nc
same "the same values" "$whole" "$(digest sae.nc)"
expect "compare: equal" "$LAMINAR" compare result.nc sae.nc
expect "more threads than cores" "$LAMINAR" sweep job.yaml -o crowded.nc \
    --set threads=$(($(getconf _NPROCESSORS_ONLN) + 1))
check "it says so" grep -q "threads on .* get in each other's way" "$log/err"
expect "another seed" "$LAMINAR" sweep job.yaml --set seed=2 -o seed.nc
run "$LAMINAR" compare result.nc seed.nc
same "compare: status" "9 " "$statuses"
check "compare: the place" grep -q "^sae/mse: 6 of 6 values differ, the first at layer 0: " \
    "$log/out"
expect "compare: within a tolerance" "$LAMINAR" compare result.nc seed.nc --rtol 1
expect "quiet" "$LAMINAR" sweep -q job.yaml
check "quiet: not a word" test ! -s "$log/err" -a ! -s "$log/out"
expect "a profile's own text" "$LAMINAR" sweep job.yaml --set text=missing.txt \
    --set sae.text=text.txt
same "the same values" "$whole" "$(digest result.nc)"

# --- info
# balanced: what is read is one JSON value, as far as its brackets and texts go.
balanced() {
    awk '{ gsub(/\\./, ""); gsub(/"[^"]*"/, ""); all = all $0 }
        END { while (gsub(/\{[^][{}]*\}|\[[^][{}]*\]/, "", all)) n++; exit !(n && all ~ /^ *$/) }'
}
valid_json() {
    if python3 -c '' 2>/dev/null; then python3 -m json.tool >/dev/null; else balanced; fi
}
# shown WHAT PATTERN: as a text with these words, and as JSON.
shown() {
    run "$LAMINAR" info "$1"
    check "info $1" grep -Eq "$2" "$log/out"
    run "$LAMINAR" info --json "$1"
    same "info --json $1: status" "0 " "$statuses"
    check "info --json $1: JSON" valid_json <"$log/out"
    check "info --json $1: brackets" balanced <"$log/out"
}
check "cut JSON is found out" bash -c "$(declare -f balanced); ! head -n 20 | balanced" \
    < <("$LAMINAR" info --json result.nc 2>/dev/null)
shown model '^parameters +209408'
shown tokens.npy "^tokens +$count"
shown result.nc 'profile_sha256, verified'
run "$LAMINAR" info --tensors model
check "info --tensors" grep -Eq 'transformer.h.5.mlp.c_fc.weight +F16 +32 x 128' "$log/out"
if command -v ncdump >/dev/null; then
    ncdump -h result.nc >dump
    for words in 'layer = 6' 'group: sae' 'double density.layer' ':Conventions = "CF-' \
        ':profile_sha256 = "[0-9a-f]*"' ':laminar_version' ':job = "model' \
        'sae:site\|:site = "mlp_out"'; do
        check "ncdump: $words" grep -q "$words" dump
    done
    same "ncdump: the digest" "$whole" "$(sed -n 's/.*:profile_sha256 = "\(.*\)".*/\1/p' dump)"
else
    echo "left out: ncdump, which is not on the PATH"
fi

# --- two models, paths, the job within the result
tiny_model second gpt2:2x32x2:4096:64
expect "two models" "$LAMINAR" sweep job.yaml --set 'model=[model, second/]' -o both.nc
same "two models: the first" "$whole" "$(digest both-model.nc)"
check "two models: the second" "$LAMINAR" info both-second.nc
check "two models: nothing else" test ! -e both.nc

mkdir elsewhere && cd elsewhere || exit 1
rm -f ../result.nc
expect "from another folder" "$LAMINAR" sweep ../job.yaml
same "from another folder: beside the job" "$whole" "$(digest ../result.nc)"
expect "from another folder, -o" "$LAMINAR" sweep ../job.yaml -o here.nc
same "from another folder, -o: beside the caller" "$whole" "$(digest here.nc)"
expect "from another folder, --set" "$LAMINAR" sweep ../job.yaml --set model=../second -o here.nc
cd ..
expect "by its whole path" "$LAMINAR" sweep "$PWD/job.yaml" --set output="$PWD/a folder's.nc"
same "by its whole path: the same values" "$whole" "$(digest "a folder's.nc")"

cp "$demo/page.html" .
for mode in standard published; do
    rm -f result.nc again.nc
    expect "$mode" "$LAMINAR" sweep job.yaml --set mode=$mode --set text=page.html
    printf '%b' "$(attribute result.nc job)" >again.yaml
    expect "$mode: the job of the result" "$LAMINAR" sweep again.yaml -o again.nc
    same "$mode: the same values" "$(digest result.nc)" "$(digest again.nc)"
    same "$mode: the same job" "$(sed '/^output: /d' again.yaml)" \
        "$(printf '%b' "$(attribute again.nc job)" | sed '/^output: /d')"
done
