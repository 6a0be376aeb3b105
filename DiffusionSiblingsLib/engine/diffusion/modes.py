"""The widest modes of the latents, where noise leaves little but a Gaussian: a linear denoiser beside the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHARE_AT = 0.1  # sigma at which network and linear estimate have equal shares; docs/decisions/0006-wide-modes.md
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Modes:
    """Principal components of the training latents.

    mean: (C, d, h, w) float32, of the standardised training latents. vectors: (K, C, d, h, w) float32, orthonormal,
    widest first. variances: (K,) float32 along them.
    """

    mean: Tensor
    vectors: Tensor
    variances: Tensor

    @classmethod
    def of(cls, latents: Tensor, count: int, most: int = 2000) -> Modes:
        """The modes of (N, C, d, h, w) latents, at most `count`; of more than `most` latents the first ones count."""
        z = latents[:most].float()
        mean = z.mean(0)
        flat = (z - mean).flatten(1)
        values, weights = torch.linalg.eigh(flat @ flat.T / len(flat))  # N x N, far less than the latents
        kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > 1e-6 * values[-1]][:count]
        vectors = torch.nn.functional.normalize(weights[:, kept].T @ flat)
        return cls(mean, vectors.reshape(-1, *mean.shape), values[kept])

    def to(self, device: torch.device | str) -> Modes:
        """The same on a device."""
        return Modes(self.mean.to(device), self.vectors.to(device), self.variances.to(device))

    def marginal(self, noise: Tensor, sigma: float) -> Tensor:
        """What Gaussian latents with these modes look like at noise level sigma, in place of sigma n alone.

        noise: (B, C, d, h, w), standard normal. Returns the same shape and dtype: mean + sigma n, and along every mode
        of variance v the component of n times sqrt(sigma^2 + v); docs/decisions/0005-start-from-the-marginal.md.
        """
        basis = self.vectors.flatten(1).to(noise)
        widened = (self.variances.to(noise) + sigma**2).sqrt() - sigma
        along = noise.flatten(1) @ basis.T * widened @ basis
        return self.mean.to(noise) + sigma * noise + along.reshape(noise.shape)

    def posterior(self, rows: Tensor, sigma: float, rest: float = 1.0) -> Tensor:
        """The covariance of clean latents given noisy ones, times rows, for Gaussian latents with these modes.

        rows: (..., C, d, h, w). Along a mode of variance v it is v s^2 / (v + s^2), elsewhere the same of `rest`; all
        scaled so that it is 1 elsewhere. Wide modes may move far at high noise; at low noise all directions are alike.
        """
        basis = self.vectors.flatten(1).to(rows)
        variances = self.variances.to(rows)
        gain = variances * (rest + sigma**2) / (rest * (variances + sigma**2)) - 1
        return rows + (rows.flatten(-4) @ basis.T * gain @ basis).reshape(rows.shape)

    def blend(self, z0_hat: Tensor, z: Tensor, sigma: Tensor) -> Tensor:
        """Along the modes, moves a network's estimate towards the best linear one; elsewhere it stays as it is.

        z0_hat, z: (B, C, d, h, w) float32, the estimate and the noisy latents. sigma: (B,) float32. For Gaussian
        latents of variance v along a mode the best estimate is the Wiener filter's, v / (v + sigma^2) (z - mean); it
        gets the share sigma^2 / (sigma^2 + SHARE_AT^2), the network the rest. Returns z0_hat's shape.
        """
        share = sigma**2 / (sigma**2 + SHARE_AT**2)  # (B,)
        if float(share.max()) < LEAST_SHARE:
            return z0_hat
        basis = self.vectors.flatten(1)  # (K, n)
        both = torch.cat([z0_hat, z]).sub(self.mean).flatten(1) @ basis.T  # (2 B, K), one pass over the basis
        network, noisy = both.chunk(2)
        wiener = self.variances / (self.variances + sigma[:, None] ** 2) * noisy
        return z0_hat + (share[:, None] * (wiener - network) @ basis).reshape(z0_hat.shape)
