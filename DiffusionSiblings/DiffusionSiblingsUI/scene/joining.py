"""The layers of a segmentation as one label map, by the rule that files follow. Part of the bridge.

`DiffusionSiblingsLib.labelmaps.overlaps` has the rule: small overlaps of tissues are settled and counted, large ones
are refused, and segments of no tissue give way. Here it is applied to all layers in short steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import Segment
from DiffusionSiblingsLib.labelmaps.overlaps import RULE, by_rank, contradict, lies_beside, shared_words
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.grid import Box, Grid
from DiffusionSiblingsUI.scene.layers import Layer, placed

SHOWN = 6  # pairs in one message


@dataclass(frozen=True)
class Joined:
    """labels: (D, H, W), values 1..n in the order of the segments. counts: (n + 1,) voxels of each value, those that
    another one has included. covered: value -> (n,) flat indices of voxels that another one has. apart: IDs of segments
    of no tissue that lie over others; if there are any, all has to be joined again without them. notes: what was
    settled.
    """

    labels: np.ndarray
    counts: np.ndarray
    covered: dict[int, np.ndarray]
    apart: tuple[str, ...]
    notes: tuple[str, ...]


def joining(layers: Sequence[Layer], grid: Grid, segments: Sequence[Segment], anatomy: Anatomy,
            name: str) -> Generator[None, None, Joined]:
    """All layers on one grid. name: of the segmentation. Raises InputError for tissues that share too much."""
    labels = np.zeros(grid.shape, dtype=np.uint8 if len(segments) < 256 else np.uint16)
    counts = np.zeros(len(segments) + 1, dtype=np.int64)
    clashes = _Clashes(_ranks(segments, anatomy))
    numbers = {segment.identifier: segment.value for segment in segments}
    for layer in layers:
        box, values = yield from placed(layer, grid)
        table = _table(layer, numbers, name, segments)
        part = labels[box]
        for slab in grids.slabs(part.shape):
            fresh, target = table[values[slab]], part[slab]
            if len(layers) > 1:
                clashes.settle(target, fresh, _flat(labels.shape, box, slab))
                np.copyto(target, fresh, where=target == 0)
            else:
                target[...] = fresh
            counts += np.bincount(fresh.ravel(), minlength=len(counts))
            yield
    return _settled(labels, counts, clashes, segments, grid, name)


def _flat(shape: tuple[int, ...], box: Box, slab: slice) -> Callable[[np.ndarray], np.ndarray]:
    """Flat indices into labels of a shape, of the voxels marked in one slab of a box."""
    first = [slab.start + (box[0].start or 0), *(side.start or 0 for side in box[1:])]

    def of(marked: np.ndarray) -> np.ndarray:
        places = [index + start for index, start in zip(np.nonzero(marked), first, strict=True)]
        return np.asarray(np.ravel_multi_index(tuple(places), shape))

    return of


def _ranks(segments: Sequence[Segment], anatomy: Anatomy) -> np.ndarray:
    """(n + 1,) by value: of two segments that want a voxel, the one with the higher rank has it. Background has 0.

    Of tissues the later one, before all segments of no tissue, of which the first one.
    """
    order = by_rank(segments, anatomy)
    tissues = [n for n in order if segments[n].tissue]
    others = [n for n in order if not segments[n].tissue]
    rank = np.zeros(len(segments) + 1, dtype=np.int64)
    for place, n in enumerate([*reversed(others), *tissues], start=1):
        rank[segments[n].value] = place
    return rank


class _Clashes:
    """Voxels that two segments both want. counts: (loser, winner) by value -> voxels."""

    def __init__(self, rank: np.ndarray) -> None:
        self.rank = rank
        self.counts: dict[tuple[int, int], int] = {}
        self._lost: list[tuple[np.ndarray, np.ndarray]] = []  # values of losers, flat indices

    def settle(self, target: np.ndarray, fresh: np.ndarray, flat: Callable[[np.ndarray], np.ndarray]) -> None:
        """Gives those of one part of the grid to the higher rank, and notes them. flat: gives the indices in all labels
        of voxels marked in the part.
        """
        both = (target > 0) & (fresh > 0)
        if not both.any():
            return
        first, second, at = target[both], fresh[both], flat(both)
        losing = self.rank[first] < self.rank[second]
        loser, winner = np.where(losing, first, second), np.where(losing, second, first)
        target[both] = winner
        self._lost.append((loser, at))
        for (one, two), count in zip(*_pairs(loser, winner), strict=True):
            self.counts[(one, two)] = self.counts.get((one, two), 0) + count

    def covered(self) -> dict[int, np.ndarray]:
        """Value -> flat indices of voxels that it wants and another one has."""
        if not self._lost:
            return {}
        values, at = (np.concatenate(parts) for parts in zip(*self._lost, strict=True))
        return {int(value): np.unique(at[values == value]) for value in np.unique(values)}


def _pairs(loser: np.ndarray, winner: np.ndarray) -> tuple[list[tuple[int, int]], list[int]]:
    """The pairs of values that occur, and how often each does."""
    pairs, counts = np.unique(np.stack([loser, winner]), axis=1, return_counts=True)
    return [(int(one), int(two)) for one, two in pairs.T], [int(count) for count in counts]


def _settled(labels: np.ndarray, counts: np.ndarray, clashes: _Clashes, segments: Sequence[Segment], grid: Grid,
             name: str) -> Joined:
    """What the overlaps come to. Raises InputError for tissues that share too much."""
    named = {segment.value: segment for segment in segments}
    beside: list[Segment] = []
    for segment in segments:
        shared = sum(count for (loser, winner), count in clashes.counts.items()
                     if loser == segment.value and named[winner] not in beside)
        if not segment.tissue and lies_beside(shared, int(counts[segment.value]), segment) and counts[segment.value]:
            beside.append(segment)
    rest = {pair: count for pair, count in clashes.counts.items() if named[pair[0]] not in beside}
    wrong = {pair: count for pair, count in rest.items() if named[pair[0]].tissue
             and contradict(count, int(counts[pair[0]]), int(counts[pair[1]]))}
    if wrong:
        said = [_("{first} and {second} share {count} voxels").format(first=named[winner].name,
                                                                      second=named[loser].name, count=count)
                for (loser, winner), count in sorted(wrong.items(), key=lambda item: -item[1])]
        raise _overlap("; ".join(said[:SHOWN]), name)
    voxel_ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000.0
    notes = tuple(shared_words(named[loser].name, named[winner].name, count, count * voxel_ml)
                  for (loser, winner), count in rest.items())
    return Joined(labels, counts, clashes.covered(), tuple(segment.identifier for segment in beside), notes)


def _table(layer: Layer, numbers: Mapping[str, int], name: str, segments: Sequence[Segment]) -> np.ndarray:
    """Look-up table from a layer's values to the label map's; values of no segment become background."""
    highest = max(int(layer.labels.max(initial=0)), max(layer.values.values()))
    if int(layer.labels.min(initial=0)) < 0 or layer.labels.dtype.kind not in "iu" or highest > 1 << 20:
        raise InputError(_("{name} has voxels that are not label values").format(name=name), value=layer.labels.dtype,
                         rule=_("label values are whole numbers from 0"),
                         hint=_("export the segmentation to a label map and import it again"))
    table = np.zeros(highest + 1, dtype=np.uint8 if len(segments) < 256 else np.uint16)
    for identifier, value in layer.values.items():
        if value > 0 and table[value]:
            first, second = segments[table[value] - 1].name, segments[numbers[identifier] - 1].name
            raise _overlap(_("{first} and {second} have the same voxels").format(first=first, second=second), name)
        if value > 0:
            table[value] = numbers[identifier]
    return table


def _overlap(what: str, name: str) -> InputError:
    return InputError(
        _("{name} has segments that overlap").format(name=name),
        value=what,
        rule=RULE,
        hint=_("in the Segment Editor, subtract one segment from the other (Logical operators), then run again"),
    )
