#!/usr/bin/env bash
# The jobs in jobs/: the lines of their comments fetch what they name, from servers that play the real ones, and they
# run as they are, on stand-ins for the models and with less of everything.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
need_mpirun
models=$work/models
mkdir "$models"
tiny_model "$models/gpt2" gpt2:2x32x2:4096:64
tiny_model "$models/gpt2-large" gpt2:3x32x4:4096:64
tiny_model "$models/pythia-2.8b" gpt_neox:2x64x4:4096:128
serve "$models"
cp "$LAMINAR_SOURCE"/jobs/*.yaml "$LAMINAR_SOURCE"/jobs/*.txt .
laminar() { "$LAMINAR" "$@" --backoff 0.01; }

# fetch_lines JOB: the commands of its comments, Gutenberg played by the test's server.
fetch_lines() { sed -n 's/^#     \(laminar fetch .*\)/\1/p' "$1" | sed "s|https://www.gutenberg.org|$main|"; }
# less JOB: --set for keys that a job of its sections takes.
less() {
    local sets=(sequences=3)
    ! grep -q '^sae:' "$1" || sets+=(sae.epochs=2 sae.latents=16)
    ! grep -q '^tuning:' "$1" || sets+=(tuning.before=20)
    ! grep -q '^rsa:' "$1" || sets+=(rsa.permutations=20 rsa.bootstraps=20)
    printf ' --set %s' "${sets[@]}"
}

for job in *.yaml; do
    count=$(fetch_lines "$job" | wc -l)
    check "$job: says what to fetch" test "$count" -gt 0
    model=$(grep -o '[^ ]*@[0-9a-f]\{40\}' "$job" | head -n 1)
    # shellcheck disable=SC2046
    LAMINAR_CACHE=$work/empty expect_error "$job: before it is fetched" 4 \
        "$model is not in the cache $work/empty: .*'laminar fetch model ${model%@*} --revision ${model#*@}'" \
        "$LAMINAR" sweep "$job" -o none.nc
    while read -r line; do
        eval "$line" </dev/null >"$log/out" 2>"$log/err" || fail "$job: $line" "failed" "$log/err"
    done < <(fetch_lines "$job")
    forget
    output=$(sed -n 's/^output: //p' "$job")
    # shellcheck disable=SC2046
    ranks=2 seconds=120 expect "$job: runs" "$LAMINAR" sweep "$job" $(less "$job")
    check "$job: its result" "$LAMINAR" info "$(find . -name "${output%.nc}*.nc" | head -n 1)"
    same "$job: asked nothing of the network" 0 "$(asked .)"
    check "$job: says so on its last line" grep -Eq "^#     mpirun -n [0-9]+ laminar sweep $job$" "$job"
done
same "standard.yaml: a result a model" "standard-gpt2-large.nc standard-gpt2.nc standard-pythia-2.8b.nc" \
    "$(printf '%s\n' standard-*.nc | xargs)"
same "pages.yaml: a result a collection" "pages-history.corpus.nc pages-science.corpus.nc" "$(printf '%s\n' pages-*.nc | xargs)"
same "the model's name is the pinned one" "$(sed -n 's/^model: //p' heads-fiji.yaml)" "$(attribute heads-fiji.nc model)"
same "the published passage" "$(sha256sum <fiji.txt)" "$(sha256sum <"${LAMINAR_SHARED:-/}/data/course/passage.txt" 2>/dev/null ||
    sha256sum <fiji.txt)"

# A pinned name wherever a model's folder may stand.
pinned=$(sed -n 's/^model: //p' heads-fiji.yaml)
expect "info of a pinned name" "$LAMINAR" info "$pinned"
expect "tokenize by a pinned name" "$LAMINAR" tokenize fiji.txt --model "$pinned" -o fiji.npy
expect "a profile of a pinned name" "$LAMINAR" heads --model "$pinned" --text fiji.npy --mode published -o fiji.nc
same "a profile of a pinned name: the same values" "$(digest heads-fiji.nc)" "$(digest fiji.nc)"
expect_error "a name that is half pinned" 4 "No such file or directory; a pinned name, NAME@COMMIT, has all 40 digits" \
    "$LAMINAR" heads --model "${pinned::-1}" --text fiji.txt -o none.nc
rm "$LAMINAR_CACHE/models/${pinned%@*}/${pinned#*@}/config.json"
expect_error "a pinned model that is not whole" 4 "is not in the cache" "$LAMINAR" heads --model "$pinned" --text fiji.txt -o none.nc
