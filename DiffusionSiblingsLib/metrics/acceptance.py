"""A gate before simulation: named checks that a sibling must pass, or it is set aside and another one is drawn.

Rejection is itself a choice of who belongs to a cohort: what the gate keeps out, the cohort does not have. Therefore
every reason is recorded, and whoever uses a gate reports its acceptance rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from .acceptance_help import EXAMPLE, HELP, SHARE_PERCENT
from .acceptance_help import gate_help as gate_help
from .betti import betti_numbers
from .run_lengths import LabelArray
from .topology import TISSUE_CONNECTIVITY, as_known, check, connected_pieces
from .walls import CAVITY, NEAR_VALVES_MM, WALL, wall_thickness

MOST_LISTED = 4


@dataclass(frozen=True)
class Rule:
    """One check. name: of RULES. numbers: its settings, such as (2.0, 1.0) for thin walls: mm, per cent."""

    name: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        """As it is written; numbers that are the check's own are left away."""
        told = list(self.numbers)
        for _, _, _, default in reversed(RULES[self.name].numbers):
            if default is None or told[-1] != default:
                break
            told.pop()
        return ":".join([self.name, *(f"{number:g}" for number in told)])


@dataclass(frozen=True)
class Verdict:
    """What a gate says of one map. reasons: why it was rejected, in words, one for each check that failed.

    failed: those checks' names, in the gate's order. figures: what was measured, with units in the names.
    """

    accepted: bool
    reasons: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    figures: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {"accepted": self.accepted, "reasons": list(self.reasons), "failed": list(self.failed),
                "figures": {name: round(value, 4) for name, value in (self.figures or {}).items()}}


