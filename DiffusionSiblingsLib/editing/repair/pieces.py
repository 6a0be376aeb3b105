"""Connected pieces: specks are given to their surroundings, small enclosed cavities are filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...metrics.run_lengths import find_runs
from ...metrics.topology import connected_pieces
from .workspace import INNER, WALL, BoolArray, ByteArray, IntArray, Left, Workspace

NumberArray = npt.NDArray[np.integer[Any]]


class Pieces(NamedTuple):
    """Connected pieces of the workspace.

    number: (d, h, w) integer, the piece of each voxel, from 1 (0 = none). value, size: (N + 1,) int64, label and voxels
    of each piece. movable: (N + 1,) bool, every voxel of the piece is editable.
    """

    number: NumberArray
    value: IntArray
    size: IntArray
    movable: BoolArray


def give_specks(space: Workspace) -> None:
    """Give every small piece of a tissue, except the tissue's largest, to the label around it; report the others."""
    pieces = find_pieces(space, space.labels, space.settings.tissue_connectivity)
    name_of = {tissue.label: tissue.id for tissue in space.anatomy.tissues}
    shared = _shared_with_twin(space, pieces)
    specks, left = [], dict[int, Left]()
    for value, tissue in name_of.items():
        own = np.flatnonzero(pieces.value == value)
        if own.size < 2:
            continue
        total = int(pieces.size[own].sum())
        main = own[np.argmax(pieces.size[own])]
        for piece in own[own != main].tolist():
            small = pieces.size[piece] < space.settings.speck_fraction * total
            if small and pieces.movable[piece]:
                specks.append(piece)
                continue
            reason = "outside the editable voxels" if small else "too large to be a speck"
            inherited = None if shared is None else bool(shared[piece] == pieces.size[piece])
            left[piece] = Left("piece", tissue, int(pieces.size[piece]), reason, inherited)
    space.left += _placed(space, pieces, left)
    if specks:
        give_away(space, pieces, np.array(specks))


def _shared_with_twin(space: Workspace, pieces: Pieces) -> IntArray | None:
    """(N + 1,) int64: voxels of each piece where the twin has the same label; None where no twin was given."""
    if space.twin is None:
        return None
    return _sizes(np.where(space.twin == space.labels, pieces.number, 0), pieces.size.size - 1)


def give_away(space: Workspace, pieces: Pieces, specks: IntArray) -> None:
    """Relabel and count the specks. One next to other specks waits until those with lower numbers have their label.

    specks: (S,) piece numbers, at least one.
    """
    name_of = {tissue.label: tissue.id for tissue in space.anatomy.tissues}
    space.specks.update(name_of[value] for value in pieces.value[specks].tolist())
    space.speck_voxels += int(pieces.size[specks].sum())
    numbers, labels = pieces.number.reshape(-1), space.labels.reshape(-1)
    waiting = np.zeros(pieces.size.size, dtype=np.bool_)
    waiting[specks] = True
    voxels = np.flatnonzero(waiting[numbers])
    touch = space.steps(6)
    reach = space.steps(space.settings.contact_connectivity, WALL)
    forbidden = np.argwhere(space.forbidden).tolist()
    while voxels.size:
        owner = numbers[voxels]
        ready = waiting.copy()
        for step in {*touch, *reach}:
            other = numbers[voxels + step]
            ready[owner[waiting[other] & (other < owner)]] = False
        chosen = np.flatnonzero(ready)
        row_of = np.full(ready.size, -1)
        row_of[chosen] = np.arange(chosen.size)
        mine = voxels[ready[owner]]
        rows = row_of[numbers[mine]]
        votes = _histogram(space, numbers, mine, rows, touch)
        near = _histogram(space, numbers, mine, rows, reach) > 0
        votes[:, ~space.allowed] = 0
        for first, second in forbidden:
            votes[near[:, first], second] = 0  # would touch what it must not
        votes[np.arange(chosen.size), pieces.value[chosen]] = 0
        labels[mine] = np.argmax(votes, axis=1)[rows]  # no votes: background
        waiting[chosen] = False
        voxels = voxels[~ready[owner]]


def _histogram(space: Workspace, numbers: NumberArray, voxels: IntArray, rows: IntArray, steps: list[int]) -> IntArray:
    """(rows, labels) int64: how often each label occurs at `steps` from the voxels of a row, its own piece apart.

    numbers: (d * h * w,), piece of each voxel. voxels: (N,) flat indices. rows: (N,) from 0 without gaps.
    """
    width = space.other + 1
    size = (int(rows.max()) + 1) * width
    labels = space.labels.reshape(-1)
    table = np.zeros(size, dtype=np.int64)
    for step in steps:
        outside = numbers[voxels + step] != numbers[voxels]
        table += np.bincount(rows[outside] * width + labels[voxels[outside] + step], minlength=size)
    return table.reshape(-1, width)


