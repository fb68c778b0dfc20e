# For the scripts in this folder, after library.sh: a small result of all profiles.
# shellcheck shell=bash

# A text of the demo's, short enough to be run in no time.
head -c 6000 "$demo/story.txt" >"$work/story.txt"

# small_result FILE [OPTION...]: the demo's job, with little of everything.
small_result() {
    prepare "$LAMINAR" sweep "$demo/demo.yaml" -q -o "$PWD/$1" --set sequences=4 \
        --set length=64 --set rsa.permutations=50 --set rsa.bootstraps=50 --set sae.epochs=4 \
        --set tuning.folds=2 --set tuning.text="$work/story.txt" \
        --set spectrum.text="$work/story.txt" "${@:2}"
}

# A Python that has the library, or nothing.
python_with() {
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2>/dev/null && echo "$python" && return
    done
}

# pictures NAME EXPECTED PNG...: pictures look like those in the folder EXPECTED, as far as coarse
# pictures show. With LAMINAR_UPDATE=1 they are what is expected from now on: look at them first.
pictures() {
    local name=$1 python
    python=$(python_with PIL)
    if [ -z "$python" ]; then
        echo "left out: $name: Python's PIL is not installed (Debian: python3-pil)"
    elif [ "$(fc-match -f '%{family}' sans-serif)" != "DejaVu Sans" ]; then
        echo "left out: $name: the expected pictures' font is DejaVu Sans, here it is another"
    else
        check "$name" "$python" "$LAMINAR_SOURCE/tests/report/pictures.py" "${@:2}" \
            ${LAMINAR_UPDATE:+--update}
    fi
}
