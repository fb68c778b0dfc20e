#!/usr/bin/env bash
# laminar fetch page: titles to revisions, redirects, the wiki's ways of saying no; jobs on the manifest.
. "$(dirname "${BASH_SOURCE[0]}")/library.bash"
serve

# --- titles
gets "a page" page "light-emitting_diode"
same "a page: its name" "en:Light-emitting diode" "$(value corpus.yaml name)"
revision=$(value corpus.yaml revision)
same "a page: pinned" "$main/w/index.php?title=Light-emitting_diode&oldid=$revision" "$(value corpus.yaml url)"
check "a page: whole" whole corpus.yaml
check "a page: that revision" grep -q "Revision $revision of Light-emitting_diode" "$(object corpus.yaml)"
forget
gets "again" page "light-emitting_diode"
same "again: not asked" 0 "$(asked .)"
gets "a redirect of a redirect" page "led lamp" -o redirect.yaml
same "a redirect: the page" "en:Light-emitting diode" "$(value redirect.yaml name)"
same "a redirect: the same bytes" "$(value corpus.yaml sha256)" "$(value redirect.yaml sha256)"
gets "twice the same" page LED "Led lamp" -o twice.yaml
same "twice the same: once" 1 "$(grep -c '^- name' twice.yaml)"
gets "other letters" page "Ääkkönen" "日本語" "A&B=C?" "50% of \"it\"" --lang fi -o letters.yaml
check "other letters: whole" whole letters.yaml
same "other letters: their names" 1 "$(grep -c '^- name: "fi:日本語"' letters.yaml)"
forget
for ((i = 0; i < 120; i++)); do echo "Page number $i"; done >list
gets "120 pages" page --list list -o many.yaml
check "120 pages: whole" whole many.yaml
same "120 pages: asked 50 titles at a time" 3 "$(asked api.php)"
same "120 pages: in the list's order" "en:Page number 119" "$(value many.yaml name 120)"
gets "busy" page Overloaded -o busy.yaml

refused "a missing page" 3 "has no page 'No such page': check the title" page "No such page"
refused "two missing pages" 3 "2 of 3 titles: .*has no page 'No such 1'" page "No such 1" "Old page" "No such 2"
refused "no revision" 3 "has no revision 5000" page "Light-emitting diode" --revision 5000
refused "a revision of another page" 3 "revision 7 is of the page 'Light-emitting diode', not of 'Other'" page Other --revision 7
refused "a page for an answer" 3 "a page for people, not with JSON" page Captive
refused "a revision that is none" 2 "'latest' is not the number" page LED --revision latest
refused "a revision of two" 2 "--revision is one page's, and 2" page A B --revision 3
refused "no language" 2 "is not a language as wikis have it" page LED --lang ../x
refused "no title" 2 "is not a page's title" page "A|B"
gets "by number" page "light-emitting_diode" --revision 77 -o number.yaml
same "by number: pinned" "$main/w/index.php?title=Light-emitting_diode&oldid=77" "$(value number.yaml url)"

# --- a job
need_mpirun
tiny_model model
forget
gets "texts beside pages" text "$main/text/a.txt?bytes=3000" -o corpus.yaml
tiny_job job.yaml
run_job() { # NAME ARGUMENT...: the digest of its result in $digest
    rm -f result.nc
    expect "$1" "$LAMINAR" sweep job.yaml "${@:2}"
    digest=$(digest result.nc)
}
forget
run_job "a job" --set text=corpus.yaml --set html=clip
first=$digest
same "a job: says where its text is from" 1 "$(attribute result.nc text_source | grep -c "corpus.yaml: .*oldid=$revision; .*/text/a.txt")"
expect_error "a job: a limit without a dump" 2 "corpus.yaml holds no dump" \
    "$LAMINAR" sweep job.yaml --set text=corpus.yaml --set limit=2
# What is not UTF-8 is said, whichever rank reads it: 64 documents are the first rank's.
for ((i = 0; i < 70; i++)); do echo "$main/latin/$i.txt"; done >latin
gets "texts that are not UTF-8" text --list latin -o latin.yaml
ranks=2 expect "texts that are not UTF-8: read" "$LAMINAR" tokenize latin.yaml --model model -o latin.npy
check "texts that are not UTF-8: said" grep -q "warning: latin.yaml: 70 places are not UTF-8" "$log/err"
# A dump in a manifest gives what the dump gives.
cp "$LAMINAR_SOURCE/tests/golden/dump.xml" .
gets "a dump" text "$main/dump/small.xml.bz2" -o dump.yaml
gets "a dump in parts" text "$main/dump/small.xml-p1p20.bz2" -o parts.yaml
same "a dump in parts: its ending" .bz2 "$(value parts.yaml ending)"
forget
run_job "a job on a dump" --set text=dump.xml --set length=8 --set sequences=2
dump=$digest
run_job "a job on a dump in a manifest" --set text=dump.yaml --set length=8 --set sequences=2
same "a job on a dump in a manifest: the same values" "$dump" "$digest"
# So does a multistream dump, by its index where the manifest has that; that it was used a wrong one shows.
gets "a multistream dump" text "$main/dump/m-multistream.xml.bz2" -o streams.yaml
gets "its index" text "$main/dump/m-multistream-index.txt.bz2" -o streams.yaml
same "its index: an entry" 2 "$(grep -c '^- name' streams.yaml)"
forget
for ranks in 1 3; do
    run_job "a job on a multistream dump, $ranks ranks" --set text=streams.yaml --set length=8 --set sequences=2
    same "a job on a multistream dump, $ranks ranks: the same values" "$dump" "$digest"
