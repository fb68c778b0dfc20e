#!/usr/bin/env bash
# Memory of a run whose autoencoders are trained chunk by chunk: four times the text takes no more,
# but for its token ids on rank 0; ten times the dump takes no more to tokenize. Activations that would
# not fit are refused beforehand.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun
export OMP_NUM_THREADS=1

tiny_model model gpt2:2x32x2:4096:128
repeated() { for ((i = 0; i < $1; i++)); do cat "$demo/story.txt"; done; }
repeated 6 >small.txt
repeated 25 >large.txt
for size in small large; do
    prepare "$LAMINAR" tokenize $size.txt --model model -o $size.npy
done
cat >job.yaml <<'END'
model: model
text: small.npy
sequences: 0
length: 128
attention: {}
heads: {}
sae: {site: mlp_fc, latents: 32, epochs: 1}
END

# peak_of NAME RANKS ARGUMENT...: runs laminar; the peak of the last rank's resident memory in kB, as
# it was seen last, in $peak.
peak_of() {
    local started victim now
    mpirun -n "$2" "$LAMINAR" "${@:3}" >"$log/out" 2>"$log/err" &
    started=$!
    peak=0
    while [ -d "/proc/$started" ]; do
        victim=$(pgrep -P "$started" -x laminar | tail -n 1)
        now=$(awk '/^VmHWM/ { print $2 }' "/proc/${victim:-none}/status" 2>/dev/null)
        [ "${now:-0}" -le "$peak" ] || peak=$now
        sleep 0.02
    done
    if wait "$started"; then pass "$1: $peak kB"; else fail "$1" "the run failed" "$log/err"; fi
}

# peak NAME RANKS OPTION...: of the job.
peak() {
    peak_of "$1" "$2" sweep job.yaml -o result.nc "${@:3}"
}

# In kB. The ids of the 124,000 tokens more are 4 bytes each, and 2 in the file while it is read; the
# sequences' tables 20 bytes each: 0.8 MB. The rest is the machine's: where the kernel gives huge pages
# (2 MB each), one more in a few places, 4.2 MB in all where it was seen. In memory the same tokens
# take 124 MB, fifteen times this bound.
bound=8192
for count in 1 2; do
    peak "small text, $count ranks" $count --set sae.buffer=4k
    small=$peak
    peak "large text, $count ranks" $count --set sae.buffer=4k --set text=large.npy
    check "$count ranks: $((peak - small)) kB more" test $((peak - small)) -lt $bound
done
# The same in memory: 124,000 rows of 128 in 2 layers.
peak "small text, in memory" 1
small=$peak
peak "large text, in memory" 1 --set text=large.npy
check "in memory: $((peak - small)) kB more" test $((peak - small)) -gt $((14 * bound))

# --- dumps, plain and packed: what is read and tokenized is a page, or a block of documents, at a time
page() { printf '<page><title>%s</title><ns>0</ns><id>%s</id><revision><text>' "$1" "$1" && cat story.xml && echo '</text></revision></page>'; }
sed 's/&/\&amp;/g; s/</\&lt;/g' "$demo/story.txt" >story.xml
dump() { echo '<mediawiki>' && for ((i = 1; i <= $1; i++)); do page "$i"; done && echo '</mediawiki>'; }
dump 80 >small.xml
dump 800 >large.xml
bzip2 -k small.xml large.xml
for ending in xml xml.bz2; do
    for count in 1 2; do
        peak_of "tokens of a small dump, $ending, $count ranks" $count \
            tokenize small.$ending --model model -o dump.npy
        small=$peak
        peak_of "tokens of a large dump, $ending, $count ranks" $count \
            tokenize large.$ending --model model -o dump.npy
        check "$ending, $count ranks: $((peak - small)) kB more" test $((peak - small)) -lt $bound
        check "$ending, $count ranks: under 200 MB" test "$peak" -lt 200000
    done
done

# --- what cannot fit: 200 layers of it
tiny_model deep gpt2:200x32x2:4096:128
expect_error "activations beyond memory" 5 \
    "error: sae: 1[0-9.]+ GB of activations in 200 layers, .* 3.1 GB of memory: .*by sae.buffer" \
    bash -c 'ulimit -v 3000000 && exec "$@"' limited \
    "$LAMINAR" sweep job.yaml -o r.nc --set text=large.npy --set model=deep
