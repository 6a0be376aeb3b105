"""A copy of a label map that can be meshed: without bubbles of background, and well-composed. What changed is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.labelmap import Affine
from ..editing.repair.composed import Composed, well_compose
from ..metrics.run_lengths import LabelArray, require_labels
from ..metrics.topology import connected_pieces
from .mesh import OUTSIDE

BoolArray = npt.NDArray[np.bool_]
BUBBLE_ML = 0.1  # enclosed background up to this size is noise; a larger piece may be anatomy
ROUNDS = 3  # of filling and composing: one can make work for the other


@dataclass(frozen=True)
class Meshable:
    """labels: (D, H, W), the input's dtype. bubbles: pieces of enclosed background that were filled; bubble_voxels: in
    them. composed: the repair of what was left then. changed: (D, H, W) bool, where a voxel differs from the input.
    """

    labels: LabelArray
    bubbles: int
    bubble_voxels: int
    composed: Composed
    changed: BoolArray

    def to_json(self) -> dict[str, Any]:
        """The counts, without the voxels, as plain JSON types."""
        return {"bubbles_filled": self.bubbles, "bubble_voxels": self.bubble_voxels,
                "changed_voxels": int(np.count_nonzero(self.changed)), "well_composed": self.composed.to_json()}


def meshable_map(labels: LabelArray, affine: Affine, *, anatomy: Anatomy | None = None,
                 keep: BoolArray | None = None) -> Meshable:
    """The map with its bubbles filled and every label well-composed; the same map, the same result.

    labels: (D, H, W) integer, KJI order. affine: (4, 4), voxel IJK -> RAS mm. anatomy: its forbidden contacts are not
    made. keep: (D, H, W) bool, voxels that must not change.
    """
    labels = require_labels(labels)
    most = BUBBLE_ML * 1000.0 / abs(float(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3])))
    work, bubbles, voxels = labels, 0, 0
    first = done = None
    for _ in range(ROUNDS):
        work, found, filled = _without_bubbles(work, max(int(most), 1), anatomy, keep)
        bubbles, voxels = bubbles + found, voxels + filled
        if done is not None and not found:
            break
        done = well_compose(work, keep=keep, anatomy=anatomy)
        first, work = first or done, done.labels
    assert first is not None and done is not None
    composed = done if first is done else _joined(first, done)
    return Meshable(done.labels, bubbles, voxels, composed, done.labels != labels)


def _joined(first: Composed, last: Composed) -> Composed:
    """Two repairs as one: the counts of both, with the map and the rest of the last."""
    taken, given = ({value: one.get(value, 0) + other.get(value, 0) for value in sorted({*one, *other})}
                    for one, other in ((first.taken, last.taken), (first.given, last.given)))
    return Composed(last.labels, first.changed | last.changed, first.cubes, taken, given, last.left)


def _without_bubbles(labels: LabelArray, most: int, anatomy: Anatomy | None,
                     keep: BoolArray | None) -> tuple[LabelArray, int, int]:
    """The map with enclosed background of at most so many voxels filled, how many pieces these were, and voxels.

    Each is given to the label that it has most faces with, unless that makes a forbidden contact.
    """
    box = foreground_box(labels)
    if box is None:
        return labels, 0, 0
    padded = np.pad(labels[box], 1)
    pieces, _ = connected_pieces(np.ascontiguousarray(padded == OUTSIDE), 6)
    size = np.bincount(pieces.reshape(-1))
    inner = (slice(1, -1),) * 3
    small = np.flatnonzero((size <= most) & (np.arange(len(size)) != pieces[0, 0, 0]) & (np.arange(len(size)) > 0))
    if keep is not None:
        small = np.setdiff1d(small, pieces[inner][keep[box]])
    filled = 0
    count = 0
    rows = np.flatnonzero(np.isin(pieces.reshape(-1), small))
    owner = pieces.reshape(-1)[rows]
    steps = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    around = padded.reshape(-1)[rows[:, None] + np.concatenate([steps, -steps])]
    for piece in small.tolist():
        own = rows[owner == piece]
        label = _owner(around[owner == piece], anatomy)
        if label is not None:
            padded.reshape(-1)[own] = label
            filled, count = filled + len(own), count + 1
    if not count:
        return labels, 0, 0
    result = labels.copy()
    result[box] = padded[inner]
    return result, count, filled


def _owner(around: LabelArray, anatomy: Anatomy | None) -> int | None:
    """The label that most of the faces of a bubble have, of those that may touch all the others; None without one."""
    values, counts = np.unique(around[around != OUTSIDE], return_counts=True)
    apart = [] if anatomy is None else [{anatomy.label_of(tissue) for tissue in contact.pair}
                                        for contact in anatomy.forbidden_contacts]
    for value in values[np.argsort(-counts, kind="stable")].tolist():
        if not any({value, other} in apart for other in values.tolist()):
            return int(value)
    return None
