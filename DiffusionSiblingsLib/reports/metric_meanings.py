"""What each figure of a comparison means, and the trap in it, in a sentence each for people who design devices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Shown(Protocol):
    """What is read of a figure: `cohorts.comparison_result.Figure`, or anything with these members."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def best(self) -> str | float: ...
    @property
    def floor(self) -> float | None: ...
    @property
    def note(self) -> str: ...


@dataclass(frozen=True)
class Meaning:
    """group: which question the figure belongs to. title: its name in full. means, trap: a sentence each."""

    group: str
    title: str
    means: str
    trap: str


MEASURES = "Do the measurements agree?"
SHAPES = "Do the shapes agree?"
SOUND = "Are the maps sound?"
OTHER = "Further figures"
GROUPS = (MEASURES, SHAPES, SOUND, OTHER)
_CHAMFER, _EARTH = "squared nearest distances of surface points", "the least work that moves one surface onto the other"
_NOT_ONE = "Two samples of one kind do not reach 1 but the floor."
_MMD = "How near the closest synthetic heart is to each real one, averaged: {0}, at unit size."
_MMD_TRAP = ("It falls as the synthetic cohort grows and says nothing of hearts that no real one is near. The floor is "
             "what one surface gives against itself, sampled twice.")
_COV = "Share of the real hearts that are the nearest real one of some synthetic heart, by {0}."
_COV_TRAP = ("Higher is better; the arrow printed in the paper points the wrong way. Two samples of one "
             "population do not reach 100 % but the floor, and fewer synthetic than real hearts cap it.")
_NNA = "How often a heart's nearest neighbour is of its own cohort, by {0}. At 50 % the two cannot be told apart."
_NNA_TRAP = ("50 % is chance for cohorts of equal size only, so the larger one is drawn down to the smaller. Well "
             "below 50 % is no success: it means near-copies of the other cohort.")

MEANINGS = {
    "precision": Meaning(MEASURES, "Precision", "Share of the synthetic hearts whose measurements lie where real "
                         "hearts lie: realism.", "A cohort that keeps to the safe middle scores high: read it beside "
                         "recall. One far outlier among the real hearts lifts it. " + _NOT_ONE),
    "recall": Meaning(MEASURES, "Recall", "Share of the real hearts that lie where synthetic hearts lie: variety.",
                      "A cohort strewn everywhere scores high: read it beside precision. " + _NOT_ONE),
    "FMD": Meaning(MEASURES, "Frechet morphological distance", "Distance between the two clouds of measurements, by "
                   "means and covariances; no unit, 0 is equal.", "Two samples of one population do not give 0 but the "
                   "floor, which rises as cohorts shrink: compare only equal sizes. It does not see rare shapes."),
    "MMD-CD": Meaning(SHAPES, "Minimum matching distance, Chamfer (x 1000)", _MMD.format(_CHAMFER), _MMD_TRAP),
    "MMD-EMD": Meaning(SHAPES, "Minimum matching distance, earth mover's (x 100)", _MMD.format(_EARTH), _MMD_TRAP),
    "COV-CD": Meaning(SHAPES, "Coverage, Chamfer", _COV.format(_CHAMFER), _COV_TRAP),
    "COV-EMD": Meaning(SHAPES, "Coverage, earth mover's", _COV.format(_EARTH), _COV_TRAP),
    "1-NNA-CD": Meaning(SHAPES, "1-nearest-neighbour accuracy, Chamfer", _NNA.format(_CHAMFER), _NNA_TRAP),
    "1-NNA-EMD": Meaning(SHAPES, "1-nearest-neighbour accuracy, earth mover's", _NNA.format(_EARTH), _NNA_TRAP),
    "TV half": Meaning(SOUND, "Topological violations, half resolution",
                       "Failed checks over all checks of all synthetic maps, every other voxel, as the papers count.",
                       "One failed check in every map is 8.3 % and yet no map passes: look at the maps that fail."),
    "TV full": Meaning(SOUND, "Topological violations, full resolution",
                       "The same at every voxel, where thin walls count as they are.",
                       "A wall of one voxel passes; whether it can be meshed is another question."),
}


def meaning_of(name: str) -> Meaning:
    """What a figure means; of an unknown one its name alone."""
    return MEANINGS.get(name, Meaning(OTHER, name, "", ""))


def better(figure: Shown) -> str:
    """Which way is better, in a word or two."""
    return {"high": "higher", "low": "lower"}.get(str(figure.best), f"{figure.best} {figure.unit}".strip())


def reading(figure: Shown) -> str:
    """What the figure says here, in a few words; "" where the number says it all."""
    if isinstance(figure.best, (int, float)):
        if figure.low <= figure.best <= figure.high:
            return "chance level: not told apart"
        return "told apart" if figure.value > figure.best else "below chance: look for near-copies"
    if figure.floor is None or not math.isfinite(figure.high):
        return ""
    if figure.best == "high":
        return "as two samples of one kind" if figure.high >= figure.floor else "below two samples of one kind"
    if figure.best == "low" and figure.floor > 0:
        return "at the floor" if figure.low <= figure.floor else f"{figure.value / figure.floor:.1f} x the floor"
    return ""
