"""How a heart lies among those that a model was trained on, and how far a sibling has drifted towards their mean.

A model knows its training cohort and nothing else. A twin outside of it is drawn back into it; a sibling is on its way
towards the cohort's mean, the more the higher the sampling ratio; a sibling that is a training heart again is no new
heart. None of this shows in a picture of one sibling, so it is measured for each.

All of it compares measurements (volumes and axes), never voxels: the model's cohort.json holds no shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..metrics.morphology import by_column, features, tissue_volumes
from ..metrics.percentile import percentile_of
from .training_statistics import DECIMALS, Support, own_nearest

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy
    from ..labelmaps.twin import Twin

FloatArray = npt.NDArray[np.float64]
Measures = Mapping[str, float]
ROUNDED = 0.5 * 10.0**-DECIMALS  # the cohort's values may be off by this
FEW = 0.01  # of the training hearts are as near to another as this quantile of those distances
NEAR = 0.5  # of that distance: what two different hearts of the cohort practically never are
LEAST_AWAY_SD = 1.0  # in a measurement: what is nearer to the mean has no way to go that could be measured
LEAST_ALL_SD = 0.25  # root mean square over all measurements: the same for all together
PERCENT = 100.0
FAR = 95.0  # per cent of the training hearts have a nearer one: one heart in twenty stands as alone
DRIFT = "drift towards the mean [%]"
OUTSIDE = "outside the training range"
NEAREST = "nearest training heart [sd]"
NEARER = "training hearts with a nearer one [%]"
SUSPICIOUS = "suspiciously near to a training heart"


@dataclass(frozen=True)
class TrainingDistance:
    """One heart against the training cohort.

    percentiles: measurement -> 0..100, the share of training hearts below it. outside: measurements below the least or
    above the largest of the cohort. nearest: distance to the most similar training heart, as the root mean square over
    all measurements, each in standard deviations of the cohort. nearer: per cent of the training hearts that have
    another one still nearer to them; 100 is a heart unlike any, 0 one nearer than two of them ever are.
    suspicious: nearer to a training heart than two different hearts of the cohort practically ever are.
    drift: measurement -> share of the way from the twin to the cohort's mean (0 none, 1 at the mean, negative away from
    it), where the twin is far enough from the mean; overall: of all measurements together. Both empty without a twin.
    """

    percentiles: dict[str, float]
    outside: tuple[str, ...]
    nearest: float
    nearer: float
    suspicious: bool
    drift: dict[str, float] = field(default_factory=dict)
    overall: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record."""
        values: dict[str, Any] = {
            "percentiles": {name: round(value, 2) for name, value in self.percentiles.items()},
            "outside_training_range": list(self.outside), "nearest_training_heart_sd": round(self.nearest, 4),
            "training_hearts_with_a_nearer_one_percent": round(self.nearer, 2), "suspiciously_near": self.suspicious,
        }
        if self.overall is not None:
            values |= {"drift": {name: round(value, 4) for name, value in self.drift.items()},
                       "drift_overall": round(self.overall, 4)}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingDistance:
        """What `to_json` wrote; KeyError or TypeError where it did not."""
        return cls(dict(values["percentiles"]), tuple(values["outside_training_range"]),
                   float(values["nearest_training_heart_sd"]),
                   float(values["training_hearts_with_a_nearer_one_percent"]), bool(values["suspiciously_near"]),
                   dict(values.get("drift", {})), values.get("drift_overall"))


