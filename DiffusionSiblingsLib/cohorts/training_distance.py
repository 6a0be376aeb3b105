"""How a heart lies among those that a model was trained on, and how far a sibling has drifted towards their mean.

A model knows its training cohort and nothing else. It draws a twin from outside back into that cohort, and the higher
the sampling ratio, the closer a sibling comes to the cohort's mean. A sibling that repeats a training heart is not a
new heart. None of this shows in a picture of one sibling, so it is measured for each.

Only measurements (volumes, their ratios, and axes) are compared, never voxels: the model's cohort.json holds no shapes.
What is usual here is usual among the training hearts. It is no clinical range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..metrics.measurement import VOLUME_RATIO, MeasurementKey, key_of, keyed_numbers, tissue_key, titled
from ..metrics.measures.definition import ratios_of
from ..metrics.morphology import all_measurements
from ..metrics.percentile import percentile_of
from .training_statistics import DECIMALS, UNUSUAL, TrainingStatistics, odd_ratio, own_nearest
from .volume_combination import VolumeCombination

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy

FloatArray = npt.NDArray[np.float64]
Features = Mapping[MeasurementKey, float]
Volumes = Mapping[str, float]  # tissue -> ml
ROUNDED = 0.5 * 10.0**-DECIMALS  # the rounding error of the cohort's values
FEW = 0.01  # quantile of the distances between training hearts that counts as very near
NEAR = 0.5  # of that distance: two different hearts of the cohort are practically never as near as that
LEAST_AWAY_SD = 1.0  # in one measurement: a twin nearer to the mean than this has no drift that could be measured
LEAST_ALL_SD = 0.25  # the same for all measurements together, as a root mean square
PERCENT = 100.0
FAR = 95.0  # per cent of the training hearts have a nearer neighbour: one heart in twenty stands as alone
DRIFT = "drift towards the mean [%]"
OUTSIDE = "outside the training range"
NEAREST = "nearest training heart [sd]"
NEARER = "training hearts with a nearer one [%]"
COMBINATION_KEY = "training_hearts_with_a_more_usual_combination_percent"  # in the record
SUSPICIOUS = "suspiciously near to a training heart"
COMBINATION = "training hearts with a more usual combination of volumes [%]"


@dataclass(frozen=True)
class TrainingDistance:
    """One heart against the training cohort.

    percentiles: measurement, or ratio of volumes -> 0..100, the share of training hearts below it. outside: those below
    the smallest or above the largest value of the cohort. nearest: distance to the most similar training heart, as the
    root mean square over all measurements, each in standard deviations of the cohort. nearer: per cent of the training
    hearts whose own nearest neighbour is closer than `nearest`; 100 is a heart unlike any, 0 one that lies closer to a
    training heart than any two of them lie to each other.
    suspicious: whether the heart may be a near-copy of a training heart, as two different hearts of the cohort are
    practically never that close.
    drift: measurement -> share of the way from the twin to the cohort's mean (0 none, 1 at the mean, negative away from
    it), where the twin is far enough from the mean; overall: of all measurements together. Both empty without a twin.
    combination: per cent of the training hearts whose volumes combine in a more usual way; None where it is not known.
    """

    percentiles: dict[MeasurementKey, float]
    outside: tuple[MeasurementKey, ...]
    nearest: float
    nearer: float
    suspicious: bool
    drift: dict[MeasurementKey, float] = field(default_factory=dict)
    overall: float | None = None
    combination: float | None = None

    @property
    def unusual(self) -> tuple[str, ...]:
        """What is unusual about how the volumes combine, in words: ratios, and all of them together."""
        words = [found for key, share in self.percentiles.items()
                 if key.name == VOLUME_RATIO and (found := odd_ratio(key, share))]
        if self.combination is not None and self.combination > UNUSUAL:
            words.append(f"volumes that combine less usually than those of {self.combination:.1f} %")
        return tuple(words)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record, in full: metrics.csv is written from them."""
        values: dict[str, Any] = {
            "percentiles": titled(self.percentiles), "outside_training_range": [key.title for key in self.outside],
            "nearest_training_heart_sd": self.nearest,
            "training_hearts_with_a_nearer_one_percent": self.nearer, "suspiciously_near": self.suspicious,
            **({} if self.combination is None else {COMBINATION_KEY: self.combination}),
        }
        if self.overall is not None:
            values |= {"drift": titled(self.drift), "drift_overall": self.overall}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingDistance:
        """What `to_json` wrote; KeyError, TypeError or InputError for anything else."""
        return cls(keyed_numbers(values["percentiles"]), tuple(map(key_of, values["outside_training_range"])),
                   float(values["nearest_training_heart_sd"]),
                   float(values["training_hearts_with_a_nearer_one_percent"]), bool(values["suspiciously_near"]),
                   keyed_numbers(values.get("drift", {})), values.get("drift_overall"), values.get(COMBINATION_KEY))


