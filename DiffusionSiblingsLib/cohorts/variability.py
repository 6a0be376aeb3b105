"""How much the replicates of one request differ: in each voxel, on each surface, in each measurement.

One sibling is one draw. Only many draws of the same request show what it decides and what it leaves to chance: where
all siblings agree, the edit (or the twin) has decided; where they do not, the next sibling may differ again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..core.labelmap import Affine, LabelMap, LabelValues
from ..labelmaps.tissues import known_labels
from ..metrics.measurement import MeasurementKey
from ..metrics.morphology import all_measurements, features, tissue_volumes
from ..metrics.summary import summary_of
from ..metrics.walls import surface_area
from .members import Member, read_member
from .named_measures import named_measures
from .training_statistics import TrainingStatistics

LEAST = 2  # replicates: a single one does not vary
_FREE = ("count", "first", "seed")  # settings in which replicates of one request may differ
VARIATION = "coefficient of variation [%]"
OF_TRAINING = "of the training hearts' [%]"  # the standard deviation
Row = dict[str, object]


@dataclass(frozen=True)
class Variability:
    """How `maps` replicates differ on their common grid, (D, H, W), KJI order, affine: voxel IJK -> RAS mm.

    differing: float32, 0..1, share of the replicates that have another tissue than most of them. entropy: float32,
    bits: 0 where all agree, 1 where two tissues are equally frequent. consensus: uint8, the most frequent tissue (the
    lower label where two are). surfaces: tissue -> standard deviation of its surface's position in mm, the mean over
    the surface. measurements: mean, standard deviation, range and percentiles of each, measures by
    name among them.
    request: JSON of the common request, None for maps of unknown origin. notes: what reading the maps assumed.
    """

    maps: int
    affine: Affine
    differing: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    consensus: npt.NDArray[np.uint8]
    surfaces: dict[str, float]
    measurements: dict[MeasurementKey, Row]
    request: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row of a table for each measurement."""
        return tuple({"measurement": key.title, **row} for key, row in self.measurements.items())


