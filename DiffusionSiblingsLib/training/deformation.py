"""Random deformations of label maps on the device: smooth ones for all stages, pose and scale for the autoencoder.

Labels are warped through their class probabilities (trilinear votes, then the winner), never by nearest neighbour, so
that deformed surfaces stay as smooth as the originals.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def warp_labels(volume: Tensor, coordinates: Tensor, classes: int) -> Tensor:
    """Labels of `volume` at fractional voxel coordinates.

    volume: (D, H, W) uint8. coordinates: (..., 3) float32 voxel positions in array order (z, y, x); outside is
    background. -> (...) uint8.
    """
    flat, shape = coordinates.reshape(-1, 3), coordinates.shape[:-1]
    padded = F.pad(volume, (2,) * 6)  # background all around, so that clamping is enough
    size = torch.tensor(padded.shape, device=volume.device)
    flat = torch.minimum((flat + 2.0).clamp_min(0.0), size - 2.0)
    base = flat.floor().long()
    step = torch.tensor([padded.shape[1] * padded.shape[2], padded.shape[2], 1], device=volume.device)
    index = (base * step).sum(-1)
    corners = [a * step[0] + b * step[1] + c for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    cells, low, high = padded.flatten(), *corner_range(padded)
    result = low[index]
    mixed = (result != high[index]).nonzero()[:, 0]  # elsewhere all eight corners agree
    fraction = flat[mixed] - base[mixed]
    votes = torch.zeros(len(mixed), classes, device=volume.device)
    for corner, offset in enumerate(corners):
        upper = torch.tensor([(corner >> 2) & 1, (corner >> 1) & 1, corner & 1], device=volume.device, dtype=torch.bool)
        weight = torch.where(upper, fraction, 1.0 - fraction).prod(-1)
        votes.scatter_add_(1, cells[index[mixed] + offset].long()[:, None], weight[:, None])
    result[mixed] = votes.argmax(1).to(torch.uint8)
    return result.reshape(shape)


def corner_range(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest label among each voxel and its seven upper neighbours -> two flat tensors, uint8."""
    low = high = F.pad(volume, (0, 1) * 3)
    for axis in range(3):
        count = low.shape[axis] - 1
        low = torch.minimum(low.narrow(axis, 0, count), low.narrow(axis, 1, count))
        high = torch.maximum(high.narrow(axis, 0, count), high.narrow(axis, 1, count))
    return low.flatten(), high.flatten()


def identity_coordinates(centre: Tensor, size: int) -> Tensor:
    """Voxel coordinates (size, size, size, 3) of a cube around `centre` (3,) in array order (z, y, x)."""
    axis = torch.arange(size, device=centre.device, dtype=torch.float32) - (size - 1) / 2
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1) + centre


def smooth_displacement(size: int, knots: int, amplitude: float, generator: torch.Generator) -> Tensor:
    """A smooth random displacement (size, size, size, 3) in voxels: Gaussian values of standard deviation `amplitude`
    on `knots`^3 knots, interpolated twice so that its slope is continuous to the eye. Drawn on the CPU.
    """
    values = torch.randn(1, 3, knots, knots, knots, generator=generator) * amplitude
    middle = F.interpolate(values, size=(4 * knots,) * 3, mode="trilinear", align_corners=True)
    middle = F.avg_pool3d(F.pad(middle, (2,) * 6, mode="replicate"), 5, stride=1)
    return F.interpolate(middle, size=(size,) * 3, mode="trilinear", align_corners=True)[0].permute(1, 2, 3, 0)


def random_rotation(max_degrees: float, generator: torch.Generator) -> Tensor:
    """(3, 3) rotation about a uniform axis by a uniform angle up to `max_degrees`."""
    axis = F.normalize(torch.randn(3, generator=generator), dim=0)
    angle = math.radians(max_degrees) * (2 * torch.rand((), generator=generator) - 1)
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


def random_pose(coordinates: Tensor, centre: Tensor, max_degrees: float, max_scale: float,
                generator: torch.Generator) -> Tensor:
    """Coordinates rotated and scaled (by a log-uniform factor up to `max_scale`) about `centre`."""
    scale = math.exp(math.log(max_scale) * (2 * torch.rand((), generator=generator).item() - 1))
    matrix = (random_rotation(max_degrees, generator) * scale).to(coordinates.device)
    return (coordinates - centre) @ matrix.T + centre
