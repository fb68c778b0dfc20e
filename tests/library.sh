# What the scripts in fault/ and golden/ share; each sources it first. It gives them an empty folder
# to work in, which goes away at the end, and prints one line a case and "N passed, N failed" last.
# shellcheck shell=bash
set -u
export LC_ALL=C
unset COLUMNS
LAMINAR=$(realpath -e "${LAMINAR:?must be the path of the program (ctest says it)}") || exit 1
: "${LAMINAR_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
demo=$LAMINAR_SOURCE/jobs/demo

passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/laminar-test.XXXXXX") || exit 1
folder=$work/folder log=$work/log # what laminar sees, and what it does not
mkdir "$folder" "$log"
cd "$folder" || exit 1

finish() {
    local status=$?
    cd / && rm -rf "$work"
    [ "$status" -ne 77 ] || exit 77
    echo "$passed passed, $failed failed"
    [ "$status" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

skip() { # the whole script
    echo "$1"
    exit 77
}

pass() {
    passed=$((passed + 1))
    echo "ok      $1"
}

# fail NAME WHY [FILE]: FILE is what explains it.
fail() {
    failed=$((failed + 1))
    echo "FAILED  $1: $2"
    [ $# -lt 3 ] || head -n 40 "$3" | sed 's/^/        | /'
}

# check NAME COMMAND...: the command, of the shell's, succeeds.
check() {
    local name=$1
    shift
    if "$@" >"$log/check" 2>&1; then pass "$name"; else fail "$name" "not so: $*" "$log/check"; fi
}

# same NAME A B: two texts are equal and not empty.
same() {
    if [ -n "$2" ] && [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "'$2' and '$3'"; fi
}

differ() {
    if [ -n "$2" ] && [ -n "$3" ] && [ "$2" != "$3" ]; then
        pass "$1"
    else
        fail "$1" "'$2' and '$3'"
    fi
}

# Files with their sizes and times, and folders, without theirs: a file that is made to see whether
# it can be, and removed, changes the time of its folder.
listing() {
    find . \( -type d -printf '%p\n' \) -o -printf '%p %y %l %s %T@\n' | sort
}

# since NANOSECONDS: the seconds since then.
since() {
    awk -v from="$1" -v to="$(date +%s%N)" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'
}

# run COMMAND...: its output in $log/out and $log/err, its status, or those of all ranks, in
# $statuses, how long it took in $seconds_taken. With ranks=N before it, it runs on N ranks, each of which must end by itself: mpirun is
# told of crashes only, as it would kill the others at the first rank that ends with an error.
run() {
    local limit=${seconds:-30} status began
    began=$(date +%s%N)
    : >"$log/statuses"
    if [ -n "${ranks:-}" ]; then
        # shellcheck disable=SC2016 # for the shell of the rank
        timeout -k 5 "$limit" mpirun -n "$ranks" bash -c '
            "$@"; status=$?; echo $status >>"$0"; exit $((status < 126 ? 0 : status))' \
            "$log/statuses" "$@" </dev/null >"$log/out" 2>"$log/err"
        status=$?
        statuses=$(tr '\n' ' ' <"$log/statuses")
        [ "$status" -eq 0 ] || statuses="${statuses}mpirun $status "
    else
        timeout -k 5 "$limit" "$@" </dev/null >"$log/out" 2>"$log/err"
        statuses="$? "
    fi
    seconds_taken=$(since "$began")
}

# Why the last run is not what it should be: status NUMBER on every rank, or nothing.
wrong_status() {
    local expected='' i
    for ((i = 0; i < ${ranks:-1}; i++)); do expected="$expected$1 "; done
    [ "$statuses" = "$expected" ] || echo "status ${statuses}where ${expected}is expected"
}

# expect_error NAME STATUS PATTERN COMMAND...: the command ends by itself with that status and one
# line "laminar: error: ...", which the extended regular expression fits, and neither leaves, takes
# nor changes a file. On one rank no other line may stand beside laminar's.
expect_error() {
    local name=$1 status=$2 pattern=$3 before why lines
    shift 3
    before=$(listing)
    run "$@"
    why=$(wrong_status "$status")
    lines=$(grep -c '^laminar: error: ' "$log/err")
    if [ -n "$why" ]; then
        :
    elif [ "$lines" -ne 1 ]; then
        why="$lines lines of error"
    elif ! grep '^laminar: error: ' "$log/err" | grep -Eq -- "$pattern"; then
        why="the line does not fit '$pattern'"
    elif [ -z "${ranks:-}" ] && grep -qv '^laminar: ' "$log/err"; then
        why="other lines beside the error"
    elif [ "$(listing)" != "$before" ]; then
        why="files were left, taken or changed"
        diff <(echo "$before") <(listing) >>"$log/err"
    else
        pass "$name"
        return
    fi
    fail "$name" "$why" "$log/err"
}

# expect NAME COMMAND...: the command succeeds, on all ranks.
expect() {
    local name=$1 why
    shift
    run "$@"
    why=$(wrong_status 0)
    if [ -z "$why" ]; then pass "$name"; else fail "$name" "$why" "$log/err"; fi
}

# prepare COMMAND...: what the cases need and do not test; without it there is nothing to test.
prepare() {
    "$@" >"$log/prepare" 2>&1 </dev/null && return
    cat "$log/prepare"
    fail "preparing" "$*"
    exit 1
}

need_mpirun() {
    command -v mpirun >/dev/null || skip "mpirun is not on the PATH"
}

# tiny_model DIR [SHAPE [OPTION...]]: a checkpoint that runs in no time, with the demo's tokenizer.
tiny_model() {
    local shape=${2:-gpt2:6x32x2:4096:64}
    prepare "$LAMINAR" synth "$shape" "$1" --dtype F16 --tokenizer "$demo/model" "${@:3}"
}

# tiny_job FILE [LINE...]: a job on the folder "model" and "text.txt" that writes "result.nc".
tiny_job() {
    cat >"$1" <<'END'
model: model
text: text.txt
sequences: 4
length: 32
output: result.nc
END
    [ $# -eq 1 ] || printf '%s\n' "${@:2}" >>"$1"
    echo 'sae: {epochs: 1, latents: 16}' >>"$1"
}

# attribute FILE NAME: one of a result, as laminar info --json has it, without its quotes;
# nothing if info does not verify the file's values.
attribute() {
    local all
    all=$("$LAMINAR" info --json "$1" 2>>"$log/err") || return
    sed -n "s/^    \"$2\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}$/\1/p" <<<"$all"
}

digest() {
    attribute "$1" profile_sha256
}

# row FAULT SECONDS RESULT DIGEST: a row of the table that fault/table.bash makes: what the result came to
# after the fault.
row() {
    [ -z "${LAMINAR_FAULT_TABLE:-}" ] ||
        echo "| $1 | $2 | $([ "$(digest "$3")" = "$4" ] && echo yes || echo no) |" >>"$LAMINAR_FAULT_TABLE"
}

# --- safetensors: 8 bytes of length, that many of JSON, the data

le64() { # a number of 0 or more as 8 bytes, the lowest first
    local i text=
    for ((i = 0; i < 64; i += 8)); do text+=$(printf '\\x%02x' $((($1 >> i) & 255))); done
    printf '%b' "$text"
}

header_bytes() {
    od -An -tu8 -N8 "$1" | tr -d ' '
}

header() {
    tail -c +9 "$1" | head -c "$(header_bytes "$1")"
}

# set_header FILE TEXT: the data stays as it is.
set_header() {
    { le64 "${#2}" && printf '%s' "$2" && tail -c +"$(($(header_bytes "$1") + 9))" "$1"; } \
        >"$1.new" && mv "$1.new" "$1"
}

# edit_header FILE SCRIPT: by a script of sed, which must change something.
edit_header() {
    local old new
    old=$(header "$1")
    new=$(sed -E "$2" <<<"$old")
    [ "$old" != "$new" ] || fail "preparing" "the header of $1 has nothing for $2"
    set_header "$1" "$new"
}

# set_length FILE NUMBER: what the file says of its header's length.
set_length() {
    le64 "$2" | dd of="$1" conv=notrunc status=none
}

# poke FILE TENSOR BYTES: writes the bytes, as of printf, over the tensor's first values.
poke() {
    local at
    at=$(header "$1" | sed -nE "s/.*\"$2\":\\{[^}]*\"data_offsets\":\\[([0-9]+),.*/\\1/p")
    [ -n "$at" ] || fail "preparing" "$1 has no tensor $2"
    printf '%b' "$3" | dd of="$1" bs=1 conv=notrunc status=none \
        seek=$(($(header_bytes "$1") + 8 + at))
}