class Counts:
    """How often each tissue was in each voxel, counted map by map; memory does not grow with their number.

    Only a box around all tissue is kept, two bytes a voxel and tissue: a scan is mostly background.
    """

    def __init__(self, shape: tuple[int, ...], labels: Sequence[int]) -> None:
        self.shape, self.labels, self.maps = tuple(shape), tuple(labels), 0
        self._low = np.array(self.shape)
        self._high = np.zeros(3, dtype=np.int64)
        self._counts = np.zeros((len(self.labels), 0, 0, 0), dtype=np.uint16)

    def add(self, known: npt.NDArray[np.uint8]) -> None:
        """Counts one map. known: (D, H, W) uint8, the anatomy's labels. Raises InputError for another grid."""
        if known.shape != self.shape or self.maps >= np.iinfo(np.uint16).max:
            raise InputError("The maps cannot be counted together", value=f"{known.shape} after {self.maps} maps",
                             rule=f"at most 65,535 maps of shape {self.shape}")
        self.maps += 1
        box = foreground_box(known)
        if box is None:
            return
        self._grow(np.array([part.start for part in box]), np.array([part.stop for part in box]))
        part = known[self.box]
        for row, label in enumerate(self.labels):
            self._counts[row] += part == label

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The box that is kept, KJI."""
        k, j, i = (slice(int(low), int(high)) for low, high in zip(self._low, self._high, strict=True))
        return k, j, i

    def share(self, row: int) -> npt.NDArray[np.float32]:
        """(d, h, w) of the box: share of the maps that have the tissue of that row."""
        return np.asarray(self._counts[row] / np.float32(self.maps), dtype=np.float32)

    def summary(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """(D, H, W) each: share that differs from the most frequent tissue, entropy in bits, most frequent tissue."""
        best = self.maps - self._counts.sum(axis=0, dtype=np.int32)  # background; counts, as shares have rounding
        entropy = _bits(np.asarray(best / np.float32(self.maps), dtype=np.float32))
        found = np.zeros(best.shape, dtype=np.uint8)
        for row, label in enumerate(self.labels):
            entropy += _bits(self.share(row))
            found[self._counts[row] > best] = label
            best = np.maximum(best, self._counts[row])
        differing = 1 - best / np.float32(max(self.maps, 1))
        return (self._whole(differing, np.float32), self._whole(entropy, np.float32), self._whole(found, np.uint8))

    def _whole(self, part: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
        whole = np.zeros(self.shape, dtype=dtype)
        whole[self.box] = part
        return whole

    def _grow(self, low: npt.NDArray[Any], high: npt.NDArray[Any]) -> None:
        """Widens the box; counts move along."""
        low, high = np.minimum(low, self._low), np.maximum(high, self._high)
        if (low == self._low).all() and (high == self._high).all():
            return
        wider = np.zeros((len(self.labels), *(high - low)), dtype=np.uint16)
        if self._counts.size:
            inner = tuple(slice(int(a), int(b)) for a, b in zip(self._low - low, self._high - low, strict=True))
            wider[(slice(None), *inner)] = self._counts
        self._counts, self._low, self._high = wider, low, high


def replicates(members: Iterable[Member]) -> list[list[Member]]:
    """Members by request, in order; members of a group differ only in seed and k. Maps without a request form one
    group.
    """
    groups: dict[str, list[Member]] = {}
    for member in members:
        request = member.request
        kept = None if request is None else {name: value for name, value in request.items() if name not in _FREE}
        groups.setdefault(json.dumps(kept, sort_keys=True), []).append(member)
    return list(groups.values())


def variability_of(members: Sequence[Member], anatomy: Anatomy, *, labels: LabelValues | None = None,
                   twin: Mapping[MeasurementKey, float] | None = None,
                   statistics: TrainingStatistics | None = None) -> Variability:
    """The variability of replicates, which are read one after the other.

    labels: tissue -> value in the files, needed where neither names nor a record tell. twin: measurements of their
    twin, to stand beside theirs. statistics: of the training hearts, whose standard deviations theirs are compared
    with. A sibling of a record may have lost a tissue. Raises InputError for fewer than two maps, or maps on different
    grids.
    """
    if len(members) < LEAST:
        raise InputError("Variability needs several siblings", value=f"this request has {len(members)}",
                         rule=f"at least {LEAST} siblings of one request", hint="make more: --count 20")
    first, measured = read_member(members[0], anatomy, labels), list[dict[MeasurementKey, float]]()
    counts = Counts(first.labels.shape, [tissue.label for tissue in anatomy.tissues])
    notes = dict.fromkeys(first.notes)
    for member in members:
        labelmap = read_member(member, anatomy, labels)
        notes |= dict.fromkeys(labelmap.notes)
        known = known_labels(labelmap, anatomy)
        _same_grid(first, labelmap, member)
        counts.add(known)
        measured.append({**all_measurements(features(known, labelmap.affine, anatomy),
                                            tissue_volumes(known, labelmap.affine, anatomy)),
                         **named_measures(member, labelmap, known, anatomy).values})
    differing, entropy, consensus = counts.summary()
    surfaces = {tissue.id: _surface_deviation(counts.share(row), first, counts.maps)
                for row, tissue in enumerate(anatomy.tissues)}
    return Variability(counts.maps, first.affine, differing, entropy, consensus, surfaces,
                       measurement_rows(measured, twin, statistics), members[0].request, tuple(notes))


def measurement_rows(measured: Sequence[Mapping[MeasurementKey, float]],
                     twin: Mapping[MeasurementKey, float] | None = None,
                     statistics: TrainingStatistics | None = None) -> dict[MeasurementKey, Row]:
    """For each measurement its mean, standard deviation (n - 1), range and percentiles over the replicates that have
    it: "siblings" is their number.

    The relative error of a standard deviation of n replicates is about 1 / sqrt(2 (n - 1)): 16 % for 20 of them.
    """
    rows = {}
    for key in dict.fromkeys(key for one in measured for key in one):
        found = summary_of([one[key] for one in measured if key in one])
        row: Row = {"siblings": found.count, "mean": found.mean, "standard deviation": found.deviation,
                    VARIATION: found.variation, "least": found.least, **found.percentile_cells(),
                    "greatest": found.most}
        if twin is not None and key in twin:
            row |= {"twin": twin[key], "mean minus twin": found.mean - twin[key]}
        if statistics is not None and key in statistics.keys:
            whole = summary_of(statistics.column(key)).deviation
            row[OF_TRAINING] = 100 * found.deviation / max(whole, 1e-9)
        rows[key] = row
    return rows


def _surface_deviation(share: npt.NDArray[np.float32], grid: LabelMap, maps: int) -> float:
    """Standard deviation of a surface's position in mm, as a mean over the surface; nan without a surface.

    Along a normal, the share of maps that have the tissue is a distribution function F of the surface's position, and
    the integral of F (1 - F) is half of the mean difference of two positions: sd / sqrt(pi) for a normal distribution.
    Over the volume, the integral of p (1 - p) is that times the area. n / (n - 1) makes it right for few maps. Whole
    pieces that only some maps have count as if the surface had moved by their size.
    """
    area = surface_area(share, grid.affine)
    if not area:
        return float("nan")
    moved = float((share * (1 - share)).sum(dtype=np.float64)) * grid.voxel_volume_ml * 1000 * maps / (maps - 1)
    return float(np.sqrt(np.pi)) * moved / area


def _bits(share: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """-p log2 p, 0 at 0."""
    return np.asarray(-share * np.log2(np.maximum(share, np.float32(1e-12))), dtype=np.float32)


def _same_grid(first: LabelMap, other: LabelMap, member: Member) -> None:
    alike = first.labels.shape == other.labels.shape and np.allclose(first.affine, other.affine, atol=1e-3)
    if not alike:
        raise InputError("The maps do not lie on one grid", value=f"{member.path}: {other.labels.shape}",
                         rule=f"shape and place of the first, {first.labels.shape}",
                         hint="compare siblings of one twin, or generated hearts; other maps cannot be laid over "
                         "each other")
