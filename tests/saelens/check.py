"""Loads what check.sh made with SAELens and compares: check.py FOLDER KIND..."""

import sys
from pathlib import Path

import torch
from sae_lens import SAE
from safetensors.torch import load_file

BOUND = 1e-5  # of the largest value: two single-precision products of 48 terms in another order
ARCHITECTURES = {
    "relu": "standard",
    "topk": "topk",
    "batchtopk": "jumprelu",
    "jumprelu": "jumprelu",
    "gated": "gated",
    "published": "topk",
}


def difference(ours, theirs):
    return ((ours - theirs).abs().max() / ours.abs().max()).item()


def check_rows(folder, kind):
    data = load_file(folder / f"{kind}.safetensors")
    sae = SAE.load_from_disk(folder / kind / "layer_0")
    assert sae.cfg.architecture() == ARCHITECTURES[kind], sae.cfg
    with torch.no_grad():
        latents = sae.encode(data["rows"])
        reconstruction = sae.decode(latents)
    density = (data["latents"] > 0).double().mean().item()
    assert 0 < density < 1, f"{kind}: a density of {density} shows nothing"
    found = difference(data["latents"], latents), difference(data["reconstruction"], reconstruction)
    print(f"{kind:10} density {density:.3f}  latents {found[0]:.1e}  reconstruction {found[1]:.1e}")
    return max(found) <= BOUND


def check_demo(folder, kind):
    layers = sorted((folder / f"demo-{kind}").iterdir())
    assert len(layers) == 12, layers
    for layer in layers:
        sae = SAE.load_from_disk(layer)
        number = int(layer.name.removeprefix("layer_"))
        hook = "mlp.hook_pre" if kind == "published" else "hook_mlp_out"
        assert sae.cfg.metadata.hook_name == f"blocks.{number}.{hook}", sae.cfg
        assert sae.cfg.d_in == (512 if kind == "published" else 128), sae.cfg
        assert sae.cfg.architecture() == ARCHITECTURES[kind], sae.cfg
        with torch.no_grad():
            assert torch.isfinite(sae(torch.randn(5, sae.cfg.d_in))).all(), layer


def main():
    folder, kinds = Path(sys.argv[1]), sys.argv[2:]
    good = [check_rows(folder, kind) for kind in kinds]
    for kind in kinds:
        check_demo(folder, kind)
    print("the same latents" if all(good) else f"FAILED: more than {BOUND}")
    sys.exit(not all(good))


main()
