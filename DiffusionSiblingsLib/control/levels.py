"""The level at which a tissue's surface is drawn, moved a little so that boxes hold the volume asked.

A label map takes the likeliest class of each voxel. Adding a number to the log-likelihood of a box's tissues moves
their surface within the box, everywhere by the same amount of likelihood: by hundredths of a millimetre for a tenth of
a percent of a ventricle. That is the last step to a volume, which changes of the latents overshoot and undershoot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from .absolute_targets import Asked
from .checks import FloatArray
from .domain import ControlDomain
from .measure import sample
from .rounding import NEAR, Likelihood

FURTHEST = 1.5  # log-likelihood that is added or taken at most: about a third of a voxel
SWEEPS = 8  # over all boxes: what one tissue takes is another one's loss
Voxels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Box:
    """A box with a volume asked for. inside: (n,) candidates within it. labels: of its tissues. wanted: voxels of them
    among the candidates. allowed: how many voxels from that are near enough.
    """

    inside: npt.NDArray[np.bool_]
    labels: list[int]
    wanted: float
    allowed: float


def level_to_targets(
    labels: npt.NDArray[np.uint8], affine: FloatArray, domains: Sequence[ControlDomain], asked: Sequence[Asked],
    likelihood: Likelihood, anatomy: Anatomy, *, reach: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """The map with the surfaces of tissues moved so that boxes come nearer to the volumes asked of them.

    Arguments as for `rounding.round_to_targets`. Only voxels at a surface change. Returns `labels` itself where every
    volume is near enough, or nothing helped.
    """
    missing: dict[str, tuple[float, float]] = {}  # domain -> ml that are missing, and how near is near enough
    for domain in (d for d in domains if d.dimension == 3):
        for target in (t for t in asked if t.domain == domain.name and t.quantity == "mass"):
            volume = float(np.asarray(target.value))
            missing[domain.name] = (volume - _volume(labels, affine, domain, anatomy), NEAR * target.tolerance * volume)
    if all(abs(gap) <= near for gap, near in missing.values()):
        return labels
    voxels = _surface(labels, reach)
    scores = np.asarray(likelihood(voxels), dtype=np.float32)
    points = voxels[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    own = labels[tuple(voxels.T)]
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    boxes = []
    for domain in (d for d in domains if d.name in missing):
        gap, near = missing[domain.name]
        inside = _inside(points, domain)
        values = [anatomy.label_of(tissue) for tissue in domain.tissues]
        wanted = np.count_nonzero(inside & np.isin(own, values)) + gap / voxel_ml
        boxes.append(_Box(inside, values, wanted, max(near / voxel_ml, 1.0)))
    levels = _levels(scores, boxes)
    if not levels.any():
        return labels
    result = labels.copy()
    result[tuple(voxels.T)] = _raised(scores, boxes, levels).argmax(axis=0)
    return result


def _volume(labels: npt.NDArray[np.uint8], affine: FloatArray, domain: ControlDomain, anatomy: Anatomy) -> float:
    return float(sample(labels, affine, domain, anatomy).sum(dtype=np.float64)) * domain.cell


def _surface(labels: npt.NDArray[np.uint8], reach: npt.NDArray[np.bool_] | None) -> Voxels:
    """(n, 3) KJI of voxels that have another label beside them."""
    found = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        here, there = np.moveaxis(labels, axis, 0), np.moveaxis(found, axis, 0)
        differ = here[1:] != here[:-1]
        there[1:] |= differ
        there[:-1] |= differ
    if reach is not None:
        found &= reach
    return np.argwhere(found)


def _inside(points: FloatArray, domain: ControlDomain) -> npt.NDArray[np.bool_]:
    """(n,) whether points (n, 3), mm, lie in a box."""
    local = (points - np.array(domain.centre)) @ np.array(domain.axes).T
    return np.asarray((np.abs(local) <= np.array(domain.size) / 2).all(axis=1))


def _levels(scores: npt.NDArray[np.float32], boxes: Sequence[_Box]) -> FloatArray:
    """(boxes,) what to add to the log-likelihood of each box's tissues: one after the other, until all are right."""
    levels = np.zeros(len(boxes))
    for _ in range(SWEEPS):
        worst = 0.0
        for row, box in enumerate(boxes):
            others = levels.copy()
            others[row] = 0.0
            ahead = _ahead(_raised(scores, boxes, others)[:, box.inside], box.labels)
            worst = max(worst, abs(np.count_nonzero(ahead + levels[row] > 0) - box.wanted) / box.allowed)
            levels[row] = _level(ahead, box.wanted)
        if worst <= 1:
            break
    return levels


def _raised(scores: npt.NDArray[np.float32], boxes: Sequence[_Box], levels: FloatArray) -> npt.NDArray[np.float32]:
    """Scores with the levels added."""
    result = scores.copy()
    for box, level in zip(boxes, levels.tolist(), strict=True):
        if level:
            result[box.labels] += np.where(box.inside, np.float32(level), np.float32(0.0))
    return result


def _ahead(scores: npt.NDArray[Any], labels: list[int]) -> npt.NDArray[Any]:
    """(n,) by how much the likeliest of some labels is likelier than the likeliest of the others."""
    rest = [label for label in range(len(scores)) if label not in labels]
    with np.errstate(invalid="ignore"):
        lead = scores[labels].max(axis=0) - scores[rest].max(axis=0)
    return np.asarray(np.nan_to_num(lead, nan=-np.inf, posinf=np.inf, neginf=-np.inf))


def _level(ahead: npt.NDArray[Any], wanted: float) -> float:
    """The number that brings `wanted` of the values above 0, within its limits."""
    count = int(np.clip(round(wanted), 0, len(ahead)))
    if count == 0 or count == len(ahead):
        return FURTHEST if count else -FURTHEST
    parted = np.partition(ahead, (len(ahead) - count - 1, len(ahead) - count))
    between = (float(parted[len(ahead) - count - 1]) + float(parted[len(ahead) - count])) / 2
    return float(np.clip(-between, -FURTHEST, FURTHEST)) if np.isfinite(between) else 0.0
