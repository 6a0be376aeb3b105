"""The gradient guider of the papers: D^w(z; s) = D(z; s) - s^2 grad_z L(D(z; s)), with the step's length found."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .projection import Step

Denoiser = Callable[[Tensor, Tensor], Tensor]
Linearised = Callable[[Tensor, float], tuple[Tensor, Tensor]]


def descend(denoiser: Denoiser, z: Tensor, sigma: Tensor, linearised: Linearised, *, cap: float = 1.0,
            weight: float = 1.0) -> tuple[Step, Tensor]:
    """One guided evaluation -> the step and the unguided estimate z0_hat, both like z, without a graph.

    L = 1/2 sum of r^2 over the dimensionless residuals r of z0_hat = D(z; sigma), g = grad_z L its gradient through the
    denoiser. No factor suits every noise level and target, so it is found at every step: the one that makes the
    linearised residuals r - s J g smallest, times `weight`. linearised: z0_hat and sigma -> r (B, K) and J (K, B, ...),
    zero where latents may not change. cap: rms length of the step.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = z.detach().clone().requires_grad_()
        z0_hat = denoiser(leaf, sigma.clone())
        r, rows = linearised(z0_hat.detach(), float(sigma.reshape(-1)[0]))
        pull = torch.einsum("bk,kb...->b...", r.to(rows), rows)  # J^T r
        (g,) = torch.autograd.grad(z0_hat, leaf, grad_outputs=pull.to(z0_hat))
    g = torch.where((rows != 0).any(0), g.to(rows), torch.zeros_like(rows[0]))  # what may change, changes
    along = torch.einsum("kbn,bn->bk", rows.flatten(2).double(), g.flatten(1).double())  # J g
    length = (r.double() * along).sum(1).clamp_min(0) / along.square().sum(1).clamp_min(torch.finfo(torch.float64).tiny)
    change = -weight * length.reshape(-1, *[1] * (g.ndim - 1)) * g.double()
    ok = torch.isfinite(change).flatten(1).all(1)
    change = torch.where(ok.reshape(-1, *[1] * (g.ndim - 1)), change, torch.zeros_like(change))
    asked = change.square().flatten(1).mean(1).sqrt()
    shrink = (cap / asked.clamp_min(torch.finfo(torch.float64).tiny)).clamp(max=1.0)
    change = change * shrink.reshape(-1, *[1] * (g.ndim - 1))
    return Step(change, asked, asked * shrink, ok), z0_hat.detach()
