#!/usr/bin/env bash
# Wrong command lines, and files that laminar info and laminar tokenize cannot make anything of.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"

tiny_model model
cp "$demo/story.txt" text.txt
tiny_job job.yaml
prepare "$LAMINAR" sweep job.yaml
prepare "$LAMINAR" tokenize text.txt --model model -o tokens.npy

# refused NAME STATUS PATTERN ARGUMENT...
refused() {
    expect_error "$1" "$2" "$3" "$LAMINAR" "${@:4}"
}

# --- commands
run "$LAMINAR"
check "no command: status 2" test "$statuses" = "2 "
check "no command: one error" \
    test "$(grep -c '^laminar: error: a command is missing' "$log/err")" = 1
check "no command: the help beside it" grep -q '^usage: laminar COMMAND' "$log/err"
refused "no such command" 2 "there is no command 'nonsense' .*laminar --help" nonsense
refused "help for no such command" 2 "there is no command 'nonsense'" help nonsense
refused "an option first" 2 "there is no command '--quiet'" --quiet sweep
refused "sweep: no job" 2 "an argument is missing: laminar sweep JOB.yaml .*sweep --help" sweep
refused "sweep: two jobs" 2 "unexpected argument 'other.yaml' .*sweep --help" \
    sweep job.yaml other.yaml
refused "sweep: unknown option" 2 "unknown option '--outptu' .*nearest: '--output'" \
    sweep job.yaml --outptu x.nc
refused "sweep: a key of the job as option" 2 \
    "unknown option '--seed=3': .*--set section.key=value" \
    sweep job.yaml --seed=3
refused "sweep: unknown short option" 2 "unknown option '-x'" sweep job.yaml -x
refused "sweep: a flag with a value" 2 "'--quiet' takes no value" sweep job.yaml --quiet=1
refused "sae: no arguments" 2 "--model is missing: name a checkpoint folder .*sae --help" sae
refused "sae: no text" 2 "no text is given: .*--text FILE" sae --model model
refused "sae: unknown option" 2 "unknown option '--epoch' .*nearest: '--epochs'.*sae --help" \
    sae --model model --epoch 3
refused "sae: a wrong type" 2 "'--epochs': 'many' is not a whole number .*sae --help" \
    sae --model model --text text.txt --epochs many
refused "sae: out of range" 2 "'--epochs': '0' is not a whole number from 1" \
    sae --model model --epochs 0
refused "sae: no value" 2 "'--epochs' needs a value: a whole number" sae --model model --epochs
refused "sae: two models by two options" 2 "'--model' is given twice: write a list" \
    sae --model model --model model
refused "sae: an argument" 2 "unexpected argument 'job.yaml'" sae job.yaml
refused "sae: no such model" 4 "cannot open the model's folder missing" \
    sae --model missing --text text.txt

# --- info
refused "info: nothing" 2 "an argument is missing: laminar info PATH" info
refused "info: two" 2 "unexpected argument 'text.txt'" info result.nc text.txt
refused "info: missing" 4 "missing.nc: No such file or directory: name a checkpoint" info missing.nc
: >empty.nc
refused "info: empty" 3 "empty.nc is not a result of laminar .*empty" info empty.nc
refused "info: a text" 3 "text.txt is not a result of laminar .*not a netCDF" info text.txt
printf 'CDF\001\0\0\0\0' >classic.nc
refused "info: a classic netCDF" 3 "classic.nc is not a result of laminar" info classic.nc
# What HDF5 takes for the end of its file (superblock version 2 and 3) may lie before the file's.
bytes=$(od -An -tu8 -j28 -N8 result.nc | tr -d ' ')
for cut in 10 100 1000 $((bytes / 2)) $((bytes - 1)); do
    head -c "$cut" result.nc >cut.nc
    refused "info: cut to $cut of $bytes bytes" 3 "cut.nc is (damaged or cut short|not a result)" \
        info cut.nc
    refused "info --json: cut to $cut bytes" 3 "cut.nc is (damaged or cut short|not a result)" \
        info --json cut.nc
done
{ head -c 8 result.nc && head -c 100000 "$LAMINAR"; } >garbage.nc
refused "info: garbage" 3 "garbage.nc is (damaged|not a result)" info garbage.nc
mkdir empty
refused "info: an empty folder" 3 "empty has no config.json" info empty
head -c 500 tokens.npy >cut.npy && cp tokens.yaml cut.yaml
refused "info: tokens cut short" 3 "cut.npy has .* cut short" info cut.npy
cp tokens.npy alone.npy
refused "info: tokens without a manifest" 4 "cannot open alone.yaml" info alone.npy
for what in result.nc tokens.npy model; do
    expect_error "info: no place to print, $what" 4 \
        "(standard output cannot|could not be printed)" \
        bash -c '"$@" >/dev/full' - "$LAMINAR" info $what
done
expect_error "no place to print the help" 4 "standard output cannot be written" \
    bash -c '"$@" >/dev/full' - "$LAMINAR" --help

# --- tokenize
refused "tokenize: nothing" 2 "an argument is missing: laminar tokenize TEXT" tokenize
refused "tokenize: no model" 2 "add --model DIR .*tokenize --help" tokenize text.txt
refused "tokenize: no such model" 4 "missing has neither tokenizer.json nor vocab.json" \
    tokenize text.txt --model missing
refused "tokenize: no such text" 4 "missing.txt: cannot be opened" \
    tokenize missing.txt --model model
refused "tokenize: not one of the choices" 2 "'--html': 'all' is not one of article, clip" \
    tokenize text.txt --model model --html all
expect_error "tokenize: no place to print" 4 "standard output cannot be written" \
    bash -c '"$@" >/dev/full' - "$LAMINAR" tokenize text.txt --model model

# --- synth
refused "synth: nothing" 2 "an argument is missing: laminar synth SHAPE DIR" synth
refused "synth: no folder" 2 "an argument is missing: laminar synth SHAPE DIR" synth gpt2-small
refused "synth: unknown shape" 2 "there is no shape \"gpt3\"; there are: gpt2-small" synth gpt3 new
refused "synth: unknown family" 2 "there is no shape \"llama:2x32x2\"" synth llama:2x32x2 new
for shape in gpt2: gpt2:2x32 gpt2:2x32xtwo gpt2:2x32x2:1:2:3 gpt2:2x-32x2 gpt2:2x32x2x2; do
    refused "synth: $shape" 2 "there is no shape \"$shape\"" synth "$shape" new
done
refused "synth: no layers" 3 "gpt2:0x32x2: n_layer is 0, it must be between 1" synth gpt2:0x32x2 new
refused "synth: heads" 3 "gpt2:2x32x5: n_embd is 32, which n_head, 5, does not" \
    synth gpt2:2x32x5 new
refused "synth: beyond 64 bits" 2 "there is no shape \"gpt2:2x99999999999999999999x2\"" \
    synth gpt2:2x99999999999999999999x2 new
refused "synth: unknown type" 2 "'--dtype': 'F64' is not one of F32, F16, BF16" \
    synth gpt2:2x32x2 new --dtype F64
refused "synth: no tokenizer" 2 "empty has no tokenizer to copy" \
    synth gpt2:2x32x2:4096:64 new --tokenizer empty
mkdir foreign && touch foreign/thesis.tex
refused "synth: another's folder" 2 "foreign holds thesis.tex, which synth did not write" \
    synth gpt2:2x32x2 foreign
cp -r model mixed && touch mixed/thesis.tex
refused "synth: another's file in a folder of synth" 2 \
    "mixed holds thesis.tex, which synth did not" \
    synth gpt2:2x32x2:4096:64 mixed