def fill_cavities(space: Workspace) -> None:
    """Give background that one single tissue encloses on all faces to that tissue, up to the size in the settings.

    Larger ones are reported.
    """
    limit = max(int(space.settings.cavity_ml / space.voxel_ml), 1) if space.settings.cavity_ml else 0
    pieces = find_pieces(space, space.labels == 0, 6)
    chosen = np.flatnonzero(_enclosed(space, pieces))
    if not chosen.size:
        return
    numbers, labels = pieces.number.reshape(-1), space.labels.reshape(-1)
    row_of = np.full(pieces.size.size, -1)
    row_of[chosen] = np.arange(chosen.size)
    voxels = np.flatnonzero(row_of[numbers] >= 0)
    rows = row_of[numbers[voxels]]
    around = _histogram(space, numbers, voxels, rows, space.steps(6)) > 0
    name_of = {tissue.label: tissue.id for tissue in space.anatomy.tissues}
    single = (around.sum(axis=1) == 1) & around[:, list(name_of)].any(axis=1)
    owner, small = np.argmax(around, axis=1), pieces.size[chosen] <= limit
    _report_cavities(space, pieces, chosen[single & ~small], [name_of[int(value)] for value in owner[single & ~small]])
    near = _histogram(space, numbers, voxels, rows, space.steps(space.settings.contact_connectivity, WALL)) > 0
    single &= small & pieces.movable[chosen]
    single &= ~(near & space.forbidden[owner]).any(axis=1)  # would touch what it must not
    single &= space.allowed[owner]
    fill = single[rows]
    labels[voxels[fill]] = owner[rows[fill]]
    space.cavities.update(name_of[int(value)] for value in owner[single])
    space.filled_voxels += int(np.count_nonzero(fill))


def _enclosed(space: Workspace, pieces: Pieces) -> BoolArray:
    """(N + 1,) bool: pieces of background that do not reach the edge of the foreground's box."""
    enclosed: BoolArray = np.asarray(pieces.value == 1)
    number = pieces.number[INNER]
    for axis in range(3):
        for face in (0, -1):
            enclosed[np.unique(np.take(number, face, axis=axis))] = False
    return enclosed


def _report_cavities(space: Workspace, pieces: Pieces, cavities: IntArray, tissues: list[str]) -> None:
    """Cavities that are too large to be filled. cavities: (n,) piece numbers; tissues: around each."""
    if not cavities.size:
        return
    shared, most = _shared_with_twin(space, pieces), space.settings.cavity_ml
    left = {}
    for piece, tissue in zip(cavities.tolist(), tissues, strict=True):
        reason = f"{pieces.size[piece] * space.voxel_ml:.2f} ml, more than the {most:g} ml to be filled"
        inherited = None if shared is None else bool(shared[piece] == pieces.size[piece])
        left[piece] = Left("cavity", tissue, int(pieces.size[piece]), reason, inherited)
    space.left += _placed(space, pieces, left)


def _placed(space: Workspace, pieces: Pieces, left: Mapping[int, Left]) -> list[Left]:
    """Defects with their places, which are looked for in one walk through the map. left: by the number of the piece."""
    chosen = np.zeros(pieces.size.size, dtype=np.bool_)
    chosen[list(left)] = True
    numbers = pieces.number.reshape(-1)
    voxels = np.flatnonzero(chosen[numbers]) if left else np.zeros(0, dtype=np.int64)
    owner = numbers[voxels]
    return [replace(found, ras_mm=space.place_of(voxels[owner == piece])) for piece, found in left.items()]


def find_pieces(space: Workspace, image: ByteArray | BoolArray, connectivity: int) -> Pieces:
    """Connected pieces of equal non-zero value. image: (d, h, w) uint8 or bool on the workspace's grid."""
    number, total = connected_pieces(image, connectivity)
    runs = find_runs(number)
    of_run = runs.value.astype(np.int64)
    value = np.zeros(total + 1, dtype=np.int64)
    value[of_run] = image.reshape(-1)[runs.start]
    size = _sizes(number, total)
    return Pieces(number, value, size, _sizes(np.where(space.editable, number, 0), total) == size)


def _sizes(number: NumberArray, total: int) -> IntArray:
    """(total + 1,) int64: voxels of each number. number: (d, h, w) integer from 0 to total."""
    runs = find_runs(number)
    return np.bincount(runs.value.astype(np.int64), weights=runs.length, minlength=total + 1).astype(np.int64)
