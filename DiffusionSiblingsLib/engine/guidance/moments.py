"""Differentiable geometric moments of a substructure on a control domain (Anatomica, "Unified potential")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchMoments:
    """Of a batch: mass (B,) in the domain's unit; centroid (B, n) mm and covariance (B, n, n) mm^2 along the domain's
    own n axes, measured from its centre. Centroid and covariance of nothing are undefined: see `residuals`.
    """

    mass: Tensor
    centroid: Tensor
    covariance: Tensor

    @property
    def size(self) -> Tensor:
        """(B,): v = tr C, mm^2."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sum(-1)

    @property
    def normalised(self) -> Tensor:
        """(B, n, n): C / v, the covariance of the papers' loss; it holds shape and orientation."""
        return self.covariance / self.size.clamp_min(torch.finfo(self.covariance.dtype).tiny)[:, None, None]


def moments(weights: Tensor, points: Tensor, cell: float) -> BatchMoments:
    """m = sum w, p = sum(r w) / m, C = sum((r - p)(r - p)^T w) / m.

    weights: (B, N), a probability at every point. points: (N, n) mm along the domain's axes. cell: measure of a point
    in ml, mm^2 or mm. The central form of C is used: with r^2 - p^2 the digits cancel far from the centre.
    """
    total = weights.sum(1)
    share = weights / total.clamp_min(torch.finfo(weights.dtype).tiny)[:, None]  # (B, N)
    centroid = share @ points  # (B, n)
    offset = points - centroid[:, None]  # (B, N, n)
    covariance = torch.einsum("bn,bni,bnj->bij", share, offset, offset)
    return BatchMoments(total * cell, centroid, covariance)
