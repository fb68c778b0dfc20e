#!/usr/bin/env python3
"""Times every profile against the plain Python way (torch, transformers, scipy, statsmodels), in turn, on one checkpoint.

    python tests/bench/profiles.py build/release/laminar reference.py MODEL --passage FILE --story FILE --page FILE
        [--profiles attention,heads] [--modes standard,published] [--tokens 1024] [--epochs 75] [--runs 3] [--ranks 1]
        [--threads 2]

reference.py holds a function a profile, of a loaded model, a tokenizer and options. Neither side's figure has the loading
of the model and the start of the program in it: Python's is its function's, laminar's the sum of the stages of its result.
laminar does more in that time: permutations and intervals in rsa, held-out accuracies in tuning.
Prints a row a profile and mode: seconds (medians) and the median of the runs' ratios; for tuning, the regressions
alone too.
"""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import tempfile
import time
import types

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("laminar"), p.add_argument("reference"), p.add_argument("model")
p.add_argument("--passage", required=True, help="attention, heads"), p.add_argument("--story", required=True, help="tuning")
p.add_argument("--page", required=True, help="sae"), p.add_argument("--profiles", default="attention,heads,rsa,sae,tuning")
p.add_argument("--modes", default="standard,published"), p.add_argument("--epochs", type=int, default=75)
p.add_argument("--runs", type=int, default=3), p.add_argument("--ranks", type=int, default=1)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--tokens", type=int, default=0, help="attention, heads: only the first of the passage")
a = p.parse_args()

import torch

torch.set_num_threads(a.ranks * a.threads)
spec = importlib.util.spec_from_file_location("reference", a.reference)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)
model, tokenizer = reference.load(a.model)
text = {"attention": a.passage, "heads": a.passage, "rsa": None, "sae": a.page, "tuning": a.story}


def theirs(profile, mode):
    options = types.SimpleNamespace(mode=mode, text=text[profile], tokens=a.tokens if profile in ("attention", "heads") else 0, length=0, epochs=a.epochs, seed=1, clip=True,
                                    site="qkv")
    began = time.time()
    out = reference.__dict__[profile](model, tokenizer, options)
    return time.time() - began, float(out.get("qkv.regression_seconds", [0])[0])


def ours(profile, mode):
    out = os.path.join(tempfile.gettempdir(), f"laminar-bench-{os.getpid()}.nc")
    run = [a.laminar, profile, "--model", a.model, "--mode", mode, "--threads", str(a.threads), "-o", out, "-q"]
    if text[profile]:
        run += ["--text", text[profile]]
    if profile in ("attention", "heads") and a.tokens:
        run += ["--sequences", "1", "--length", str(a.tokens), "--select", "first"]
    if profile == "sae":
        run += ["--html", "clip", "--select", "first", "--epochs", str(a.epochs)]
    if profile == "tuning":
        run += ["--joint", "no"]  # the reference has none
    if a.ranks > 1:
        run = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(a.ranks)] + run
    subprocess.run(run, check=True)
    made = json.loads(subprocess.run([a.laminar, "info", "--json", out], check=True, capture_output=True).stdout)
    os.unlink(out)
    stages = dict(s.split(": ") for s in made["attributes"]["seconds"].strip("{}").split(", "))
    return sum(float(v) for k, v in stages.items() if k != "total"), float(stages.get("tuning", 0))


def row(name, pairs):
    theirs, ours = zip(*pairs)
    print(f"{name:34} {statistics.median(theirs):9.2f} s {statistics.median(ours):9.2f} s "
          f"{statistics.median(t / o for t, o in pairs):8.1f}", flush=True)


print(f"{'':34} {'Python':>11} {'laminar':>11} {'ratio':>8}")
for profile in a.profiles.split(","):
    for mode in a.modes.split(","):
        if a.runs > 1:  # the first of each warms caches
            ours(profile, mode)
        runs = [(theirs(profile, mode), ours(profile, mode)) for _ in range(a.runs)]
        row(f"{profile}, {mode}", [(t[0], o[0]) for t, o in runs])
        if profile == "tuning":
            row(f"  its regressions, {mode}", [(t[1], o[1]) for t, o in runs])
