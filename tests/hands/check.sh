#!/usr/bin/env bash
# The result in everybody's hands: tests/report/hands.sh with nothing left out, and the conventions
# CF and ACDD by the IOOS compliance-checker. Not part of run.sh: it installs R, CDO and a Python
# environment of its own, some hundred megabytes.
#   bash tests/hands/check.sh [LAMINAR]
# HANDS_ENVIRONMENT=FOLDER says where Python's packages go (build/hands).
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
laminar=$(realpath -e "${1:-$root/build/release/laminar}")
environment=${HANDS_ENVIRONMENT:-$root/build/hands}

bash "$root/install-packages.sh" hands
if ! "$environment/bin/python" -c 'import xarray, netCDF4, compliance_checker' 2>/dev/null; then
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet xarray netCDF4 'compliance-checker==6.1.*'
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/laminar-hands.XXXXXX")
trap 'rm -rf "$work"' EXIT

LAMINAR=$laminar LAMINAR_SOURCE=$root LAMINAR_HANDS=all LAMINAR_HANDS_KEEP=$work/demo.nc \
    PYTHON=$environment/bin/python bash "$root/tests/report/hands.sh"

# The checker sees one group at a time.
for group in attention heads rsa sae tuning/qkv tuning/mlp_fc spectrum/resid_post; do
    ncks -O -G : -g "$group" "$work/demo.nc" "$work/${group//\//_}.nc"
done
"$environment/bin/compliance-checker" --test=cf:1.10 --test=acdd:1.3 --criteria=strict \
    --format=json_new --output="$work/report.json" "$work"/*.nc >/dev/null 2>&1 || true
"$environment/bin/python" "$here/conventions.py" "$work/report.json"
