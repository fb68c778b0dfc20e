#!/usr/bin/env bash
# Texts that are missing, empty, too short, of the wrong kind; token files that do not fit.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

export ranks=3
tiny_model model
cp "$demo/story.txt" text.txt
cp "$demo/page.html" page.html
tiny_job job.yaml

# refused NAME STATUS PATTERN TEXT [OPTION...]
refused() {
    expect_error "$1" "$2" "$3" "$LAMINAR" sweep job.yaml --set text="$4" "${@:5}"
}

refused "no file" 4 "missing.txt: cannot be opened: No such file" missing.txt
mkdir folder.txt
refused "a folder" 4 "folder.txt: is not a regular file" folder.txt
: >empty.txt
refused "empty" 3 "empty.txt: is empty" empty.txt
printf ' \n\t\r\n' >blank.txt
refused "blanks" 3 "blank.txt: is empty" blank.txt
refused "unknown kind" 3 "text.pdf: .*no kind of text that is read here: .txt, .html" text.pdf
refused "unknown kind: no ending" 3 "model: .*no kind of text that is read here" model
printf '\377\376h\0i\0' >utf16.txt
refused "UTF-16" 3 "utf16.txt: is UTF-16 .*iconv" utf16.txt
echo "too short" >short.txt
refused "shorter than the sequences" 3 \
    "short.txt: .* tokens, fewer than the 4 x 32 .*longer text" short.txt
refused "a sequence too many" 3 "text.txt: .* tokens, fewer than the 1000 x 32" text.txt \
    --set sequences=1000
refused "sequences without number" 3 "text.txt: .* tokens, fewer than the 2147483648 x 32" \
    text.txt --set sequences=2147483648
refused "length beyond the positions" 2 "sae: length is 65, .* 64 positions" text.txt \
    --set length=65
refused "no rows" 2 "sae: sequences of 1 token leave no rows" text.txt --set length=1

# --- pages
: >empty.html
refused "empty page" 3 "empty.html: is empty" empty.html
refused "empty page, clip" 3 "empty.html: is empty" empty.html --set html=clip
echo '<html><body><p>Some words.</p></body></html>' >plain.html
refused "a page without markers" 3 "plain.html: .*mw-body-content" plain.html --set html=clip
echo '<div class="mw-body-content">words' >open.html
refused "a page without the end marker" 3 "open.html: .*References" open.html --set html=clip
echo '<p id="References">words <div class="mw-body-content">' >reversed.html
refused "markers in reverse" 3 "reversed.html: .*References" reversed.html --set html=clip
echo '<html><body><script>var words = 1</script></body></html>' >script.html
refused "a page without words" 3 "script.html: .*no text of an article" script.html

# --- token files
tokenize() { prepare "$LAMINAR" tokenize text.txt --model "$1" -o "$2"; }
tokenize model tokens.npy
refused "no token file" 4 "cannot open missing.npy" missing.npy
cp tokens.npy alone.npy
refused "no manifest" 4 "cannot open alone.yaml" alone.npy
for name in cut changed garbage; do cp tokens.yaml $name.yaml; done
head -c 1000 tokens.npy >cut.npy
refused "a token file cut short" 3 "cut.npy has .* cut short" cut.npy
cp tokens.npy changed.npy && printf '\1' | dd of=changed.npy bs=1 seek=500 conv=notrunc status=none
refused "a token file changed" 3 "changed.npy has the SHA-256 .*changed" changed.npy
seq 1 1000 >garbage.npy
refused "garbage" 3 "garbage.npy is not a NumPy file" garbage.npy
sed 's/^tokens: .*/tokens: 7/' tokens.yaml >changed.yaml
cp tokens.npy changed.npy
refused "a manifest of other tokens" 3 "changed.yaml speaks of 7 tokens" changed.npy
echo '- no list of keys' >changed.yaml
refused "a manifest without keys" 3 "changed.yaml is no list of keys" changed.npy
cp -r model other && sed -i '$d' other/merges.txt
tokenize other foreign.npy
refused "tokens of another tokenizer" 3 "foreign.npy: made by a tokenizer other than" foreign.npy
# Without a tokenizer beside the model, the token file's word is taken; not what it cannot have.
tiny_model small gpt2:6x32x2:300:64 && rm small/vocab.json small/merges.txt
refused "tokens beyond the embedding" 3 "tokens.npy.*(embedding|vocabulary)" tokens.npy \
    --set model=small
