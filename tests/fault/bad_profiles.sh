#!/usr/bin/env bash
# What a profile cannot work on: each a clear line, or a value that is missing and a flag that says
# why.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1 ranks=2

tiny_model good gpt2:6x32x2:4096:64 --dtype F32
cp -r good model
cp "$demo/story.txt" text.txt

# refused NAME STATUS PATTERN PROFILE [OPTION...]
refused() { expect_error "$1" "$2" "error: $3" "$LAMINAR" "$4" --model model -o r.nc "${@:5}"; }

# --- too little text
printf 'a b' >two.txt
printf ' \n two\n' >one.txt # white space around a passage is no part of it
for profile in attention heads; do
    refused "$profile: two tokens" 3 "two.txt: 2 tokens, where $profile needs 3 or more" \
        $profile --text two.txt
    refused "$profile: one token" 3 "one.txt: [12] tokens?, where $profile needs 3 or more" \
        $profile --text one.txt
    refused "$profile: sequences of two" 2 "$profile: sequences of 2 tokens are too short" \
        $profile --text text.txt --length 2
done
refused "tuning: shorter than a window" 3 "two.txt: tuning: the text has 2 tokens, fewer than a" \
    tuning --text two.txt --before 8 --after 2

# --- words and targets
window=(--before 3 --after 2)
refused "rsa: a category of one word" 2 "rsa.categories: 'lone' has 1 word, which makes no pair" \
    rsa --categories '{lone: [sun], other: [moon, star]}'
refused "rsa: a category of no word" 2 "rsa.categories: 'lone' has 0 words|'rsa.*categories" \
    rsa --categories '{lone: [], other: [moon, star]}'
refused "rsa: one category" 2 "rsa.categories: 1 category is given" \
    rsa --categories '{all: [sun, moon]}'
refused "rsa: similarities beyond what is stored" 2 \
    "rsa.similarity: [0-9]+ x [0-9]+ words in 6 layers and 3 components are .* GB, more than" \
    rsa --similarity --categories "{a: [$(seq -f 'w%.0f' -s , 3000)], b: [$(seq -f 'v%.0f' -s , 3000)]}"
yes 'word and word' | head -n 30 >none.txt
refused "tuning: no target" 3 "none.txt: tuning: no target of either class among the" \
    tuning --text none.txt "${window[@]}"
yes 'They may go there.' | head -n 30 >side.txt
refused "tuning: all targets on one side" 3 \
    "side.txt: tuning: all [0-9]+ targets are of the negative class and none is of the positive" \
    tuning --text side.txt "${window[@]}"
{ cat side.txt && echo 'But he did not go there. They say so to him.'; } >few.txt
refused "tuning: fewer targets than folds" 3 \
    "few.txt: tuning: the text has 1 targets of the positive class, fewer than the 5 folds" \
    tuning --text few.txt "${window[@]}"
refused "spectrum: fewer targets than folds" 3 \
    "few.txt: spectrum: the text has 1 targets of the positive class.*, or spectrum.separation: no" \
    spectrum --text few.txt --length 5 --sequences 1 "${window[@]}"
{ cat side.txt && yes 'But he did not go there.' | head -n 3; } >three.txt
refused "spectrum: too few targets for two to be held out" 3 \
    "three.txt: spectrum: the text has 3 targets of the positive class, fewer than the 4 that are" \
    spectrum --text three.txt --length 5 --sequences 1 --folds 2 "${window[@]}"
refused "spectrum: a sequence of one row" 2 "spectrum: sequences of 2 tokens are too short" \
    spectrum --text text.txt --length 2
refused "spectrum: a site twice" 2 "spectrum.sites names v twice" \
    spectrum --text text.txt --sites '[v, v]'

# --- activations that are not finite: 3.4e38 as a norm's weight, in a layer of the second rank
poke model/model.safetensors transformer.h.3.ln_1.weight '\x99\xc9\x7f\x7f'
for profile in attention heads rsa sae tuning spectrum; do
    options=(--text text.txt)
    [ $profile != rsa ] || options=()
    [[ $profile != tuning && $profile != spectrum ]] || options+=("${window[@]}")
    refused "$profile: not finite" 6 "rank 1 .*$profile, layer 3: .* overflow on this" \
        $profile "${options[@]}"
