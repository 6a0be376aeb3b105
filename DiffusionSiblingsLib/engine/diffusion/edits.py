"""The edits: generate, perturb and inpaint in the latent grid, and the mask of preserved latents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...core.errors import InputError
from .noise import SampleNoise, state_dtype
from .sampler import Sampler
from .similarity import MaskedSimilarity

Method = Literal["replace", "guidance"]


def generate(sampler: Sampler, noise: SampleNoise) -> Tensor:
    """New latents from pure noise. Returns (B, C, d, h, w) in the state's dtype."""
    return sampler.run(sampler.start(noise), sampler.schedule.sigmas(), noise)


def perturb(sampler: Sampler, z_seed: Tensor, psi: float, noise: SampleNoise) -> Tensor:
    """Siblings of a twin: noise it to sigma(psi), then denoise from there (npj "Perturbational editing").

    z_seed: (1 or B, C, d, h, w), the encoder's mean. psi: sampling ratio, 0 gives z_seed itself, 1 is `generate`:
    pure noise without a trace of the twin. Returns (B, C, d, h, w) in the state's dtype.
    """
    return sampler.run(_start(sampler, z_seed, psi, noise), sampler.schedule.from_ratio(psi), noise)


def inpaint(sampler: Sampler, z_seed: Tensor, mask: Tensor, noise: SampleNoise, *, method: Method = "replace",
            psi: float = 1.0, resample: int = 1, weight: float = 1.0) -> Tensor:
    """Siblings that keep the twin where the mask is True (npj "Localized editing", Eq. 5).

    z_seed: (1 or B, C, d, h, w), the encoder's mean. mask: (1 or B, 1, d, h, w) bool, True where tissue is PRESERVED.
    method: "replace" puts the noised twin back after every step and ends with the twin's own latents there;
    "guidance" only pulls towards them, by `weight`, and costs a backward pass at every evaluation.
    psi: 1 redraws the free region; below 1 it starts from the noised twin and stays close to it.
    resample: how often every step is repeated, so that the free region adapts to its surroundings.
    Returns (B, C, d, h, w) in the state's dtype.
    """
    z = _start(sampler, z_seed, psi, noise)
    z_seed, sigmas = z_seed.to(z), sampler.schedule.from_ratio(psi)
    if mask.dtype != torch.bool or mask.shape[1:] != (1, *z.shape[2:]) or len(mask) not in (1, len(z)):
        raise InputError("The mask does not fit the latents", value=f"{mask.dtype} {tuple(mask.shape)}",
                         rule=f"bool, (1 or {len(z)}, 1, {', '.join(map(str, z.shape[2:]))})")
    mask = mask.to(z.device)
    if method == "guidance":
        similar = MaskedSimilarity(sampler.denoiser, z_seed, mask, weight)
        return dataclasses.replace(sampler, denoiser=similar).run(z, sigmas, noise, resample=resample)
    if method != "replace":
        raise InputError("The inpainting method is unknown", value=method, rule="replace or guidance")

    def replace(z: Tensor, sigma: float, noise: SampleNoise) -> Tensor:
        """npj Eq. 5 with fresh noise; the twin itself at sigma = 0."""
        return torch.where(mask, z_seed + sigma * noise("preserved") if sigma > 0 else z_seed, z)

    if len(sigmas):
        z = replace(z, float(sigmas[0]), noise)
    return sampler.run(z, sigmas, noise, replace, resample)


def _start(sampler: Sampler, z_seed: Tensor, psi: float, noise: SampleNoise) -> Tensor:
    """(B, C, d, h, w): the twin noised to sigma(psi); only noise at psi = 1."""
    dtype = state_dtype(noise.device)
    if z_seed.shape[1:] != noise.shape[1:] or len(z_seed) not in (1, noise.shape[0]):
        raise InputError("The twin's latents do not fit the noise", value=tuple(z_seed.shape), rule=f"{noise.shape}")
    z = z_seed.to(noise.device, dtype).expand(noise.shape)
    if psi == 0:
        return z.clone()
    if psi == 1:
        return sampler.start(noise)
    return z + sampler.schedule.sigma_of(psi) * noise("start").to(dtype)


