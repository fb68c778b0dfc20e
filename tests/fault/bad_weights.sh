#!/usr/bin/env bash
# Damaged weights, on three ranks that hold two layers each.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

export ranks=3
tiny_model good
cp "$demo/story.txt" text.txt
tiny_job job.yaml
weights=model/model.safetensors

# refused NAME STATUS PATTERN [COMMAND...]: the sweep ends so when the command has been applied to
# a good model; it is made whole again after.
refused() {
    rm -rf model && cp -r good model
    "${@:4}"
    expect_error "$1" "$2" "$3" "$LAMINAR" sweep job.yaml
}

cut() { # FILE BYTES
    head -c "$2" "$1" >"$1.new" && mv "$1.new" "$1"
}

expect "the good model runs" "$LAMINAR" sweep job.yaml --set model=good
rm -f result.nc

# --- the file as a whole
refused "no bytes" 3 "$weights has 0 bytes, too few" cut $weights 0
refused "seven bytes" 3 "$weights has 7 bytes, too few" cut $weights 7
refused "truncated in the header" 3 "$weights is cut short within its header" cut $weights 300
refused "truncated in the data" 3 "$weights: tensor .* the data, .* cut short" cut $weights 400000
refused "truncated by one byte" 3 "$weights: tensor .* cut short" cut $weights 425991
lengthen() { printf x >>"$1"; }
refused "one byte more" 3 "$weights: 1 bytes at its end belong to no tensor" lengthen $weights
garbage() { seq 1 50000 >"$1"; }
refused "something else" 3 "$weights claims a header of .* no safetensors" garbage $weights
replace_by_folder() { rm "$1" && mkdir "$1"; }
refused "a folder" 4 "$weights is not a regular file" replace_by_folder $weights
remove() { rm -r "$@"; }
refused "no weights" 3 "model has neither model.safetensors nor .*index.json" remove $weights
pickled() { mv "$1" model/pytorch_model.bin; }
refused "weights in a form that can run code" 3 "model has pytorch_model.bin .* not read" \
    pickled $weights
refused "no folder" 4 "the model's folder model: No such file" remove model
replace_by_file() { rm -r "$1" && touch "$1"; }
refused "a file for the folder" 3 "model is not a folder" replace_by_file model

# --- the header
refused "header larger than the file" 3 "$weights is cut short within its header" \
    set_length $weights 425985
refused "header of more than 100 MB" 3 "$weights claims a header of 100000001 bytes" \
    set_length $weights 100000001
large() { set_length "$1" 100000001 && truncate -s 101M "$1"; }
refused "header of more than 100 MB, and the file too" 3 "$weights claims a header of 100000001" \
    large $weights
largest() { set_length "$1" 100000000 && truncate -s 101M "$1"; }
refused "header of 100 MB, no JSON" 3 "$weights: the header is not a JSON object" largest $weights
negative() { printf '\377\377\377\377\377\377\377\377' | dd of="$1" conv=notrunc status=none; }
refused "header of 2^64 - 1 bytes" 3 "$weights claims a header of 18446744073709551615" \
    negative $weights
refused "header without end" 3 "$weights: the header is not a JSON object" \
    set_header $weights '{"transformer.wte.weight":{"dtype":"F16"'
refused "header that is a list" 3 "$weights: the header is not a JSON object" \
    set_header $weights '[1, 2]'
refused "header of nothing" 3 "$weights: 418816 bytes at its end belong to no tensor" \
    set_header $weights '{}'
refused "a tensor twice" 3 "$weights: the header is not .*duplicate" \
    edit_header $weights 's/transformer.wpe.weight/transformer.wte.weight/'

# --- tensors. The first norm of layer 0 has 32 values in bytes 266240 to 266304, then its bias.
refused "overlapping tensors" 3 "$weights: tensor transformer.h.0.ln_1.* overlaps another" \
    edit_header $weights 's/\[266304,266368\]/[266240,266304]/'
