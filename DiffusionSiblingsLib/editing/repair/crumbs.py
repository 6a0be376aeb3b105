"""Crumbs: thin bits that hang on to their tissue on every voxel, but not on the map subsampled by two."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...metrics.topology import connected_pieces
from .pieces import Pieces, find_pieces, give_away
from .workspace import PAD, IntArray, Left, Workspace


class Crumb(NamedTuple):
    """A small second piece of a tissue at half resolution. label: its value. voxels: (N,) flat indices, full grid."""

    label: int
    voxels: IntArray


def find_crumbs(space: Workspace) -> list[Crumb]:
    """Every small second piece of a one-component tissue on labels[::2, ::2, ::2] of the whole map.

    A crumb's voxels are those of its tissue within one voxel of the piece, diagonals included; crumbs with a voxel
    that may not change are left out.
    """
    even = tuple(slice(PAD + axis.start % 2, None, 2) for axis in space.box)
    half = np.ascontiguousarray(space.labels[even])
    number, total = connected_pieces(np.where(half == space.other, 0, half), space.settings.tissue_connectivity)
    size = np.bincount(number.reshape(-1), minlength=total + 1)
    value = np.zeros(total + 1, dtype=np.int64)
    value[number.reshape(-1)] = half.reshape(-1)
    crumbs = []
    for tissue in space.anatomy.one_component:
        label = space.anatomy.label_of(tissue)
        own = np.flatnonzero(value[1:] == label) + 1
        if own.size < 2:
            continue
        small = size[own] < space.settings.speck_fraction * size[own].sum()
        small[np.argmax(size[own])] = False
        crumbs += [_grown(space, label, np.argwhere(number == piece), even) for piece in own[small].tolist()]
    editable = space.editable.reshape(-1)
    return [crumb for crumb in crumbs if editable[crumb.voxels].all()]


def give_crumbs(space: Workspace, crumbs: list[Crumb]) -> None:
    """Give the crumbs to the labels around them; they count as specks."""
    image = np.zeros_like(space.labels)
    for crumb in crumbs:
        image.reshape(-1)[crumb.voxels] = crumb.label
    pieces: Pieces = find_pieces(space, image, space.settings.tissue_connectivity)
    give_away(space, pieces, np.arange(1, pieces.size.size))


def report_crumbs(space: Workspace, crumbs: list[Crumb]) -> None:
    """Say which crumbs stay."""
    name_of = {tissue.label: tissue.id for tissue in space.anatomy.tissues}
    for label, voxels in crumbs:
        twin = None if space.twin is None else bool((space.twin.reshape(-1)[voxels] == label).all())
        reason = "apart at half resolution only, and giving it away does not help"
        space.left.append(Left("crumb", name_of[label], int(voxels.size), reason, twin,
                               space.place_of(voxels)))


def _grown(space: Workspace, label: int, places: IntArray, even: tuple[slice, ...]) -> Crumb:
    """The crumb around half-resolution voxels. places: (N, 3) indices on the half grid that starts at `even`."""
    centres = 2 * places + np.array([axis.start for axis in even])
    around = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(1, -1, 3)
    near = (centres[:, None, :] + around).reshape(-1, 3)
    flat = np.unique(np.ravel_multi_index(tuple(near.T), space.labels.shape))
    return Crumb(label, flat[space.labels.reshape(-1)[flat] == label])
