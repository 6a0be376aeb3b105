"""Requests with everything that is known before a sibling is sampled; the twin is placed and measured here, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..cohorts.measured_map import MeasuredMap
from ..cohorts.model_facts import ModelFacts
from ..control.placement import Placement
from ..core.errors import InputError
from ..core.labelmap import LabelMap, LabelValues
from ..labelmaps.geometry.room import Extension
from ..labelmaps.twin import Twin, open_twin
from .box_around import with_placed_box
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
    def of(cls, source: str | Path | LabelMap | Twin, facts: ModelFacts, labels: LabelValues | None = None,
           room: float | Extension | None = None) -> PlacedTwin:
        """Reads a label map (or takes one), places it (or takes a twin) and measures it.

        room: around the heart, see `open_twin`. Raises InputError if it cannot be used.
        """
        twin = Path(source) if isinstance(source, str) else source
        if not isinstance(twin, Twin):
            twin = open_twin(twin, facts.anatomy, facts.reference, labels=labels, room=room)
        return cls(twin, MeasuredMap.of(twin.labelmap, twin.known, facts.anatomy, facts.meter, by_name=True))


@dataclass(frozen=True, eq=False)
class PlannedRequest:
    """A request that is ready to be sampled; it is compared by identity.

    scope: where it may change its twin; None without a twin. guided: its targets, resolved; without any, its control is
    None.
    """

    request: Request
    scope: Scope | None
    guided: GuidedPlan

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of this request before its siblings are made."""
        return (*self.guided.warnings, *(self.scope.warnings if self.scope is not None else ()))


def require_twin(requests: Sequence[Request], twin: object) -> None:
    """Raises InputError where there is no request, or one that starts from a twin and there is none."""
    if not requests:
        raise InputError("The run has no request", rule="at least one request")
    if twin is None and (missing := [request.edit for request in requests if request.needs_twin]):
        raise InputError("The edit needs a twin", value=missing[0], rule="only generate works without a twin",
                         hint="name the label map of the heart to start from")


def plan_requests(requests: Sequence[Request], shorthand: Sequence[PresetsAndHolds], placed: PlacedTwin | None,
                  facts: ModelFacts) -> tuple[PlannedRequest, ...]:
    """Resolves the targets of all requests and finds where they may act. Raises InputError for what cannot be done.

    shorthand: presets and tissues to hold, one for each request. Controls are placed on the twin, or on the model's
    mean heart, once for all requests. Requests that differ in anything but their region and `overwrite` share one
    scope, as it has the twin's size.
    """
    guided, hearts = [], dict[bool, Placement]()
    twin = placed.twin if placed is not None else None
    for asked, named in zip(requests, shorthand, strict=True):
        request = with_placed_box(asked, placed, facts.anatomy)
        if request.control is None and not named:
            guided.append(GuidedPlan(request))
            continue
        if request.needs_twin not in hearts:
            heart = twin if request.needs_twin else None
            hearts[request.needs_twin] = Placement.of(heart, facts.anatomy, facts.reference)
        guided.append(make_guided(request, hearts[request.needs_twin], named, facts.training))
    planned, scopes = [], dict[object, Scope]()
    for resolved in guided:
        request, scope = replace(resolved.request, steps=resolved.request.sampling_steps), None
        plan = replace(resolved, request=request)
        if twin is not None and request.needs_twin:
            key = (request.edit == "inpaint", request.overwrite, request.tissues, request.box, request.region)
            scope = scopes[key] = scopes.get(key) or edit_scope(request, twin, facts.anatomy)
        planned.append(PlannedRequest(request, scope, plan))
    return tuple(planned)
