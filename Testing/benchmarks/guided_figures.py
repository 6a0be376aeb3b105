"""Figures of guided samples: what was missed, how a cohort lies to held-out hearts. Arrays in, plain numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.measure import Measurement, measure
from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.metrics.feature_space import compare, sampling_floor, standardise
from DiffusionSiblingsLib.metrics.overlap import dice
from DiffusionSiblingsLib.metrics.pointcloud import (
    NearestNeighbour,
    between,
    nearest_neighbour,
    surface_points,
    unit_length,
    within,
)

Errors = dict[str, float]


def errors(control: Control, found: Mapping[str, Measurement]) -> list[Errors]:
    """What each domain of a control misses its absolute targets by, one entry a domain.

    mass: |m - m'| in the domain's unit; relative: of the target. centroid: mean |p - p'| over the domain's own axes, mm
    (L1, as the paper); distance: Euclidean, mm. covariance: mean |C / v - C' / v'| over its entries; on a line, where
    C / v is 1, |v - v'| / v' of the size v instead. A substructure that is not there has a mass error alone.
    """
    result = []
    for domain in control.domains:
        asked = {term.quantity: term.target.value for term in control.terms if term.domain == domain.name}
        there, axes = found[domain.name], np.array(domain.axes)[: domain.dimension]
        entry: Errors = {}
        if "mass" in asked:
            entry["mass"] = abs(there.mass - asked["mass"])
            entry["relative"] = entry["mass"] / asked["mass"]
        if "position" in asked and there.centroid is not None:
            offset = axes @ (np.array(there.centroid) - asked["position"])
            entry |= {"centroid": float(np.abs(offset).mean()), "distance": float(np.linalg.norm(offset))}
        if "covariance" in asked and there.covariance is not None:
            gap = axes @ (np.array(there.covariance) - asked["covariance"]) @ axes.T
            entry["covariance"] = float(np.abs(gap).mean())
        if "size" in asked and there.size is not None:
            entry["covariance"] = abs(there.size - asked["size"]) / asked["size"]
        result.append(entry)
    return result


def measured(labels: np.ndarray, affine: np.ndarray, control: Control, anatomy: Anatomy) -> dict[str, Measurement]:
    """Domain name -> what a map has there, without Betti numbers."""
    return {domain.name: measure(labels, affine, domain, anatomy, betti=False) for domain in control.domains}


def summary(entries: Sequence[Errors]) -> dict[str, float]:
    """Means of the L1 errors, and medians and 95th percentiles of the ones with a bar; over samples and domains."""
    def all_of(key: str) -> np.ndarray:
        return np.array([entry[key] for entry in entries if key in entry] or [np.nan])

    result = {key: float(all_of(key).mean()) for key in ("mass", "centroid", "covariance")}
    for key in ("relative", "distance"):
        values = all_of(key)
        result |= {f"{key}_median": float(np.median(values)), f"{key}_95": float(np.percentile(values, 95))}
    return result | {"empty": sum("distance" not in entry for entry in entries)}


class RealCohort:
    """Held-out hearts that cohorts are compared with; their own distances are measured once.

    labels: (128, 128, 128) uint8 maps. seed: of the points on surfaces.
    """

    def __init__(self, labels: Sequence[np.ndarray], rows: Sequence[Mapping[str, float]], affine: np.ndarray,
                 anatomy: Anatomy, seed: int, distances: np.ndarray | None = None) -> None:
        self.affine, self.anatomy, self.seed = affine, anatomy, seed
        self.names = tuple(rows[0])
        self.features = np.array([[row[name] for name in self.names] for row in rows])
        self.clouds = [self.cloud(map_, (1, index)) for index, map_ in enumerate(labels)]
        self.distances = within(self.clouds) if distances is None else distances

    def cloud(self, labels: np.ndarray, stream: tuple[int, int]) -> np.ndarray:
        """(1024, 3) points in units of the field of view."""
        rng = np.random.default_rng([self.seed, *stream])
        return surface_points(labels, self.affine, self.anatomy, rng) / unit_length(self.anatomy)

    def compare(self, labels: Sequence[np.ndarray], rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """FMD, precision, recall and 1-NNA (Chamfer) of generated hearts; nan where there are too few."""
        generated = np.array([[row[name] for name in self.names] for row in rows])
        if len(generated) < 5:
            return {"fmd": float("nan"), "precision": float("nan"), "recall": float("nan"), "nna": float("nan")}
        figures, nearest = compare(self.features, generated), self.nearest(labels)
        return {"fmd": figures.frechet, "precision": figures.precision, "recall": figures.recall,
                "nna": nearest.balanced, "nna_raw": nearest.raw, "nna_sd": nearest.deviation}

    def nearest(self, labels: Sequence[np.ndarray]) -> NearestNeighbour:
        """1-NNA of generated maps, balanced."""
        clouds = [self.cloud(map_, (2, index)) for index, map_ in enumerate(labels)]
        rng = np.random.default_rng([self.seed, 3])
        return nearest_neighbour(between(clouds, self.clouds), within(clouds), self.distances, rng)

    def floor(self, size: int) -> float:
        """FMD of as many samples as `size` to the held-out hearts, if they were of one kind."""
        scored, _ = standardise(self.features, self.features)
        return sampling_floor(scored, (len(scored), size), np.random.default_rng([self.seed, 4]))[2]


def volume_changes(volumes: Sequence[Mapping[str, float]], twin: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Tissue -> mean signed and largest absolute difference to the twin's volume, in percent of it."""
    result = {}
    for tissue, own in twin.items():
        off = np.array([100 * (sample[tissue] / own - 1) for sample in volumes])
        result[tissue] = (float(off.mean()), float(np.abs(off).max()))
    return result


def mutual_dice(maps: Sequence[np.ndarray], anatomy: Anatomy) -> float:
    """Mean Dice of all pairs and tissues: how alike siblings are."""
    values = {tissue.id: tissue.label for tissue in anatomy.tissues}
    pairs = [(one, other) for index, one in enumerate(maps) for other in maps[:index]]
    return float(np.mean([list(dice(one, other, values).values()) for one, other in pairs])) if pairs else float("nan")
