#!/usr/bin/env bash
# laminar report: the page by itself (check_page.py), and in a headless Chromium where there is one
# (check_browser.py).
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
. "$LAMINAR_SOURCE/tests/report/result.bash"
tests=$LAMINAR_SOURCE/tests/report
export seconds=120

small_result demo.nc
# Texts that HTML would read as more than texts: the model's name (the title), the file's (names of
# curves), categories and words.
model='<img src=x onerror=pwned()><script>pwned()'
tiny_model "./$model" gpt_neox:3x64x4:4096:128
hostile="'\"><script>pwned()<b>&amp;.nc"
small_result hostile.nc --set model="$PWD/$model" --set length=32 --set sae.epochs=1 --set \
    'rsa.categories={"<script>pwned()": ["<i>sun", "</table>", moon, "=1+1"], "--><b>": [bed, rug, wall], "\"onload=\"pwned()": [pear, plum, fig]}'
mv hostile.nc "$hostile"

expect "one result" "$LAMINAR" report demo.nc -o one.html
expect "two results" "$LAMINAR" report demo.nc "$hostile" --depth fraction -o two.html -q
check "two results: quiet" test ! -s "$log/err"
"$LAMINAR" info --json demo.nc >demo.json 2>"$log/err"
check "the pages by themselves" python3 "$tests/check_page.py" demo.json one.html two.html
expect "in the current folder" "$LAMINAR" report demo.nc
check "the same page again" cmp one.html report.html

# Values that were changed after laminar wrote them: their bytes, wherever they are stored.
python3 - demo.nc changed.nc <<'END2'
import struct, sys
data = open(sys.argv[1], "rb").read()
import json
number = next(v["values"][0] for g in json.load(open("demo.json"))["groups"] if g["name"] == "sae"
              for v in g["variables"] if v["name"] == "density")
assert data.count(struct.pack("<d", number)) >= 1
open(sys.argv[2], "wb").write(data.replace(struct.pack("<d", number), struct.pack("<d", 0.25)))
END2
expect "values that were changed" "$LAMINAR" report changed.nc -o changed.html
check "values that were changed: a warning" grep -q "warning: .*changed.nc" "$log/err"
check "values that were changed: in the page" grep -q "Not verified" changed.html

expect_error "no result" 4 "missing.nc cannot be read" "$LAMINAR" report missing.nc
expect_error "not a result" 3 "story.txt is not a result" "$LAMINAR" report "$work/story.txt"
expect_error "where nothing can be written" 4 "no/where.html cannot be written" \
    "$LAMINAR" report demo.nc -o no/where.html
expect_error "over a folder" 4 "is a folder" "$LAMINAR" report demo.nc -o "$work"
expect_error "an unknown depth" 2 "depth" "$LAMINAR" report demo.nc --depth height
expect "a sweep" "$LAMINAR" heads --model "$demo/model" --text "[$demo/story.txt, $demo/page.html]" \
    --sequences 2 --length 32 -q -o s.nc
expect_error "a sweep's summary" 3 "s.summary.nc is the summary of a sweep" \
    "$LAMINAR" report s.summary.nc

browser=${LAMINAR_CHROMIUM:-$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome)}
if [ -z "$browser" ]; then
    [ "$failed" -gt 0 ] || skip "the page in a browser: no Chromium (install-packages.sh browser); $passed cases without it passed"
    exit
fi
mkdir seen
check "the pages in a browser" timeout 280 python3 "$tests/check_browser.py" "$browser" one.html \
    two.html seen
[ "$failed" -eq 0 ] || cat "$log/check"
pictures "they look as they did" "$tests/expected" seen/*.png
