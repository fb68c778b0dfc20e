#!/usr/bin/env bash
# Outputs that cannot be written: nothing is left beside them, and what is there stays as it was.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
need_mpirun

tiny_model model
cp "$demo/story.txt" text.txt
tiny_job job.yaml
mkdir out
echo "not a result" >out/other.nc
sweep=("$LAMINAR" sweep job.yaml -o)
expect "where nothing is" "${sweep[@]}" out/before.nc
cp out/before.nc before

# --- found before the work begins
export ranks=3
expect_error "folder missing" 4 \
    "missing/x.nc cannot be written: its folder does not exist.*create" \
    "${sweep[@]}" missing/x.nc
expect_error "folder missing, as the job says" 4 "missing/x.nc cannot be written: its folder does" \
    "$LAMINAR" sweep job.yaml --set output=missing/x.nc
expect_error "below a file" 4 \
    "text.txt/x.nc cannot be written: what should be its folder is a file" \
    "${sweep[@]}" text.txt/x.nc
expect_error "where nobody may write" 4 "/proc/x.nc cannot be written: .*choose another output" \
    "${sweep[@]}" /proc/x.nc
expect_error "a folder" 4 "out is a folder: give the name of a file" "${sweep[@]}" out
expect_error "a folder's name" 4 "out/ is a folder's name: give the name of a file" \
    "${sweep[@]}" out/
expect_error "a device" 4 "/dev/null is not a file that can be replaced" "${sweep[@]}" /dev/null
unset ranks
mkfifo pipe
expect_error "a pipe" 4 "pipe is not a file that can be replaced" "${sweep[@]}" pipe
expect_error "empty" 2 "-o.* is empty" "${sweep[@]}" ''
expect_error "missing" 2 "'-o' needs a value: the file to write" "${sweep[@]}"
name=$(printf '%0300d' 0)
expect_error "a name of 300 characters" 4 "$name.nc cannot be written: File name too long" \
    "${sweep[@]}" "$name.nc"

# Root may write anywhere; without this capability it is as everybody else.
unprivileged=()
if [ "$(id -u)" -eq 0 ]; then
    unprivileged=(setpriv "--bounding-set=-dac_override,-dac_read_search")
fi
if "${unprivileged[@]}" true 2>/dev/null; then
    chmod 555 out
    expect_error "folder not writable" 4 "out/x.nc cannot be written: its folder is not writable" \
        "${unprivileged[@]}" "${sweep[@]}" out/x.nc
    chmod 755 out
    chmod 444 out/before.nc
    expect_error "file not writable" 4 "out/before.nc is there and write-protected" \
        "${unprivileged[@]}" "${sweep[@]}" out/before.nc
    chmod 644 out/before.nc
else
    echo "left out: permissions, which setpriv cannot take away here"
fi

# --- found when it is written
# shellcheck disable=SC2016 # for the shell that is started
limited=(bash -c 'ulimit -f "$0"; exec "$@"') # BLOCKS of 1024 bytes, COMMAND
expect_error "a file too large" 4 \
    "out/before.nc cannot be written: .* limit on file sizes.*ulimit" \
    "${limited[@]}" 32 "${sweep[@]}" out/before.nc --set sae.epochs=3000

# OPTIONS of a file system that "full" is to the command alone, COMMAND; says what is left in it.
# shellcheck disable=SC2016
mounted=(unshare --user --map-root-user --mount bash -c '
    mount -t tmpfs -o "$0" tmpfs full || exit
    "$@"
    status=$?
    [ -z "$(ls -A full)" ] || echo "left: $(ls -A full)" >&2
    exit $status')
mkdir full
if "${mounted[@]}" size=16k true 2>/dev/null; then
    # With room for one page, no layer is kept, and so no folder; with more, what is kept stays
    # (alone.sh goes on with it).
    expect_error "a full disk" 4 "full/x.nc cannot be written: the disk is full .*free some space" \
        "${mounted[@]}" size=4k "${sweep[@]}" full/x.nc
    run "${mounted[@]}" size=16k "${sweep[@]}" full/x.nc
    same "a full disk, layers kept: status" "4 " "$statuses"
    same "a full disk, layers kept: nothing else" "left: x.run" "$(grep '^left' "$log/err")"
    expect_error "a full disk, tokens" 4 "full/x.npy cannot be written: the disk is full" \
        "${mounted[@]}" size=8k \
        "$LAMINAR" tokenize text.txt --model model -o full/x.npy
    expect_error "a full disk, a checkpoint" 4 "cannot write full/m.*: No space left" \
        "${mounted[@]}" size=64k "$LAMINAR" synth gpt2:6x32x2:4096:64 full/m
    expect_error "a read-only disk" 4 "full/x.nc cannot be written: .*read-only file system" \
        "${mounted[@]}" ro "${sweep[@]}" full/x.nc
else
    echo "left out: a full disk and a read-only one, which this system lets nobody mount"
fi

# --- the other commands that write
tokenize=("$LAMINAR" tokenize text.txt --model model -o)
expect_error "tokens: folder missing" 4 "missing/x.* cannot be written: its folder does not exist" \
    "${tokenize[@]}" missing/x.npy
expect_error "tokens: another name" 2 "out/x.txt: a file of tokens must be named NAME.npy" \
    "${tokenize[@]}" out/x.txt
mkdir out/taken.yaml
expect_error "tokens: the manifest cannot be written" 4 "out/taken.yaml is a folder" \
    "${tokenize[@]}" out/taken.npy
synth=("$LAMINAR" synth gpt2:2x32x2:4096:64)
expect_error "checkpoint: folder missing" 4 "cannot make the folder missing/m: No such file" \
    "${synth[@]}" missing/m
expect_error "checkpoint: a file" 4 "text.txt.*(Not a directory|is a file)" "${synth[@]}" text.txt
expect_error "checkpoint: another's folder" 2 "out holds .*, which synth did not write: give an" \
    "${synth[@]}" out
expect_error "checkpoint: a file too large" 4 "cannot write .*: File too large" \
    "${limited[@]}" 64 "${synth[@]}" out/m
check "what was there is as it was" cmp out/before.nc before

# --- all is well after all
expect_error "over a file that is no result" 4 'other.nc.*no netCDF file' "${sweep[@]}" out/other.nc
check "which is as it was" grep -qx "not a result" out/other.nc
expect "over a result" "${sweep[@]}" out/before.nc
expect "which is a result still" "$LAMINAR" info out/before.nc
