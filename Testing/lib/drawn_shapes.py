"""Drawn hearts' parts with exact measures, as label maps on any grid: a shape is a test of points in mm."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from DiffusionSiblingsLib.core.anatomy import load_anatomy

Points = npt.NDArray[np.float64]
Shape = Callable[[Points], npt.NDArray[np.bool_]]
ANATOMY = load_anatomy()


def turned(seed: int) -> npt.NDArray[np.float64]:
    """(3, 3) a rotation; 0 gives none."""
    if seed == 0:
        return np.eye(3)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return np.asarray(turn * np.linalg.det(turn))


def draw(shapes: Mapping[str, Shape], *, half_mm: float = 45, spacing: float = 1.0, pose: int = 0,
         mirrored: bool = False) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Labels (D, H, W) and affine (4, 4) of shapes; a later one overwrites an earlier one.

    The grid is turned, not the shapes. mirrored: whether its first axis runs the other way.
    """
    size = int(2 * half_mm / spacing) + 1
    affine = np.eye(4)
    affine[:3, :3] = turned(pose) * spacing * np.array([-1 if mirrored else 1, 1, 1])
    affine[:3, 3] = -affine[:3, :3] @ np.full(3, (size - 1) / 2) + 0.37 * spacing
    index = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1)[..., ::-1]
    points = index @ affine[:3, :3].T + affine[:3, 3]
    labels = np.zeros((size, size, size), np.uint8)
    for tissue, shape in shapes.items():
        labels[shape(points)] = ANATOMY.label_of(tissue)
    return labels, affine


def tube(low: float, high: float, first: float, second: float | None = None) -> Shape:
    """An elliptic cylinder along z from `low` to `high`, with semi-axes along x and y."""
    semi = (first, first if second is None else second)
    return lambda p: (((p[..., :2] / semi) ** 2).sum(axis=-1) <= 1) & (p[..., 2] >= low) & (p[..., 2] < high)


def ball(radius: float, center: tuple[float, float, float] = (0, 0, 0), stretch: float = 1.0) -> Shape:
    """A ball, stretched along z."""
    return lambda p: (((p - center) / (radius, radius, radius * stretch)) ** 2).sum(axis=-1) <= 1


def both(*shapes: Shape) -> Shape:
    """Where all shapes are."""
    return lambda p: np.logical_and.reduce([shape(p) for shape in shapes])


def below(z: float) -> Shape:
    """The half-space under z."""
    return lambda p: p[..., 2] < z

