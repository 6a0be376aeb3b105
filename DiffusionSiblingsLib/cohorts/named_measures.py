"""The measures by name of a cohort's members, from the record where it is of this very map, else from the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap
from ..core.record import has_hash
from ..metrics.measurement import MeasurementKey
from ..metrics.measures.definition import definitions_of
from ..metrics.measures.measure import Measured, measure
from ..metrics.measures.names import keys_of
from .members import Member


def named_measures(member: Member, labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy) -> Measured:
    """The measures by name of one member.

    labelmap: as it was read. known: (D, H, W) uint8, KJI order, its voxels in the anatomy's labels. The record's
    numbers are taken if it has all measures that the anatomy defines, and the file still holds the voxels that it
    describes; else the map is measured (about a second). Raises InputError for a record that cannot be read.
    """
    recorded = recorded_measures(member)
    if recorded is not None and {key.tissue for key in recorded.values} | set(recorded.missing) == {
            definition.id for definition in definitions_of(anatomy)}:
        assert member.entry is not None
        if has_hash(labelmap, str(member.entry.get("labels_sha256"))):
            return recorded
    return measure(known, labelmap.affine, anatomy)


def recorded_measures(member: Member) -> Measured | None:
    """The measures by name in a member's entry of its record; None where there are none."""
    entry = (member.entry or {}).get("measures")
    return Measured.from_json(entry) if entry else None


def named_columns(measured: Sequence[Measured], anatomy: Anatomy) -> dict[MeasurementKey, npt.NDArray[np.float64]]:
    """(n,) float64 for each number that the anatomy's measures can give: nan for a map without it."""
    return {key: np.array([one.values.get(key, np.nan) for one in measured], dtype=np.float64)
            for key in keys_of(anatomy)}
