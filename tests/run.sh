#!/usr/bin/env bash
# Installs what is missing, builds laminar and runs all its tests.
#   bash tests/run.sh [--quick]
# --quick: the optimised build alone; neither the sanitizers nor the check of the format.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null

case $* in
"") quick=false ;;
--quick) quick=true ;;
*)
    echo "usage: bash tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

passed=0 failed=0 skipped=0
finish() {
    # Through sudo, what was built is the caller's.
    [ -z "${SUDO_UID:-}" ] || [ ! -d build ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

fail() {
    failed=$((failed + 1))
    echo "FAILED: $1"
}

# Of a JUnit file by ctest: names what was skipped and why, scripts (exit status 77) and single
# cases of an executable or a script ("left out: "); then, in the last line, the counts passed, failed,
# skipped. An executable that passes counts as one, whatever it skips; a test whose program is missing
# has failed.
summary='
function skip(what) { skipped++; print "skipped: " what ":" reason }
/^\t<testcase / { split($0, part, "\""); name = part[2]; status = part[8]; reason = ""; script = 0
                  passed += status == "run"; failed += status != "run"; next }
/^\t\t<skipped message="SKIP_RETURN_CODE/ { failed--; script = 1 }
/^\t<\/testcase>/ { if (script) skip(name) }
/^\t*<\/?(skipped|failure|testcase)/ { next }
{ gsub(/\t*<\/?system-out>|^skipped: /, "") }
/^left out: / { reason = substr($0, 10); skip(name); reason = ""; next }
/^\[ RUN  / { reason = "" }
/^\[  SKIPPED \] [A-Za-z_]/ { if (!seen[name, $4]++) skip(name " " $4) }
!/^\[/ && NF { reason = reason " " $0 }
END { print passed + 0, failed + 0, skipped + 0 }'

# run PRESET [OPTION...]: builds it with these options of CMake and runs its tests. Its status says
# whether that could be done, not whether they passed.
run() {
    local results=$PWD/build/$1/results.xml status report good bad left
    echo "== $1"
    cmake --preset "$@" -DLAMINAR_TESTS=ON >/dev/null &&
        cmake --build --preset "$1" --parallel "$(nproc)" || return
    rm -f "$results"
    ctest --preset "$1" --parallel "$(nproc)" --output-junit "$results"
    status=$?
    [ -s "$results" ] || return
    report=$(awk "$summary" "$results")
    grep '^skipped: ' <<<"$report"
    read -r good bad left <<<"${report##*$'\n'}"
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
    [ "$bad" -gt 0 ] || return $status
}

format() {
    local bad
    if ! command -v clang-format-14 >/dev/null; then
        echo "skipped: format: clang-format-14 is not installed"
        skipped=$((skipped + 1))
        return
    fi
    bad=$(find src io mpi jobs tests -name '*.[ch]' | sort | while read -r file; do
        clang-format-14 --dry-run --Werror "$file" 2>/dev/null || echo "$file"
    done)
    if [ -z "$bad" ]; then
        passed=$((passed + 1))
    else
        fail "the format; clang-format-14 -i mends it: ${bad//$'\n'/ }"
    fi
}

if ! bash install-packages.sh test; then
    fail "the packages for the tests"
    exit
fi
# Where these cannot be had, the tests that need them are skipped and say so.
[ ! -d "${LAMINAR_SHARED:-../shared}/cluster" ] || bash install-packages.sh cluster
bash install-packages.sh browser
bash install-packages.sh hands
if ! run release -DLAMINAR_WERROR=ON; then
    fail "the preset release"
    exit
fi
if ! $quick; then
    run asan || fail "the preset asan"
    format
fi
