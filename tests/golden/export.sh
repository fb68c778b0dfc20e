#!/usr/bin/env bash
# The autoencoders that sae.export leaves: names, shapes and keys as SAELens wants them, the same
# for any ranks; and what it does not touch.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1

tiny_model gpt
tiny_model neox gpt_neox:3x64x4:4096:128
cp "$demo/story.txt" "$demo/page.html" .
sae=("$LAMINAR" sae --sequences 4 --length 32 --epochs 2 --latents 24 -o x.nc)
story=(--text story.txt)

# tensors FOLDER: "NAME[SHAPE]" of each, sorted.
tensors() {
    header "$1/sae_weights.safetensors" | grep -oE '"[A-Za-z_]+":\{"dtype":"F32","shape":\[[0-9,]*\]' |
        sed -E 's/"([A-Za-z_]+)".*\[(.*)\]/\1[\2]/' | sort | xargs
}
digests() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

for count in 1 2 3; do
    ranks=$count expect "exported by $count ranks" "${sae[@]}" "${story[@]}" --model gpt --export "out$count"
    same "$count ranks: a folder each layer" "layer_0 layer_1 layer_2 layer_3 layer_4 layer_5" \
        "$(find "out$count" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)"
    same "$count ranks: the same files" "$(digests out1)" "$(digests "out$count")"
done
same "tensors" "W_dec[24,32] W_enc[32,24] b_dec[32] b_enc[24]" "$(tensors out1/layer_3)"
for line in '"architecture": "standard"' '"d_in": 32' '"d_sae": 24' '"dtype": "float32"' \
    '"apply_b_dec_to_input": true' '"normalize_activations": "none"' \
    '"reshape_activations": "none"' '"hook_name": "blocks.3.hook_mlp_out"' '"model_name": "gpt"' \
    '"context_size": 32' '"prepend_bos": false' '"laminar_kind": "relu"'; do
    check "cfg.json: $line" grep -qF "$line" out1/layer_3/cfg.json
done
expect "over an export" "${sae[@]}" "${story[@]}" --model gpt --export out1 --seed 2
differ "over an export: another one" "$(digests out1)" "$(digests out2)"
# kind KIND ARCHITECTURE TENSORS [OPTION...]
kind() {
    expect "$1" "${sae[@]}" "${story[@]}" --model gpt --kind "$1" "${@:4}" --export out1
    same "$1: tensors" "$3" "$(tensors out1/layer_3)"
    check "$1: cfg.json" grep -qF "\"architecture\": \"$2\"" out1/layer_3/cfg.json
    check "$1: cfg.json, kind" grep -qF "\"laminar_kind\": \"$1\"" out1/layer_3/cfg.json
}
matrices="W_dec[24,32] W_enc[32,24]"
kind topk topk "$matrices b_dec[32] b_enc[24]" --k 5
check "topk: k" grep -qF '"k": 5' out1/layer_3/cfg.json
kind batchtopk jumprelu "$matrices b_dec[32] b_enc[24] threshold[24]" --k 5
check "batchtopk: no k" bash -c '! grep -qF "\"k\"" out1/layer_3/cfg.json'
kind jumprelu jumprelu "$matrices b_dec[32] b_enc[24] threshold[24]"
kind gated gated "$matrices b_dec[32] b_gate[24] b_mag[24] r_mag[24]"
expect "published" "${sae[@]}" "${story[@]}" --model gpt --mode published --export out1/
same "published: tensors" "W_dec[24,128] W_enc[128,24] b_dec[128] b_enc[24]" \
    "$(tensors out1/layer_0)"
check "published: k is a third" grep -q '"k": 8' out1/layer_0/cfg.json
expect "a site's name" "${sae[@]}" "${story[@]}" --model gpt --site resid_pre --export out1
check "a site's name" grep -q '"blocks.5.hook_resid_pre"' out1/layer_5/cfg.json
expect "a sweep" "${sae[@]}" --model '[gpt, neox]' --text '[story.txt, page.html]' --export swept
same "a sweep: a folder each run" "gpt-page gpt-story neox-page neox-story" "$(cd swept && echo *)"
same "a sweep: the run's layers" "layer_0 layer_1 layer_2" "$(cd swept/neox-page && echo *)"
same "a sweep: as alone" "$(digests out2)" "$(digests swept/gpt-story)"

# --- what is there is not laminar's, or nothing can be there
export ranks=2
refused() { expect_error "$1" 4 "sae.export: $2" "${sae[@]}" "${story[@]}" --model "${4:-gpt}" --export "$3"; }
mkdir mine && echo mine >mine/notes.txt
refused "a folder of other files" "mine/notes.txt is there and is no autoencoder" mine
mkdir theirs && cp -r out2/layer_0 theirs && sed -i /laminar_version/d theirs/layer_0/cfg.json
refused "another program's" "theirs/layer_0 is there and is no autoencoder" theirs
refused "more layers than the model's" "out2/layer_[345] is there, where this model has 3" out2 neox
refused "a folder in none" "missing/out cannot be written: its folder does not exist" missing/out
refused "a file" "page.html cannot be used as a folder" page.html
unprivileged=()
if [ "$(id -u)" -eq 0 ]; then
    unprivileged=(setpriv "--bounding-set=-dac_override,-dac_read_search")
fi
unset ranks
if "${unprivileged[@]}" true 2>/dev/null; then
    mkdir closed && chmod 555 closed
    expect_error "not writable" 4 "sae.export: closed/.* cannot be written: .*not writable" \
        "${unprivileged[@]}" "${sae[@]}" "${story[@]}" --model gpt --export closed
    expect_error "a folder in one not writable" 4 "sae.export: closed/out cannot be written" \
        "${unprivileged[@]}" "${sae[@]}" "${story[@]}" --model gpt --export closed/out
fi
# shellcheck disable=SC2016 # for the shell that is started
run bash -c 'ulimit -f 32; exec "$@"' - "${sae[@]}" "${story[@]}" --model gpt --latents 500 --export full
check "a file too large" grep -q 'error: sae, layer 0: cannot write full/.*: File too large' "$log/err"
same "a file too large: nothing is left" "full" "$(find full)"
