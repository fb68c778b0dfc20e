#!/usr/bin/env bash
# The table of faults, by the tests that try them: bash tests/fault/table.bash, with the environment of a test
# (LAMINAR, LAMINAR_FAULTS, LAMINAR_SHARED and what lets mpirun work here).
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
LAMINAR_FAULT_TABLE=$(mktemp)
export LAMINAR_FAULT_TABLE
trap 'rm -f "$LAMINAR_FAULT_TABLE"' EXIT
failed=0
for test in signals dead kills alone streaming checkpoint inject; do
    bash "$here/$test.sh" >&2 || { echo "$test failed" >&2 && failed=1; }
done
echo "| fault | seconds until the run ended | the resumed values are equal |"
echo "|---|---|---|"
cat "$LAMINAR_FAULT_TABLE"
exit $failed