@dataclass(frozen=True)
class TrainingDistanceMeter:
    """Measures hearts against a model's training cohort.

        meter = BiasMeter.of(read_cohort(card.folder), anatomy)
        twin = meter.bias(measured.features, measured.volumes)
        sibling = meter.against(measured.features, measured.volumes).bias(sibling.features, sibling.volumes)

    columns: the measurements that count: those of tissues that are whole in every map. (A vessel ends wherever a scan
    was cut, which says nothing of a heart.) rows: (N, columns), one for each training heart. twin: (columns,) what the
    twin has, for the drift of its siblings; None for hearts without one.
    """

    columns: tuple[str, ...]
    rows: FloatArray
    twin: FloatArray | None = None

    @classmethod
    def of(cls, support: Support | None, anatomy: Anatomy) -> TrainingDistanceMeter | None:
        """The meter of a model's support; None where there is none, or too little to have a spread."""
        if support is None or support.anatomy != anatomy.id:
            return None
        columns = tuple(name for name in support.columns if name.split()[0] in anatomy.one_component)
        if len(support) < 3 or not columns:
            return None
        return cls(columns, np.stack([support.column(name) for name in columns], axis=1))

    def against(self, measured: Measures, volumes: Measures) -> TrainingDistanceMeter:
        """The meter for siblings of a twin with these measurements: as `bias` takes them."""
        return replace(self, twin=self._values(measured, volumes))

    def bias(self, measured: Measures, volumes: Measures) -> TrainingDistance:
        """A heart's bias. measured: as `metrics.morphology.features` gives it. volumes: ml by tissue."""
        found = self._values(measured, volumes)
        beyond = (found < self.rows.min(axis=0) - ROUNDED) | (found > self.rows.max(axis=0) + ROUNDED)
        nearest, nearer = self._nearest(self._scaled(found))
        percentiles = {name: float(percentile_of(found[n], self.rows[:, n])) for n, name in enumerate(self.columns)}
        drift, overall = ({}, None) if self.twin is None else self._drift(found, self.twin)
        return TrainingDistance(percentiles, tuple(self.columns[n] for n in np.flatnonzero(beyond)), nearest, nearer,
                    nearest < self.too_near, drift, overall)

    @cached_property
    def own_nearest(self) -> FloatArray:
        """(N,) ascending: distance of each training heart to the most similar other one, as `nearest`."""
        distances = own_nearest(self._scaled(self.rows))
        return np.asarray(np.sort(distances) / np.sqrt(len(self.columns)), dtype=np.float64)

    @cached_property
    def too_near(self) -> float:
        """The distance below which a heart is suspected to be a training heart: half of what 1 % of these have."""
        return NEAR * float(np.quantile(self.own_nearest, FEW))

    def _values(self, measured: Measures, volumes: Measures) -> FloatArray:
        found = by_column(measured, volumes)
        return np.array([found[name] for name in self.columns])

    def _scaled(self, values: FloatArray) -> FloatArray:
        """Values (..., columns) in standard deviations from the cohort's mean."""
        spread = np.maximum(self.rows.std(axis=0), 1e-9)
        return np.asarray((values - self.rows.mean(axis=0)) / spread, dtype=np.float64)

    def _nearest(self, point: FloatArray) -> tuple[float, float]:
        distances = np.sqrt(np.square(self._scaled(self.rows) - point).mean(axis=1))
        nearest = float(distances.min())
        return nearest, PERCENT * float(np.mean(self.own_nearest < nearest))

    def _drift(self, sibling: FloatArray, twin: FloatArray) -> tuple[dict[str, float], float | None]:
        """Share of the way from the twin to the mean, by measurement and for all together.

        All together: the sibling's step, projected on the straight way from the twin to the mean in units of standard
        deviations, over the length of that way. None for a twin that is at the mean itself.
        """
        start, end = self._scaled(twin), self._scaled(sibling)
        far = np.abs(start) >= LEAST_AWAY_SD
        drift = {self.columns[n]: float((start[n] - end[n]) / start[n]) for n in np.flatnonzero(far)}
        length = float(start @ start)
        if np.sqrt(length / len(start)) < LEAST_ALL_SD:
            return drift, None
        return drift, float((start - end) @ start) / length


def bias_columns(bias: TrainingDistance | None) -> dict[str, object]:
    """A heart's columns in metrics.csv; none without a bias, as where a model ships no statistics."""
    if bias is None:
        return {}
    found: dict[str, object] = {f"percentile of {name.rsplit(' [', 1)[0]}": value
                                for name, value in bias.percentiles.items()}
    found[DRIFT] = "" if bias.overall is None else PERCENT * bias.overall
    found[OUTSIDE] = "; ".join(bias.outside)
    return {**found, NEAREST: bias.nearest, NEARER: bias.nearer, SUSPICIOUS: "yes" if bias.suspicious else ""}


def twin_words(twin: Twin | None, support: Support | None, anatomy: Anatomy) -> list[str]:
    """What to say of a twin before siblings are made of it: that it is unlike the training hearts, or one of them."""
    meter = TrainingDistanceMeter.of(support, anatomy)
    if meter is None or twin is None:
        return []
    known, affine = twin.known, twin.labelmap.affine
    return bias_words("The twin", meter.bias(features(known, affine, anatomy), tissue_volumes(known, affine, anatomy)))


@dataclass
class Doubtful:
    """How many of the siblings so far are beyond the training hearts in a measurement, or suspiciously near to one."""

    siblings: int = 0
    beyond: int = 0
    near: int = 0

    def add(self, entry: Mapping[str, Any]) -> None:
        """Counts a sibling. entry: of the record, which tells its bias where the model ships statistics."""
        bias = entry.get("bias") or {}
        self.siblings += 1
        self.beyond += bool(bias.get("outside_training_range"))
        self.near += bool(bias.get("suspiciously_near"))

    def words(self) -> tuple[str, ...]:
        """One line for each kind that there is."""
        counted = {"beyond every training heart in a measurement": self.beyond,
                   "suspiciously near to a training heart: it may be that heart again": self.near}
        return tuple(f"{count} of {self.siblings} siblings: {words}" for words, count in counted.items() if count)


def bias_words(name: str, bias: TrainingDistance | None) -> list[str]:
    """What a person should be told of a heart's bias, one line each; most often nothing."""
    if bias is None:
        return []
    words = []
    if bias.outside:
        words.append(f"{name} is outside of what the model was trained on: {', '.join(bias.outside)}")
    elif bias.nearer > FAR:
        words.append(f"{name} is far from the hearts that the model was trained on: the most similar one differs by "
                     f"{bias.nearest:.2f} standard deviations in each measurement, and {bias.nearer:.0f} % of them "
                     "have a nearer one; expect siblings to drift towards them")
    if bias.suspicious:
        words.append(f"{name} is suspiciously near to a training heart ({bias.nearest:.2f} standard deviations in each "
                     "measurement): it may be that heart again")
    return words