@dataclass(frozen=True)
class LatentMask:
    """Preserved cells of the latent grid and how they were found; one entry for each map of the batch.

    cells: (B, 1, d, h, w) bool, True where the latent is preserved. dilations: how often each mask was dilated.
    freed: cells that touch the editable region and were freed because even the undilated mask covered it.
    free_share: part of the editable voxels that lies in free cells, 0 to 1.
    """

    cells: Tensor
    dilations: tuple[int, ...]
    freed: tuple[int, ...]
    free_share: tuple[float, ...]


def latent_mask(preserved: Tensor | npt.NDArray[Any], latent_shape: tuple[int, ...], dilations: int = 2,
                editable: Tensor | npt.NDArray[Any] | None = None, least_share: float = 0.0) -> LatentMask:
    """Max-pool the preserved tissue to the latent grid and dilate it (npj "Localized editing").

    preserved: (D, H, W) or (B, D, H, W) bool, union of the tissues to keep. latent_shape: (..., d, h, w); each size
    divides its counterpart. dilations: 3 x 3 x 3 maximum filters (26 neighbours), two in the papers.
    editable: like preserved, the voxels to edit; by default all voxels that are not preserved. The mask never covers
    all of them: while at most least_share (0 to 1) of these voxels lies in free cells, the mask is dilated once less;
    if even the pooled mask leaves no more free, every cell that touches them is freed.
    Two dilations are 11 mm on the papers' 32^3 grid, but 22 mm on a 16^3 grid: one is the same margin there.
    Raises InputError if the shapes do not fit or nothing is editable.
    """
    keep = _batch(preserved)
    edit = ~keep if editable is None else _batch(editable).to(keep.device)
    grid = tuple(latent_shape[-3:])
    if keep.ndim != 4 or keep.shape != edit.shape or any(n % m for n, m in zip(keep.shape[1:], grid, strict=False)):
        raise InputError("The mask does not fit the latent grid",
                         value=f"preserved {tuple(keep.shape)}, editable {tuple(edit.shape)}, latents {grid}",
                         rule="equal shapes, divisible by the latent grid")
    edit = edit & ~keep
    if not edit.flatten(1).any(1).all():
        raise InputError("Nothing is left to edit", value="every voxel of the region is preserved tissue",
                         hint="edit a larger region, or preserve fewer tissues")
    maps = [_mask_of_one(k, e, grid, dilations, least_share) for k, e in zip(keep, edit, strict=True)]
    cells, used, freed, share = zip(*maps, strict=True)
    return LatentMask(torch.stack(cells)[:, None], used, freed, share)


def _mask_of_one(keep: Tensor, edit: Tensor, grid: tuple[int, ...], dilations: int,
                 least_share: float) -> tuple[Tensor, int, int, float]:
    """`latent_mask` of one map: cells (d, h, w), dilations used, cells freed, share of the region in free cells."""
    levels = [_pool(keep, grid).any(-1)]
    for _ in range(dilations):
        levels.append(_dilate(levels[-1]))
    voxels = _pool(edit, grid).sum(-1)  # (d, h, w), editable voxels of every cell
    shares = [float(voxels[~cells].sum() / voxels.sum()) for cells in levels]
    used = next((n for n in range(dilations, -1, -1) if shares[n] > least_share), None)
    if used is not None:
        return levels[used], used, 0, shares[used]
    touched = voxels > 0
    return levels[0] & ~touched, 0, int((levels[0] & touched).sum()), 1.0


def _batch(volume: Tensor | npt.NDArray[Any]) -> Tensor:
    """(B, D, H, W) bool."""
    tensor = (volume if isinstance(volume, Tensor) else torch.from_numpy(np.ascontiguousarray(volume))) > 0
    return tensor[None] if tensor.ndim == 3 else tensor


def _pool(volume: Tensor, grid: tuple[int, ...]) -> Tensor:
    """(D, H, W) bool -> (d, h, w, voxels of a cell) bool."""
    (d, h, w), (D, H, W) = grid, volume.shape
    return volume.reshape(d, D // d, h, H // h, w, W // w).permute(0, 2, 4, 1, 3, 5).reshape(d, h, w, -1)


def _dilate(cells: Tensor) -> Tensor:
    """(d, h, w) bool: cells and their 26 neighbours."""
    return torch.nn.functional.max_pool3d(cells[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0
