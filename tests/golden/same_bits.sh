#!/usr/bin/env bash
# The same job gives the same values to the last bit for any number of ranks and threads, in both
# modes and for both families; another seed or mode gives others.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1
seconds=120

# sweep NAME RANKSxTHREADS JOB [OPTION...]: its digest in $result, after a look that so many worked.
sweep() {
    rm -f result.nc
    ranks=${2%x*} OMP_NUM_THREADS=${2#*x} expect "$1, $2" "$LAMINAR" sweep "${@:3}" -o result.nc
    same "$1, $2: all took part" "$2" \
        "$(attribute result.nc ranks)x$(attribute result.nc threads_per_rank)"
    result=$(digest result.nc)
}

# same_everywhere NAME "RANKSxTHREADS..." JOB [OPTION...]: the digest in $first.
same_everywhere() {
    local case
    sweep "$1" 1x1 "${@:3}"
    first=$result
    for case in $2; do
        sweep "$1" "$case" "${@:3}"
        same "$1, $case: the same values" "$first" "$result"
    done
}

# Of the demo's job what takes least time, with a ragged last batch.
fast=(--set sequences=7 --set sae.epochs=2 --set sae.latents=200 --set tuning.before=20
    --set spectrum.before=20)
# Up to 12 ranks have layers of their own; from there on some share a layer, from 24 on all do.
everywhere="1x2 2x1 2x2 3x1 3x2 5x1 12x1 13x2 24x1 30x1"
same_everywhere "standard" "$everywhere" "$demo/demo.yaml" "${fast[@]}"
standard=$first
same "standard: every profile is in it" \
    "attention heads rsa sae spectrum/resid_post tuning/mlp_fc tuning/qkv" \
    "$("$LAMINAR" info --json result.nc | sed -n 's/^      "name": "\(.*\)",$/\1/p' | sort | xargs)"
same_everywhere "published" "$everywhere" "$demo/demo.yaml" --set mode=published --set html=auto \
    "${fast[@]}"
differ "the modes differ" "$standard" "$first"
sweep "another seed" 2x1 "$demo/demo.yaml" "${fast[@]}" --set seed=2
differ "seeds differ" "$standard" "$result"

tiny_model model gpt_neox:3x64x4:4096:128
cp "$demo/story.txt" text.txt
tiny_job job.yaml 'html: article'
same_everywhere "gpt_neox" "2x1 4x1 2x2" job.yaml --set length=100 --set sae.epochs=2 \
    --set sae.splice=3
neox=$first
sweep "gpt_neox, another seed" 2x1 job.yaml --set length=100 --set sae.epochs=2 \
    --set sae.splice=3 --set seed=2
differ "gpt_neox, seeds differ" "$neox" "$result"
same_everywhere "gpt_neox, published" "2x1 4x1 7x1" job.yaml --set mode=published \
    --set sae.splice=3
differ "gpt_neox, the modes differ" "$neox" "$first"
# Every kind where ranks share the latents of a layer, and where rows come in buffers.
for kind in relu topk batchtopk jumprelu gated; do
    same_everywhere "gpt_neox, $kind" "2x1 8x1" job.yaml --set length=100 --set sae.epochs=2 \
        --set sae.kind=$kind --set sae.latents=600 --set sae.splice=3 --set sae.resample=1
    same_everywhere "gpt_neox, $kind, in buffers" "7x1" job.yaml --set sequences=16 \
        --set length=128 --set sae.kind=$kind --set sae.latents=600 --set sae.buffer=1016 \
        --set sae.batch=256
done

# The other profiles of the other family.
cat >all.yaml <<'END'
model: model
text: text.txt
sequences: 4
length: 100
attention: {}
heads: {}
rsa: {permutations: 30, bootstraps: 30}
sae: {epochs: 1, latents: 16}
tuning: {sites: [qkv, mlp_fc]}
spectrum: {sites: [k, mlp_fc], before: 20}
END
for mode in standard published; do
    same_everywhere "gpt_neox, all profiles, $mode" "1x2 2x1 2x2 3x1 3x2" all.yaml --set mode=$mode
done
