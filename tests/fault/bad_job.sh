#!/usr/bin/env bash
# Job files that are wrong, and --set: all of it is found before the ranks begin, by each of them.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"

tiny_model model
cp "$demo/story.txt" text.txt

# refused NAME PATTERN LINE...: a job that is fit to run but for these lines.
refused() {
    tiny_job job.yaml "${@:3}"
    expect_error "$1" 2 "$2" "$LAMINAR" sweep job.yaml
}

# refused_whole NAME STATUS PATTERN TEXT: the text, as of printf, is all of the job.
refused_whole() {
    printf '%b' "$4" >job.yaml
    expect_error "$1" "$2" "$3" "$LAMINAR" sweep job.yaml
}

# refused_set NAME PATTERN SETTING...
refused_set() {
    local name=$1 pattern=$2 settings=() setting
    for setting in "${@:3}"; do settings+=(--set "$setting"); done
    expect_error "$name" 2 "$pattern" "$LAMINAR" sweep job.yaml "${settings[@]}"
}

# --- a key
refused "unknown key" "job.yaml:6: unknown key 'sede' .*nearest: 'seed'" 'sede: 3'
refused "unknown key, like no other" "job.yaml:6: unknown key 'zzzz' .*known: model, mode, seed" \
    'zzzz: 3'
refused "unknown profile" "job.yaml:6: unknown profile 'sea' .*nearest: 'sae'" 'sea: {}'
refused "a section's key at the top" "job.yaml:6: unknown key 'epochs': .* section 'sae'" \
    'epochs: 3'
refused "a number expected" "job.yaml:6: 'seed': 'three' is not a whole number" 'seed: three'
refused "a whole number expected" "job.yaml:6: 'seed': '1.5' is not a whole number" 'seed: 1.5'
refused "below the range" "job.yaml:6: 'threads': '0' is not a whole number from 1 to" 'threads: 0'
refused "above the range" "job.yaml:6: 'seed': '9223372036854775808' is not" \
    'seed: 9223372036854775808'
refused "below zero" "job.yaml:6: 'seed': '-1' is not a whole number of 0 or more" 'seed: -1'
refused "not one of the choices" "job.yaml:6: 'mode': 'publishd' .* standard, published.*nearest" \
    'mode: publishd'
refused "a list for one value" "job.yaml:6: 'seed' is a list, where a whole number" 'seed: [1, 2]'
refused "a mapping for one value" "job.yaml:6: 'seed' is a mapping, where" 'seed: {a: 1}'
refused "no value" "job.yaml:6: 'seed' has no value: write a whole number" 'seed:'
refused "a key twice" "job.yaml:7: the key 'seed' is given twice .first in line 6" \
    'seed: 1' 'seed: 1'
refused "a key of the text twice" "job.yaml:6: the key 'length' is given twice" 'length: 16'
refused "a tag" "job.yaml:6: tags .* not for job files" 'seed: !!int 3'
refused "an anchor" "job.yaml:6: anchors .* not for job files" 'seed: &a 3'
refused "an alias" "job.yaml:6: anchors .* not for job files" 'seed: *a'
refused "too deep" "job.yaml:6: .*nested more than 16 deep" \
    'seed: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]'

# --- the whole
refused_whole "no model" 2 "job.yaml: the key 'model' is missing" 'text: text.txt\nsae: {}\n'
refused_whole "no profile" 2 "job.yaml: no profile is asked for: .*sae" 'model: model\n'
refused_whole "no text" 2 "no text is given: add 'text: FILE'" 'model: model\nlength: 8\nsae: {}\n'
refused_whole "a section that is a value" 2 "job.yaml:2: 'sae' is a profile's section" \
    'model: model\nsae: 3\n'
refused_whole "a section's unknown key" 2 "job.yaml:2: unknown key 'epoch' in 'sae' .*'epochs'" \
    'model: model\nsae: {epoch: 3}\n'
refused_whole "a key of the top in a section" 2 "job.yaml:3: unknown key 'seed' in 'sae': .* top" \
    'model: model\nsae:\n  seed: 3\n'
