"""Forbidden contacts: a wall of the anatomy's separator where two tissues lie less than two voxels apart."""

from __future__ import annotations

import numpy as np

from .workspace import WALL, BoolArray, IntArray, Left, Workspace


def separate(space: Workspace) -> None:
    """Open all forbidden contacts of the anatomy; contacts that cannot be opened are reported as left."""
    labels = space.labels.reshape(-1)
    for forbidden in space.anatomy.forbidden_contacts:
        first, second = forbidden.pair
        values, name = (space.anatomy.label_of(first), space.anatomy.label_of(second)), f"{first}-{second}"
        separator = 0 if forbidden.separator is None else space.anatomy.label_of(forbidden.separator)
        while True:  # until no voxel of one tissue is too close to the other
            near = _too_close(space, values, 1)
            taken = _takeable(space, np.unique(np.concatenate(near)), values)  # both sides of a contact: a wall of two
            if not taken.size:
                near = _too_close(space, values, WALL)
                taken = _one_side(space, near, values)
            if not taken.size:
                break
            labels[taken] = separator if space.allowed[separator] else 0
            space.separated[name] += int(taken.size)
        if near[0].size:
            reason = "outside the editable voxels, or a tissue would be empty"
            where = np.unique(np.concatenate(near))
            twin = None if space.twin is None else bool((space.twin.reshape(-1)[where] == labels[where]).all())
            space.left.append(Left("contact", name, int(where.size), reason, twin, space.place_of(where)))


def _too_close(space: Workspace, values: tuple[int, int], distance: int) -> tuple[IntArray, IntArray]:
    """Flat indices (a, b) of voxels of the first and of the second tissue, a[n] within `distance` steps of b[n]."""
    labels = space.labels.reshape(-1)
    ours = np.flatnonzero(labels == values[0])
    firsts, seconds = [], []
    for step in space.steps(space.settings.contact_connectivity, distance):
        hit = ours[labels[ours + step] == values[1]]
        firsts.append(hit)
        seconds.append(hit + step)
    return np.concatenate(firsts), np.concatenate(seconds)


def _takeable(space: Workspace, voxels: IntArray, values: tuple[int, int]) -> IntArray:
    """The editable ones of `voxels`; none of a tissue that would lose its last voxel."""
    labels = space.labels.reshape(-1)
    free = voxels[space.editable.reshape(-1)[voxels]]
    for value in values:
        own = labels[free] == value
        if own.any() and np.count_nonzero(own) == np.count_nonzero(labels == value):
            free = free[~own]
    return free


def _one_side(space: Workspace, near: tuple[IntArray, IntArray], values: tuple[int, int]) -> IntArray:
    """Voxels that open every remaining pair: of the larger tissue where they may change, else of the smaller."""
    labels = space.labels.reshape(-1)
    sizes = [np.count_nonzero(labels == value) for value in values]
    large, small = (0, 1) if sizes[0] >= sizes[1] else (1, 0)
    from_large = _takeable(space, np.unique(near[large]), values)
    covered: BoolArray = np.isin(near[large], from_large)
    from_small = _takeable(space, np.unique(near[small][~covered]), values)
    return np.concatenate([from_large, from_small])
