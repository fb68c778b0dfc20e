#!/usr/bin/env bash
# The manual pages: all keys, options and commands are in them, and no formatter finds fault.
. "$(dirname "${BASH_SOURCE[0]}")/../library.sh"
pages=$(dirname "$LAMINAR")
cp "$pages/laminar.1" "$pages/laminar-job.5" . || exit 1
make() { bash "$LAMINAR_SOURCE/man/manual.sh" "$LAMINAR" "$@"; }

# Pages as the build made them are those of this program.
for page in laminar.1 laminar-job.5; do
    check "$page: is of this program" cmp "$page" <(make "$LAMINAR_SOURCE/man/$page.in")
    if command -v man >/dev/null; then
        same "$page: man has no warning" ". " ". $(MANWIDTH=80 man --warnings -l $page 2>&1 >"$page.txt")"
    else
        echo "left out: man, which is not on the PATH"
    fi
    if command -v mandoc >/dev/null; then
        same "$page: mandoc has no warning" ". " ". $(mandoc -Tlint -Wwarning $page 2>&1)"
    else
        echo "left out: mandoc, which is not on the PATH"
    fi
done

# has PAGE TERM: an entry of that name; a key stands with its colon, an option with its dashes.
has() { grep -Fq -- "\\fB$2" "$1"; }
missing=
profiles=$("$LAMINAR" help job | sed -n 's/^Section \([a-z]*\):.*/\1/p')
keys=0
for profile in $profiles; do
    grep -q "^.SH SECTION ${profile^^}$" laminar-job.5 || missing+=" $profile"
    # What is an option only: the general ones.
    for key in $("$LAMINAR" "$profile" --help | sed '/^General:/,$d' | grep -oE '^  (-o, )?--[a-z][a-z0-9-]*' | sed 's/.*--//; s/-/_/g'); do
        keys=$((keys + 1))
        has laminar-job.5 "$key:" || missing+=" $profile.$key"
    done
done
same "every option of every profile is a key of laminar-job(5)" "." ".$missing"
check "there are options" test "$keys" -gt 100
missing=
for job in "$LAMINAR_SOURCE"/jobs/*.yaml "$LAMINAR_SOURCE"/jobs/demo/*.yaml; do
    for key in $(sed 's/#.*//' "$job" | grep -oE '(^|[{,]) *[a-z_0-9]+:' | tr -d '{, :'); do
        has laminar-job.5 "$key:" || grep -q "^.SH SECTION ${key^^}$" laminar-job.5 || missing+=" $job:$key"
    done
done
same "every key of the jobs is in laminar-job(5)" "." ".$missing"
missing=
for command in $("$LAMINAR" --help | awk '/^commands:/ {on = 1; next} /^[^ ]/ {on = 0} on && /^  [a-z]/ {print $1}'); do
    grep -q "^.SH LAMINAR ${command^^}$" laminar.1 || missing+=" $command"
done
same "every command is in laminar(1)" "." ".$missing"
for status in 0 1 2 3 4 5 6 7 8 9 10; do check "exit status $status" has laminar.1 "$status\\fR"; done
check "types, ranges and defaults" grep -Fq "(a whole number from 2 to 65536; default 5)" laminar-job.5

# Pages cannot drift: a template without a profile's keys, or with keys that are none, makes no page.
sed '/^@keys Section sae$/d' "$LAMINAR_SOURCE/man/laminar-job.5.in" >without.in
check "a section that the template leaves out" bash -c "! bash '$LAMINAR_SOURCE/man/manual.sh' '$LAMINAR' without.in"
sed 's/^@keys Section sae$/@keys Section saw/' "$LAMINAR_SOURCE/man/laminar-job.5.in" >unknown.in
check "a section that there is not" bash -c "! bash '$LAMINAR_SOURCE/man/manual.sh' '$LAMINAR' unknown.in"

# The page's example jobs are jobs: the second ends at its models, which are not there.
awk '/^\.SH EXAMPLES/ {on = 1} /^\.SH KEYS/ {on = 0} /^\.EX/ {n++; copy = on; next} /^\.EE/ {copy = 0; next}
    copy {gsub(/\\-/, "-"); print >("example" n ".yaml")}' laminar-job.5
check "the demo's job is an example" diff -B "$demo/demo.yaml" example1.yaml
expect_error "the other example is a job" 4 "models/gpt2: No such file or directory|models/gpt2" "$LAMINAR" sweep example2.yaml
