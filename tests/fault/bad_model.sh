#!/usr/bin/env bash
# Configurations and tokenizers that are damaged, unknown, or of another model.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

export ranks=3
tiny_model good
cp "$demo/story.txt" text.txt
tiny_job job.yaml
config=model/config.json

# refused NAME STATUS PATTERN COMMAND...: the sweep ends so when the command has been applied to a
# good model.
refused() {
    rm -rf model && cp -r good model
    "${@:4}"
    expect_error "$1" "$2" "$3" "$LAMINAR" sweep job.yaml
}

remove() { rm "$@"; }
edit() { # FILE SCRIPT: of sed, which must change something
    cp "$1" "$log/before" && sed -i -E "$2" "$1"
    ! cmp -s "$1" "$log/before" || fail preparing "nothing in $1 for $2"
}
cut() { # FILE BYTES
    head -c "$2" "$1" >"$1.new" && mv "$1.new" "$1"
}
write() { # FILE TEXT
    printf '%s\n' "$2" >"$1"
}

# --- config.json
refused "no configuration" 3 "model has no config.json" remove $config
refused "empty" 3 "$config is not valid JSON" cut $config 0
refused "truncated" 3 "$config is not valid JSON \(line" cut $config 100
refused "a list" 3 "$config holds no JSON object" write $config '[1]'
refused "unknown model_type" 3 "$config: model_type is llama; .* gpt2 and gpt_neox" \
    edit $config 's/("model_type": )"gpt2"/\1"llama"/'
refused "no model_type" 3 "$config: model_type is missing; .* gpt2 and gpt_neox" \
    edit $config 's/"model_type"/"kind"/'
refused "a number as text" 3 "$config: n_layer is \"6\", it must be a whole number" \
    edit $config 's/("n_layer": )6/\1"6"/'
refused "no layers" 3 "$config: n_layer is 0, it must be between 1 and" \
    edit $config 's/("n_layer": )6/\10/'
refused "a billion layers" 3 "$config: n_layer is 1000000000, it must be between 1 and" \
    edit $config 's/("n_layer": )6/\11000000000/'
refused "a layer more than there is" 3 "model has no tensor transformer.h.6.* config.json" \
    edit $config 's/("n_layer": )6/\17/'
refused "heads that do not divide the width" 3 "$config: n_embd is 32, which n_head, 3, does not" \
    edit $config 's/("n_head": )2/\13/'
refused "another width" 3 "tensor .* in model/model.safetensors is .*, config.json says .*n_embd" \
    edit $config 's/("n_embd": )32/\164/'
refused "another vocabulary" 3 "wte.weight in .* \[4096, 32\], config.json says .*vocab_size" \
    edit $config 's/("vocab_size": )4096/\14000/'
refused "an activation that is not known" 3 "$config: activation_function is \"swish\"; gelu_new" \
    edit $config 's/("activation_function": )"[a-z_]*"/\1"swish"/'
refused "quantized" 3 "$config: quantization_config is set; .* F32, F16 or BF16" \
    edit $config 's/^\{/{"quantization_config": {"bits": 4},/'
refused "a head of its own that is not there" 3 "no tensor lm_head.weight.* tie_word_embeddings" \
    edit $config 's/("tie_word_embeddings": )true/\1false/'

# --- the tokenizer
refused "no merges" 4 "cannot open model/merges.txt: .*tokenizer" remove model/merges.txt
refused "no vocabulary" 4 "cannot open model/vocab.json: .*tokenizer" remove model/vocab.json
refused "no tokenizer" 4 "model has neither tokenizer.json nor vocab.json and merges.txt" \
    remove model/vocab.json model/merges.txt
refused "a vocabulary that is truncated" 3 "model/vocab.json is not valid JSON" \
    cut model/vocab.json 5000
refused "two tokens of one id" 3 "model/vocab.json: .* same id 3:" \
    edit model/vocab.json 's/: ?4,/:3,/'
refused "merges of another model" 3 "model/merges.txt: merge 2 joins \"Zq\"" \
    edit model/merges.txt '2s/.*/Zq xy/'
refused "merges that are none" 3 "model/merges.txt: merge 1 is not two tokens" \
    cp text.txt model/merges.txt
refused "no merge at all" 3 "model/merges.txt holds no merges" cut model/merges.txt 0
refused "another kind of tokenizer" 3 "model/tokenizer.json: its model \"Unigram\" is not supp" \
    write model/tokenizer.json '{"version": "1.0", "model": {"type": "Unigram", "vocab": []}}'
refused "a tokenizer that is no JSON" 3 "model/tokenizer.json is not valid JSON" \
    cp good/merges.txt model/tokenizer.json
rm -rf good && tiny_model good gpt2:6x32x2:4000:64
refused "a vocabulary that does not fit the embedding" 3 \
    "model: the tokenizer has 4096 tokens, the model's embedding 4000 rows" true
