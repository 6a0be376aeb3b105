"""Acceptance before simulation: checks that a sibling must pass; otherwise it is rejected and another one is drawn.

Rejection decides who belongs to a cohort: rejected siblings are missing from it, which may bias it. Therefore every
reason is recorded, and whoever rejects siblings reports the acceptance rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..core.places import at_words, ras_of, voxel_within
from .acceptance_help import EXAMPLE, HELP, MOST_CUBES, MOST_GAP_ML, SHARE_PERCENT
from .betti import betti_numbers
from .meshable import LEAST_CONTACT_MM2, meshability
from .run_lengths import LabelArray
from .topology import CONTACT_CONNECTIVITY, TISSUE_CONNECTIVITY, as_known, connected_pieces, contact_checks
from .walls import CAVITY, NEAR_VALVES_MM, WALL, wall_thickness

MOST_LISTED = 4


@dataclass(frozen=True)
class Rule:
    """One check. name: of RULES. numbers: its settings, such as (2.0, 1.0) for thin walls: mm, per cent."""

    name: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        """The rule as a user writes it, without the numbers that equal the check's defaults."""
        shown = list(self.numbers)
        for _, _, _, default in reversed(RULES[self.name].numbers):
            if default is None or shown[-1] != default:
                break
            shown.pop()
        return ":".join([self.name, *(f"{number:g}" for number in shown)])


@dataclass(frozen=True)
class Verdict:
    """The outcome for one map. reasons: why it was rejected, one for each failed check.

    failed: names of the failed checks, in the order of the rules. figures: the measured numbers, with units in their
    names.
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
    """The checks that a map must pass, all of them.

        acceptance = Acceptance.parse("components,contacts,thin-walls:2")
        verdict = acceptance.check(sibling.known, sibling.labelmap.affine, anatomy)
    """

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Acceptance:
        """Reads "components,contacts,thin-walls:2" (2 mm), or "thin-walls:2:5" if 5 % of the wall may be thinner.

        Raises InputError for an unknown name, or numbers that a check cannot use.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise InputError("No acceptance check is given", rule=f"some of {', '.join(RULES)}", hint=EXAMPLE)
        rules = tuple(_rule(part) for part in parts)
        if len({rule.name for rule in rules}) < len(rules):
            raise InputError("An acceptance check is given twice", value=text, rule="each check once", hint=EXAMPLE)
        return cls(rules)

    def __str__(self) -> str:
        return ",".join(map(str, self.rules))

    def check(self, labels: LabelArray, affine: Affine, anatomy: Anatomy) -> Verdict:
        """Whether a map passes.

        labels: (D, H, W) integer, KJI order, the anatomy's label values, as simulated: every voxel counts.
        affine: (4, 4), voxel IJK -> RAS mm. All checks are made, so that the verdict gives every reason.
        """
        reasons, failed, figures = [], [], dict[str, float]()
        for rule in self.rules:
            words, measured = RULES[rule.name].judge(labels, affine, anatomy, rule.numbers)
            figures |= measured
            if words:
                reasons.append(f"{rule.name}: {words}")
                failed.append(rule.name)
        return Verdict(not reasons, tuple(reasons), tuple(failed), figures)


Judged = tuple[str, dict[str, float]]  # the reason for a rejection ("" if the map passes), and the measured numbers
Judge = Callable[[LabelArray, Affine, Anatomy, Sequence[float]], Judged]


@dataclass(frozen=True)
class CheckKind:
    """A check that a user can name. numbers: those that can follow its name: meaning, least, most, and the default,
    None for a number that must be given.
    """

    judge: Judge
    help: str
    numbers: tuple[tuple[str, float, float, float | None], ...] = ()


