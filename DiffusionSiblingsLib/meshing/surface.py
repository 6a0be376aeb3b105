"""From a label map to its surfaces: smooth, closed, of true volume, between exactly two labels each."""

from __future__ import annotations

import numpy as np

from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..metrics.run_lengths import LabelArray, require_labels
from .flat_ends import flat_ends
from .mesh import OUTSIDE, SurfaceMesh
from .remesh import remeshed
from .smoothing import reach_of, smoothed, with_volumes
from .surface_nets import surface_net
from .triangulate import split_quads
from .untangle import untangled


def surface_of(labels: LabelArray, affine: Affine, edge_mm: float | None = None) -> SurfaceMesh:
    """All surfaces of a label map, with edges of about one length, or about as fine as its voxels.

    labels: (D, H, W) integer, KJI order, well-composed (`meshable_map`): elsewhere a surface would touch itself.
    affine: (4, 4), voxel IJK -> RAS mm; mirrored and oblique grids are turned the right way. edge_mm: None leaves the
    triangles as the voxels make them. Raises InputError for an edge that is no length.
    """
    if edge_mm is not None and not 0.0 < edge_mm < np.inf:
        raise InputError("The surface cannot have edges of this length", value=f"{edge_mm:g} mm", rule="above 0 mm")
    labels = require_labels(labels)
    matrix = np.asarray(affine, dtype=np.float64)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    net = surface_net(labels)
    ends = flat_ends(net, labels)
    points = smoothed(net, ends) * spacing  # mm along I, J, K, which are taken as right-handed until the end
    mesh = SurfaceMesh(points, split_quads(points, net.quads), np.repeat(net.sides, 2, axis=0))
    volumes = {label: count * float(np.prod(spacing)) for label, count in _voxels(labels).items()}
    mesh = with_volumes(mesh, volumes, np.asarray(ends.locked.any(axis=1)), (net.centres - reach_of(net)) * spacing,
                        (net.centres + reach_of(net)) * spacing)
    free = untangled(mesh.points, net.centres * spacing, mesh.triangles)
    triangles = mesh.triangles if np.linalg.det(matrix[:3, :3]) > 0 else mesh.triangles[:, ::-1]
    placed = free / spacing @ matrix[:3, :3].T + matrix[:3, 3]
    fine = SurfaceMesh(placed, np.ascontiguousarray(triangles), mesh.sides)
    if edge_mm is None:
        return fine
    return remeshed(fine, edge_mm, np.repeat(ends.number(net), 2))


def map_volumes(labels: LabelArray, affine: Affine) -> dict[int, float]:
    """Label -> mm^3 of its voxels, for every tissue of the map."""
    voxel = abs(float(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3])))
    return {label: count * voxel for label, count in _voxels(labels).items()}


def _voxels(labels: LabelArray) -> dict[int, int]:
    box = foreground_box(labels)
    values, counts = np.unique(labels[box] if box is not None else labels[:0], return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True) if value != OUTSIDE}