done
for site in mlp_out resid_post; do
    refused "sae: not finite, $site" 6 "rank 1 .*sae, layer 3: the activation of unit" \
        sae --text text.txt --site $site
done

# --- weights that are all equal: a layer whose scores are all 0, so that nothing has a spread
rm -r model && cp -r good model
for name in weight bias; do
    at=$(header model/model.safetensors |
        sed -nE "s/.*\"transformer.h.3.attn.c_attn.$name\":\\{[^}]*\"data_offsets\":\\[([0-9]+),([0-9]+)\\].*/\\1 \\2/p")
    # shellcheck disable=SC2086 # two numbers
    set -- $at
    dd if=/dev/zero of=model/model.safetensors bs=1 conv=notrunc status=none count=$(($2 - $1)) \
        seek=$(($(header_bytes model/model.safetensors) + 8 + $1))
done

# values FILE GROUP VARIABLE: those of a variable by layer, in a line.
values() {
    "$LAMINAR" info --json "$1" 2>>"$log/err" | awk -v group="$2" -v variable="$3" '
        /^      "name": / { split($0, part, "\""); here = part[4] == group }
        /^          "name": / { split($0, part, "\""); found = here && part[4] == variable }
        /^          \]/ { listed = 0 }
        listed { sub(/^ +/, ""); sub(/,$/, ""); print }
        /^          "values": \[/ { listed = found }' | xargs
}
cat >job.yaml <<'END'
model: model
text: text.txt
sequences: 4
length: 32
output: r.nc
attention: {}
heads: {}
rsa: {permutations: 0, bootstraps: 0}
sae: {site: v, epochs: 1, latents: 16}
tuning: {before: 3, after: 2}
spectrum: {sites: [v, resid_post], before: 3, after: 2}
END
expect "equal weights: all profiles" "$LAMINAR" sweep job.yaml
same "attention: which layer has no spread" "0 0 0 2 0 0" "$(values r.nc attention final_status)"
same "attention: the bandwidth is 0 there" "0.0" \
    "$(values r.nc attention final_bandwidth | cut -d ' ' -f 4)"
same "attention: the mean is there" "0.03125" \
    "$(values r.nc attention final_mean | cut -d ' ' -f 4)"
same "heads: which layer has no spread" "0 0 0 2 0 0" "$(values r.nc heads same_status)"
same "heads: the mean is there" "0" "$(values r.nc heads same_mean | cut -d ' ' -f 4 | sed 's/\.0$//')"
check "sae: rows all alike are flagged" test "$(values r.nc sae undefined | cut -d ' ' -f 4)" != 0
same "sae: and no others" "0 0 0" "$(values r.nc sae undefined | cut -d ' ' -f 1-3)"
check "sae: missing what cannot be said" grep -qx null <(values r.nc sae fvu | tr ' ' '\n' | sed -n 4p)
check "tuning: shares are flagged" test "$(values r.nc tuning/qkv undefined | cut -d ' ' -f 4)" != 0
same "tuning: missing what cannot be said" null \
    "$(values r.nc tuning/qkv share_significant | cut -d ' ' -f 4)"
same "spectrum: which layer has no spread" "0 0 0 3 0 0" "$(values r.nc spectrum/v undefined)"
same "spectrum: missing what cannot be said" "null null" \
    "$(values r.nc spectrum/v participation_ratio | cut -d ' ' -f 4)$(
        values r.nc spectrum/v held_out_t | cut -d ' ' -f 4 | sed 's/^/ /')"
same "spectrum: no variance" 0 \
    "$(values r.nc spectrum/v total_variance | cut -d ' ' -f 4 | sed 's/\.0$//')"
same "spectrum: what is added after it is not alike" "0 0 0 0 0 0" \
    "$(values r.nc spectrum/resid_post undefined)"
