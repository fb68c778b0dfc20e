#!/usr/bin/env bash
# What laminar plan says of three jobs beside what they then take, in memory and in time: a table. For a
# quiet machine; time within 30%, memory within 10%, or its exit status is 1.
#   bash tests/cluster/plan.sh [RANKS...]     after a build; 1 and 2 ranks unless told otherwise
# On a busy machine, LAMINAR_BUSY=1 bash tests/cluster/plan.sh: the ranks' mean processor time in the place of
# the clock's. Ranks that wait for each other do so at work, so it is about what the clock would say without the others.
set -u
TIMEFORMAT='%R %U %S'
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
laminar=${LAMINAR_BUILD:-$source/build/release}/laminar demo=$source/jobs/demo
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
[ $# -gt 0 ] || set -- 1 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMP_NUM_THREADS=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none \
    OMPI_MCA_mpi_yield_when_idle=1

cat >sae.yaml <<END
model: $demo/model
text: $demo/page.html
sequences: 16
length: 256
output: result.nc
sae: {epochs: 40}
END
sed "s|^model: .*|model: $demo/model|; s|page.html|$demo/page.html|; s|story.txt|$demo/story.txt|" \
    "$demo/demo.yaml" >all.yaml
sed -i 's/^sae: .*/sae: {epochs: 10}/; s/^output: .*/output: result.nc/' all.yaml
"$laminar" synth -q gpt2:6x1024x16:8192:1024 model --tokenizer "$demo/model" || exit
cat >wide.yaml <<END
model: model
text: $demo/page.html
sequences: 4
length: 1024
output: result.nc
sae: {latents: 2048, epochs: 4}
END

value() {
    sed -nE "s/^ *\"$1\": ([0-9.e+-]*),?$/\1/p" plan.json | tail -n 1
}

status=0
# row PLANNED MEASURED UNIT BOUND
row() {
    local off
    off=$(awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%+.0f", 100 * (a / b - 1); else print 999 }')
    printf ' %.1f %s | %.1f %s | %s%% |' "$1" "$3" "$2" "$3" "$off"
    [ "${off#[-+]}" -le "$4" ] || status=1
}

echo "| job | ranks | largest rank: planned | measured | off | all ranks: planned | measured | off | time: planned | measured | off |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for job in sae all wide; do
    for ranks in "$@"; do
        "$laminar" plan $job.yaml --ranks "$ranks" --json 2>err >plan.json || { cat err && exit 1; }
        rm -rf result.*
        {
            time mpirun -n "$ranks" "$laminar" sweep $job.yaml -v 2>err </dev/null || exit
        } 2>seconds || { cat err && exit 1; }
        read -r clock user system <seconds
        seconds=$clock
        [ -z "${LAMINAR_BUSY:-}" ] || seconds=$(awk -v a="$user" -v b="$system" -v n="$ranks" 'BEGIN { print (a + b) / n }')
        read -r most all < <(sed -nE \
            's/.*peak memory: largest rank ([0-9.]+) MB, all ranks ([0-9.]+) MB.*/\1 \2/p' err)
        printf '| %s | %s |' $job "$ranks"
        row "$(awk -v a="$(value memory_largest_rank)" 'BEGIN { print a / 1e6 }')" "$most" MB 10
        row "$(awk -v a="$(value memory_all_ranks)" 'BEGIN { print a / 1e6 }')" "$all" MB 10
        row "$(value all)" "$seconds" s 30
        echo
    done
done
[ "$status" -eq 0 ] || echo "plan: not all within the bounds" >&2
exit "$status"
