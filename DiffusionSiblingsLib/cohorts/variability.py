"""How much the replicates of one request differ: in each voxel, on each surface, in each measurement.

One sibling is one draw. What a request decides, and what it leaves to chance, shows when it is made many times: where
all siblings agree, the edit (or the twin) has decided; where they do not, the next one may have something else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine, LabelMap
from ..labelmaps.tissues import known_labels
from ..metrics.morphology import by_column, features, tissue_volumes
from ..metrics.run_lengths import foreground_box
from ..metrics.walls import surface_area
from .members import Member, read_member
from .training_statistics import Support

LEAST = 2  # replicates: one has no spread
_FREE = ("count", "first", "seed")  # settings in which replicates of one request may differ
PERCENTILES = (5, 50, 95)
OF_TRAINING = "of the training hearts' [%]"  # the standard deviation
Row = dict[str, object]


@dataclass(frozen=True)
class Spread:
    """The spread of `maps` replicates on their common grid, (D, H, W), KJI order, affine: voxel IJK -> RAS mm.

    differing: float32, 0..1, share of the replicates that have another tissue than most of them. entropy: float32,
    bits: 0 where all agree, 1 where two tissues are equally frequent. consensus: uint8, the most frequent tissue (the
    lower label where two are). surfaces: tissue -> standard deviation of its surface's position in mm, the mean over
    the surface. rows: measurements, one each, with mean, standard deviation and percentiles.
    request: JSON of the common request, None for maps of unknown origin.
    """

    maps: int
    affine: Affine
    differing: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    consensus: npt.NDArray[np.uint8]
    surfaces: dict[str, float]
    rows: tuple[Row, ...]
    request: Mapping[str, Any] | None = None


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
    """Members by request, in order: those of one group differ in seed and k alone. Maps without one are one group."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        request = member.request
        kept = None if request is None else {name: value for name, value in request.items() if name not in _FREE}
        groups.setdefault(json.dumps(kept, sort_keys=True), []).append(member)
    return list(groups.values())


def spread_of(members: Sequence[Member], anatomy: Anatomy, *, labels: dict[str, int] | None = None,
              twin: Mapping[str, float] | None = None, support: Support | None = None) -> Spread:
    """The spread of replicates, read one after the other.

    labels: tissue -> value in the files, where neither names nor a record say. twin: measurements of their twin, to
    stand beside theirs. support: the training cohort, whose spread theirs is set against. A sibling of a record may
    have lost a tissue. Raises InputError for fewer than two, or maps that do not lie on one grid.
    """
    if len(members) < LEAST:
        raise InputError("There is no spread to measure", value=f"{len(members)} siblings of this request",
                         rule=f"at least {LEAST} siblings of one request", hint="make more: --count 20")
    first, measured = read_member(members[0], anatomy, labels), list[dict[str, float]]()
    counts = Counts(first.labels.shape, [tissue.label for tissue in anatomy.tissues])
    for member in members:
        labelmap = read_member(member, anatomy, labels)
        known = known_labels(labelmap, anatomy)
        _same_grid(first, labelmap, member)
        counts.add(known)
        measured.append(by_column(features(known, labelmap.affine, anatomy),
                                  tissue_volumes(known, labelmap.affine, anatomy)))
    differing, entropy, consensus = counts.summary()
    surfaces = {tissue.id: _surface_spread(counts.share(row), first, counts.maps)
                for row, tissue in enumerate(anatomy.tissues)}
    return Spread(counts.maps, first.affine, differing, entropy, consensus, surfaces,
                  tuple(feature_rows(measured, twin, support)), members[0].request)


def feature_rows(measured: Sequence[Mapping[str, float]], twin: Mapping[str, float] | None = None,
                 support: Support | None = None) -> list[Row]:
    """One row for each measurement: mean, standard deviation (n - 1) and percentiles over the replicates.

    The error of a standard deviation of n replicates is about its 1 / sqrt(2 (n - 1)) part: 16 % of it for 20.
    """
    rows = []
    for name in measured[0]:
        values = np.array([one[name] for one in measured])
        row: Row = {"measurement": name, "siblings": len(values), "mean": float(values.mean()),
                    "standard deviation": float(values.std(ddof=1))}
        row |= {f"{share} %": float(np.percentile(values, share)) for share in PERCENTILES}
        if twin is not None and name in twin:
            row |= {"twin": twin[name], "mean minus twin": float(values.mean()) - twin[name]}
        if support is not None and name in support.columns:
            whole = float(support.column(name).std(ddof=1))
            row[OF_TRAINING] = 100 * float(values.std(ddof=1)) / max(whole, 1e-9)
        rows.append(row)
    return rows


def _surface_spread(share: npt.NDArray[np.float32], grid: LabelMap, maps: int) -> float:
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
                         hint="spread compares siblings of one twin, or generated hearts; other maps cannot be laid "
                         "over each other")
