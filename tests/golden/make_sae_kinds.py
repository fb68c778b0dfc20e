"""Makes sae_kinds.safetensors, which test_autoencoder_kinds.c follows: a few steps of every kind of autoencoder by
PyTorch's autograd in double precision. Run once, kept for the record:

    pip install torch safetensors numpy
    python make_sae_kinds.py

x [rows, width]; order [step, batch] rows of each step; start.NAME and CASE.NAME, the latter [step, ...] after each step,
of W_enc and W_dec [latents, width] (after each step every seventh row), b_enc, b_dec and, where the kind has them,
log_threshold, b_gate, r_mag, b_mag; CASE.trace [step, 3] loss, mean squared error and density before each step;
CASE.measures density and mean squared error, and CASE.latents [every eighth row, latents], at the end by the rule after
training; CASE.options as in the list below.
"""
import numpy
import torch
from safetensors.numpy import save_file

torch.manual_seed(4)
torch.set_default_dtype(torch.float64)
ROWS, WIDTH, LATENTS, BATCH, STEPS = 96, 24, 80, 32, 5
# kind (0 relu, 1 topk, 2 batchtopk, 3 jumprelu, 4 gated), l1, k, aux_coefficient, dead_after, l0, bandwidth, warmup,
# decay, unit_decoder
CASES = {
    "relu": (0, 2e-2, 0, 0, 1, 0, 1, 0, 0, 0),
    "relu_unit": (0, 2e-2, 0, 0, 1, 0, 1, 0.5, 0.5, 1),
    "topk": (1, 0, 6, 1 / 32, 64, 0, 1, 0, 0, 0),
    "topk_unit": (1, 0, 6, 0.5, 64, 0, 1, 0.5, 0.4, 1),
    "topk_alone": (1, 0, 6, 0, 64, 0, 1, 0, 0, 0),
    "batchtopk": (2, 0, 5, 1 / 32, 64, 0, 1, 0, 0, 0),
    "batchtopk_unit": (2, 0, 5, 0.5, 32, 0, 1, 0, 0.8, 1),
    "jumprelu": (3, 0, 0, 0, 1, 1e-2, 0.2, 0, 0, 0),
    "jumprelu_unit": (3, 0, 0, 0, 1, 1e-2, 0.1, 1, 0, 1),
    "gated": (4, 2e-2, 0, 0, 1, 0, 1, 0, 0, 0),
    "gated_unit": (4, 2e-2, 0, 0, 1, 0, 1, 0.2, 0.2, 1),
}
RATE, BETAS, EPSILON, MEAN_RATE = 1e-2, (0.9, 0.999), 1e-8, 0.01


class Jump(torch.autograd.Function):
    """p where it is above the threshold, with the paper's derivative by the threshold."""

    @staticmethod
    def forward(ctx, p, threshold, bandwidth):
        ctx.save_for_backward(p, threshold)
        ctx.bandwidth = bandwidth
        return p * (p > threshold)

    @staticmethod
    def backward(ctx, slope):
        p, threshold = ctx.saved_tensors
        near = ((p - threshold).abs() < ctx.bandwidth / 2).to(p)
        return slope * (p > threshold), (-threshold / ctx.bandwidth * near * slope).sum(0), None


class Step(torch.autograd.Function):
    """1 where p is above the threshold; none of its derivative goes to p."""

    @staticmethod
    def forward(ctx, p, threshold, bandwidth):
        ctx.save_for_backward(p, threshold)
        ctx.bandwidth = bandwidth
        return (p > threshold).to(p)

    @staticmethod
    def backward(ctx, slope):
        p, threshold = ctx.saved_tensors
        near = ((p - threshold).abs() < ctx.bandwidth / 2).to(p)
        return None, (-near / ctx.bandwidth * slope).sum(0), None


def largest(z, k):
    """z where it is among the k largest of its row, else 0."""
    k = min(k, z.shape[-1])
    index = z.topk(k, dim=-1).indices
    return torch.zeros_like(z).scatter(-1, index, z.gather(-1, index))


