"""Augments a cohort with hearts that meet a written target: four strategies, one stop rule, the yield of each.

generate: new hearts. perturb: siblings of the seed hearts as in the papers, with ratio 0.5 for one half of the seeds
and 0.35 for the other. local: the LV of one half of the seeds is redrawn, and the RV of the other half. guided: the
siblings of `perturb`, each guided to values drawn from the hearts beyond the threshold. Every strategy keeps only the
hearts that meet the target.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..cohorts.measured_map import measurements_of
from ..cohorts.members import Member, read_member
from ..cohorts.named_measures import named_measures
from ..cohorts.training_statistics import TrainingStatistics
from ..cohorts.wanted import Wanted
from ..control.control import Control
from ..control.measure import measure
from ..control.placement import Placement
from ..core.anatomy import Anatomy
from ..core.defaults import MULTISTEP_STEPS
from ..core.errors import InputError
from ..editing.choices import SOLVER, Solver
from ..editing.guided_plan import make_guided
from ..editing.presets_and_holds import PresetsAndHolds, control_of
from ..editing.request import Request
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.tissues import known_labels
from ..labelmaps.twin import open_twin
from ..metrics.bootstrap import wilson
from .conditions import Condition, Conditions, busy_seconds
from .seed_hearts import SeedHeart
from .target_values import Tail, Values, control_for

Strategy = Literal["guided", "perturb", "local", "generate"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
RATIOS = (0.5, 0.35)  # large and small perturbation: npj, "Virtual cohort augmentation"
TISSUES = ("LV", "RV")
EXPECTED = {"guided": 0.9, "perturb": 0.7, "local": 0.6, "generate": 0.25}  # yield assumed for the first round
BLOCK = 40  # generated hearts between two checks of the stop rule


@dataclass(frozen=True)
class AugmentationTask:
    """The target, the strategy and its limits. seeds: the hearts that perturb, local and guided edit. most: the largest
    number of siblings to make. control: the control whose domains the target names; presets: controls by name, placed
    on every seed heart. hold: tissues that keep the seed heart's volume (guided). steps, seed, solver: of the sampler.
    """

    wanted: Wanted
    strategy: Strategy
    seeds: tuple[SeedHeart, ...] = ()
    count: int = 140
    most: int = 700
    control: Control | None = None
    presets: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    steps: int = MULTISTEP_STEPS
    seed: int = 0
    block: int = BLOCK
    solver: Solver = SOLVER

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise InputError("The strategy is unknown", value=self.strategy, rule=f"one of {', '.join(STRATEGIES)}")
        if not 1 <= self.count <= self.most:
            raise InputError("The stop rule cannot be used", value=f"{self.count} accepted of at most {self.most} made",
                             rule="at least 1 accepted heart, and no more of them than hearts that may be made",
                             hint="change --count or --most")
        if self.strategy != "generate" and not self.seeds:
            raise InputError("There are no seed hearts", rule=f"the strategy {self.strategy} edits seed hearts",
                             hint="name their folder with --seeds DIR")
        if self.hold and self.strategy != "guided":
            raise InputError("Tissues cannot be held with this strategy", value=self.strategy,
                             rule="--hold needs the strategy guided")
        if self.strategy == "guided" and not self.wanted.steered.clauses:
            raise InputError("The strategy guided cannot lead siblings to this target", value=str(self.wanted),
                             rule="at least one condition on a tissue, a domain of a control, or a measure that "
                             "guidance can lead to",
                             hint="make siblings and keep those that meet the target: --strategy perturb")


@dataclass(frozen=True)
class Candidate:
    """One sibling. seed: name of its seed heart, or "". missed: the parts of the target that it does not meet."""

    member: Member
    seed: str
    values: Values
    missed: tuple[str, ...]
    core_seconds: float

    @property
    def accepted(self) -> bool:
        """Whether it meets the target."""
        return not self.missed


@dataclass(frozen=True)
class AugmentationResult:
    """What an augmentation made. candidates: all siblings, in order. notes: what a reader must know."""

    task: AugmentationTask
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[Candidate, ...]:
        """The first hearts that meet the target, at most as many as were wanted."""
        return tuple(c for c in self.candidates if c.accepted)[: self.task.count]

    @property
    def met(self) -> int:
        """How many hearts meet the target."""
        return sum(c.accepted for c in self.candidates)

    @property
    def short(self) -> int:
        """How many accepted hearts are missing."""
        return self.task.count - len(self.accepted)

    @property
    def yielded(self) -> tuple[float, float, float]:
        """Share of the siblings that meet the target, with its 95 % interval (Wilson)."""
        low, high = wilson(self.met, len(self.candidates))
        return self.met / max(len(self.candidates), 1), low, high

    @property
    def core_seconds(self) -> float:
        """Median core seconds of a sibling; the median depends least on other work on the machine."""
        return float(np.median([c.core_seconds for c in self.candidates])) if self.candidates else float("nan")

    def row(self) -> dict[str, object]:
        """One table row: hearts made and accepted, yield per sample and per 1000 core seconds."""
        share, low, high = self.yielded
        rate = 1000 / self.core_seconds if self.core_seconds > 0 else float("nan")
        return {"strategy": self.task.strategy, "made": len(self.candidates), "accepted": self.met,
                "yield [%]": 100 * share, "yield 95 %": f"{100 * low:.1f} to {100 * high:.1f}",
                "core s a sample": self.core_seconds,
                "accepted per 1000 core s": rate * share,
                "accepted per 1000 core s 95 %": f"{rate * low:.3g} to {rate * high:.3g}"}


@dataclass
class Augmenter:
    """Makes the siblings of a task. conditions: makes or finds them. statistics: of the training hearts."""

    task: AugmentationTask
    conditions: Conditions
    anatomy: Anatomy
    reference: Reference
    statistics: TrainingStatistics | None = None
    placements: dict[str, Placement] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list, init=False)

    def run(self) -> AugmentationResult:
        """Makes blocks of siblings until enough are accepted, or as many as allowed are made.

        Raises InputError if no seed heart can be given the target.
        """
        task, edits = self.task, self.task.strategy != "generate"
        made: list[Candidate] = []
        counts = dict.fromkeys(range(len(task.seeds)), 0)
        while len(made) < task.most and sum(c.accepted for c in made) < task.count and (counts or not edits):
            made += self._edited(made, counts) if edits else self._generated(len(made))
            met = sum(c.accepted for c in made)
            self.conditions.say(f"{task.strategy}: {met} of {len(made)} meet {task.wanted}, {task.count} wanted")
        if not made:
            raise InputError("The target cannot be set for any seed heart", value=self.left_out[0].rstrip("."),
                             rule=f"at least one seed heart can get {task.wanted}",
                             hint="choose other seed hearts with --seeds, or another --target")
        return AugmentationResult(task, tuple(made), self._notes(made))

    def _generated(self, done: int) -> list[Candidate]:
        """The next block of hearts without a twin."""
        count = min(self.task.block, self.task.most - done)
        request = Request("generate", count=count, first=done, **self._sampling)
        condition = self.conditions.get(f"augment-generate-{done:05d}", [request])[0]
        return self._judged(condition, None)

    def _edited(self, made: Sequence[Candidate], counts: dict[int, int]) -> list[Candidate]:
        """The next siblings of the seed hearts. counts: index of a seed heart -> number of its siblings. The method
        raises the counts, and removes the seed hearts that cannot be given the target.
        """
        task = self.task
        hits, done = sum(c.accepted for c in made), len(made)
        share = max(hits / done, 0.1) if done else EXPECTED[task.strategy]
        total = min(math.ceil((task.count - hits) / share), task.most - done)
        found: list[Candidate] = []
        for index, count in share_out(total, counts).items():
            seed, first = task.seeds[index], counts[index]
            try:
                requests = self.requests(index, first, count)
            except InputError as problem:
                del counts[index]
                self.left_out.append(f"{seed.name} is left out because the target cannot be set for it: {problem}")
                self.conditions.say(f"note: {self.left_out[-1]}")
                continue
            name = f"augment-{task.strategy}-{index:03d}-{seed.name}-{first:03d}"
            for condition in self.conditions.get(name, requests, seed.twin):
                found += self._judged(condition, seed)
            counts[index] += count
        # Round by round, so that the accepted hearts come from all seed hearts and not only from the first ones.
        return sorted(found, key=lambda candidate: int((candidate.member.entry or {}).get("k", 0)))

    def requests(self, index: int, first: int, count: int) -> list[Request]:
        """Siblings first .. first + count - 1 of a seed heart. Each guided sibling has its own target, which depends
        only on the task's seed, the index of the seed heart and the sibling's number.
        """
        task, heart = self.task, self.task.seeds[index]
        control = self.control(self.placement_of(heart)) if task.strategy == "guided" or task.wanted.domains else None
        if task.strategy == "local":
            return [Request("inpaint", tissues=(TISSUES[index % 2],), ratio=1.0, first=first, count=count,
                            **self._sampling)]
        plain = Request("perturb", ratio=RATIOS[index % 2], first=first, count=count, **self._sampling)
        if task.strategy == "perturb":
            return [plain]
        if lacking := [m.label for m in task.wanted.steered.measures
                       if m.by_name and not math.isfinite(heart.values.get(m.key, math.nan))]:
            raise InputError("The heart lacks what is to be changed", value=", ".join(lacking),
                             rule="a measure that can be found in it", hint="`siblings measure` says why it cannot")
        placement, found = self.placement_of(heart), []
        for k in range(first, first + count):
            values = self.tail.draw(heart.values, np.random.default_rng([task.seed, index, k]))
            asked = control_for(values, task.wanted.steered, placement, control)
            request = replace(plain, first=k, count=1, control=asked)
            found.append(make_guided(request, placement, PresetsAndHolds(hold=task.hold), None).request)
        return found

    @property
    def _sampling(self) -> dict[str, Any]:
        """What all requests have in common."""
        return {"steps": self.task.steps, "solver": self.task.solver, "seed": self.task.seed}

    @cached_property
    def tail(self) -> Tail:
        """The seed hearts and training hearts beyond the threshold."""
        seeds = []
        for heart in self.task.seeds:
            with suppress(InputError):  # a heart that lacks the target's domain is reported when its turn comes
                seeds.append({key: np.array([value]) for key, value in self.measured_seed(heart).items()})
        training = [self.statistics.columns()] if self.statistics else []
        return Tail.of(self.task.wanted.steered, [*seeds, *training])

    def measured_seed(self, heart: SeedHeart) -> Values:
        """The values of a seed heart, including those in control domains."""
        if not self.task.wanted.domains:
            return heart.values
        placement = self.placement_of(heart)
        return {**heart.values, **self.in_domains(placement.labels, placement.affine, placement)}

    def placement_of(self, heart: SeedHeart | None) -> Placement:
        """The heart that controls are placed on: the seed heart, or the model's mean heart if there is none."""
        key = heart.name if heart is not None else ""
        if key not in self.placements:
            twin = open_twin(heart.twin.read(), self.anatomy, self.reference) if heart is not None else None
            self.placements[key] = Placement.of(twin, self.anatomy, self.reference)
        return self.placements[key]

    def control(self, placement: Placement) -> Control | None:
        """The control whose domains the target names, on this heart."""
        return control_of(self.task.control, placement, PresetsAndHolds(presets=self.task.presets))

    def in_domains(self, labels: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64],
                   placement: Placement) -> Values:
        """The heart's values in the target's control domains.

        labels: (D, H, W) uint8, KJI order; affine: (4, 4) float64, to the frame of the placement, mm.
        """
        control = self.control(placement)
        if control is None:
            return {}
        placed = placement.placed(control)
        return {m.key: measure(labels, affine, placed.domain(m.domain), self.anatomy, betti=False).mass
                for m in self.task.wanted.measures if m.domain is not None}

    def _judged(self, condition: Condition, seed: SeedHeart | None) -> list[Candidate]:
        """The siblings of a condition, each with its values and the parts of the target that it misses."""
        found = []
        for member in condition.members:
            entry = member.entry or {}
            values: Values = {**measurements_of(entry), **self._of_map(member, seed)}
            found.append(Candidate(member, seed.name if seed is not None else "", values,
                                   self.task.wanted.missed(values), busy_seconds(entry) * condition.threads))
        return found

    def _of_map(self, member: Member, seed: SeedHeart | None) -> Values:
        """What the target needs of a sibling beyond its entry: values in control domains, and measures by name."""
        wanted, found = self.task.wanted, Values()
        if not wanted.domains and not wanted.by_name:
            return found
        labelmap = read_member(member, self.anatomy)
        known = known_labels(labelmap, self.anatomy)
        if wanted.domains:
            found |= self.in_domains(known, labelmap.affine, self.placement_of(seed))
        if wanted.by_name:
            named = named_measures(member, labelmap, known, self.anatomy).values
            found |= {m.key: named[m.key] for m in wanted.measures if m.key in named}
        return found

    def _notes(self, made: Sequence[Candidate]) -> tuple[str, ...]:
        task, notes = self.task, [*self.left_out]
        met = sum(c.accepted for c in made)
        if met < task.count:
            notes.append(f"{task.strategy}: only {met} of {task.count} wanted hearts after {len(made)} samples"
                         f"{', which is the limit' if len(made) >= task.most else ''}.")
        if task.strategy == "guided":
            known = len(self.tail.rows)
            notes.append(f"guided: values were drawn from {known} seed hearts and training hearts that meet "
                         f"{task.wanted.steered}." if known > 1 else "guided: almost no known heart meets the target, "
                         "so the siblings were guided to values just beyond the threshold. Look at their shapes.")
        if task.strategy == "guided" and task.wanted.steered != task.wanted:
            notes.append(f"guided: siblings were led to {task.wanted.steered} only; the other conditions decided which "
                         "were accepted.")
        if lacking := sum(any(m.by_name and m.key not in c.values for m in task.wanted.measures) for c in made):
            notes.append(f"{lacking} of {len(made)} siblings lack a measure that the target names, and so do not meet "
                         "it.")
        return tuple(notes)


def share_out(total: int, counts: Mapping[int, int]) -> dict[int, int]:
    """How many of the next siblings each seed heart gets. The heart with the fewest is served first; of equals, the
    first.

    counts: index of a seed heart -> number of its siblings. Returns index -> number of new ones, without the hearts
    that get none, in the order of `counts`.
    """
    heap = [(count, index) for index, count in counts.items()]
    heapq.heapify(heap)
    more = dict.fromkeys(counts, 0)
    for _ in range(total if heap else 0):
        count, index = heap[0]
        more[index] += 1
        heapq.heapreplace(heap, (count + 1, index))
    return {index: count for index, count in more.items() if count}
