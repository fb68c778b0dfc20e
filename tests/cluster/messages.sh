#!/usr/bin/env bash
# What a run of 36 layers really sends, counted between the program and MPI, beside what laminar plan
# says, for 1 to 36 ranks and beyond: equal to the byte. Prints a table.
#   bash tests/cluster/messages.sh [RANKS...]     after a build with tests
set -u
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${LAMINAR_BUILD:-$source/build/release}
laminar=$build/laminar counter=$build/tests/libcluster_messages.so
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
[ $# -gt 0 ] || set -- 1 2 3 4 6 9 12 18 24 36 48
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMP_NUM_THREADS=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none \
    OMPI_MCA_mpi_yield_when_idle=1

"$laminar" synth -q gpt2:36x64x2:4096:128 model --tokenizer "$source/jobs/demo/model" || exit
cat >job.yaml <<END
model: model
text: $source/jobs/demo/page.html
sequences: 64
length: 64
output: job.nc
attention: {}
sae: {latents: 64, epochs: 1, splice: 2}
END

value() {
    sed -n "s/^ \"$1\": \([0-9.e+-]*\),\{0,1\}$/\1/p" plan.json
}

status=0
echo "| ranks | residuals: messages | bytes | of plan | results: bytes | of plan |"
echo "|---|---|---|---|---|---|"
for ranks in "$@"; do
    "$laminar" plan job.yaml --ranks "$ranks" --untimed --json >plan.json || exit
    if ! mpirun -n "$ranks" -x LD_PRELOAD="$counter" "$laminar" sweep job.yaml -q 2>err; then
        cat err
        exit 1
    fi
    read -r messages bytes rows < <(sed -n \
        's/.*sent: residual \([0-9]*\) \([0-9]*\) rows [0-9]* \([0-9]*\) .*/\1 \2 \3/p' err)
    planned="$(value residual_messages) $(value residual_bytes) $(value row_bytes)"
    read -r plan_messages plan_bytes plan_rows < <(awk '{ printf "%d %d %d\n", $1, $2, $3 }' <<<"$planned")
    echo "| $ranks | $messages | $bytes | $plan_messages, $plan_bytes | $rows | $plan_rows |"
    [ "$messages $bytes $rows" = "$plan_messages $plan_bytes $plan_rows" ] || status=1
done
[ "$status" -eq 0 ] || echo "messages: not what was planned" >&2
exit "$status"
