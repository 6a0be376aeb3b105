"""Requests with everything that is known before a sibling is sampled; the twin is placed and measured here, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..cohorts.measured_map import MeasuredMap
from ..cohorts.model_facts import ModelFacts
from ..control.placement import Placement
from ..core.errors import InputError
from ..core.labelmap import LabelMap, LabelValues
from ..labelmaps.geometry.room import Extension
from ..labelmaps.twin import Twin, open_twin
from .composite import Scope, edit_scope
from .guided_plan import GuidedPlan, make_guided
from .presets_and_holds import PresetsAndHolds
from .request import Request


@dataclass(frozen=True)
class PlacedTwin:
    """A twin in the canonical frame, with its measurements (distance to the training hearts included)."""

    twin: Twin
    measured: MeasuredMap

    @classmethod
    def of(cls, source: str | Path | LabelMap, facts: ModelFacts, labels: LabelValues | None = None,
           room: float | Extension | None = None) -> PlacedTwin:
        """Reads a label map (or takes one), places it and measures it. Raises InputError if it cannot be used.

        room: around the heart, see `open_twin`.
        """
        path = Path(source) if isinstance(source, str) else source
        return cls.measured_of(open_twin(path, facts.anatomy, facts.reference, labels=labels, room=room), facts)

    @classmethod
    def measured_of(cls, twin: Twin, facts: ModelFacts) -> PlacedTwin:
        """A twin that is placed already, measured."""
        return cls(twin, MeasuredMap.of(twin.labelmap, twin.known, facts.anatomy, facts.meter))


@dataclass(frozen=True, eq=False)
class PlannedRequest:
    """A request that is ready to be sampled; it is compared by identity.

    scope: where it may change its twin; None without a twin. guided: its targets, resolved; without any, its control is
    None.
    """

    request: Request
    scope: Scope | None
    guided: GuidedPlan


def require_twin(requests: Sequence[Request], twin: object) -> None:
    """Raises InputError where there is no request, or one that starts from a twin and there is none."""
    if not requests:
        raise InputError("The run has no request", rule="at least one request")
    if twin is None and (missing := [request.edit for request in requests if request.needs_twin]):
        raise InputError("The edit needs a twin", value=missing[0], rule="only generate works without a twin",
                         hint="name the label map of the heart to start from")


def plan_requests(requests: Sequence[Request], shorthand: Sequence[PresetsAndHolds], twin: Twin | None,
                  facts: ModelFacts) -> tuple[PlannedRequest, ...]:
    """Resolves the targets of all requests and finds where they may act. Raises InputError for what cannot be done.

    shorthand: presets and tissues to hold, one for each request.
    """
    planner = _Planner(facts, twin)
    guided = [planner.guided(request, named) for request, named in zip(requests, shorthand, strict=True)]
    return tuple(PlannedRequest(ready.request, planner.scope(ready.request), ready) for ready in guided)


class _Planner:
    """What requests on one twin share: scopes of equal regions, and the hearts on which controls are placed."""

    def __init__(self, facts: ModelFacts, twin: Twin | None) -> None:
        self.facts, self.twin = facts, twin
        self._scopes: dict[object, Scope] = {}

    @cached_property
    def on_twin(self) -> Placement:
        return Placement.of(self.twin, self.facts.anatomy, self.facts.reference)

    @cached_property
    def on_mean(self) -> Placement:
        return Placement.of(None, self.facts.anatomy, self.facts.reference)

    def placement(self, request: Request) -> Placement:
        return self.on_twin if request.needs_twin else self.on_mean

    def guided(self, request: Request, named: PresetsAndHolds) -> GuidedPlan:
        if request.control is None and not named:
            return GuidedPlan(request)
        return make_guided(request, self.placement(request), named, self.facts.training)

    def scope(self, request: Request) -> Scope | None:
        """Requests that differ in anything but their region and `overwrite` share one, as it has the twin's size."""
        if self.twin is None or not request.needs_twin:
            return None
        key = (request.edit == "inpaint", request.overwrite, request.tissues, request.box, request.region)
        if key not in self._scopes:
            self._scopes[key] = edit_scope(request, self.twin, self.facts.anatomy)
        return self._scopes[key]
