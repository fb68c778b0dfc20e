#!/usr/bin/env bash
# Dumps that are missing, cut short, broken or hostile, in jobs and in laminar tokenize; and that
# what is whole gives the same tokens either way.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
command -v bzip2 >/dev/null || skip "bzip2 is not on the PATH"

tiny_model model
cp "$LAMINAR_GOLDEN/dump.xml" whole.xml
bzip2 -k whole.xml
tiny_job job.yaml

# refused NAME STATUS PATTERN DUMP [OPTION...]: in a job on three ranks, in tokenize on one and two.
refused() {
    ranks=3 expect_error "$1: job" "$2" "$3" "$LAMINAR" sweep job.yaml --set text="$4"
    tokenize_refused "$@"
}

tokenize_refused() {
    expect_error "$1: tokenize" "$2" "$3" "$LAMINAR" tokenize "$4" --model model -o out.npy "${@:5}"
    ranks=2 expect_error "$1: tokenize, two ranks" "$2" "$3" \
        "$LAMINAR" tokenize "$4" --model model -o out.npy "${@:5}"
}

refused "no file" 4 "missing.xml.bz2: cannot be opened: No such file" missing.xml.bz2
head -c 300 whole.xml.bz2 >cut.xml.bz2
refused "cut short, packed" 3 "cut.xml.bz2: ends in the middle of its packed text" cut.xml.bz2
head -c 1500 whole.xml >cut.xml
refused "cut short, plain" 3 "cut.xml: its XML is broken or cut short at line [0-9]+" cut.xml
sed 's,</page>,</pgae>,' whole.xml >broken.xml
refused "broken XML" 3 "broken.xml: its XML is broken" broken.xml
: >empty.xml
refused "empty" 3 "empty.xml: is empty" empty.xml
echo '<html><body>words</body></html>' >page.xml
refused "another XML" 3 "page.xml: is XML, but no dump of a wiki: it begins with <html>" page.xml
{
    echo '<!DOCTYPE mediawiki [<!ENTITY a0 "ha">'
    for i in {1..20}; do echo "<!ENTITY a$i \"&a$((i - 1));&a$((i - 1));&a$((i - 1));\">"; done
    echo ']><mediawiki><page><revision><text>&a20;</text></revision></page></mediawiki>'
} >bomb.xml
refused "entities that grow" 3 "bomb.xml: has a document type declaration" bomb.xml
{
    echo '<mediawiki><page><revision><text>'
    head -c 100000000 /dev/zero | tr '\0' 'x'
} >page100.xml
refused "a page of 100 MB" 3 "page100.xml: page number 1 has more than 8 MiB" page100.xml
rm page100.xml
cp whole.xml plain.bz2
refused "not packed" 3 "plain.bz2: is not what bzip2 packed" plain.bz2

tokenize_refused "limit and sample" 2 "give one of the two" whole.xml --limit 1 --sample 1
cp "$demo/story.txt" text.txt
expect_error "limit of a text" 2 "text.txt is a single text: limit" \
    "$LAMINAR" tokenize text.txt --model model --limit 1
mkdir -p folder
tokenize_refused "no folder" 4 "folder does not exist" whole.xml -o none/out.npy

# --- whole ones
expect "one rank" "$LAMINAR" tokenize whole.xml --model model -o one.npy --end-of-text
ranks=3 expect "three ranks, packed" "$LAMINAR" tokenize whole.xml.bz2 --model model -o three.npy \
    --end-of-text
check "the same tokens" cmp one.npy three.npy
check "the same documents" cmp one.documents.npy three.documents.npy
check "three documents" grep -q '^documents: 3$' three.yaml
ranks=2 expect "a job on a dump" "$LAMINAR" attention --model model --text whole.xml.bz2 \
    --end-of-text --length 16 --sequences 2 -o dump.nc
ranks=2 expect "a job on its tokens" "$LAMINAR" attention --model model --text one.npy \
    --length 16 --sequences 2 -o tokens.nc
same "the same values" "$(digest dump.nc)" "$(digest tokens.nc)"
