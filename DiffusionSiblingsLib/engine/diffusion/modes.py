"""The widest modes of the latents, where noise leaves little but a Gaussian: a linear denoiser beside the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...models.networks.checkpoint import Networks

SHARE_AT = 0.1  # sigma at which network and linear estimate have equal shares; docs/decisions/0006-wide-modes.md
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Modes:
    """Principal components of the training latents.

    mean: (C, d, h, w) float32, of the standardised training latents. vectors: (K, C, d, h, w) float32, orthonormal,
    widest first. variances: (K,) float32 along them. network: F(c_in x: (B, K), c_noise: (B,)) -> (B, K) float32, what
    the estimate along the modes adds to the best linear one; None for the linear one alone. above: sigma at which F has
    half its say.
    """

    mean: Tensor
    vectors: Tensor
    variances: Tensor
    network: Callable[[Tensor, Tensor], Tensor] | None = None
    above: float = 1.5

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

    @classmethod
    def of_model(cls, networks: Networks) -> Modes | None:
        """The modes of a model, with its network along them if it has one; None for a model without modes."""
        if networks.modes is None:
            return None
        along = networks.mode_denoiser
        return cls(*networks.modes) if along is None else cls(*networks.modes, along, along.config.above)

    def widest(self, count: int) -> Modes:
        """The first `count` of them, without a network."""
        return Modes(self.mean, self.vectors[:count], self.variances[:count])

    def to(self, device: torch.device | str) -> Modes:
        """The same on a device; a network stays where it is."""
        return replace(self, mean=self.mean.to(device), vectors=self.vectors.to(device),
                       variances=self.variances.to(device))

    def coordinates(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w) float32 -> (B, K): how far along each mode it lies from the mean."""
        return (z - self.mean).flatten(1) @ self.vectors.flatten(1).T

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
        """Along the modes, moves the U-Net's estimate towards that of `estimate`; elsewhere it stays as it is.

        z0_hat, z: (B, C, d, h, w) float32, the U-Net's estimate and the noisy latents. sigma: (B,) float32. The
        estimate along the modes gets the share sigma^2 / (sigma^2 + SHARE_AT^2), the U-Net the rest. Returns z0_hat's
        shape.
        """
        share = sigma**2 / (sigma**2 + SHARE_AT**2)  # (B,)
        if float(share.max()) < LEAST_SHARE:
            return z0_hat
        basis = self.vectors.flatten(1)  # (K, n)
        both = torch.cat([z0_hat, z]).sub(self.mean).flatten(1) @ basis.T  # (2 B, K), one pass over the basis
        network, noisy = both.chunk(2)
        known = self.estimate(noisy, sigma)
        return z0_hat + (share[:, None] * (known - network) @ basis).reshape(z0_hat.shape)

    def estimate(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """The clean coordinates, given noisy ones (B, K) at noise levels sigma (B,), both float32.

        For Gaussian latents of variance v along a mode the best estimate is the Wiener filter's, v / (v + sigma^2) x:
        the c_skip of EDM for data of that variance. Hearts are not Gaussian there, and their modes depend on each
        other: a network adds c_out F(c_in x; c_noise), with c_in and c_out those of EDM for each mode and
        c_noise = ln(sigma) / 4, and fades out below the noise level `above`.
        """
        variance = self.variances + sigma[:, None] ** 2  # of the noisy coordinates
        linear = self.variances / variance * noisy
        if self.network is None:
            return linear
        say = sigma**2 / (sigma**2 + self.above**2)
        return linear + say[:, None] * self.c_out(sigma) * self.network(noisy / variance.sqrt(), sigma.log() / 4)

    def c_out(self, sigma: Tensor) -> Tensor:
        """sigma: (B,) -> (B, K): the standard deviation of what the Wiener filter cannot know of Gaussian latents."""
        return sigma[:, None] * (self.variances / (self.variances + sigma[:, None] ** 2)).sqrt()