refused_whole "a section's value out of range" 2 "job.yaml:3: 'sae.epochs': '0' is not .* from 1" \
    'model: model\nsae:\n  epochs: 0\n'
refused_whole "not a number" 2 "job.yaml:2: 'sae.l1': 'nan' is not a number" \
    'model: model\nsae: {l1: nan}\n'
refused_whole "an empty path" 2 "job.yaml:1: 'model' is empty|'model' has an empty item" \
    'model: ""\nsae: {}\n'
refused_whole "a key of standard mode in published mode" 2 "sae.l1: published mode has its own" \
    'model: model\ntext: text.txt\nmode: published\nsae: {l1: 0.1}\n'
refused_whole "empty" 2 "job.yaml is empty" ''
refused_whole "comments alone" 2 "job.yaml is empty" '# nothing\n'
refused_whole "a list" 2 "job.yaml:1: a job file holds keys and values" '- model\n- text\n'
refused_whole "a text" 2 "job.yaml:1: a job file holds keys and values" 'hello\n'
refused_whole "not YAML" 2 "job.yaml:3: not valid YAML" 'model: model\nsae: {epochs: 3\n'
refused_whole "a tab" 2 "job.yaml:3: not valid YAML" 'model: model\nsae:\n\tepochs: 3\n'
refused_whole "two documents" 2 "job.yaml:2: a second document" 'model: model\n---\nsae: {}\n'
refused_whole "not UTF-8" 2 "job.yaml: not a YAML text" 'model: m\xff\xfe\nsae: {}\n'
refused_whole "zeros" 2 "job.yaml: not a YAML text" '\0\0\0\0\0\0\0\0'
cp "$LAMINAR" job.yaml
expect_error "a program" 2 "job.yaml: not a YAML text|is empty" "$LAMINAR" sweep job.yaml
truncate -s 20M job.yaml
expect_error "20 MB" 2 "job.yaml: larger than 16 MB" "$LAMINAR" sweep job.yaml
rm job.yaml
expect_error "no file" 4 "the job file job.yaml cannot be opened: No such file" \
    "$LAMINAR" sweep job.yaml
mkdir job.yaml
expect_error "a folder" 4 "the job file job.yaml cannot be read: Is a directory" \
    "$LAMINAR" sweep job.yaml
rmdir job.yaml

# --- --set
tiny_job job.yaml
refused_set "set: unknown key" "--set: unknown key 'sede' .*nearest: 'seed'" sede=3
refused_set "set: unknown key of a section" "--set: unknown key 'epoch' in 'sae' .*'epochs'" \
    sae.epoch=3
refused_set "set: unknown section" "--set: unknown profile 'sea' .*nearest: 'sae'" sea.epochs=3
refused_set "set: a profile" "--set: unknown key 'sae': it is a section" sae=3
refused_set "set: no value" "--set: 'sae.epochs' is not section.key=value" sae.epochs
refused_set "set: empty value" "--set: 'sae.epochs': '' is not a whole number" sae.epochs=
refused_set "set: no key" "--set: unknown key ''" =3
refused_set "set: out of range" "--set: 'sae.epochs': '0' is not" sae.epochs=0
refused_set "set: a list twice" "--set: 'model' is given twice" model=a model=b
expect_error "set: nothing" 2 "'--set' needs a value: section.key=value" \
    "$LAMINAR" sweep job.yaml --set

# --- on several ranks: one line, not one a rank
need_mpirun
export ranks=3
refused_set "three ranks: set" "error: --set: unknown key 'sede' .*nearest: 'seed'" sede=3
refused "three ranks: unknown key" "error: job.yaml:6: unknown key 'sede' .*nearest: 'seed'" \
    'sede: 3'
refused "three ranks: wrong type" "error: job.yaml:6: 'seed': 'three' is not" 'seed: three'
refused "three ranks: out of range" "error: job.yaml:6: 'threads': '0' is not" 'threads: 0'
rm job.yaml
expect_error "three ranks: no file" 4 "error: the job file job.yaml cannot be opened" \
    "$LAMINAR" sweep job.yaml