refused "tensors that overlap in part" 3 "$weights: tensor transformer.h.0.ln_1.bias overlaps" \
    edit_header $weights 's/\[266304,266368\]/[266302,266366]/'
refused "unused bytes between tensors" 3 "$weights: tensor .* has unused bytes before it" \
    edit_header $weights 's/"transformer.h.0.ln_1.bias":\{[^}]*\},//'
refused "offsets out of range" 3 "tensor transformer.h.0.ln_1.bias ends at byte 900064 .* 418816" \
    edit_header $weights 's/\[266304,266368\]/[900000,900064]/'
refused "offsets beyond 64 bits" 3 "$weights: .*(data_offsets|JSON)" \
    edit_header $weights 's/\[266304,266368\]/[18446744073709551552,18446744073709551616]/'
refused "an offset below 0" 3 "$weights: tensor .*ln_1.bias has data_offsets that are not" \
    edit_header $weights 's/\[266304,266368\]/[-64,0]/'
refused "offsets in reverse" 3 "$weights: tensor .*ln_1.bias ends before it begins" \
    edit_header $weights 's/\[266304,266368\]/[266368,266304]/'
refused "a length that is not the shape's" 3 "$weights: tensor .*ln_1.bias has data of another" \
    edit_header $weights 's/(ln_1.bias":\{"dtype":"F16","shape":)\[32\]/\1[33]/'
refused "a shape that overflows" 3 "$weights: tensor .*ln_1.bias has data of another" \
    edit_header $weights \
    's/(ln_1.bias":\{"dtype":"F16","shape":)\[32\]/\1[4294967296,4294967296,16]/'
refused "no offsets" 3 "$weights: tensor .*ln_1.bias has data_offsets that are not" \
    edit_header $weights 's/,"data_offsets":\[266304,266368\]//'
refused "a tensor of the wrong shape" 3 \
    "tensor .*h.0.attn.c_attn.weight in $weights is \[96, 32\], config.json says \[32, 96" \
    edit_header $weights 's/(h.0.attn.c_attn.weight":\{"dtype":"F16","shape":)\[32,96\]/\1[96,32]/'
refused "a tensor of too many dimensions" 3 "ln_1.bias in $weights is \[1, 32\], config.json says" \
    edit_header $weights 's/(h.0.ln_1.bias":\{"dtype":"F16","shape":)\[32\]/\1[1,32]/'
refused "a tensor of whole numbers" 3 "ln_1.bias in $weights is I64; .* F32, F16 or BF16" \
    edit_header $weights 's/(h.0.ln_1.bias":\{"dtype":)"F16","shape":\[32\]/\1"I64","shape":[8]/'
refused "a type that nobody knows" 3 "$weights: tensor .*ln_1.bias has the dtype F12" \
    edit_header $weights 's/(h.0.ln_1.bias":\{"dtype":)"F16"/\1"F12"/'
refused "a tensor missing" 3 "model has no tensor transformer.h.3.mlp.c_fc.bias .* config.json" \
    edit_header $weights 's/h.3.mlp.c_fc.bias/h.3.mlp.other/'

# --- shards
rm -rf good && tiny_model good gpt2:6x32x2:4096:64 --shard 200k
index=model/model.safetensors.index.json
shards=(good/model-*.safetensors)
shard=model/${shards[1]##*/}
refused "a shard missing" 3 "$shard is missing, which $index names" remove "$shard"
refused "a shard truncated" 3 "$shard: tensor .* cut short" cut "$shard" 100000
refused "a shard with another's tensors" 3 "$shard has no tensor .* download both" \
    cp model/model-00001-of-*.safetensors "$shard"
edit() { sed -i -E "$2" "$1"; } # FILE SCRIPT
refused "an index that is no JSON" 3 "$index is not valid JSON" cut $index 100
refused "an index without its list" 3 "$index has no weight_map" edit $index 's/weight_map/map/'
refused "a shard in another folder" 3 "$index names the shard \"../secret.safetensors\"" \
    edit $index 's,"model-00002[^"]*","../secret.safetensors",'
