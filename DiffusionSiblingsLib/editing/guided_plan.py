"""Guided requests made ready: targets resolved once, in the heart's frame and in the model's, and checked beforehand.

The command line, scripts and the worker all plan here, so that the engine and the record only ever see a plain control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohorts.measures_beyond import measures_beyond
from ..cohorts.training_statistics import Tissues, TrainingStatistics, beyond_training
from ..control.absolute_targets import Asked, in_frame
from ..control.achieved import Achieved, achieved_of
from ..control.control import Control
from ..control.levels import level_to_targets
from ..control.measure import Measurement, measured_weights, sample
from ..control.measure_terms import AskedMeasure
from ..control.placement import Placement
from ..control.rounding import Likelihood, round_to_targets
from ..core.defaults import LEAST_GUIDED_STEPS
from ..core.errors import InputError
from ..metrics.measures.measure import Measured, measure
from .composite import free_labels
from .presets_and_holds import PresetsAndHolds, control_of
from .request import Request

LEAST_IN_VIEW = 0.5
SAME_VOLUME = 0.02  # two volumes of one tissue that differ by no more than this share can both be reached
UInt8Array = npt.NDArray[np.uint8]
Shares = dict[str, npt.NDArray[np.float32]]  # domain name -> the tissues' share (0..1) at its template's points


@dataclass(frozen=True)
class GuidedTargets:
    """What the siblings of one request are to reach.

    heart: on which the control is placed. control: in the heart's frame, in which siblings are measured. asked: its
    absolute targets. measured: domain name -> what the heart itself has there. canonical, canonical_asked: the same
    control and targets in canonical mm, in which latents are steered. asked_measures: targets for measures by name;
    places: the heart's own measures, with the places where it has them.
    """

    heart: Placement
    control: Control
    asked: tuple[Asked, ...]
    measured: Mapping[str, Measurement]
    canonical: Control
    canonical_asked: tuple[Asked, ...]
    asked_measures: tuple[AskedMeasure, ...] = ()
    places: Measured | None = None

    @classmethod
    def of(cls, control: Control, heart: Placement) -> GuidedTargets:
        """The targets of a control in either frame, on a heart. Raises InputError for what cannot be had."""
        placed = heart.placed(control)
        measured = heart.measured(placed)
        asked = placed.resolve(measured)
        canonical = heart.canonical(placed)
        terms = {term.id: term for term in canonical.terms}
        found, asked_measures = None, tuple[AskedMeasure, ...]()
        if names := {term.key.tissue for term in placed.active_measures}:
            found = heart.measures(names)
            asked_measures = placed.resolve_measures(found.values)
        return cls(heart, placed, asked, measured, canonical, in_frame(asked, terms, heart.in_canonical(measured)),
                   asked_measures, found)

    def rounded(self, labels: UInt8Array, affine: npt.NDArray[np.float64], likelihood: Likelihood,
                reach: npt.NDArray[np.bool_] | None = None) -> UInt8Array:
        """A map before repair, its surfaces and undecided voxels rounded to the targets of boxes, planes and lines.

        labels: (D, H, W) uint8, KJI order. affine: (4, 4) float64, voxel IJK -> mm of the heart's frame. likelihood:
        scores of the classes at voxels. reach: (D, H, W) bool, voxels that may change, None for all.
        """
        for step in (level_to_targets, round_to_targets):
            labels = step(labels, affine, self.control.domains, self.asked, likelihood, self.heart.anatomy, reach=reach)
        return labels

    def shares(self, labels: UInt8Array, affine: npt.NDArray[np.float64]) -> Shares:
        """What a map has at the points of every domain that has a target. Arguments as for `rounded`."""
        names = dict.fromkeys(target.domain for target in self.asked)
        return {name: sample(labels, affine, self.control.domain(name), self.heart.anatomy) for name in names}

    def places_in(self, labels: UInt8Array, affine: npt.NDArray[np.float64]) -> Measured | None:
        """The measures that have targets, found anew in a map; None where none has. Arguments as for `rounded`."""
        if not self.asked_measures:
            return None
        return measure(labels, affine, self.heart.anatomy, {asked.key.tissue for asked in self.asked_measures})

    def achieved(self, shares: Shares, places: Measured | None = None) -> tuple[Achieved, ...]:
        """What a map has of every target. Betti numbers are counted only where they are asked for.

        places: as `places_in` found them in the map.
        """
        counted = {target.domain for target in self.asked if target.quantity == "betti"}
        measured = {name: measured_weights(values, self.control.domain(name), betti=name in counted)
                    for name, values in shares.items()}
        found = places.values if places is not None else {}
        return (*achieved_of(self.asked, measured), *(asked.achieved(found) for asked in self.asked_measures))


@dataclass(frozen=True)
class GuidedPlan:
    """A request that is ready to be sampled.

    request: with its whole control, presets and held tissues included; without one where nothing is guided. targets:
    what its siblings are to reach, None where nothing is guided. warnings: for a person, beforehand.
    """

    request: Request
    targets: GuidedTargets | None = None
    warnings: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The absolute targets in the frame of the request's control."""
        if self.targets is None:
            return ()
        return self.targets.asked if self._in_frame else self.targets.canonical_asked

    @property
    def asked_measures(self) -> tuple[AskedMeasure, ...]:
        """The absolute targets of measures by name."""
        return self.targets.asked_measures if self.targets is not None else ()

    @property
    def measured(self) -> Mapping[str, Measurement]:
        """Domain name -> what the twin (or the mean heart) has there, in the frame of the request's control."""
        if self.targets is None:
            return {}
        return self.targets.measured if self._in_frame else self.targets.heart.in_canonical(self.targets.measured)

    @property
    def _in_frame(self) -> bool:
        """Whether the request's control lies in the heart's own frame."""
        control, targets = self.request.control, self.targets
        return control is None or targets is None or control.frame == targets.heart.frame

    def to_json(self) -> dict[str, Any]:
        """Plain values, for whoever shows a guided request before it is sampled."""
        control = self.request.control
        return {"control": control.to_json() if control is not None else None,
                "asked": [asked.to_json() for asked in self.asked],
                "asked_measures": [asked.to_json() for asked in self.asked_measures],
                "measured": {name: found.to_json() for name, found in self.measured.items()},
                "warnings": list(self.warnings)}


