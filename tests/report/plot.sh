#!/usr/bin/env bash
# laminar plot: every figure in every format, the values in it, hostile texts, and what goes wrong.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/report/result.bash"
command -v gnuplot >/dev/null || skip "gnuplot is not installed (Debian: gnuplot-nox)"
expected=$LAMINAR_SOURCE/tests/report/expected
export seconds=120

small_result demo.nc
figures="attention attention_by_head categories heads heads_by_head rsa rsa_layers sae sae_training
         selectivity spectrum_resid_post tuning_mlp_fc tuning_qkv"
# files FORMAT: the names of all figures' files.
files() { for figure in $figures; do echo "$figure.$1"; done | sort | xargs; }
# begins FOLDER FORMAT TEXT: every figure's file begins with it.
begins() {
    local figure
    for figure in $figures; do
        [ "$(head -c "${#3}" "$1/$figure.$2")" = "$3" ] || return
    done
}
well_formed() {
    python3 -c 'import sys, xml.dom.minidom
for name in sys.argv[1:]: xml.dom.minidom.parse(name)' "$@"
}

expect "all formats" "$LAMINAR" plot demo.nc -o all --format svg,png,pdf
same "all formats: the files" "$(for format in pdf png svg; do files $format; done | xargs -n 1 |
    sort | xargs)" "$(ls -A all | xargs)"
check "the pictures are PNG" begins all png $'\x89PNG'
check "the documents are PDF" begins all pdf %PDF-
check "the drawings are XML" well_formed all/*.svg
same "maps have sharp cells in browsers" "$(cat all/*.svg | grep -c '^<image ')" \
    "$(cat all/*.svg | grep -c "^<image style='image-rendering:pixelated' ")"
check "there are maps" grep -q '^<image ' all/attention_by_head.svg
pictures "they look as they did" "$expected" all/{attention,rsa_layers,sae,selectivity,spectrum_resid_post,tuning_qkv}.png
if [ -n "$(python_with PIL)" ]; then
    mkdir swapped
    cp all/sae.png swapped/selectivity.png
    cp all/rsa_layers.png swapped/attention.png
    for figure in selectivity attention; do
        check "another picture would be told ($figure)" bash -c '! "$@"' - "$(python_with PIL)" \
            "$LAMINAR_SOURCE/tests/report/pictures.py" "$expected" swapped/$figure.png
    done
fi

# 300 dots an inch, of 4.2 inches a panel.
same "a picture's width in dots" $((2 * 3 * 420)) $((0x$(od -An -tx1 -j16 -N4 all/attention.png | tr -d ' ')))

# --- the script, and the values in its data
expect "with scripts" "$LAMINAR" plot demo.nc -o left --script -q
check "with scripts: quiet" test ! -s "$log/err"
cp left/sae.svg "$log/sae.svg"
rm left/sae.svg
check "a script draws by itself" bash -c 'cd left && gnuplot -d sae.gp && cmp sae.svg "$0"' \
    "$log/sae.svg"
check "a script draws another format" bash -c \
    'cd left && gnuplot -d -e "format = \"png\"" sae.gp && [ -s sae.png ]'
values() { # of a variable of demo.nc, a line each, nine digits
    "$LAMINAR" info --json demo.nc | awk -v group="$1" -v variable="$2" '
        /^      "name": / { split($0, part, "\""); here = part[4] == group }
        /^          "name": / { split($0, part, "\""); found = here && part[4] == variable }
        /^          \]/ { listed = 0 }
        listed { sub(/,$/, ""); printf "%.9g\n", $1 }
        /^          "values": \[/ { listed = found }'
}
same "the values of a figure" "$(values sae density)" "$(cut -d ' ' -f 2 left/sae-1.dat)"
same "its layers" "$(seq 0 11)" "$(cut -d ' ' -f 1 left/sae-1.dat)"
same "the values of a map: a cell for each" 3600 "$(wc -l <left/attention-1.dat)"
check "no PDF without asking" test ! -e left/sae.pdf
same "maps of one measure have one scale" 1 "$(grep '^set cbrange' left/rsa_layers.gp | sort -u | wc -l)"
same "panels of one measure have one axis" 1 "$(grep '^set yrange' left/categories.gp | sort -u | wc -l)"
check "accuracy beside what is always reached" grep -q "title 'majority baseline'" left/tuning_qkv.gp
same "its value" "$("$LAMINAR" info --json demo.nc | sed -n 's/.*"majority_baseline": \([0-9.]*\).*/\1/p' | head -n 1 | xargs printf '%.9g')" \
    "$(tail -n 1 left/tuning_qkv-3.dat | cut -d ' ' -f 2)"

# --- several results
tiny_model small gpt_neox:3x64x4:4096:128
small_result small.nc --set model="$PWD/small" --set length=32
expect "several results" "$LAMINAR" plot demo.nc small.nc -o several --depth fraction --script --format svg,png
same "several results: relative depth" "0 0.5 1" \
    "$(awk '/^$/ {n++} n == 2 {print $1}' several/sae-1.dat | xargs)"
check "several results: named" grep -q "title 'small'" several/sae.gp
cp several/sae.png several_sae.png
pictures "several results look as they did" "$expected" several_sae.png
check "several results: a map for each" grep -q "Each token on itself: small" several/attention.gp

prepare "$LAMINAR" attention --model "$demo/model" --text "$work/story.txt" --length 64 --mode published -o published.nc
expect "published densities" "$LAMINAR" plot demo.nc published.nc -o published --script
same "published densities are not called densities" "density density / its maximum" \
    "$(sed -n "s/^set cblabel '\(density.*\)'$/\1/p" published/attention.gp | sort -u | xargs)"

# --- a single layer and head: gnuplot has no image of one row
tiny_model single gpt2:1x32x1:4096:128
small_result single.nc --set model="$PWD/single" --set length=32 --set sae.epochs=1
expect "a single layer" "$LAMINAR" plot single.nc -o single-figures --script -v
check "a single layer: gnuplot did not complain" bash -c '! grep -i warning "$0"' "$log/err"
same "a single layer: a map's cells, in halves" 600 "$(wc -l <single-figures/attention-1.dat)"
same "a single layer: a head's cell, in quarters" 4 \
    "$(wc -l <single-figures/attention_by_head-1.dat)"

# --- texts that gnuplot, a shell or XML would read as more than texts
hostile="a'b\"c\`touch pwned1\`\$(touch pwned2)@x^2_{3}<i>&.nc"
small_result hostile.nc --set sae.epochs=1 --set 'rsa.categories={"x''y`touch pwned3`^2_{z}": [sun, moon, star], "<b>&amp;\\n%s": [bed, rug, wall], "%d @pi": [pear, plum, fig]}'
cp hostile.nc "$hostile"
cp hostile.nc ./-e.nc
expect "hostile texts" "$LAMINAR" plot "$hostile" demo.nc -o hostile --script --format svg,png,pdf
check "hostile texts: nothing was run" bash -c '! find . -name "pwned*" | grep .'
check "hostile texts: XML" well_formed hostile/*.svg
# Text content of the drawing, with the markup of characters undone.
drawn=$(sed 's/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' hostile/sae.svg)
check "hostile texts: a name in full" grep -qF "${hostile%.nc}" <<<"$drawn"
check "hostile texts: a category in full" grep -qF '^2_{z}' hostile/categories.svg
expect "a name like an option" "$LAMINAR" plot -o dash -- -e.nc

# --- what goes wrong
expect_error "no result" 4 "missing.nc cannot be read" "$LAMINAR" plot missing.nc -o no
expect_error "not a result" 3 "story.txt is not a result" "$LAMINAR" plot "$work/story.txt" -o no
expect_error "an unknown format" 2 "'svg,gif' is not svg, png or pdf" \
    "$LAMINAR" plot demo.nc --format svg,gif
expect_error "no format" 2 "'' is not svg, png or pdf|is empty" "$LAMINAR" plot demo.nc --format ''
expect_error "a file in the folder's place" 4 "demo.nc" "$LAMINAR" plot demo.nc -o demo.nc
expect_error "a folder that cannot be made" 4 "no/where cannot be made" \
    "$LAMINAR" plot demo.nc -o no/where
mkdir bin empty out
expect_error "no gnuplot" 4 "gnuplot is not installed .*gnuplot-nox" \
    env PATH="$PWD/empty" "$LAMINAR" plot demo.nc -o out
printf '#!/bin/sh\necho "line 3: undefined something" >&2\nexit 1\n' >bin/gnuplot
chmod +x bin/gnuplot
expect_error "gnuplot fails" 4 "attention could not be drawn: .*line 3: undefined something" \
    env PATH="$PWD/bin:$PATH" "$LAMINAR" plot demo.nc -o out
printf '#!/bin/sh\nexit 0\n' >bin/gnuplot
expect_error "gnuplot draws nothing" 4 "attention.svg" \
    env PATH="$PWD/bin:$PATH" "$LAMINAR" plot demo.nc -o out
printf '#!/bin/sh\nkill -INT $$\n' >bin/gnuplot
run env PATH="$PWD/bin:$PATH" "$LAMINAR" plot demo.nc -o out
same "interrupted" "8  laminar: interrupted while gnuplot drew attention" \
    "$statuses $(cat "$log/err")"
check "interrupted: nothing is left" rmdir out
