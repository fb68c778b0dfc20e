#!/usr/bin/env python3
"""A result of laminar in Python: python3 profile.py led.nc

Needs xarray and netCDF4 (pip install xarray netCDF4). Prints the autoencoders' measures by layer, and
which layer's heads look most at the token before.
"""
import sys

import xarray

path = sys.argv[1]
print(f"{xarray.open_dataset(path).attrs['title']}")

# A group a profile; the dimension layer is the root's.
sae = xarray.open_dataset(path, group="sae")
print(f"autoencoders of kind {sae.kind} at {sae.site}")
print(sae[["density", "mse", "fvu"]].to_dataframe().to_string())

attention = xarray.open_dataset(path, group="attention")
weight = attention.previous_token_weight
layer, head = (int(i) for i in divmod(int(weight.argmax()), weight.sizes["head"]))
print(f"head {head} of layer {layer} looks at the token before most: {float(weight.max()):.4f}")

# All groups at once, where xarray has trees (2024.10 and later).
if hasattr(xarray, "open_datatree"):
    tree = xarray.open_datatree(path)
    print("groups:", " ".join(tree.groups))
    print("Q, K, V of the first layer:", tree["rsa"].selectivity.isel(layer=0).values)