def make_guided(request: Request, heart: Placement, shorthand: PresetsAndHolds | None = None,
                statistics: TrainingStatistics | None = None) -> GuidedPlan:
    """Adds what the shorthand asks for to the request's control, and resolves and checks all of it on the heart.

    Raises InputError for what cannot be had: a domain out of view, a tissue that is not there, targets that contradict
    each other. statistics: of the training hearts, to warn of targets beyond them.
    """
    free = free_labels(request.tissues, heart.anatomy) if request.tissues else None
    control = control_of(request.control, heart, shorthand or PresetsAndHolds(), free)
    if control is None:
        return GuidedPlan(request)
    ready = replace(request, control=control)
    targets = GuidedTargets.of(control, heart)
    volumes = _whole_volumes(targets)
    notes = [*_out_of_sight(targets)]
    if statistics:
        named = {asked.key: asked.value for asked in targets.asked_measures}
        notes += [*beyond_training(volumes, statistics), *measures_beyond(named, volumes, statistics)]
    if ready.sampling_steps < LEAST_GUIDED_STEPS:
        notes.append(f"Guided siblings made with {ready.sampling_steps} steps are often broken; use "
                     f"{LEAST_GUIDED_STEPS} steps or more")
    return GuidedPlan(ready, targets, tuple(notes))


def _whole_volumes(targets: GuidedTargets) -> dict[Tissues, float]:
    """Tissues -> ml asked of them as a whole. Raises InputError where two domains ask differently of the same ones."""
    found: dict[Tissues, tuple[float, float, str]] = {}
    for target in targets.asked:
        domain = targets.control.domain(target.domain)
        whole = targets.heart.holds_whole(domain, targets.measured[domain.name])
        if target.quantity != "mass" or not isinstance(target.value, float) or not whole:
            continue
        tissues = tuple(sorted(domain.tissues))
        value, tolerance, name = found.setdefault(tissues, (target.value, target.tolerance, domain.name))
        if abs(value - target.value) > (tolerance + target.tolerance + SAME_VOLUME) * value:
            raise InputError("Two targets contradict each other",
                             value=f"{name} {value:.6g} ml and {target.domain} {target.value:.6g} ml, each for the "
                             f"whole {' + '.join(tissues)}", rule="one volume for each tissue",
                             hint="do not hold the tissue, or switch one of the targets off")
    return {tissues: value for tissues, (value, _, _) in found.items()}


def _out_of_sight(targets: GuidedTargets) -> list[str]:
    """Warnings of domains that are mostly out of view or empty. Raises InputError for one wholly out of view."""
    notes = []
    for domain in targets.control.domains:
        if not any(term.domain == domain.name for term in targets.control.active):
            continue
        share = targets.heart.in_view(domain)
        if share == 0:
            centre = ", ".join(f"{value:.1f}" for value in domain.centre)
            raise InputError(f"The control domain {domain.name} lies outside the model's field of view",
                             value=f"centre ({centre}) mm", rule="the model must see at least part of it",
                             hint="move it to the heart; give coordinates in RAS mm (those in LPS have the opposite "
                                  "sign for the first two)")
        if share < LEAST_IN_VIEW:
            notes.append(f"Only {share:.0%} of the control domain {domain.name} lies in the model's field of view")
        if targets.measured[domain.name].mass == 0:
            notes.append(f"The control domain {domain.name} holds no {' + '.join(domain.tissues)} before the edit, so "
                         "that guidance has nothing to start from there")
    return notes
