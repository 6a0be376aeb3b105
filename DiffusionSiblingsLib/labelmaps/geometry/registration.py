"""Rigid alignment to the reference: closed form on tissue centroids, then refined on smoothed tissue maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...core.errors import InputError
from .frame import CanonicalFrame, Matrix, inverse
from .itk import rigid_fit
from .reference import Reference, coarse_image
from .tissue_fractions import TissueMaps

if TYPE_CHECKING:
    from ...core.anatomy import Anatomy

MARGIN = 3  # coarse voxels around the reference that a small motion can bring in


def kabsch(source: Matrix, target: Matrix, weights: Matrix) -> Matrix:
    """The rotation and translation of least weighted squared distance (Kabsch 1976): (4, 4), source -> target.

    source, target: (n, 3) mm. weights: (n,). Never a reflection, never a scale.
    """
    share = (weights / weights.sum())[:, None]
    from_mean, to_mean = (share * source).sum(0), (share * target).sum(0)
    u, _, vt = np.linalg.svd(((source - from_mean) * share).T @ (target - to_mean))
    sign = np.sign(np.linalg.det(vt.T @ u.T))
    result = np.eye(4)
    result[:3, :3] = vt.T @ np.diag([1.0, 1.0, sign]) @ u.T
    result[:3, 3] = to_mean - result[:3, :3] @ from_mean
    return result


def pose_from_centroids(maps: TissueMaps, anatomy: Anatomy, reference: Reference) -> Matrix:
    """(4, 4) canonical mm -> RAS mm from the tissues that the map has.

    Raises InputError where an end of the anatomy's long axis is missing, or too little is there to fix the rotation.
    """
    for tissue in (anatomy.axis_from, anatomy.axis_to):
        if anatomy.label_of(tissue) not in maps.fractions:
            raise InputError(
                f"The label map has no {anatomy.tissue(tissue).name} ({tissue})",
                value=_present(maps, anatomy),
                rule=f"{anatomy.axis_from} and {anatomy.axis_to} give the long axis of the canonical frame",
                hint=f'give its label with --labels "{tissue}=..." or add the tissue to the map',
            )
    here = [t for t, value in enumerate(reference.values) if int(value) in maps.fractions]
    source = np.array([maps.centroid(int(reference.values[t])) for t in here])
    target, weights = reference.centroids[here], reference.weights[here]
    share = (weights / weights.sum())[:, None]
    spread = [np.linalg.svd((p - (share * p).sum(0)) * np.sqrt(share), compute_uv=False)[:2] for p in (source, target)]
    if min(s[-1] if len(s) > 1 else 0.0 for s in spread) < 3.0:  # mm beside the long axis
        raise InputError(
            "The tissues of the label map lie on one line, so their rotation is undefined",
            value=_present(maps, anatomy),
            rule=f"at least one tissue lies beside the axis from {anatomy.axis_from} to {anatomy.axis_to}",
            hint="add another chamber to the map",
        )
    return inverse(kabsch(source, target, weights))


def _present(maps: TissueMaps, anatomy: Anatomy) -> str:
    found = [tissue for tissue in anatomy.ids if anatomy.label_of(tissue) in maps.fractions]
    return "it has " + (", ".join(found) if found else "no known tissue")


class Alignment(NamedTuple):
    """to_world: (4, 4) float64 rigid, canonical mm -> RAS mm. agreement: with the reference, 1 = identical.

    agreement is the correlation of the two smoothed images: 0.87 to 0.99 for hearts, below 0.8 where tissues are
    swapped or the spacing is wrong, NaN against a reference without maps.
    """

    to_world: Matrix
    agreement: float


def align(maps: TissueMaps, anatomy: Anatomy, reference: Reference) -> Alignment:
    """Lays a label map over the reference. A reference without maps is met by its centroids alone."""
    start = pose_from_centroids(maps, anatomy, reference)
    fixed = reference.image
    pairs = zip(reference.values.tolist(), reference.contrasts.tolist(), strict=True)
    contrasts = {value: contrast for value, contrast in pairs if contrast and value in maps.fractions}
    if not fixed.any() or not contrasts:
        return Alignment(start, float("nan"))
    depth, height, width = (n + 2 * MARGIN for n in reference.frame.shape)
    wide = CanonicalFrame((depth, height, width), reference.spacing)
    blend = maps.blend(contrasts, reference.sigma)
    moving = coarse_image(*blend, start, wide)
    to_world = np.asarray(start @ rigid_fit(fixed, moving, reference.spacing, MARGIN), dtype=np.float64)
    found = coarse_image(*blend, to_world, wide)
    inner = found[MARGIN:-MARGIN, MARGIN:-MARGIN, MARGIN:-MARGIN]
    norm = float(np.sqrt((found**2).sum(dtype=np.float64) * (fixed**2).sum(dtype=np.float64)))
    return Alignment(to_world, float((fixed * inner).sum(dtype=np.float64)) / norm if norm else 0.0)
