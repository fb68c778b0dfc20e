#!/usr/bin/env python3
"""Next-token losses of the golden models with one site of one layer changed, by transformers.

    python make_splice.py    # writes splice.safetensors beside itself; needs torch and transformers

In double precision, on the tokens of each case's expected.safetensors: MODEL.clean [1], and for every row site
MODEL.SITE [layer, change]: change 0 makes each activation x of all tokens but a sequence's first 0.5 x + 0.1,
change 1 makes all of them 0.
"""
import pathlib

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

here = pathlib.Path(__file__).parent


def mixed(x):
    y = 0.5 * x + 0.1
    return torch.cat([x[:, :1], y[:, 1:]], dim=1)


changes = [mixed, torch.zeros_like]


def places(model, layer):
    """Site -> (module, whether its input is meant, columns of the fused projection or None)."""
    config = model.config
    if config.model_type == "gpt2":
        block = model.transformer.h[layer]
        fused, attention, fc = block.attn.c_attn, block.attn, block.mlp.c_fc
        third = torch.arange(3 * config.n_embd).view(3, -1)
    else:
        block = model.gpt_neox.layers[layer]
        fused, attention, fc = block.attention.query_key_value, block.attention, block.mlp.dense_h_to_4h
        heads = config.num_attention_heads
        third = torch.arange(3 * config.hidden_size).view(heads, 3, -1).transpose(0, 1).reshape(3, -1)
    return {"qkv": (fused, False, None), "q": (fused, False, third[0]), "k": (fused, False, third[1]),
            "v": (fused, False, third[2]), "attn_out": (attention, False, None), "mlp_fc": (fc, False, None),
            "mlp_act": (block.mlp.act, False, None), "mlp_out": (block.mlp, False, None),
            "resid_pre": (block, True, None), "resid_post": (block, False, None)}


def loss_of(model, tokens):
    with torch.no_grad():
        logits = model(tokens).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).item()


def changed_loss(model, tokens, place, change):
    module, is_input, columns = place

    def apply(x):
        if columns is None:
            return change(x)
        x = x.clone()
        x[..., columns] = change(x[..., columns])
        return x

    def before(_, args, kwargs):
        if args:
            return (apply(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": apply(kwargs["hidden_states"])}

    def after(_, args, output):
        return (apply(output[0]), *output[1:]) if isinstance(output, tuple) else apply(output)

    hook = module.register_forward_pre_hook(before, with_kwargs=True) if is_input else \
        module.register_forward_hook(after)
    loss = loss_of(model, tokens)
    hook.remove()
    return loss


result = {}
for name in ["gpt2-f32", "neox-parallel", "neox-serial"]:
    model = AutoModelForCausalLM.from_pretrained(here / name, attn_implementation="eager",
                                                 dtype=torch.float64).eval()
    tokens = load_file(here / name / "expected.safetensors")["tokens"].long()
    result[name + ".clean"] = torch.tensor([loss_of(model, tokens)], dtype=torch.float64)
    for site in places(model, 0):
        losses = [[changed_loss(model, tokens, places(model, layer)[site], change) for change in changes]
                  for layer in range(model.config.num_hidden_layers)]
        result[f"{name}.{site}"] = torch.tensor(losses, dtype=torch.float64)
    print(name, result[name + ".clean"].item(), result[name + ".mlp_out"].tolist())
save_file(result, here / "splice.safetensors")
