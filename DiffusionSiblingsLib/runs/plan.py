"""The plan of a run: everything that is known before the first sibling is sampled, checked and computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohorts.model_facts import ModelFacts
from ..cohorts.training_distance import training_distance_words
from ..core.labelmap import LabelMap, LabelValues
from ..core.record import Record
from ..editing.planned import PlacedTwin, PlannedRequest, plan_requests, require_twin
from ..editing.postprocess import canonical_labelmap
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.record_entries import describe_twin, run_entry
from ..editing.request import Request
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.write import format_notes, suffix_for
from ..metrics.acceptance import Acceptance
from ..models.bars import bars_words
from .rejection import SamplingBudget
from .settings import RunSettings

Unplaced = str | Path | LabelMap
Source = str | Path | LabelMap | PlacedTwin | None  # of a twin


@dataclass(frozen=True)
class Plan:
    """What a run makes, and from what.

    facts: the model's card, anatomy, reference and training hearts. settings: with the checks written in full. twin:
    placed and measured. requests: with their scopes and resolved targets. ks: numbers k of the siblings of each
    request; None for those that the request asks for.
    """

    facts: ModelFacts
    settings: RunSettings
    twin: PlacedTwin | None
    requests: tuple[PlannedRequest, ...]
    ks: tuple[tuple[int, ...], ...] | None = None

    @classmethod
    def of(cls, requests: Sequence[Request], twin: Source = None, settings: RunSettings | None = None, *,
           labels: LabelValues | None = None, shorthand: PresetsAndHolds | Sequence[PresetsAndHolds] = (),
           facts: ModelFacts | None = None) -> Plan:
        """Plans a run. Raises InputError or ModelError for what cannot be done; needs no networks.

        labels: tissue id -> value, for a twin whose file does not say so. shorthand: presets and tissues to hold, for
        all requests or one for each. facts: of the settings' model, where they are at hand.
        """
        settings = settings or RunSettings()
        facts = facts or ModelFacts.of(settings.model)
        each = [shorthand] * len(requests) if isinstance(shorthand, PresetsAndHolds) else list(shorthand)
        each = each or [PresetsAndHolds()] * len(requests)
        for named in each:
            named.held(facts.anatomy)
        gate = str(Acceptance.parse(settings.gate)) if settings.gate else ""
        folder = Path(settings.model)  # a model by its folder: workers may have another working directory
        settings = replace(settings, gate=gate, model=str(folder.resolve()) if folder.is_dir() else settings.model)
        require_twin(requests, twin)
        placed = PlacedTwin.of(twin, facts, labels, settings.margin) if isinstance(twin, Unplaced) else twin
        return cls(facts, settings, placed, plan_requests(requests, each, placed, facts))

    @property
    def inputs(self) -> list[tuple[str, str | Path]]:
        """What the run reads besides: what it is, and where it lies."""
        source = self.twin.twin.labelmap.source if self.twin is not None else None
        return inputs_of([planned.request for planned in self.requests], self.settings, source)

    @property
    def asked(self) -> int:
        """How many siblings are asked for."""
        return sum(budget.count for budget in self.budgets())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before the siblings are made."""
        notes = [*bars_words(self.facts.card)]
        if self.twin is not None:
            distance = self.twin.measured.training_distance
            notes += [*self.twin.twin.warnings, *self.format_notes, *training_distance_words("The twin", distance)]
        return tuple(dict.fromkeys([*notes, *(note for planned in self.requests for note in planned.warnings)]))

    @property
    def format_notes(self) -> tuple[str, ...]:
        """What to know of the siblings' file format, given the twin's grid."""
        return format_notes(self.twin.twin.labelmap, self.settings.format) if self.twin is not None else ()

    @property
    def region(self) -> npt.NDArray[np.bool_] | None:
        """(D, H, W) bool, canonical: where a single request with a box or mask may act, for the overview."""
        first = self.requests[0]
        named = first.request.box or first.request.region
        return first.scope.editable if len(self.requests) == 1 and first.scope is not None and named else None

    @property
    def title(self) -> str:
        """The title of the overview."""
        if self.settings.title or self.twin is None:
            return self.settings.title or "Generated hearts"
        source = self.twin.twin.labelmap.source
        return f"Digital siblings of {source.name}" if source else "Digital siblings"

    @cached_property
    def twin_entry(self) -> dict[str, Any] | None:
        """The record's entry of the twin."""
        return describe_twin(self.twin.twin, self.twin.measured) if self.twin is not None else None

    @cached_property
    def template(self) -> LabelMap:
        """A label map on the canonical grid, as hearts without a twin are written."""
        grid = np.zeros(CanonicalFrame.of(self.facts.anatomy).shape, dtype=np.uint8)
        return canonical_labelmap(grid, self.facts.anatomy)

    def template_of(self, run: int) -> LabelMap:
        """A label map whose grid, segments and format the siblings of a request have."""
        if self.twin is None or not self.requests[run].request.needs_twin:
            return self.template
        return self.twin.twin.labelmap

    def suffixes(self) -> list[str]:
        """Endings of the siblings' files, request by request. Raises InputError for an unknown format."""
        return [suffix_for(self.template_of(run), self.settings.format) for run in range(len(self.requests))]

    def record(self, compute: dict[str, object]) -> Record:
        """A record with the twin and all requests, and no siblings yet."""
        record = Record.new(self.facts.card.identity, compute)
        record.twin = self.twin_entry
        record.runs = [run_entry(planned.request, (*self.format_notes, *planned.warnings))
                       for planned in self.requests]
        for run, planned in zip(record.runs, self.requests, strict=True) if self.settings.gate else ():
            run["gate"] = {"checks": self.settings.gate, "most": self.most(planned.request)}
        return record

    def most(self, request: Request) -> int | None:
        """How many siblings of a request may be drawn; None without acceptance checks."""
        return request.count * self.settings.limit if self.settings.gate else None

    def budgets(self) -> list[SamplingBudget]:
        """Which siblings are to be drawn, request by request."""
        found, offset = [], 0
        for number, planned in enumerate(self.requests):
            request = planned.request
            if self.ks is not None:
                found.append(SamplingBudget.of(self.ks[number], offset))
            else:
                found.append(SamplingBudget(request.first, request.count, offset, self.most(request)))
            offset += found[-1].count
        return found


def inputs_of(requests: Sequence[Request], settings: RunSettings,
              twin: str | Path | None) -> list[tuple[str, str | Path]]:
    """The files and folders that a run reads, each with what it is: its twin, its regions and its model."""
    found = [("the twin", twin)] if twin is not None else []
    found += [("the region", request.region) for request in requests if request.region]
    return found + ([("the model", settings.model)] if Path(settings.model).exists() else [])
