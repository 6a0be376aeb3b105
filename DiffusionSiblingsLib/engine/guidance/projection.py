"""The projection guider: the smallest change of the clean estimate that brings every residual to zero.

Gauss-Newton on the clean latents, METHODS.md "Projection": z0_hat - M J^T (J M J^T + eps)^-1 r, with r the residuals, J
their Jacobian with respect to z0_hat, and M the metric in which a change is small. No weights between the terms, and no
backward pass through the denoiser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Metric = Callable[[Tensor, float], Tensor]  # (rows (K, B, C, d, h, w), sigma) -> M rows, the same shape


@dataclass(frozen=True)
class Step:
    """One correction. change: like z0_hat. asked: (B,) length of the whole Newton step, taken: of what was made of it
    (rms over the latents). ok: (B,) bool, False where numbers were undefined and nothing was changed.
    """

    change: Tensor
    asked: Tensor
    taken: Tensor
    ok: Tensor


def project(residuals: Tensor, jacobian: Tensor, sigma: float, *, metric: Metric | None = None, cap: float = 1.0,
            damping: float = 1e-6, slack: Tensor | None = None) -> Step:
    """The minimum-norm step that zeroes the linearised residuals, no longer than `cap` (rms over the latents).

    residuals: (B, K). jacobian: (K, B, C, d, h, w). damping: eps, relative to the mean diagonal of J M J^T; it decides
    between targets that contradict each other. slack: (K,) how much of a residual may stay for a step shorter by an rms
    of 1: the step then has the least rms^2 + sum (r / slack)^2, which leaves alone
    what costs a long step and matters little.
    Rows without any gradient (too little tissue) take no part.
    """
    rows = jacobian if metric is None else metric(jacobian, sigma)
    flat, moved = jacobian.flatten(2).double(), rows.flatten(2).double()
    gram = torch.einsum("kbn,lbn->bkl", flat, moved)  # (B, K, K)
    r = residuals.double()
    scale = gram.diagonal(dim1=1, dim2=2)  # (B, K)
    eps = damping * scale.amax(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    eps = eps.expand_as(scale) if slack is None else eps + slack.to(scale).square() / flat.shape[2]
    regular = gram + torch.diag_embed(eps)
    ok = torch.isfinite(regular).flatten(1).all(1) & torch.isfinite(r).all(1)
    identity = torch.eye(r.shape[1], dtype=torch.float64, device=r.device)
    regular = torch.where(ok[:, None, None], regular, identity)
    solved = torch.linalg.solve(regular, torch.where(ok[:, None], r, torch.zeros_like(r))[..., None])[..., 0]
    change = -torch.einsum("bk,kbn->bn", solved, moved)  # (B, n)
    asked = change.square().mean(1).sqrt()
    ok = ok & torch.isfinite(asked)
    change = torch.where(ok[:, None], change, torch.zeros_like(change))
    shrink = (cap / asked.clamp_min(torch.finfo(torch.float64).tiny)).clamp(max=1.0)
    change = change * torch.where(ok, shrink, torch.zeros_like(shrink))[:, None]
    return Step(change.reshape(jacobian.shape[1:]), asked, change.square().mean(1).sqrt(), ok)
