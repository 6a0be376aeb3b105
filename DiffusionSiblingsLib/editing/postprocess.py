"""The last part of every edit: composition on the grid, checks, repair, measurements (plain layer)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap, Segment
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.resample import resample_to_canonical, sample_probabilities
from ..labelmaps.twin import Twin
from ..metrics.morphology import features, tissue_volumes
from ..metrics.overlap import dice
from ..metrics.topology import check_both
from .composite import Scope, compose, cut_off, deliver, told_withheld
from .repair.repair import Repair, repair
from .request import Request
from .result import Sibling

UInt8Array = npt.NDArray[np.uint8]
Rounding = Callable[..., UInt8Array]  # GuidedTargets.rounded


def finish_generated(request: Request, k: int, decoded: UInt8Array, anatomy: Anatomy, *, sigma: float,
                     timings: dict[str, float]) -> Sibling:
    """A heart without a twin, on the canonical grid. decoded: (128, 128, 128) uint8, the model's labels."""
    template = canonical_labelmap(decoded, anatomy)
    measured, timings = _measure(request, decoded, template, anatomy, timings)
    known = measured.pop("known")
    return Sibling(request=request, k=k, labelmap=template.with_labels(known), known=known, canonical=known,
                   sigma=sigma, timings=timings, **measured)


def finish_edit(request: Request, k: int, probabilities: npt.NDArray[Any], decoded: UInt8Array, twin: Twin,
                scope: Scope, anatomy: Anatomy, *, sigma: float, timings: dict[str, float], dilations: int,
                rounding: Rounding | None = None) -> Sibling:
    """A sibling of a twin, on the twin's grid.

    probabilities: (classes, 128, 128, 128), zero for labels that the scope does not allow. decoded: (128, 128, 128)
    uint8, the model's labels without that limit, to say what the decoder alone would have changed. rounding: of
    undecided voxels, called with the map, its affine, the classes' likelihood and what may change.
    """
    began = time.perf_counter()
    composition = compose(probabilities, twin, scope, anatomy)
    raw = composition.known
    if rounding is not None:
        raw = rounding(raw, twin.labelmap.affine, partial(_likelihood, probabilities, twin), scope.reach)
    timings = {**timings, "compose": time.perf_counter() - began}
    measured, timings = _measure(request, raw, twin.labelmap, anatomy, timings, editable=scope.reach,
                                 allowed=scope.allowed, reference=twin.known)
    known = measured.pop("known")
    changed = known != twin.known
    inside = int(np.count_nonzero(changed & scope.reach))
    changes = {"inside": inside, "outside": int(np.count_nonzero(changed)) - inside}  # outside the reach it must be 0
    decoder_changes = None
    if scope.preserved is not None:
        kept = scope.preserved & (twin.canonical.labels > 0)
        decoder_changes = int(np.count_nonzero(decoded[kept] != twin.canonical.labels[kept]))
    return Sibling(
        request=request, k=k, labelmap=deliver(known, twin, anatomy), known=known,
        canonical=resample_to_canonical(known, twin.labelmap.affine, twin.canonical.to_world, twin.frame),
        sigma=sigma, changes=changes, conflicts=composition.conflicts,
        decoder_changes=decoder_changes, dice_to_twin=dice(known, twin.known, {t.id: t.label for t in anatomy.tissues}),
        dilations=dilations if scope.preserved is not None else None, timings=timings,
        cut_off_ml=cut_off(known, composition.beyond_ml, twin, anatomy),
        withheld_ml=told_withheld(composition.withheld_ml, measured["volumes"]), **measured,
    )


def _likelihood(probabilities: npt.NDArray[Any], twin: Twin, voxels: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """(classes, n) log of canonical class probabilities at voxels (n, 3), KJI, of the twin's grid."""
    matrix = twin.labelmap.affine
    points = voxels[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    found = sample_probabilities(probabilities, twin.canonical.to_world, twin.frame, points)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(found.T))


def _measure(request: Request, raw: UInt8Array, grid: LabelMap, anatomy: Anatomy, timings: dict[str, float],
             **scope: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Checks and features before and after repair -> fields of a Sibling, and the timings with their share."""
    began = time.perf_counter()
    raw_checks, raw_features = check_both(raw, anatomy), features(raw, grid.affine, anatomy)
    fixed: Repair | None = None
    known, checks, measured = raw, raw_checks, raw_features
    if request.repair:
        fixed = repair(raw, anatomy, voxel_volume_ml=grid.voxel_volume_ml, affine=grid.affine, **scope)
        if fixed.changed_voxels:
            known = fixed.labels.astype(np.uint8, copy=False)
            checks, measured = check_both(known, anatomy), features(known, grid.affine, anatomy)
    values = {"known": known, "features": measured, "raw_features": raw_features, "checks": checks,
              "raw_checks": raw_checks, "repair": fixed, "volumes": tissue_volumes(known, grid.affine, anatomy)}
    return values, {**timings, "check": time.perf_counter() - began}


def most_probable(scores: npt.NDArray[Any]) -> UInt8Array:
    """(C, D, H, W) logits or probabilities -> (D, H, W) uint8 labels, by a running maximum (argmax is slower)."""
    best = scores[0].copy()
    labels = np.zeros(best.shape, dtype=np.uint8)
    for label in range(1, len(scores)):
        better = scores[label] > best
        labels[better] = label
        np.maximum(best, scores[label], out=best)
    return labels


def canonical_labelmap(labels: UInt8Array, anatomy: Anatomy) -> LabelMap:
    """(128, 128, 128) uint8 canonical labels as a label map of its own, segments named and coloured by the anatomy."""
    segments = tuple(Segment(value=t.label, name=t.name, tissue=t.id, color=t.color, tags=t.tags)
                     for t in anatomy.tissues)
    return LabelMap(labels, CanonicalFrame.of(anatomy).affine, segments, format="nii.gz")

