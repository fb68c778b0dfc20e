# Completion of laminar for bash. Commands, options and choices are what the program's help says.
_laminar() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "help --version $("$program" --help 2>/dev/null |
            awk '/^commands:/ {on = 1; next} /^[^ ]/ {on = 0} on && /^  [a-z]/ {print $1}')" -- "$current")
        return
    fi
    local help
    help=$("$program" "$command" --help 2>/dev/null)
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*' <<<"$help" |
            tr -d ' ,' | sort -u)" -- "$current")
        return
    fi
    # The choices of the option before: "(one of a, b, c; ...".
    local choices
    choices=$(awk -v option="$previous" '
        /^  -/ { on = index($0, option " ") > 0 } on { text = text " " $0 }
        END { if (match(text, /one of [^;)]*/)) { t = substr(text, RSTART + 7, RLENGTH - 7)
              gsub(/,/, " ", t); print t } }' <<<"$help")
    if [ -n "$choices" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _laminar laminar