def _components(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """Each tissue that must be one piece (26-connected) is one; pieces below a volume do not count.

    A sibling keeps what the twin has outside the model's field of view: a vein that is cut there can leave a crumb in
    every sibling.
    """
    known = as_known(labels, anatomy)
    pieces, _ = connected_pieces(known, TISSUE_CONNECTIVITY)
    voxel_ml = abs(float(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000
    words = []
    for tissue in anatomy.one_component:
        sizes = np.bincount(pieces[known == anatomy.label_of(tissue)]) * voxel_ml
        counted = [int(piece) for piece in np.flatnonzero(sizes) if sizes[piece] >= numbers[0]]
        if not sizes.any():
            words.append(f"no {tissue}")
        elif not counted:
            words.append(f"{tissue} in 0 pieces")
        elif len(counted) > 1:
            least = min(counted, key=lambda piece: float(sizes[piece]))
            at = at_words(ras_of(voxel_within(np.argwhere(pieces == least)), np.asarray(affine)))
            words.append(f"{tissue} in {len(counted)} pieces, the smallest of {sizes[least]:.2g} ml{at}")
    return _listed(words), {"tissues in pieces": float(len(words))}


def _contacts(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """Tissues that must touch (with a voxel's face) touch, and those that must not touch do not."""
    known = as_known(labels, anatomy)
    wrong = [contact for contact in contact_checks(known, anatomy) if not contact.passed]
    words = []
    for found in wrong:
        if found.wanted:
            words.append(f"no {found.name}")
            continue
        met = _met(known, anatomy.label_of(found.first), anatomy.label_of(found.second))
        at = at_words(ras_of(voxel_within(met), np.asarray(affine)) if len(met) else None)
        words.append(f"{found.first} touches {found.second}{at}")
    return _listed(words), {"wrong contacts": float(len(wrong))}


def _met(known: npt.NDArray[np.uint8], first: int, second: int) -> npt.NDArray[np.int64]:
    """(N, 3) KJI: the voxels of the second label that the first one touches. known: (D, H, W)."""
    from scipy import ndimage

    box = foreground_box(known == second, margin=1)
    if box is None:
        return np.zeros((0, 3), dtype=np.int64)
    around = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[CONTACT_CONNECTIVITY])
    near = ndimage.binary_dilation(known[box] == first, around) & (known[box] == second)
    return np.asarray(np.argwhere(near) + np.array([axis.start for axis in box]))


def _thin_walls(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """The wall of the left ventricle is thinner than a limit on at most a small share of its area."""
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
    missing = f", {open_:.0f} mm^2 have no wall at all" if open_ >= 1 else ""
    at = at_words([float(value) for value in found.points[int(np.argmin(found.thickness))]])
    return (f"{thin:.1f} % of the wall of {CAVITY} ({found.area_below(limit):.0f} mm^2{missing}) is thinner than "
            f"{limit:g} mm, and thinnest{at}; the limit is {most:g} %"), figures


def _loops(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """No chamber has a handle: blood that flows around a bridge of another tissue."""
    return _of_chambers(labels, anatomy, 1, "loops")


def _hollows(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """Chambers contain no enclosed foreign voxels, such as a floating papillary muscle or a hole in a segmentation."""
    return _of_chambers(labels, anatomy, 2, "hollows")


def _of_chambers(labels: LabelArray, anatomy: Anatomy, dimension: int, name: str) -> Judged:
    found = {chamber: betti_numbers(labels == anatomy.label_of(chamber))[dimension] for chamber in anatomy.chambers}
    words = [f"{chamber} has {count} {name if count > 1 else name[:-1]}" for chamber, count in found.items() if count]
    return _listed(words), {f"{name} of chambers": float(sum(found.values()))}


def _meshable(labels: LabelArray, affine: Affine, anatomy: Anatomy, numbers: Sequence[float]) -> Judged:
    """A mesh needs little repair, and contacts that must be there are areas."""
    found = meshability(as_known(labels, anatomy), affine, anatomy)
    most, most_ml = numbers
    words = []
    if found.cubes > most:
        words.append(f"{found.cubes} cubes in which a tissue touches itself along an edge or a corner only; the limit "
                     f"is {most:g}")
    if found.gap is not None and found.gap_ml > most_ml:
        at = at_words(ras_of(found.gap, np.asarray(affine)))
        words.append(f"a gap of {found.gap_ml:.2g} ml in tissue{at}; the limit is {most_ml:g} ml")
    words += [f"{pair} touch in less than {LEAST_CONTACT_MM2:g} mm^2" for pair in found.points]
    return _listed(words), {"ill-composed cubes": float(found.cubes), "largest gap in tissue [ml]": found.gap_ml}


RULES: dict[str, CheckKind] = {
    "components": CheckKind(_components, HELP["components"], (("volume in ml", 0.0, 100.0, 0.0),)),
    "contacts": CheckKind(_contacts, HELP["contacts"]),
    "thin-walls": CheckKind(_thin_walls, HELP["thin-walls"],
                       (("thickness in mm", 0.1, 50.0, None), ("share in per cent", 0.0, 100.0, SHARE_PERCENT))),
    "loops": CheckKind(_loops, HELP["loops"]),
    "meshable": CheckKind(_meshable, HELP["meshable"],
                     (("ill-composed cubes", 0.0, 1e6, MOST_CUBES), ("gap in ml", 0.0, 1000.0, MOST_GAP_ML))),
    "hollows": CheckKind(_hollows, HELP["hollows"]),
}


def _rule(text: str) -> Rule:
    """One check as a user wrote it."""
    name, *given = (part.strip() for part in text.split(":"))
    kind = RULES.get(name)
    if kind is None:
        raise InputError("The acceptance check is unknown", value=name, rule=f"one of {', '.join(RULES)}", hint=EXAMPLE)
    what = f"The acceptance check {name} cannot be used"
    if len(given) > (places := len(kind.numbers)):
        allowed = f"at most {places}" if places else "no"
        raise InputError(what, value=text, rule=f"{allowed} number{'s' * (places != 1)} after its name",
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
