#!/usr/bin/env bash
# Measures what published mode's slips do to the values, on the demo's model and texts: the numbers of PUBLISHED.md. More than five
# minutes; started by hand, with python3 and netCDF4:
#   bash tests/published/effects.sh [LAMINAR]
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
laminar=$(realpath "${1:-$source/build/release/laminar}")
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/jobs/demo" "$work/demo"
cd "$work"
"$laminar" synth gpt_neox:6x128x4:4096:256 neox --tokenizer demo/model -q
common=(--text demo/page.html --sequences 16 --length 256 -q)
# The same tokens for both: the article, its first sequences.
same=("${common[@]}" --html article --select first)
for mode in standard published; do
    for model in demo/model neox; do
        name=${model##*/}-$mode
        "$laminar" attention --model $model "${same[@]}" --mode $mode -o attention-$name.nc
        "$laminar" heads --model $model "${same[@]}" --mode $mode -o heads-$name.nc
        "$laminar" rsa --model $model --mode $mode -q -o rsa-$name.nc
        "$laminar" tuning --model $model --text demo/story.txt --mode $mode --joint no -q -o tuning-$name.nc
    done
done
for profile in attention heads; do
    "$laminar" $profile --model demo/model "${same[@]}" --sequences 1 -o $profile-model-one.nc
    "$laminar" $profile --model neox "${same[@]}" --sequences 1 -o $profile-neox-one.nc
done
sae() { "$laminar" sae --model demo/model "${common[@]}" "${@:2}" -o "sae-$1.nc"; }
sae standard --epochs 20
sae site --epochs 20 --site mlp_fc
sae html --epochs 20 --html clip
sae first --epochs 20 --select first
# As long as the study trains.
sae standard-75
sae published-75 --mode published
"$python" - <<'END'
from netCDF4 import Dataset
import numpy

def value(file, group, name):
    with Dataset(file + ".nc") as f:
        return numpy.ma.filled(f[group][name][:].astype(float), numpy.nan)

def pair(file, group, name, model="model"):
    return [value(f"{file}-{model}-{mode}", group, name) for mode in ("standard", "published")]

def say(what, *numbers):
    print(f"{what}: " + ", ".join(f"{n:.4g}" for n in numbers))

a, b = pair("attention", "attention", "final_density")
say("attention: highest density of a layer, standard from, to; published", a.max(axis=1).min(), a.max(axis=1).max(), b.max())
a, b = pair("attention", "attention", "final_count")
say("attention: weights of the last token a layer, standard, published", a[0], b[0])
a, b = pair("attention", "attention", "final_mean")
one = value("attention-model-one", "attention", "final_mean")
say("attention: distance of final means between 16 sequences and one, of their size", numpy.abs(a - one).mean() / a.mean())
say("attention: the same between one sequence, standard, and published", numpy.abs(b - one).max())
for model in "model", "neox":
    for group, name in (("attention", "self_weight"), ("attention", "entropy"), ("heads", "same_mean"), ("heads", "q_sd"), ("rsa", "rsa"), ("rsa", "difference"), ("tuning", "share_significant")):
        file = group
        g = group if group != "tuning" else "tuning/qkv"
        n = name if group != "tuning" else "component_share_significant"
        a, b = pair(file, g, n, model)
        if group in ("attention", "heads"):  # one sequence each
            a = value(f"{file}-{model}-one", g, n)
        say(f"{model} {g} {n}: standard, published, mean distance", numpy.nanmean(a), numpy.nanmean(b), numpy.nanmean(numpy.abs(a - b)))
for name in "component_mean_accuracy", "mean_accuracy", "share_significant":
    a, b = pair("tuning", "tuning/qkv", name)
    say(f"tuning qkv {name}: standard, published, largest distance", numpy.nanmean(a), numpy.nanmean(b), numpy.nanmax(numpy.abs(a - b)))
with Dataset("tuning-model-standard.nc") as f:
    counts = {v: int(numpy.nansum(f["tuning/qkv"][v][:])) for v in f["tuning/qkv"].variables if v.endswith("count") or "failed" in v or "separat" in v}
    print("tuning qkv counts:", counts)
for run in "standard", "site", "html", "first", "standard-75", "published-75":
    say(f"sae {run}: density, error, unexplained, cosine, dead", *(numpy.nanmean(value(f"sae-{run}", "sae", n)) for n in ("density", "mse", "fvu", "cosine", "dead_share")))
a = value("sae-published-75", "sae", "epoch_loss")
say("sae published: loss before the last step, and its change by the step before, a layer, in per cent", a[:, -1].mean(), (100 * (a[:, -1] / a[:, -2] - 1)).mean())
a = value("sae-published-75", "sae", "density")
say("sae published: layers within 1% of a third", int((numpy.abs(a * 3 - 1) < 0.01).sum()))
END
