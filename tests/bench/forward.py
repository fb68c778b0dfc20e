#!/usr/bin/env python3
"""Times laminar's forward pass against transformers + PyTorch, in turn, on one checkpoint and the same tokens.

    pip install torch transformers
    laminar synth gpt2-small /tmp/small --tokenizer models/gpt2
    python tests/bench/forward.py build/release/laminar /tmp/small page.html [--ranks 1] [--threads 2] [--runs 5]

transformers runs the model without its head, which laminar does not need either, or with --logits the whole of it, as
one who loads a causal language model does; over all ten sequences at once and one by one, whichever is faster. laminar's figure is the stage "forward" of its result: the pass with one site of every
layer kept. Prints seconds and ratios, with the median.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("laminar"), p.add_argument("model"), p.add_argument("text")
p.add_argument("--ranks", type=int, default=1), p.add_argument("--threads", type=int, default=2)
p.add_argument("--runs", type=int, default=5), p.add_argument("--attention", default="sdpa")
p.add_argument("--length", type=int, default=1024), p.add_argument("--logits", action="store_true")
a = p.parse_args()

import torch
from transformers import AutoModel, AutoModelForCausalLM

torch.set_num_threads(2)
loader = AutoModelForCausalLM if a.logits else AutoModel
model = loader.from_pretrained(a.model, attn_implementation=a.attention, dtype=torch.float32).eval()


def peer(tokens):
    best = float("inf")
    with torch.no_grad():
        for parts in ([tokens], tokens.split(1)):
            began = time.time()
            for part in parts:
                model(part, use_cache=False)
            best = min(best, time.time() - began)
    return best


def ours():
    out = os.path.join(tempfile.gettempdir(), f"laminar-bench-{os.getpid()}.nc")
    run = [a.laminar, "sae", "--model", a.model, "--text", a.text, "--html", "clip", "--select", "first", "--length",
           str(a.length), "--epochs", "1", "--latents", "64", "-o", out, "-q"]
    if a.ranks > 1:
        run = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(a.ranks)] + run
    subprocess.run(run, check=True, env=dict(os.environ, OMP_NUM_THREADS=str(a.threads)))
    made = json.loads(subprocess.run([a.laminar, "info", "--json", out], check=True, capture_output=True).stdout)
    os.unlink(out)
    stages = made["attributes"]["seconds"].strip("{}")
    return dict((k, float(v)) for k, v in (s.split(": ") for s in stages.split(", ")))["forward"]


tokens = torch.randint(0, model.config.vocab_size, (10, a.length))
ratios, theirs, mine = [], [], []
for run in range(a.runs + 1):
    t, m = peer(tokens), ours()
    if run == 0:
        continue  # the first of each warms caches
    theirs.append(t), mine.append(m), ratios.append(t / m)
    print(f"transformers {t:6.2f} s   laminar {m:6.2f} s   ratio {t / m:5.2f}", flush=True)
print(f"median       {statistics.median(theirs):6.2f} s           {statistics.median(mine):6.2f} s         "
      f"{statistics.median(ratios):5.2f}   ({a.attention}, {a.ranks} ranks x {a.threads} threads)")