@dataclass(frozen=True)
class Acceptance:
    """Checks that a map must pass, all of them.

        gate = Gate.parse("components,contacts,thin-walls:2")
        verdict = gate.check(sibling.known, sibling.labelmap.affine, anatomy)
    """

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Acceptance:
        """The gate of "components,contacts,thin-walls:2" (2 mm), or "thin-walls:2:5" where 5 % may be thinner.

        Raises InputError for an unknown name, or numbers that a check cannot use.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise InputError("The gate has no checks", rule=f"some of {', '.join(RULES)}", hint=EXAMPLE)
        rules = tuple(_rule(part) for part in parts)
        if len({rule.name for rule in rules}) < len(rules):
            raise InputError("The gate names a check twice", value=text, rule="each check once", hint=EXAMPLE)
        return cls(rules)

    def __str__(self) -> str:
        return ",".join(map(str, self.rules))

    def check(self, labels: LabelArray, affine: Affine, anatomy: Anatomy) -> Verdict:
        """Whether a map passes.

        labels: (D, H, W) integer, KJI order, the anatomy's label values, as simulated: every voxel counts.
        affine: (4, 4), voxel IJK -> RAS mm. All checks are made, so that all reasons are known.
        """
        reasons, failed, figures = [], [], dict[str, float]()
        for rule in self.rules:
            words, measured = RULES[rule.name].judge(labels, affine, anatomy, rule.numbers)
            figures |= measured
            if words:
                reasons.append(f"{rule.name}: {words}")
                failed.append(rule.name)
        return Verdict(not reasons, tuple(reasons), tuple(failed), figures)


Judged = tuple[str, dict[str, float]]  # why not ("" if it passes), and what was measured
Judge = Callable[[LabelArray, Affine, Anatomy, Sequence[float]], Judged]


@dataclass(frozen=True)
class Kind:
    """A check that gates can name. numbers: what can stand after it: (least, most, default; None: must be given)."""

    judge: Judge
    help: str
    numbers: tuple[tuple[str, float, float, float | None], ...] = ()


def _components(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """Each tissue that must be one piece (26-connected) is one; pieces below a volume do not count.

    A sibling keeps what the twin has outside the model's field of view: a vein that is cut there can leave a crumb that
    no sibling is without.
    """
    known = as_known(labels, anatomy)
    pieces, _ = connected_pieces(known, TISSUE_CONNECTIVITY)
    voxel_ml = abs(float(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000
    words = []
    for tissue in anatomy.one_component:
        sizes = np.bincount(pieces[known == anatomy.label_of(tissue)])
        ml = sorted(float(size) * voxel_ml for size in sizes[sizes > 0])
        if not ml:
            words.append(f"no {tissue}")
        elif (count := sum(size >= numbers[0] for size in ml)) != 1:
            words.append(f"{tissue} in {count} pieces" + (f", the smallest of {ml[-count]:.2g} ml" if count else ""))
    return _listed(words), {"tissues in pieces": float(len(words))}


def _contacts(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """Tissues that must touch (by a voxel's face) do, those that must not do not."""
    wrong = [name for name in check(labels, anatomy).failed if name.endswith("contact")]
    words = [f"{name.removesuffix(' no contact').replace('-', ' touches ')}" if name.endswith("no contact")
             else f"no {name}" for name in wrong]
    return _listed(words), {"wrong contacts": float(len(wrong))}


def _thin_walls(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """The wall of the left ventricle is thinner than a limit nowhere but on a small share of its area."""
    limit, most = numbers
    name = f"{WALL} thinner than {limit:g} mm [%]"
    values = [anatomy.label_of(tissue) for tissue in (CAVITY, WALL)]
    if not all((labels == value).any() for value in values):
        return f"no wall of {CAVITY} to measure", {name: 100.0}
    found = wall_thickness(labels, affine, anatomy)
    if not len(found.area):
        return f"no wall of {CAVITY} to measure: all of it is within {NEAR_VALVES_MM:g} mm of a valve", {name: 100.0}
    thin, least = 100 * found.share_below(limit), found.quantile(most / 100)
    figures = {name: thin, f"{WALL} thickness above {most:g} % of the wall [mm]": least}
    if thin <= most:
        return "", figures
    open_ = found.area_below(min(limit, 0.5))
    missing = f", of it {open_:.0f} mm^2 without any" if open_ >= 1 else ""
    return (f"{thin:.1f} % of the wall of {CAVITY} ({found.area_below(limit):.0f} mm^2{missing}) is thinner than "
            f"{limit:g} mm, at most {most:g} % may be"), figures


def _loops(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """No chamber has a handle: blood that flows around a bridge of something else."""
    return _of_chambers(labels, anatomy, 1, "loops")


def _hollows(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """No chamber closes in anything that is not of it: a papillary muscle that floats, a hole in a segmentation."""
    return _of_chambers(labels, anatomy, 2, "hollows")


def _of_chambers(labels: LabelArray, anatomy: Anatomy, dimension: int, name: str) -> Judged:
    found = {chamber: betti_numbers(labels == anatomy.label_of(chamber))[dimension] for chamber in anatomy.chambers}
    words = [f"{chamber} has {count} {name if count > 1 else name[:-1]}" for chamber, count in found.items() if count]
    return _listed(words), {f"{name} of chambers": float(sum(found.values()))}


RULES: dict[str, Kind] = {
    "components": Kind(_components, HELP["components"], (("volume in ml", 0.0, 100.0, 0.0),)),
    "contacts": Kind(_contacts, HELP["contacts"]),
    "thin-walls": Kind(_thin_walls, HELP["thin-walls"],
                       (("thickness in mm", 0.1, 50.0, None), ("share in per cent", 0.0, 100.0, SHARE_PERCENT))),
    "loops": Kind(_loops, HELP["loops"]),
    "hollows": Kind(_hollows, HELP["hollows"]),
}


def _rule(text: str) -> Rule:
    """One check as it was written."""
    name, *given = re.split(r"\s*:\s*", text)
    kind = RULES.get(name)
    if kind is None:
        raise InputError("There is no such check", value=name, rule=f"checks are {', '.join(RULES)}", hint=EXAMPLE)
    what = f"The check {name} cannot be used"
    if len(given) > (places := len(kind.numbers)):
        raise InputError(what, value=text, rule=f"{places or 'no'} number{'s' * (places != 1)} after it",
                         hint=kind.help)
    numbers = []
    for place, (meaning, least, most, default) in enumerate(kind.numbers):
        try:
            number = float(given[place]) if place < len(given) else default
        except ValueError:
            number = math.nan
        if number is None or not least <= number <= most:
            raise InputError(what, value=text, rule=f"{meaning} from {least:g} to {most:g}", hint=kind.help)
        numbers.append(number)
    return Rule(name, tuple(numbers))


def _listed(words: Sequence[str]) -> str:
    more = [f"{len(words) - MOST_LISTED} more"] if len(words) > MOST_LISTED else []
    return ", ".join([*words[:MOST_LISTED], *more])
