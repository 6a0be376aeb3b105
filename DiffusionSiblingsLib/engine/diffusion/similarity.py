"""Inpainting by guidance: the gradient of a masked similarity, through the denoiser (npj Supplementary Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .edm import Denoiser


@dataclass(frozen=True)
class MaskedSimilarity:
    """A denoiser whose estimate is drawn to the seed where tissue is preserved: D^w = D - sigma^2 grad_z L.

    L = k / 2 sum of m (D - z_seed)^2 over a sample, e = m (D - z_seed) its residual, g = J^T e its gradient through
    the denoiser. No k suits every noise level, so it is set for every sample and step to
    sigma^2 k = weight <e, g> / <g, g>. Then `weight` has no unit and needs no tuning: at 1, the estimate of an
    isotropic Gaussian takes the seed's value on the mask at once, and the correction is never longer than the residual.

    denoiser: any denoiser that autograd can follow. z_seed: (1 or B, C, d, h, w). mask: (1 or B, 1, d, h, w) bool,
    True where tissue is preserved.
    """

    denoiser: Denoiser
    z_seed: Tensor
    mask: Tensor
    weight: float = 1.0

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """z: (B, C, d, h, w). Returns D^w like z, without a graph."""
        with torch.inference_mode(False), torch.enable_grad():
            z_leaf = z.detach().clone().requires_grad_()
            z0_hat = self.denoiser(z_leaf, sigma.clone())
            e = self.mask * (z0_hat.detach() - self.z_seed)
            (g,) = torch.autograd.grad(z0_hat, z_leaf, grad_outputs=e.clone())
        step = _dot(e, g).clamp(min=0) / _dot(g, g).clamp(min=torch.finfo(g.dtype).tiny)
        return z0_hat.detach() - self.weight * step * g


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(B, 1, 1, 1, 1): the inner product of every sample."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))
