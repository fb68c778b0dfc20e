#!/usr/bin/env bash
# Weights that are not finite, or of which the activations are not, wherever they lie: all ranks
# end, and where not all of them met it, the line says which did.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

tiny_model good
tiny_model good32 gpt2:6x32x2:4096:64 --dtype F32
cp "$demo/story.txt" text.txt
tiny_job job.yaml
weights=model/model.safetensors
nan='\x00\x7e' infinite='\x00\x7c' minus_infinite='\x00\xfc' # of F16, as they are stored

# refused NAME PATTERN FOLDER TENSOR BYTES
refused() {
    rm -rf model && cp -r "$3" model
    poke $weights "$4" "$5"
    expect_error "$1" 6 "$2" "$LAMINAR" sweep job.yaml
}

first=transformer.wte.weight middle=transformer.h.2.mlp.c_fc.weight
last=transformer.h.5.ln_2.weight
refused "NaN, one rank" \
    "error: tensor $middle in $weights.* 1 value( is)? not finite.*at \[0, 0\]" \
    good $middle "$nan"

export ranks=3
refused "NaN in the embedding" "rank 0 .*tensor $first in $weights.* 1 value( is)? not" \
    good $first "$nan"
refused "infinity in a layer of rank 1" "rank 1 .*tensor $middle in $weights.* 1 value( is)? not" \
    good $middle "$infinite"
refused "NaN in a layer of the last rank" \
    "rank 2 .*tensor $last in $weights.* 2 values( are)? not" \
    good $last "$nan$minus_infinite"
# 3.4e38 as a norm's weight: what follows overflows, in the last rank's last layer alone.
refused "activations that overflow" "rank 2 .*sae, layer 5: .* overflow on this text" \
    good32 $last '\x99\xc9\x7f\x7f'