@dataclass(frozen=True)
class TrainingDistanceMeter:
    """Measures hearts against a model's training cohort.

        meter = TrainingDistanceMeter.of(read_training_statistics(card.folder), anatomy)
        twin = meter.distance_of(measured.features, measured.volumes)
        sibling = meter.against(measured.features, measured.volumes).distance_of(sibling.features, sibling.volumes)

    keys: the measurements that count, those of tissues that are whole in every map. (A vessel ends wherever the scan
    was cut, which says nothing about the heart.) rows: (N, keys) float64, one row for each training heart. twin:
    (keys,) float64, the twin's measurements, for the drift of its siblings; None for hearts without a twin. ratios: of
    volumes among the keys, which have percentiles but no part in distance and drift.
    """

    keys: tuple[MeasurementKey, ...]
    rows: FloatArray
    twin: FloatArray | None = None
    ratios: Mapping[MeasurementKey, tuple[MeasurementKey, MeasurementKey]] = field(default_factory=dict)

    @classmethod
    def of(cls, statistics: TrainingStatistics | None, anatomy: Anatomy) -> TrainingDistanceMeter | None:
        """The meter for a model's training statistics; None without statistics, or with too few hearts to compare."""
        if statistics is None or statistics.anatomy != anatomy.id:
            return None
        keys = tuple(key for key in statistics.keys if key.tissue in anatomy.one_component)
        if len(statistics) < 3 or not keys:
            return None
        pairs = {key: (tissue_key(of), tissue_key(over)) for key, (of, over) in ratios_of(anatomy).items()}
        return cls(keys, np.stack([statistics.column(key) for key in keys], axis=1),
                   ratios={key: pair for key, pair in pairs.items() if set(pair) <= set(keys)})

    def against(self, features: Features, volumes: Volumes) -> TrainingDistanceMeter:
        """The meter for siblings of a twin with these measurements, given as to `distance_of`."""
        return replace(self, twin=self._values(features, volumes))

    def distance_of(self, features: Features, volumes: Volumes) -> TrainingDistance:
        """How a heart lies among the training hearts. features: as `metrics.morphology.features` gives them.

        volumes: tissue -> ml.
        """
        found = self._values(features, volumes)
        own = self.measured(features, volumes)
        distances = np.sqrt(np.square(self._scaled(self.rows) - self._scaled(found)).mean(axis=1))
        nearest = float(distances.min())
        nearer = PERCENT * float(np.mean(self.own_nearest < nearest))
        percentiles = {key: float(percentile_of(own[key], column)) for key, column in self.columns.items()}
        drift, overall = ({}, None) if self.twin is None else self._drift(found, self.twin)
        combination = None if self._combination is None else self._combination.more_usual(found[self._volumes])
        return TrainingDistance(percentiles, self._beyond(own), nearest, nearer, nearest < self.too_near, drift,
                                overall, combination)

    def measured(self, features: Features, volumes: Volumes) -> dict[MeasurementKey, float]:
        """The measurements of a heart that count here, and its ratios; nan for a ratio over nothing."""
        own = dict(zip(self.keys, self._values(features, volumes).tolist(), strict=True))
        return own | {key: own[of] / own[over] if own[over] else float("nan")
                      for key, (of, over) in self.ratios.items()}

    @cached_property
    def columns(self) -> dict[MeasurementKey, FloatArray]:
        """(N,) float64 of the training hearts for each measurement, and for each ratio."""
        own = {key: self.rows[:, n] for n, key in enumerate(self.keys)}
        return own | {key: own[of] / np.maximum(own[over], ROUNDED) for key, (of, over) in self.ratios.items()}

    @cached_property
    def own_nearest(self) -> FloatArray:
        """(N,) float64, ascending: distance of each training heart to the most similar other one, as `nearest`."""
        distances = own_nearest(self._scaled(self.rows))
        return np.asarray(np.sort(distances) / np.sqrt(len(self.keys)), dtype=np.float64)

    @cached_property
    def too_near(self) -> float:
        """The distance below which a heart may be a near-copy: half of the distance that 1 % of the training hearts
        have to their nearest neighbour.
        """
        return NEAR * float(np.quantile(self.own_nearest, FEW))

    def _beyond(self, own: Features) -> tuple[MeasurementKey, ...]:
        """The measurements and ratios beyond every training heart; a rounding error is not beyond."""
        slack = {key: 0.0 if key in self.ratios else ROUNDED for key in self.columns}
        return tuple(key for key, column in self.columns.items()
                     if own[key] < column.min() - slack[key] or own[key] > column.max() + slack[key])

    @cached_property
    def _combination(self) -> VolumeCombination | None:
        """How the training hearts' volumes combine."""
        return VolumeCombination.of(self.rows[:, self._volumes])

    @property
    def _volumes(self) -> list[int]:
        """Which keys are volumes."""
        return [n for n, key in enumerate(self.keys) if key.is_volume]

    def _values(self, features: Features, volumes: Volumes) -> FloatArray:
        found = all_measurements(features, volumes)
        return np.array([found[key] for key in self.keys])

    def _scaled(self, values: FloatArray) -> FloatArray:
        """Values (..., keys) in standard deviations from the cohort's mean."""
        spread = np.maximum(self.rows.std(axis=0), 1e-9)
        return np.asarray((values - self.rows.mean(axis=0)) / spread, dtype=np.float64)

    def _drift(self, sibling: FloatArray, twin: FloatArray) -> tuple[dict[MeasurementKey, float], float | None]:
        """Share of the way from the twin to the mean, for each measurement and for all together.

        All together: the sibling's step, projected on the straight way from the twin to the mean in units of standard
        deviations, over the length of that way. None for a twin at the mean itself.
        """
        start, end = self._scaled(twin), self._scaled(sibling)
        far = np.abs(start) >= LEAST_AWAY_SD
        drift = {self.keys[n]: float((start[n] - end[n]) / start[n]) for n in np.flatnonzero(far)}
        length = float(start @ start)
        if np.sqrt(length / len(start)) < LEAST_ALL_SD:
            return drift, None
        return drift, float((start - end) @ start) / length