class Autoencoder:
    def __init__(self, options, start):
        (self.kind, self.l1, self.k, self.aux, self.dead_after, self.l0, self.bandwidth, self.warmup, self.decay,
         self.unit) = options
        self.p = {name: value.clone().requires_grad_() for name, value in start.items()}
        wanted = ["W_enc", "W_dec", "b_dec"] + (["b_gate", "r_mag", "b_mag"] if self.kind == 4 else ["b_enc"])
        wanted += ["log_threshold"] if self.kind == 3 else []
        self.p = {name: self.p[name] for name in wanted}
        if self.unit:
            self.normalise()
        self.adam = torch.optim.Adam(self.p.values(), lr=RATE, betas=BETAS, eps=EPSILON)
        self.since = torch.zeros(LATENTS)
        self.mean, self.mean_count = 0.0, 0

    def normalise(self):
        with torch.no_grad():
            self.p["W_dec"] /= self.p["W_dec"].norm(dim=1, keepdim=True)

    def rate(self, step):
        rising, falling = self.warmup * STEPS, self.decay * STEPS
        share = 1.0
        if step + 1 < rising:
            share = (step + 1) / rising
        if STEPS - step < falling:
            share = (STEPS - step) / falling
        return RATE * share

    def gated(self, x):
        q = (x - self.p["b_dec"]) @ self.p["W_enc"].T
        gate = q + self.p["b_gate"]
        return gate, torch.relu(q * self.p["r_mag"].exp() + self.p["b_mag"]) * (gate > 0)

    def loss(self, x):
        decode = lambda z: z @ self.p["W_dec"] + self.p["b_dec"]
        if self.kind == 4:
            gate, z = self.gated(x)
            opened = torch.relu(gate)
            again = opened @ self.p["W_dec"].detach() + self.p["b_dec"].detach()
            mse = ((decode(z) - x) ** 2).mean()
            return mse + self.l1 * opened.sum(1).mean() + ((again - x) ** 2).mean(), mse, z
        p = (x - self.p["b_dec"]) @ self.p["W_enc"].T + self.p["b_enc"]
        if self.kind == 3:
            threshold = self.p["log_threshold"].exp()
            z = Jump.apply(p, threshold, self.bandwidth)
            mse = ((decode(z) - x) ** 2).mean()
            return mse + self.l0 * Step.apply(p, threshold, self.bandwidth).sum(1).mean(), mse, z
        z = torch.relu(p)
        if self.kind == 0:
            mse = ((decode(z) - x) ** 2).mean()
            return mse + self.l1 * z.sum(1).mean(), mse, z
        all_z = z
        z = largest(z, self.k) if self.kind == 1 else largest(z.flatten(), self.k * len(x)).reshape(z.shape)
        mse = ((decode(z) - x) ** 2).mean()
        if self.kind == 2 and (z > 0).any():
            self.mean += MEAN_RATE * (float(z[z > 0].min().detach()) - self.mean)
            self.mean_count += 1
        self.since = torch.where((z > 0).any(0), 0, self.since + len(x))
        dead = self.since >= self.dead_after
        loss = mse
        if dead.any() and self.aux:
            second = largest(torch.where(dead, all_z, 0.0), WIDTH // 2)
            left = (x - decode(z)).detach()
            loss = loss + self.aux * ((second @ self.p["W_dec"] - left) ** 2).mean()
            self.revived = max(getattr(self, "revived", 0), int((second > 0).sum()))
        return loss, mse, z

    def step(self, x, step):
        loss, mse, z = self.loss(x)
        self.adam.zero_grad()
        loss.backward()
        if self.unit:
            w, g = self.p["W_dec"].detach(), self.p["W_dec"].grad
            g -= (g * w).sum(1, keepdim=True) * w
        for group in self.adam.param_groups:
            group["lr"] = self.rate(step)
        self.adam.step()
        if self.unit:
            self.normalise()
        return [float(loss.detach()), float(mse.detach()), float((z > 0).double().mean())]

    @torch.no_grad()
    def encode(self, x):
        if self.kind == 4:
            return self.gated(x)[1]
        p = (x - self.p["b_dec"]) @ self.p["W_enc"].T + self.p["b_enc"]
        if self.kind == 1:
            return largest(torch.relu(p), self.k)
        if self.kind == 2:
            return p * (p > self.mean / (1 - (1 - MEAN_RATE) ** self.mean_count))
        return p * (p > (self.p["log_threshold"].exp() if self.kind == 3 else 0))


def main():
    factors = torch.relu(torch.randn(ROWS, 12)) / (1 + 0.2 * torch.arange(12))
    x = (factors @ torch.randn(12, WIDTH) + 0.3).float().double()
    near = lambda *shape: torch.randn(*shape).float().double()
    start = {"W_enc": near(LATENTS, WIDTH) * 0.2, "W_dec": near(LATENTS, WIDTH) * 0.2, "b_enc": near(LATENTS) * 0.1,
             "b_dec": x.mean(0), "log_threshold": torch.log(torch.full((LATENTS,), 0.1)), "b_gate": near(LATENTS) * 0.1,
             "r_mag": near(LATENTS) * 0.1, "b_mag": near(LATENTS) * 0.1}
    start = {name: value.float().double() for name, value in start.items()}
    start["b_enc"][::5] -= 1.5  # latents that the largest never have among them
    order = torch.stack([torch.randperm(ROWS)[:BATCH] for _ in range(STEPS)])
    out = {"x": x, "order": order.to(torch.int32)} | {f"start.{name}": value for name, value in start.items()}
    for case, options in CASES.items():
        a = Autoencoder(options, start)
        trace, after = [], {name: [] for name in a.p}
        for step in range(STEPS):
            trace.append(a.step(x[order[step].long()], step))
            for name, value in a.p.items():
                after[name].append(value.detach().clone())
        z = a.encode(x)
        y = z @ a.p["W_dec"].detach() + a.p["b_dec"].detach()
        out |= {f"{case}.{name}": torch.stack(values) for name, values in after.items()}
        for name in ("W_enc", "W_dec"):
            out[f"{case}.{name}"] = out[f"{case}.{name}"][:, ::7]
        out[f"{case}.trace"] = torch.tensor(trace)
        out[f"{case}.latents"] = z[::8]
        out[f"{case}.measures"] = torch.tensor([float((z > 0).double().mean()), float(((y - x) ** 2).mean())])
        out[f"{case}.options"] = torch.tensor([float(o) for o in options])
        print(case, trace[0], trace[-1], out[f"{case}.measures"].tolist(), getattr(a, "revived", ""))
    small = {name: value if value.dtype == torch.int32 else value.float() for name, value in out.items()}
    save_file({name: numpy.ascontiguousarray(value.numpy()) for name, value in small.items()}, "sae_kinds.safetensors")


if __name__ == "__main__":
    main()
