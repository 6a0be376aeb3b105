"""Flat ends of a label map, where a segmentation or the image was cut across: they must stay flat, with a sharp rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..metrics.run_lengths import LabelArray
from .mesh import OUTSIDE
from .surface_nets import BoolArray, Indices, Net

LEAST_QUADS = 40  # of a flat end: a tube seven voxels thick
STEEP_SHARE = 0.6  # of its rim, where the surface goes on straight down; the top of a ball goes down by one voxel
DOWN = 2  # voxels that the surface goes straight down there


@dataclass(frozen=True)
class FlatEnds:
    """locked: (n, 3) bool, the cells' IJK coordinates that must stay. rim: (e, 2) int64, cells next to each other on
    the rim of an end; along it alone they may be smoothed.
    """

    locked: BoolArray
    rim: Indices

    def number(self, net: Net) -> Indices:
        """(q,) a number above 0 for the quads of flat ends, by the way that they face; 0 for the others."""
        axis = net.axis.astype(np.int64)
        on_end = self.locked[net.quads, axis[:, None]].all(axis=1) & (net.sides[:, 1] == OUTSIDE)
        return np.where(on_end, 1 + 2 * axis + (net.toward > 0), 0)


def flat_ends(net: Net, labels: LabelArray) -> FlatEnds:
    """The flat parts of the outer surface that end sharply all around, or that lie on the border of the map.

    labels: (D, H, W), the net's. A part is flat if its quads lie in one plane between voxels.
    """
    locked = np.zeros((len(net.centres), 3), dtype=np.bool_)
    rims = [np.zeros((0, 2), dtype=np.int64)]
    for axis in range(3):
        for toward in (-1, 1):
            quads = np.flatnonzero((net.axis == axis) & (net.toward == toward) & (net.sides[:, 1] == OUTSIDE))
            piece = _pieces(net.quads[quads])
            ends = np.flatnonzero(_is_end(net, labels, quads, piece, axis, toward))
            chosen = quads[np.isin(piece, ends)]
            locked[net.quads[chosen].ravel(), axis] = True
            rims.append(_rim(net.quads[chosen]))
    return FlatEnds(locked, np.concatenate(rims))


def _is_end(net: Net, labels: LabelArray, quads: Indices, piece: Indices, axis: int, toward: int) -> BoolArray:
    """(p,) bool: which pieces of quads, all across one axis, are flat ends. piece: (q,) number of each quad's piece."""
    count = np.bincount(piece)
    voxel = np.round(net.centres[net.quads[quads]].mean(axis=1)).astype(np.int64)
    voxel[:, axis] = np.round(net.centres[net.quads[quads, 0], axis] - 0.5 * toward).astype(np.int64)
    steep, rim = np.zeros(len(count)), np.zeros(len(count))
    for side in range(3):
        for step in (-1, 1) if side != axis else ():
            beside = voxel.copy()
            beside[:, side] += step
            edge = _at(labels, beside) == OUTSIDE
            down = edge.copy()
            for _ in range(DOWN):
                beside[:, axis] -= toward
                down &= _at(labels, beside) == OUTSIDE
            rim += np.bincount(piece, edge, len(count))
            steep += np.bincount(piece, down, len(count))
    outer = 0 if toward < 0 else labels.shape[2 - axis] - 1
    border = np.zeros(len(count), dtype=np.bool_)
    border[piece[voxel[:, axis] == outer]] = True
    return border | ((count >= LEAST_QUADS) & (steep >= STEEP_SHARE * rim))


def _at(labels: LabelArray, place: Indices) -> LabelArray:
    """(n,) labels at places (n, 3) IJK; outside of the map there is background."""
    kji = place[:, ::-1]
    inside = ((kji >= 0) & (kji < labels.shape)).all(axis=1)
    found = np.zeros(len(kji), dtype=labels.dtype)
    found[inside] = labels[tuple(kji[inside].T)]
    return found


def _pieces(quads: npt.NDArray[np.int32]) -> Indices:
    """(q,) number of the piece that each quad belongs to, over shared points."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(quads):
        return np.zeros(0, dtype=np.int64)
    points, corner = np.unique(quads, return_inverse=True)
    row = np.repeat(np.arange(len(quads)), 4)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, len(quads) + corner.ravel())),
                       shape=(len(quads) + len(points),) * 2)
    piece = connected_components(graph, directed=False)[1][: len(quads)]
    return np.asarray(np.unique(piece, return_inverse=True)[1], dtype=np.int64)


def _rim(quads: npt.NDArray[np.int32]) -> Indices:
    """(e, 2) the edges of one quad only, sorted."""
    edges = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2), axis=1).astype(np.int64)
    found, count = np.unique(edges, axis=0, return_counts=True)
    return np.asarray(found[count == 1], dtype=np.int64)
