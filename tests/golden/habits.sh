#!/usr/bin/env bash
# Good habits on a command line: pipes that are closed, locales, narrow terminals, no colours, no questions, Ctrl-C.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
tiny_model model
cp "$demo/story.txt" text.txt
tiny_job job.yaml
prepare "$LAMINAR" sweep job.yaml

# --- who reads may leave: a program ends in silence, by itself or by SIGPIPE
for command in "info result.nc" "info --json result.nc" "--help" "sae --help" "help job" "info --tensors model" "doctor" \
    "compare result.nc result.nc" "tokenize text.txt --model model"; do
    # shellcheck disable=SC2086 # its words
    statuses=$("$LAMINAR" $command 2>"$log/err" | true; echo "${PIPESTATUS[0]}")
    check "laminar $command | true: status" grep -Eqx '0|141' <<<"$statuses"
    check "laminar $command | true: not a word" test ! -s "$log/err"
done
# A full disk is an error all the same.
if [ -w /dev/full ]; then
    for command in "info result.nc" "info --json result.nc" "help job"; do
        # shellcheck disable=SC2086
        "$LAMINAR" $command >/dev/full 2>"$log/err"
        same "laminar $command on a full disk" 4 $?
    done
fi

# --- encodings
plain() { ! LC_ALL=C grep -q '[^ -~]' "$1"; }
LC_ALL=C run "$LAMINAR" info result.nc
check "C: nothing but ASCII" plain "$log/out"
check "C: the curve is there" grep -Eq '^  mse .* [1-8]{6}$' "$log/out"
LC_ALL=C.UTF-8 run "$LAMINAR" info result.nc
check "UTF-8: blocks" grep -Eq '^  mse .*(▁|█)' "$log/out"
run env LC_ALL=none.such "$LAMINAR" info result.nc
check "a locale that is not there: ASCII" plain "$log/out"

# --- widths
widest() { awk 'length > most {most = length} END {print most + 0}' "$1"; }
COLUMNS=60 run "$LAMINAR" info result.nc
check "60 columns: info" test "$(grep -Ev '^ +[0-9a-f]{64}$|^[^ ]' "$log/out" | awk '{print length}' | sort -n | tail -n 1)" -le 60
COLUMNS=40 run "$LAMINAR" sae --help
sed '/^Examples:/,$d' "$log/out" >narrow
check "40 columns: help" test "$(widest narrow)" -le 40
for columns in 300 nonsense -1 0 ''; do
    COLUMNS=$columns run "$LAMINAR" sae --help
    same "columns '$columns': 80" "$("$LAMINAR" sae --help | md5sum)" "$(md5sum <"$log/out")"
done

# --- terminals
if ! python3 -c 'import pty' 2>/dev/null; then
    echo "left out: terminals, for want of python3"
    exit
fi
# terminal [-i] COMMAND...: runs it on a terminal of its own where nobody types; its status is what it ends with. -i: types
# Ctrl-C once the bar is there.
cat >"$work/terminal.py" <<'END'
import os, pty, sys, time
interrupt = sys.argv[1] == "-i"
pid, terminal = pty.fork()
if pid == 0:
    command = sys.argv[2 if interrupt else 1:]
    os.execvp(command[0], command)
seen, typed = b"", False
while True:
    try:
        more = os.read(terminal, 65536)
    except OSError:
        break
    if not more:
        break
    seen += more
    sys.stdout.buffer.write(more)
    if interrupt and not typed and b", epoch " in seen:
        os.write(terminal, b"\x03")
        typed = True
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
END
terminal() { timeout 60 python3 "$work/terminal.py" "$@" </dev/null >"$log/terminal" 2>&1; }
export TERM=xterm-256color
rm result.nc
terminal "$LAMINAR" sweep job.yaml
same "a terminal: nothing is asked" 0 $?
check "a terminal: no colours" bash -c "! grep -aq \$'\\033\\[[0-9;]*m' '$log/terminal'"
NO_COLOR=1 terminal "$LAMINAR" info result.nc
same "NO_COLOR" 0 $?
check "NO_COLOR: no colours" bash -c "! grep -q \$'\\033\\[[0-9;]*m' '$log/terminal'"
TERM=dumb terminal "$LAMINAR" sweep job.yaml -o dumb.nc
same "a terminal that knows nothing" 0 $?
check "a terminal that knows nothing: nothing moves its cursor" bash -c "! grep -aq \$'\\033' '$log/terminal'"
terminal -i "$LAMINAR" sweep job.yaml --set sae.epochs=1000000 -o long.nc
same "Ctrl-C: status" 8 $?
# The bar gives way where the hours left are many.
check "a terminal: a bar" grep -aqE '(forward pass|sae) +(\[|[0-9]+%)' "$log/terminal"
check "a terminal: no colours in the bar" bash -c "! grep -aq \$'\\033\\[[0-9;]*m' '$log/terminal'"
check "Ctrl-C: one line says so" grep -aq 'laminar: ended by SIGINT' "$log/terminal"
same "Ctrl-C: the line is ended" '\n' "$(tail -c 1 "$log/terminal" | od -An -c | tr -d ' ')"
check "Ctrl-C: no result, no file half written" bash -c "! ls -d long.nc *.tmp 2>/dev/null"
