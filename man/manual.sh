#!/usr/bin/env bash
# Prints a manual page: a template of man/ with what the program says of itself, so that the two cannot
# differ. Lines of the template that begin with @ stand for
#   @commands      the help of every command, a section each
#   @statuses      the exit statuses
#   @keys TITLE    the keys under a title of 'laminar help job'
#   @file PATH     a file of the project, as it is
#   bash man/manual.sh LAMINAR TEMPLATE
set -euo pipefail
export LC_ALL=C COLUMNS=80
laminar=$1 template=$2
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

version=$("$laminar" --version)
reference=$("$laminar" help job)

# Text as roff shows it to the letter.
verbatim() {
    echo .EX
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
    echo .EE
}

# A help's lists and paragraphs as roff: "Title:" begins a list, "  term  text" an entry, "  line"
# under Examples stands as it is.
pages() {
    awk '
        function shown(text) {
            gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text)
            return text ~ /^[.\047]/ ? "\\&" text : text
        }
        function close_examples() { if (examples) print ".EE"; examples = 0 }
        /^ *$/ { paragraph = 0; next }
        /^Usage: / { sub(/^Usage: /, ""); print "\\fB" shown($0) "\\fR"; usage = 1; paragraph = 1; next }
        usage && /^       [^ ]/ { sub(/^ */, ""); print "\\fB" shown($0) "\\fR"; next }
        { usage = 0 }
        /^[A-Za-z].*:$/ && !paragraph {
            close_examples(); sub(/:$/, ""); print ".SS \"" shown(toupper(substr($0, 1, 1)) substr($0, 2)) "\""
            if ($0 ~ /^Examples/) { print ".EX"; examples = 1 }
            next
        }
        examples { sub(/^  /, ""); print shown($0); next }
        /^  [^ ]/ {
            sub(/^  /, ""); at = match($0, /   *[^ ]/); term = at ? substr($0, 1, at - 1) : $0
            print ".TP\n\\fB" shown(term) "\\fR"
            if (at) print shown(substr($0, RSTART + RLENGTH - 1))
            next
        }
        /^   / { sub(/^ */, ""); print shown($0); next }
        { if (!paragraph) print ".PP"; paragraph = 1; print shown($0) }
        END { close_examples() }'
}

# What a help says of its command alone: not the options of every command, nor, of a profile's, the
# keys, which laminar-job(5) lists.
own() {
    awk '/^[A-Za-z].*:$/ { keys = /^(Profile|Text|Run):$/; title = $0; every = 0; next }
        /^  [^ ]/ { every = /^  (-q, --quiet|-v, --verbose|-h, --help|--version) / }
        keys || every { next }
        NF && title { print title; title = "" }
        1'
}

# The commands are the indented words under "commands:".
commands() {
    "$laminar" --help | awk '/^commands:/ {on = 1; next} /^[^ ]/ {on = 0} on && /^  [a-z]/ {print $1}' |
        while read -r command; do
            echo ".SH LAMINAR ${command^^}"
            "$laminar" "$command" --help | own | pages
            ! grep -q "^Section $command:" <<<"$reference" || cat <<END
.PP
Every key of the section $command, of the text and of the run is an option,
learning_rate as
.BR \\-\\-learning\\-rate :
see
.BR laminar\\-job (5).
END
        done
}

used=
# keys TITLE: the entries under "TITLE:" or "TITLE: more".
keys() {
    local entries
    entries=$(awk -v title="$1" '/^[^ ]/ {on = index($0, title ":") == 1; next} on' <<<"$reference")
    if [ -z "$entries" ]; then
        echo "manual.sh: $template: laminar has no keys under \"$1\"" >&2
        exit 1
    fi
    used+="$1"$'\n'
    pages <<<"$entries"
}

echo ".\\\" Made by man/manual.sh of $(basename "$template") and what the program says of itself."
while IFS= read -r line; do
    case $line in
    @commands) commands ;;
    @statuses) "$laminar" --help | sed '1,/^exit status:/d' | pages ;;
    "@keys "*) keys "${line#@keys }" ;;
    "@file "*) verbatim <"$folder/${line#@file }" ;;
    *) echo "${line//@version@/$version}" ;;
    esac
done <"$template"

# A template that shows keys shows all that there are.
[ -z "$used" ] || sed -n 's/^\([^ ][^:]*\):.*/\1/p' <<<"$reference" | while read -r title; do
    if ! grep -Fqx "$title" <<<"$used"; then
        echo "manual.sh: $template: the keys under \"$title\" are not in it" >&2
        exit 1
    fi
done
