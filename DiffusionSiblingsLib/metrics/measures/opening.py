"""The opening between two tissues: where it is, which way it looks, and its outline.

The label map has no leaflets: a valve is where the blood of one chamber meets that of the next. The plane's normal is
that of the contact's vector area, the sum of its faces as vectors, which depends on the rim alone: a valve drawn as a
dome or as steps has the plane of its ring. The outline is that of the contact seen along the normal, as the projected
area of an annulus is measured in images (Blanke et al., JACC Cardiovasc Imaging 2015; 8:1191).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.boxes import foreground_box
from .fields import FloatArray, TissueFields
from .planes import STEP_MM, Outline, Plane, grid_of, outlines

MARGIN_MM = 4.0  # around the contact, for the outline
DEPTH_MM = 2.0  # above and below the contact's faces, where the two tissues are looked for
BESIDE = 2  # steps along a column to either side of a crossing, over which slopes are taken
LEAST_AREA_MM2 = 20.0  # of contact: less is a leak of the segmentation and no valve
LEAST_FACING = 0.2  # of the contact's area that looks one way: 0.5 and more in hearts, 0.3 in half a ball, 0 in crumbs


def opening(fields: TissueFields, first: str, second: str) -> Outline | None:
    """The outline of the opening between two tissues; its plane's normal looks from the first into the second.

    None where the tissues do not touch over LEAST_AREA_MM2 or more, or where their contact looks all ways: tissues in
    crumbs touch everywhere, and the plane through that would be as large as the heart and mean nothing.
    """
    centers, vectors = _largest_contact(fields, first, second)
    whole = vectors.sum(axis=0)
    if np.linalg.norm(whole) < max(LEAST_AREA_MM2, LEAST_FACING * np.linalg.norm(vectors, axis=1).sum()):
        return None
    normal = whole / np.linalg.norm(whole)
    weight = np.abs(vectors @ normal)
    plane = Plane(np.asarray(weight @ centers / weight.sum()), normal)
    return _outline(fields, plane, centers, first, second)


def _outline(fields: TissueFields, plane: Plane, centers: FloatArray, first: str, second: str) -> Outline | None:
    """The outline of the contact seen along the plane's normal, on a plane through the outline's own centre."""
    reach = float(np.linalg.norm(plane.flat(centers), axis=1).max()) + MARGIN_MM
    grid = grid_of(reach)
    heights = plane.height(centers)
    columns = np.arange(heights.min() - DEPTH_MM, heights.max() + DEPTH_MM + STEP_MM, STEP_MM)
    points = plane.points(grid)[..., None, :] + columns[:, None] * plane.normal
    below, above = fields.sample(points, first), fields.sample(points, second)
    found = outlines(_meeting(below, above), grid, plane)
    return found[0] if found else None


def _meeting(below: FloatArray, above: FloatArray) -> FloatArray:
    """How much of the first and of the second tissue there is where they meet along each column: 1 in the opening, one
    half at a tissue's own edge, 0 where they do not meet.

    Across the contact the first tissue's field falls from a to 0 and the second's rises from 0 to b, along the same
    curve. Where they cross, both are a b / (a + b), and their slopes are as a to b. below, above: (..., n) along the
    column. Returns (2, ...), a and b.
    """
    difference = below - above
    crossing = (difference[..., :-1] > 0) & (difference[..., 1:] <= 0)
    step = difference[..., :-1] - difference[..., 1:]
    share = np.divide(difference[..., :-1], step, out=np.zeros_like(step), where=step > 0)
    value = below[..., :-1] + share * (below[..., 1:] - below[..., :-1])
    at = np.arange(step.shape[-1])
    before, after = np.maximum(at - BESIDE, 0), np.minimum(at + 1 + BESIDE, below.shape[-1] - 1)
    falls, rises = below[..., before] - below[..., after], above[..., after] - above[..., before]
    sound = crossing & (falls > 0) & (rises > 0)
    ratio = np.divide(falls, rises, out=np.ones_like(falls), where=sound)
    best = np.argmax(np.where(crossing, value, 0), axis=-1)[..., None]
    value, ratio = (np.take_along_axis(part, best, axis=-1)[..., 0]
                    for part in (np.where(crossing, value, 0), ratio))
    return np.asarray(np.clip(np.stack([value * (1 + ratio), value * (1 + 1 / ratio)]), 0, 1), dtype=np.float64)


def _largest_contact(fields: TissueFields, first: str, second: str) -> tuple[FloatArray, FloatArray]:
    """Faces between voxels of the two tissues, of the largest connected contact: (n, 3) centres in RAS mm and (n, 3)
    area vectors in mm^2 that look from the first into the second.
    """
    one, other = fields.mask([first]), fields.mask([second])
    box = foreground_box(one, margin=1)
    if box is None or not other.any():
        return np.zeros((0, 3)), np.zeros((0, 3))
    one, other = one[box], other[box]
    corner = np.array([part.start for part in box])
    index, steps = [], []
    for axis in range(3):
        a, b = np.moveaxis(one, axis, 0), np.moveaxis(other, axis, 0)
        for sign, meeting in ((1, a[:-1] & b[1:]), (-1, b[:-1] & a[1:])):
            found = np.argwhere(meeting)
            low = np.insert(found[:, 1:], axis, found[:, 0], axis=1)
            index.append(low + 0.5 * np.eye(3)[axis])
            steps.append(np.broadcast_to(sign * np.eye(3)[axis], low.shape))
    faces, step = np.concatenate(index), np.concatenate(steps)
    kept = _largest_group(faces)
    cofactors = np.linalg.inv(fields.affine[:3, :3]).T * abs(np.linalg.det(fields.affine[:3, :3]))
    return fields.to_mm(faces[kept] + corner), np.asarray(step[kept][:, ::-1] @ cofactors.T)


def _largest_group(faces: FloatArray) -> npt.NDArray[np.bool_]:
    """(n,) bool: the faces of the largest group of neighbours. faces: (n, 3) their centres in voxels."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(faces):
        return np.zeros(0, dtype=bool)
    pairs = cKDTree(faces).query_pairs(1.1, output_type="ndarray")  # faces of one voxel's size: 1 apart at most
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(faces), len(faces)))
    group = connected_components(graph, directed=False)[1]
    return np.asarray(group == np.bincount(group).argmax())
