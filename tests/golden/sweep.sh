#!/usr/bin/env bash
# Sweeps over several models and texts: a result for each pair, which is that of the pair alone, and
# one summary; runs that fail, and what is refused before the first run.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1

tiny_model gpt
tiny_model neox gpt_neox:3x64x4:4096:128
cp "$demo/story.txt" "$demo/page.html" .
echo "three short words" >short.txt
cat >job.yaml <<'END'
model: [gpt, neox/]
text: [story.txt, page.html]
sequences: 4
length: 32
output: led.nc
sae: {epochs: 1, latents: 16}
heads: {}
END

# values FILE GROUP VARIABLE: those of a variable by run or by layer, a line each.
values() {
    "$LAMINAR" info --json "$1" 2>>"$log/err" | awk -v group="$2" -v variable="$3" '
        /^      "name": / { split($0, part, "\""); here = part[4] == group }
        /^          "name": / { split($0, part, "\""); found = here && part[4] == variable }
        /^          \]/ { listed = 0 }
        listed { sub(/^ +/, ""); sub(/,$/, ""); gsub(/"/, ""); print }
        /^          "values": \[/ { listed = found }'
}
words() { echo "$1" | xargs; }

results="led-gpt-page.nc led-gpt-story.nc led-neox-page.nc led-neox-story.nc"
for count in 1 2; do
    rm -f led*.nc
    ranks=$count expect "2 models x 2 texts, $count ranks" "$LAMINAR" sweep job.yaml
    same "$count ranks: the files" "$results led.summary.nc" "$(echo led*.nc)"
    check "$count ranks: the table" grep -Eq '^    3  neox +story.txt +3 .*led-neox-story.nc$' \
        "$log/out"
    check "$count ranks: the means" grep -Eq '^  mse( +[0-9.e-]+){4}$' "$log/out"
    digests=$(words "$(values led.summary.nc sweep profile_sha256)")
    same "$count ranks: the digests" "$digests" "$(words "$(for file in led-gpt-story \
        led-gpt-page led-neox-story led-neox-page; do digest $file.nc; done)")"
    [ "$count" -gt 1 ] || first=$digests
done
same "the same values on 1 and 2 ranks" "$first" "$digests"
same "the models" "gpt gpt neox/ neox/" "$(words "$(values led.summary.nc sweep model)")"
same "the texts" "story.txt page.html story.txt page.html" \
    "$(words "$(values led.summary.nc sweep text)")"
same "the layers" "6 6 3 3" "$(words "$(values led.summary.nc sweep layers)")"
same "none failed" "0 0 0 0" "$(words "$(values led.summary.nc sweep status)")"
mean=$(values led-neox-page.nc sae mse | awk '{ sum += $1 } END { printf "%.9g", sum / NR }')
same "the mean over the layers" "$mean" \
    "$(values led.summary.nc sae mse | awk 'NR == 4 { printf "%.9g", $1 }')"
expect "one pair alone" "$LAMINAR" sweep job.yaml --set model=neox --set text=page.html -o alone.nc
same "one pair alone: the same values" "$(digest led-neox-page.nc)" "$(digest alone.nc)"
check "one pair alone: no summary" test ! -e alone.summary.nc -a ! -s "$log/out"
expect "texts alone, without a job file" "$LAMINAR" heads --model gpt \
    --text '[story.txt, page.html]' -o heads.nc
same "texts alone: the files" "heads-page.nc heads-story.nc heads.summary.nc" "$(echo heads*.nc)"
expect "quiet" "$LAMINAR" sweep -q job.yaml
check "quiet: not a word" test ! -s "$log/err" -a ! -s "$log/out"

# --- one run of several, as a task of many that run apart; then what they left undone, and the summary
same "the list" "led-gpt-story.nc led-gpt-page.nc led-neox-story.nc led-neox-page.nc" \
    "$("$LAMINAR" sweep job.yaml --list | xargs)"
same "the list of one" "apart-neox-story.nc" "$("$LAMINAR" sweep job.yaml --list --only 3 -o apart.nc)"
for number in 2 4; do
    expect "run $number alone" "$LAMINAR" sweep job.yaml -o apart.nc --only $number
done
same "runs alone: the files" "apart-gpt-page.nc apart-neox-page.nc" "$(echo apart*.nc)"
same "runs alone: the same values" "$(digest led-neox-page.nc)" "$(digest apart-neox-page.nc)"
mv gpt elsewhere
expect "a run whose list has a model that is not there" "$LAMINAR" sweep job.yaml -o apart.nc --only 4
mv elsewhere gpt
touch -d 2001-01-01 apart-gpt-page.nc apart-neox-page.nc
ranks=2 expect "the others" "$LAMINAR" sweep job.yaml -o apart.nc --resume
check "the others: what was there is not run again" \
    test apart-gpt-page.nc -ot job.yaml -a apart-neox-page.nc -ot job.yaml
same "the others: the digests" "$first" "$(words "$(values apart.summary.nc sweep profile_sha256)")"
expect_error "a run that there is not" 2 "run 5 was asked for, but the job has 4" \
    "$LAMINAR" sweep job.yaml -o apart.nc --only 5

# --- runs that fail
# partly NAME STATUS PATTERN FILES...: the sweep of the job ends with that status and one line, with
# the table before it, after the other runs have left these files.
partly() {
    local name=$1 status=$2 pattern=$3 why
    rm -f part*.nc
    run "$LAMINAR" sweep job.yaml -o part.nc "${@:5}"
    why=$(wrong_status "$status")
    [ "$(grep -c '^laminar: error: ' "$log/err")" = 1 ] || why="$why; not one line of error"
    grep -Eq "$pattern" "$log/out" || why="$why; the table does not fit '$pattern'"
    if [ -z "$why" ]; then pass "$name"; else fail "$name" "$why" "$log/err"; fi
    same "$name: the files" "$4 part.summary.nc" "$(echo part*.nc)"
}

for count in 1 2; do
    ranks=$count partly "a text too short, $count ranks" 3 \
        '^    1  gpt +short.txt +0 .*failed: .*fewer than the 4 x 32' \
        "part-gpt-page.nc part-neox-page.nc" --set 'text=[short.txt, page.html]'
done
check "a text too short: the line" grep -Eq 'error: 2 of 4 runs failed: part.summary.nc' "$log/err"
same "a text too short: the statuses" "1 0 1 0" "$(words "$(values part.summary.nc sweep status)")"
same "a text too short: the results" "part-gpt-page.nc part-neox-page.nc" \
    "$(words "$(values part.summary.nc sweep result)")"
same "a text too short: the mean" "null" "$(values part.summary.nc sae mse | head -n 1)"
# A run that breaks in the middle of the forward pass, on the second rank alone.
cp -r gpt broken
poke broken/model.safetensors transformer.h.4.ln_2.weight '\x00\x7e'
ranks=2 partly "NaN in a weight" 6 '^    1  broken .*failed: rank 1 .* not finite' \
    part-neox.nc --set 'model=[broken, neox]' --set text=story.txt

# --- refused before the first run
export ranks=2
refused() { expect_error "$1" "$2" "$3" "$LAMINAR" sweep job.yaml -o other.nc "${@:4}"; }
refused "a text is missing" 4 "missing.txt: cannot be opened" --set 'text=[page.html, missing.txt]'
refused "a profile's own text is missing" 4 "missing.txt: cannot be opened" \
    --set sae.text=missing.txt
refused "a model is missing" 4 "missing" --set 'model=[gpt, missing]'
mkdir -p elsewhere other.summary.nc
cp -r gpt page.html elsewhere
cp story.txt page.txt
refused "the summary is a folder" 4 "other.summary.nc is a folder"
rmdir other.summary.nc
refused "two models of one name" 2 "gpt .*elsewhere/gpt .* both be written to other-gpt-" \
    --set 'model=[gpt, elsewhere/gpt]'
refused "two texts of one name" 2 "page.html and .*page.txt would both be written to other-gpt-page" \
    --set 'text=[page.html, page.txt]'
refused "a text twice" 2 "both be written to other-gpt-page" --set 'text=[page.html, page.html]'
refused "a list as a profile's own text" 2 "sae.text: a profile's own text is a single one" \
    --set 'sae.text=[page.html, story.txt]'
expect_error "a list that no profile takes" 2 "text: a list of 2, but no profile" \
    "$LAMINAR" rsa --model gpt --text '[page.html, story.txt]'
