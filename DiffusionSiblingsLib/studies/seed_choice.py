"""The rule that chooses four seed hearts, like the papers': large, small and mean ventricles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cohorts.measured import MeasuredCohort
from ..core.errors import InputError
from ..metrics.measurement import MeasurementKey, tissue_key
from .papers import seed_words

PLACES = {"L+R+": (1.5, 1.5), "L-R-": (-1.5, -1.5), "L+R0": (1.5, 0.0), "L0R0": (0.0, 0.0)}  # z of LV and RV volume
LV, RV = tissue_key("LV"), tissue_key("RV")
RULE = ("Seed hearts: the members of the reference cohort nearest to (+1.5, +1.5) for L+R+, (-1.5, -1.5) for L-R-, "
        "(+1.5, 0) for L+R0 and (0, 0) for L0R0 in z-scores of LV and RV volume (with the cohort's own mean and "
        "deviation); no heart is chosen twice.")


@dataclass(frozen=True)
class StudySeed:
    """A seed heart of a study. name: "L+R+". member: its name in the cohort. index: its position there. z: z-scores of
    LV and RV volume. features: its measurements by column.
    """

    name: str
    title: str
    member: str
    index: int
    path: Path
    z: tuple[float, float]
    features: dict[MeasurementKey, float]
    violations: float

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {"seed": self.name, "title": self.title, "member": self.member, "file": self.path.name,
                "z of LV and RV volume": [round(value, 2) for value in self.z], "violations [%]": self.violations,
                LV.title: round(self.features[LV], 1), RV.title: round(self.features[RV], 1)}


def choose_seeds(cohort: MeasuredCohort) -> tuple[StudySeed, ...]:
    """The four seed hearts of a cohort. Raises InputError for fewer than four members or for equal volumes."""
    points = np.stack([cohort.column(LV), cohort.column(RV)], axis=1)
    spread = points.std(axis=0, ddof=1) if len(points) > 1 else np.zeros(2)
    if len(points) < len(PLACES) or not (spread > 0).all():
        raise InputError("Four seed hearts cannot be chosen", value=f"{len(points)} members",
                         rule="at least four hearts with different ventricle volumes")
    z = (points - points.mean(axis=0)) / spread
    chosen: list[int] = []
    for place in PLACES.values():
        chosen.append(nearest(z, place, chosen))
    words, tv = seed_words(), cohort.violation_percent()
    return tuple(StudySeed(name, words[name], cohort.members[i], i, cohort.paths[i], (float(z[i, 0]), float(z[i, 1])),
                      cohort.member(i)[0], float(tv[i]))
                 for name, i in zip(PLACES, chosen, strict=True))


def nearest(z: npt.NDArray[np.float64], place: tuple[float, float], taken: list[int]) -> int:
    """Index of the row of z (n, 2) nearest to a place, without the rows in `taken`; the first of equals."""
    distance = np.linalg.norm(z - np.array(place), axis=1)
    distance[taken] = np.inf
    return int(distance.argmin())
