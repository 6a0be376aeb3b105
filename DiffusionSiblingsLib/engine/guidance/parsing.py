"""From latents to substructures: the probability of a domain's tissues at its points (Anatomica, V- and L-parsing)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...control.domain import ControlDomain


class Decoders(Protocol):
    """What parsing needs of a model. Points are (x, y, z) in [-1, 1], outer faces of the field of view; classes come
    last. `volume` is all that V-parsing calls, the others are L-parsing's: a feature grid, read by interpolation (which
    is linear in the features) and then turned into logits point by point.
    """

    def volume(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w) standardised latents -> (B, classes, D, H, W) logits."""

    def features(self, z: Tensor) -> Tensor:
        """z -> (B, width, ...) feature grid, made once for all domains."""

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """points: (B, N, 3) -> (B, N, width) features there."""

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """axes: coordinates along (z, y, x) -> (B, nz, ny, nx, width)."""

    def pointwise(self, read: Tensor) -> Tensor:
        """(..., width) -> (..., classes) logits."""


class Readable(Protocol):
    """Points whose classes' shares are read and put together, as `Site` describes them."""

    @property
    def points(self) -> Tensor:
        """(N, 3) or (B, N, 3) in [-1, 1], x y z."""

    @property
    def grid(self) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[int, ...]] | None:
        """Coordinates of points that lie along the axes."""

    def combined(self, shares: Tensor) -> Tensor:
        """(B, N, classes) -> (B, N)."""


@dataclass(frozen=True)
class Site:
    """A domain made ready for decoding.

    labels: classes whose probabilities are added up. points: (N, 3) in [-1, 1], x y z. own: (N, n) mm along the
    domain's axes, from its centre. grid: if the domain is aligned with the field of view, its coordinates along
    (z, y, x) and where each domain axis is among these; else None.
    """

    domain: ControlDomain
    labels: tuple[int, ...]
    points: Tensor
    own: Tensor
    grid: tuple[tuple[Tensor, Tensor, Tensor], tuple[int, ...]] | None

    def combined(self, shares: Tensor) -> Tensor:
        """(B, N, classes) shares of the classes -> (B, N) of the site's tissues together."""
        return shares[..., list(self.labels)].sum(-1)

    def coarse(self, factor: float, extent: Tensor) -> Site:
        """The same domain on a template with fewer points along every axis."""
        template = tuple(max(1 if n == 1 else 2, round(n / factor)) for n in self.domain.template)
        return site(self.domain.with_template(template), self.labels, extent)  # type: ignore[arg-type]


def site(domain: ControlDomain, labels: Sequence[int], extent: Tensor) -> Site:
    """domain: in canonical mm. labels: of its tissues. extent: (3,) mm, x y z edge lengths of the field of view."""
    mm = torch.from_numpy(np.ascontiguousarray(domain.points()))  # (a, b, c, 3)
    points = 2.0 * mm.reshape(-1, 3) / extent.double()
    axes = torch.tensor(np.asarray(domain.axes, dtype=np.float64))
    offset = mm.reshape(-1, 3) - torch.tensor(np.asarray(domain.centre, dtype=np.float64))
    own = (offset @ axes.T)[:, : domain.dimension]
    return Site(domain, tuple(labels), points, own, _grid(domain, 2.0 * mm / extent.double()))


def _grid(domain: ControlDomain, points: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[int, ...]] | None:
    """The axis-by-axis form of an aligned domain's points (a, b, c, 3); coordinates fall where an axis is flipped."""
    if not domain.is_aligned():
        return None
    along = [int(np.argmax(np.abs(row))) for row in np.asarray(domain.axes)]  # domain axis -> x, y, z = 0, 1, 2
    lines = [points.select(1, 0).select(1, 0)[:, along[0]], points[0, :, 0, along[1]], points[0, 0, :, along[2]]]
    coordinates = [lines[along.index(axis)] for axis in (2, 1, 0)]  # z, y, x
    order = tuple((2, 1, 0).index(axis) for axis in along)  # domain axis -> position among (z, y, x)
    return (coordinates[0], coordinates[1], coordinates[2]), order


class Parser:
    """Latents -> probabilities of a site's tissues.

    method: "L" decodes the sites' points by the neural field; "V" decodes everything by convolutions and samples that.
    """

    def __init__(self, decoders: Decoders, method: str = "L") -> None:
        self.decoders, self.method = decoders, method

    def prepare(self, z: Tensor) -> Tensor:
        """What is decoded once for all sites: the feature grid, or the volume of logits."""
        return self.decoders.features(z) if self.method == "L" else self.decoders.volume(z)

    def read(self, prepared: Tensor, site: Readable) -> Tensor:
        """prepared: of `prepare` -> (B, N, width), linear in `prepared`, in the order of the site's points."""
        if self.method == "V":
            return self._sampled(prepared, site.points)
        if site.grid is None:
            return self.decoders.read(prepared, site.points.to(prepared).expand(len(prepared), -1, -1))
        (z, y, x), order = site.grid
        read = self.decoders.read_grid(prepared, (z, y, x))  # (B, nz, ny, nx, width)
        return read.permute(0, *(1 + axis for axis in order), 4).flatten(1, 3)

    def probability(self, read: Tensor, site: Readable, temperature: float = 1.0) -> Tensor:
        """(B, N, width) of `read` -> (B, N) float32, what the site makes of the classes' shares: their sum over its
        tissues.

        temperature: of the softmax; above 1 it softens saturated probabilities, which lets gradients through.
        """
        logits = read if self.method == "V" else self.decoders.pointwise(read)
        return site.combined(logits.float().div(temperature).softmax(-1))

    def at(self, prepared: Tensor, site: Site, index: Tensor, temperature: float = 1.0) -> Tensor:
        """(B, n) probabilities at some of the site's points. index: (n,) into the points."""
        points = site.points[index]
        if self.method == "V":
            return self.probability(self._sampled(prepared, points), site, temperature)
        read = self.decoders.read(prepared, points.to(prepared).expand(len(prepared), -1, -1))
        return self.probability(read, site, temperature)

    def _sampled(self, volume: Tensor, points: Tensor) -> Tensor:
        """(B, classes, D, H, W), (N, 3) -> (B, N, classes) by trilinear interpolation."""
        grid = points.to(volume).expand(len(volume), -1, -1)[:, None, None]
        sampled = F.grid_sample(volume, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return sampled[:, :, 0, 0].transpose(1, 2)