done
unset ranks
gets "a wrong index" text "$main/dump/wrong-multistream-index.txt.bz2" "$main/dump/wrong-multistream.xml.bz2" -o wrong.yaml
ranks=2 expect_error "a job by a wrong index" 3 "where its index has the next at" \
    "$LAMINAR" sweep job.yaml --set text=wrong.yaml -o other.nc
gets "an index alone" text "$main/dump/m-multistream-index.txt.bz2" -o index.yaml
expect_error "a job on an index alone" 3 "index.yaml: lists no text" "$LAMINAR" sweep job.yaml --set text=index.yaml -o other.nc
forget
# The texts are documents: a token file keeps them, for any number of ranks, and sequences may be told not to cross them.
expect "tokens of a manifest" "$LAMINAR" tokenize corpus.yaml --model model --html clip --end-of-text -o one.npy
ranks=3 expect "tokens of a manifest, three ranks" \
    "$LAMINAR" tokenize corpus.yaml --model model --html clip --end-of-text -o three.npy
same "tokens of a manifest: the same" "$(cat one.npy one.documents.npy | sha256sum)" \
    "$(cat three.npy three.documents.npy | sha256sum)"
same "tokens of a manifest: two documents" "documents: 2" "$(grep '^documents: ' three.yaml)"
same "tokens of a manifest: how they were read" 'text_options: "html: clip, end_of_text: yes"' \
    "$(grep '^text_options: ' three.yaml)"
run_job "a job within documents" --set text=corpus.yaml --set html=clip --set end_of_text=yes --set documents=within
within=$digest
differ "a job within documents: other values" "$first" "$within"
same "a job within documents: says so" 2 "$("$LAMINAR" info --json result.nc | sed -n 's/.*"documents": \([0-9]*\).*/\1/p')"
run_job "a job within a token file's documents" --set text=three.npy --set documents=within
same "a job within a token file's documents: the same values" "$within" "$digest"
sed 's/^  time: .*/  time: "1999-01-01T00:00:00Z"/' corpus.yaml >moved.yaml
LAMINAR_CACHE=$work/elsewhere run_job "a job by the manifest's cache" --set text=moved.yaml --set html=clip
same "a job by the manifest's cache: the same values" "$first" "$digest"
mv "$LAMINAR_CACHE" "$work/moved"
LAMINAR_CACHE=$work/moved run_job "a job on a cache that was moved" --set text=corpus.yaml --set html=clip
same "a job on a cache that was moved: the same values" "$first" "$digest"
expect_error "a job without its cache" 4 "is not in the cache .*: fetch it again, or .*LAMINAR_CACHE" \
    "$LAMINAR" sweep job.yaml --set text=corpus.yaml -o other.nc
mv "$work/moved" "$LAMINAR_CACHE"
sed -i 's/Revision/revision/' "$(object corpus.yaml)"
expect_error "a job on a file that was changed" 3 "is not what was fetched: .*remove" \
    "$LAMINAR" sweep job.yaml --set text=corpus.yaml -o other.nc
echo 'laminar_corpus: 1
entries: []' >none.yaml
expect_error "an empty manifest" 3 "none.yaml: lists no text" "$LAMINAR" sweep job.yaml --set text=none.yaml -o other.nc
sed 's/^  sha256: "../  sha256: "xx/' corpus.yaml >bad.yaml
expect_error "a manifest with a bad digest" 3 "bad.yaml:[0-9]*: its entry has no valid 'sha256'" \
    "$LAMINAR" sweep job.yaml --set text=bad.yaml -o other.nc
sed 's|^  ending: .*|  ending: "/../../x"|' corpus.yaml >bad.yaml
expect_error "a manifest that leaves the cache" 3 "its entry has no valid 'ending'" \
    "$LAMINAR" sweep job.yaml --set text=bad.yaml -o other.nc
same "a job never asks the network" 0 "$(asked .)"
