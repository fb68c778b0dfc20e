#!/usr/bin/env bash
# Simulates a job on a model of GPT-2-large's shape on 1 to 288 ranks, 12 a node, of this machine's cores
# and of ones 16 times as fast, over 10 and 100 Gbit/s: prints a table and draws the figure of
# slurm/README.md. Takes 1.6 GB of disk for the model.
#   bash tests/cluster/scale.sh [FIGURE.svg]     after a build; needs gnuplot
set -u
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
laminar=${LAMINAR_BUILD:-$source/build/release}/laminar demo=$source/jobs/demo
figure=$(realpath -m "${1:-$source/slurm/scale.svg}")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1

"$laminar" synth -q gpt2-large model --dtype F16 --tokenizer "$demo/model" || exit
for i in 1 2 3 4 5 6 7 8 9; do cat "$demo/story.txt"; done >text.txt
cat >job.yaml <<'END'
model: model
text: text.txt
sequences: 10
length: 1024
output: job.nc
sae: {}
END

# What of the JSON belongs to one network: ranks, seconds, shares that work, wait, wait for messages.
on() {
    tr -d '\n' <"$1" | grep -oE '\{[^{}]*"gigabits"[^{}]*\}' | grep "\"gigabits\": $2\.0" |
        sed -E 's/"[a-z]+": //g; s/[{} ]//g' | awk -F, '{ print $1, $3, 100 * $4, 100 * $5, 100 * $6 }'
}
for faster in 1 16; do
    "$laminar" plan job.yaml -q --ranks 36 --nodes 3 --scale --faster $faster --json >plan.json || exit
    for gigabits in 10 100; do on plan.json $gigabits >"$faster-$gigabits"; done
done

echo "| ranks | a core: time | works, waits, network | 16 times as fast, 10 Gbit/s | works, waits, network | 100 Gbit/s | works, waits, network |"
echo "|---|---|---|---|---|---|---|"
paste -d ' ' 1-10 16-10 16-100 | awk '
    function seconds(s) { return s < 1000 ? sprintf("%.0f s", s) : sprintf("%.1f h", s / 3600) }
    function shares(w, b, n) { return sprintf("%.0f%%, %.0f%%, %.0f%%", w, b, n) }
    { printf "| %d | %s | %s | %s | %s | %s | %s |\n", $1, seconds($2), shares($3, $4, $5), seconds($7),
        shares($8, $9, $10), seconds($12), shares($13, $14, $15) }'

gnuplot <<END
set terminal svg size 640,360 font "sans-serif,12" background "#ffffff"
set output "$figure"
set logscale x 2
set xrange [1:288]
set yrange [0:105]
set xtics (1, 2, 4, 9, 18, 36, 72, 144, 288)
set xlabel "ranks (12 a node), 36 layers"
set ylabel "share of their time that ranks work, %"
set key bottom left
set grid ytics lc rgb "#dddddd"
plot "1-10" u 1:3 w lp pt 7 ps 0.5 lw 2 lc rgb "#0072b2" t "a core a rank, 10 Gbit/s", \
     "1-100" u 1:3 w lp pt 7 ps 0.5 lw 1 dt 2 lc rgb "#0072b2" t "100 Gbit/s", \
     "16-10" u 1:3 w lp pt 5 ps 0.5 lw 2 lc rgb "#d55e00" t "16 times as fast, 10 Gbit/s", \
     "16-100" u 1:3 w lp pt 5 ps 0.5 lw 1 dt 2 lc rgb "#d55e00" t "100 Gbit/s"
END
