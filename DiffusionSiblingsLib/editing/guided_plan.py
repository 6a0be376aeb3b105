"""Guided requests made ready: one plain control, measured on the twin, with all that is wrong or doubtful said first.

Used by the command line, by scripts and by the worker alike, so that the engine and the record only ever see a control.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..cohorts.training_statistics import Support, Tissues, unsupported
from ..control.absolute_targets import Asked
from ..control.control import Control
from ..control.measure import Measurement
from ..control.placement import Placement
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.twin import Twin
from .composite import free_labels
from .presets_and_holds import PresetsAndHolds, control_of
from .request import Request

WHOLE = 0.02  # a domain that misses no more of its tissues than this share holds them whole
LEAST_IN_VIEW = 0.5
LEAST_STEPS = 20  # of a whole run: corrections of one step are too large for the next to make good below


@dataclass(frozen=True)
class Guided:
    """A request that is ready to be made.

    request: with its control, in which no preset is left; without one where nothing is guided. asked: its absolute
    targets. measured: domain name -> what the twin (or the mean heart) has there. warnings: for a person, beforehand.
    """

    request: Request
    asked: tuple[Asked, ...] = ()
    measured: Mapping[str, Measurement] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values of a guided one, for whoever shows it before it is made."""
        control = self.request.control
        return {"control": control.to_json() if control is not None else None,
                "asked": [asked.to_json() for asked in self.asked],
                "measured": {name: found.to_json() for name, found in self.measured.items()},
                "warnings": list(self.warnings)}


def make_guided(request: Request, ground: Placement, wishes: PresetsAndHolds | None = None,
                support: Support | None = None) -> Guided:
    """Adds what the wishes ask for to the request's control, and checks all of it on the ground.

    Raises InputError for what cannot be had: a domain out of view, a tissue that is not there, targets that contradict
    each other. support: the training cohort, to warn of targets beyond it.
    """
    free = free_labels(request.tissues, ground.anatomy) if request.tissues else None
    control = control_of(request.control, ground, wishes or PresetsAndHolds(), free)
    if control is None:
        return Guided(request)
    ready = replace(request, control=control)
    measured = ground.measured(control)
    asked = control.resolve(measured)
    volumes = _whole_volumes(control, asked, measured, ground)
    notes = [*_out_of_sight(control, measured, ground), *(unsupported(volumes, support) if support else ())]
    if request.steps < LEAST_STEPS:
        notes.append(f"{request.steps} steps are too few to be guided well: hearts come out broken; take {LEAST_STEPS} "
                     "or more")
    return Guided(ready, asked, measured, tuple(notes))


def plan_guidance(requests: Sequence[Request], wishes: Sequence[PresetsAndHolds], twin: Twin | None, anatomy: Anatomy,
                  reference: Reference, support: Support | None = None) -> list[Guided]:
    """Every request made ready with its own wishes, on the twin or (to generate) on the model's mean heart."""
    grounds: dict[bool, Placement] = {}
    planned = []
    for request, wish in zip(requests, wishes, strict=True):
        if request.control is None and not wish:
            planned.append(Guided(request))
            continue
        if request.needs_twin not in grounds:
            grounds[request.needs_twin] = Placement.of(twin if request.needs_twin else None, anatomy, reference)
        planned.append(make_guided(request, grounds[request.needs_twin], wish, support))
    return planned


def _whole_volumes(control: Control, asked: tuple[Asked, ...], measured: Mapping[str, Measurement],
                   ground: Placement) -> dict[Tissues, float]:
    """Tissues -> ml asked of them as a whole. Raises InputError where two domains ask differently of the same ones."""
    found: dict[Tissues, tuple[float, float, str]] = {}
    for target in asked:
        domain = control.domain(target.domain)
        tissues = tuple(sorted(domain.tissues))
        volume = sum(ground.volumes[tissue] for tissue in tissues)
        if target.quantity != "mass" or domain.dimension < 3 or not isinstance(target.value, float) or not volume:
            continue
        if abs(measured[domain.name].mass - volume) > WHOLE * volume:
            continue
        value, tolerance, name = found.setdefault(tissues, (target.value, target.tolerance, domain.name))
        if abs(value - target.value) > (tolerance + target.tolerance + WHOLE) * value:
            raise InputError("Two targets contradict each other",
                             value=f"{name} {value:.6g} ml and {target.domain} {target.value:.6g} ml, both the whole "
                             f"of {' + '.join(tissues)}", rule="one volume for each tissue",
                             hint="leave the tissue out of --hold, or switch one of the targets off")
    return {tissues: value for tissues, (value, _, _) in found.items()}


def _out_of_sight(control: Control, measured: Mapping[str, Measurement], ground: Placement) -> list[str]:
    """Warnings of domains that are mostly out of view or empty. Raises InputError for one wholly out of view."""
    notes = []
    for domain in ground.placed(control).domains:
        if not any(term.domain == domain.name for term in control.active):
            continue
        share = ground.in_view(domain)
        if share == 0:
            centre = ", ".join(f"{value:.1f}" for value in domain.centre)
            raise InputError(f"The control domain {domain.name} lies outside the model's field of view",
                             value=f"centre ({centre}) mm", rule="it has to reach into what the model sees",
                             hint="move it to the heart; coordinates are RAS mm (LPS has the first two signs turned)")
        if share < LEAST_IN_VIEW:
            notes.append(f"Only {share:.0%} of the control domain {domain.name} lies in the model's field of view")
        if measured[domain.name].mass == 0:
            notes.append(f"The control domain {domain.name} holds no {' + '.join(domain.tissues)} before the edit; the "
                         "guidance has nothing there to start from")
    return notes