def training_distance_columns(distance: TrainingDistance | None) -> dict[str, object]:
    """The columns of metrics.csv for a heart; {} where the model ships no statistics of its training hearts."""
    if distance is None:
        return {}
    found: dict[str, object] = {percentile_title(key): value for key, value in distance.percentiles.items()}
    found[DRIFT] = "" if distance.overall is None else PERCENT * distance.overall
    found[OUTSIDE] = "; ".join(key.title for key in distance.outside)
    return {**found, NEAREST: distance.nearest, NEARER: distance.nearer,
            **({} if distance.combination is None else {COMBINATION: distance.combination}),
            SUSPICIOUS: "yes" if distance.suspicious else ""}


def training_distance_titles(keys: Iterable[MeasurementKey]) -> tuple[str, ...]:
    """The titles of all of these columns, the percentiles of many measurements last."""
    return (DRIFT, OUTSIDE, NEAREST, NEARER, COMBINATION, SUSPICIOUS, *map(percentile_title, keys))


def percentile_title(key: MeasurementKey) -> str:
    """The title of the column with a measurement's percentile: "percentile of LV volume"."""
    return f"percentile of {key.label}"


def training_distance_words(name: str, distance: TrainingDistance | None) -> list[str]:
    """Warnings about a heart's training distance, one line each; most often none."""
    if distance is None:
        return []
    words = []
    if distance.outside:
        words.append(f"{name} lies outside the range of the training hearts in these measurements: "
                     f"{', '.join(key.title for key in distance.outside)}")
    elif distance.nearer > FAR:
        words.append(f"{name} is unlike the training hearts: it differs from the most similar one by "
                     f"{distance.nearest:.2f} standard deviations per measurement, while {distance.nearer:.0f} % of "
                     "them have a nearer neighbour; expect its siblings to drift towards the training hearts")
    if distance.unusual:
        words.append(f"{name} has {' and '.join(distance.unusual)} of the training hearts (their range, not a clinical "
                     "one)")
    if distance.suspicious:
        words.append(f"{name} is suspiciously near to a training heart ({distance.nearest:.2f} standard deviations per "
                     "measurement); it is possibly a near-copy")
    return words
