#!/usr/bin/env bash
# Whether SAELens loads what laminar exports and finds the same latents. Not part of run.sh: it
# installs SAELens with PyTorch, some gigabytes, in a Python environment of its own.
#   bash tests/saelens/check.sh [LAMINAR]     the program, built with -DLAMINAR_TESTS=ON
# PYTHON=... takes a Python that has sae-lens already; SAELENS_ENVIRONMENT=FOLDER says where to
# install it (build/saelens).
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
laminar=$(realpath -e "${1:-$root/build/release/laminar}")
rows=$(realpath -e "$(dirname "$laminar")/tests/saelens_rows")
environment=${SAELENS_ENVIRONMENT:-$root/build/saelens}

python=${PYTHON:-$environment/bin/python}
if [ -z "${PYTHON:-}" ] && ! "$python" -c 'import sae_lens' 2>/dev/null; then
    python3 -m venv "$environment"
    "$python" -m pip install --quiet 'sae-lens==6.54.*'
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/laminar-saelens.XXXXXX")
trap 'rm -rf "$work"' EXIT
kinds="relu topk batchtopk jumprelu gated"

# Made-up rows, whose latents are compared.
"$rows" "$work" $kinds published
# The demo model by the program itself, which is only loaded.
demo=$root/jobs/demo
short=(--model "$demo/model" --sequences 4 --length 128 --epochs 2 --quiet -o "$work/demo.nc")
for kind in $kinds; do
    "$laminar" sae "${short[@]}" --text "$demo/story.txt" --kind "$kind" --export "$work/demo-$kind"
done
"$laminar" sae "${short[@]}" --text "$demo/page.html" --mode published \
    --export "$work/demo-published"
"$python" "$here/check.py" "$work" $kinds published
