#!/usr/bin/env bash
# Autoencoders that are trained on a text chunk by chunk, sae.buffer: what they come to does not
# depend on ranks and threads; one buffer of all rows is the training in memory; what other profiles
# see of the same text stays as it is.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1
seconds=120

tiny_model model gpt2:4x64x2:4096:128
cp "$demo/story.txt" text.txt
cat >job.yaml <<'END'
model: model
text: text.txt
sequences: 60
length: 96
attention: {}
heads: {}
sae: {latents: 300, batch: 400}
END

# streamed NAME RANKSxTHREADS OPTION...: the digest in $result.
streamed() {
    rm -f result.nc
    ranks=${2%x*} OMP_NUM_THREADS=${2#*x} expect "$1, $2" "$LAMINAR" sweep job.yaml \
        -o result.nc "${@:3}"
    result=$(digest result.nc)
}

# --- a small buffer, on any number of ranks and threads: 2 rounds of 6 chunks of 10 sequences
for kind in relu topk batchtopk jumprelu gated; do
    options=(--set sae.buffer=1k --set sae.epochs=2 --set sae.kind=$kind --set sae.splice=12)
    options+=(--set sae.resample=3 --set sae.warmup=0.2 --set sae.decay=0.2)
    streamed "$kind" 1x1 "${options[@]}"
    first=$result
    for case in 1x2 2x1 3x1 5x2; do
        [ $kind = relu ] || [ $case = 2x1 ] || continue
        streamed "$kind" $case "${options[@]}"
        same "$kind, $case: the same values" "$first" "$result"
    done
done
mv result.nc gated.nc

# --- all rows in one buffer: as in memory, for any number of epochs
for kind in relu batchtopk; do
    options=(--set sae.epochs=4 --set sae.kind=$kind --set sae.splice=12 --set sae.resample=2)
    options+=(--set sae.warmup=0.3)
    expect "$kind, in memory" "$LAMINAR" sweep job.yaml -o memory.nc "${options[@]}"
    streamed "$kind, one buffer" 2x1 "${options[@]}" --set sae.buffer=1M
    run "$LAMINAR" compare memory.nc result.nc
    same "$kind, one buffer: only its own variables are new" \
        "sae/buffer: sae/buffer_loss: sae/buffer_mse: sae/buffer_density:" \
        "$(grep -v '^laminar' "$log/out" | cut -d ' ' -f 1 | xargs)"
done

# --- the other profiles
run "$LAMINAR" compare memory.nc gated.nc
same "the other profiles' values stay" sae "$(grep -v '^laminar' "$log/out" | cut -d / -f 1 | sort -u)"

# --- the autoencoders that are left
expect "export" "$LAMINAR" sweep job.yaml -o result.nc --set sae.buffer=1k --set sae.export=one
ranks=3 expect "export, 3 ranks" "$LAMINAR" sweep job.yaml -o result.nc --set sae.buffer=1k \
    --set sae.export=three
check "export: the same files" diff -r one three
same "export: of every layer" "one/layer_0 one/layer_1 one/layer_2 one/layer_3" "$(echo one/*)"

# --- what cannot be
refused() { ranks=2 expect_error "$1" 2 "$2" "$LAMINAR" sweep job.yaml -o r.nc "${@:3}"; }
refused "less than a batch" "sae.buffer is 399 rows, fewer than a batch of 400" \
    --set sae.buffer=399
refused "less than a micro-batch" "sae.buffer is 900 rows, fewer than the 950 that pass" \
    --set sae.buffer=900
refused "published" "sae.buffer: published mode takes all rows in one step" --set mode=published \
    --set sae.batch=auto --set sae.buffer=64k
refused "not a number" "'sae.buffer': 'many' is not a whole number" --set sae.buffer=many
refused "negative" "'sae.buffer': '-1' is not a whole number" --set sae.buffer=-1
