"""Runs for tests of studies without a model: hearts of ellipsoids whose size depends on request and number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from hearts import ANATOMY, ellipsoid_heart

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.editing.postprocess import canonical_labelmap
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.mask_names import stem_of
from DiffusionSiblingsLib.labelmaps.write import suffix_for, write_labelmap
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key
from DiffusionSiblingsLib.runs.resume import twin_entry
from DiffusionSiblingsLib.studies.seed_hearts import SeedHeart
from DiffusionSiblingsLib.studies.twins import TwinSource

CHANGES = {"generate": 0.06, "reconstruct": 0.0, "perturb": 0.05, "inpaint": 0.03}
SWAPPED = {"Ao": 1, "Myo": 2, "LV": 4, "RV": 3, "LA": 6, "RA": 5}  # a numbering that only a record tells


@lru_cache(maxsize=40)
def canonical_heart(scale: float) -> LabelMap:
    """A heart of ellipsoids on the canonical grid; scale: its size, 1 = as it is."""
    small = ellipsoid_heart((64, 64, 64), 2.8 / scale, origin=(0.0, 0.0, 0.0)).labels
    return canonical_labelmap(small.repeat(2, 0).repeat(2, 1).repeat(2, 2), ANATOMY)


def make_fake(requests: Sequence[Request], twin: LabelMap | None, out: Path, *, sha256: str,
              format: str = "nii.gz") -> None:
    """What a batch leaves, as far as studies read it. Edited hearts are the ones of their number, twin or not."""
    out.mkdir(parents=True, exist_ok=True)
    runs = []
    for number, request in enumerate(requests):
        entries = []
        for k in range(request.first, request.first + request.count):
            rng = np.random.default_rng([request.seed, k, len(request.describe())])
            scale = round(1.0 + CHANGES[request.edit] * float(rng.standard_normal()), 2)
            file = f"sibling_{number:02d}{k:04d}.{suffix_for(canonical_heart(scale), format)}"
            write_labelmap(canonical_heart(scale), out / file, format)
            entries.append({"file": file, "k": k, **entry_of(scale)})
        runs.append({"request": request.to_json(), "siblings": entries})
    described = None
    if twin is not None:
        described = {"file": str(twin.source), **twin_entry(twin), "canonical_to_ras_mm": np.eye(4).tolist()}
    record = {"schema": 1, "program": {}, "created": "", "complete": True, "runs": runs, "twin": described,
              "model": {"id": "small", "version": "0", "sha256": sha256}, "compute": {"threads": 2}}
    (out / "record.json").write_text(json.dumps(record), encoding="utf-8")


@lru_cache(maxsize=40)
def entry_of(scale: float) -> dict[str, Any]:
    """A sibling's measurements as its entry has them."""
    made = canonical_heart(scale)
    measured = MeasuredMap.of(made, made.labels, ANATOMY)
    return {**measured.to_json(), "raw_checks": measured.to_json()["checks"],
            "timings_s": {"sample": 1.0, "decode": 0.5}, "dice_to_twin": {"LV": 0.9},
            "voxels_changed": {"inside": 1, "outside": 0}}


def heart(path: Path, scale: float, value_of: dict[str, int] | None = None) -> Path:
    """A heart of ellipsoids in a file without names. value_of: tissue id -> value, by default the anatomy's."""
    made, value_of = canonical_heart(scale), value_of or {tissue.id: tissue.label for tissue in ANATOMY.tissues}
    table = np.zeros(256, dtype=np.uint8)
    table[[tissue.label for tissue in ANATOMY.tissues]] = [value_of[tissue.id] for tissue in ANATOMY.tissues]
    segments = tuple(Segment(value) for value in value_of.values())
    write_labelmap(LabelMap(table[made.labels], made.affine, segments), path, path.name.split(".", 1)[1])
    return path


def seed_heart_of(path: Path, values: dict[MeasurementKey, float] | None = None) -> SeedHeart:
    """A seed of an augmentation; by default it meets RV > 1 ml."""
    twin = TwinSource(Member(stem_of(path), path), ANATOMY)
    return SeedHeart(twin.member.name, twin, values or {tissue_key("RV"): 120.0})


def renumbered_run(folder: Path) -> Path:
    """A run of two siblings of a heart, numbered as SWAPPED, which its record alone tells."""
    twin = TwinSource(Member("heart", heart(folder / "twin.nii.gz", 1.0, SWAPPED)), ANATOMY, SWAPPED).read()
    make_fake([Request("perturb", ratio=0.2, count=2)], twin, folder / "run", sha256="other")
    for number, path in enumerate(sorted((folder / "run").glob("sibling_*"))):
        heart(path, 0.97 + 0.06 * number, SWAPPED)
    return folder / "run"
