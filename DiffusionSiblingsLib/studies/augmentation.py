"""Enriches a cohort with hearts that meet a written target: four strategies, one stop rule, the yield of each.

generate: new hearts, filtered. perturb, local: siblings of the seeds as the papers make them (ratio 0.5 for one half
of the seeds and 0.35 for the other; the LV of one half drawn anew and the RV of the other), filtered. guided: the
siblings of `perturb`, each guided to values that are drawn from the hearts beyond the threshold, filtered too.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from ..cohorts.measured_map import measurements_of
from ..cohorts.members import Member, read_member
from ..cohorts.training_statistics import TrainingStatistics
from ..cohorts.wanted import Wanted
from ..control.control import Control
from ..control.measure import measure
from ..control.placement import Placement
from ..core.anatomy import Anatomy
from ..core.errors import InputError
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
EXPECTED = {"guided": 0.9, "perturb": 0.7, "local": 0.6, "generate": 0.25}  # of the first round alone
BLOCK = 40  # generated hearts between two looks at the stop rule


@dataclass(frozen=True)
class Task:
    """What is wanted, and how. seeds: of perturb, local and guided. most: siblings made at most. control: whose domains
    the target names; presets: the same by name, placed on every seed. hold: tissues that keep the seed's volume
    (guided). steps, seed: of the sampler.
    """

    wanted: Wanted
    strategy: Strategy
    seeds: tuple[SeedHeart, ...] = ()
    count: int = 140
    most: int = 700
    control: Control | None = None
    presets: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    steps: int = 50
    seed: int = 0
    block: int = BLOCK

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise InputError("There is no such strategy", value=self.strategy, rule=f"one of {', '.join(STRATEGIES)}")
        if not 1 <= self.count <= self.most:
            raise InputError("The stop rule cannot be used", value=f"{self.count} accepted of at most {self.most}",
                             rule="at least one accepted, and no more than are made at most")
        if self.strategy != "generate" and not self.seeds:
            raise InputError("There are no seeds", rule=f"{self.strategy} edits seeds", hint="give --seeds DIR")
        if self.hold and self.strategy != "guided":
            raise InputError("Nothing can be held here", value=self.strategy, rule="--hold goes with guided")


@dataclass(frozen=True)
class Candidate:
    """One sibling that was made. missed: the conditions that it does not meet, none if it is accepted."""

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
class Augmented:
    """What came of it. candidates: all that were made, in order. count: how many were wanted."""

    task: Task
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[Candidate, ...]:
        """Those that meet the target, no more than were wanted."""
        return tuple(c for c in self.candidates if c.accepted)[: self.task.count]

    @property
    def met(self) -> int:
        """All that meet the target."""
        return sum(c.accepted for c in self.candidates)

    @property
    def short(self) -> int:
        """Accepted hearts that are missing."""
        return self.task.count - len(self.accepted)

    @property
    def yielded(self) -> tuple[float, float, float]:
        """Share of the made ones that meet the target, with its 95 % interval (Wilson)."""
        low, high = wilson(self.met, len(self.candidates))
        return self.met / max(len(self.candidates), 1), low, high

    @property
    def core_seconds(self) -> float:
        """Core seconds of a made heart: the median, which other work on the machine moves least."""
        return float(np.median([c.core_seconds for c in self.candidates])) if self.candidates else float("nan")

    def row(self) -> dict[str, object]:
        """One row of a table: made, accepted, yield per sample and per 1000 core seconds."""
        share, low, high = self.yielded
        rate = 1000 / self.core_seconds if self.core_seconds > 0 else float("nan")
        return {"strategy": self.task.strategy, "made": len(self.candidates), "accepted": self.met,
                "yield [%]": 100 * share, "yield 95 %": f"{100 * low:.1f} to {100 * high:.1f}",
                "core s a sample": self.core_seconds,
                "accepted per 1000 core s": rate * share,
                "accepted per 1000 core s 95 %": f"{rate * low:.3g} to {rate * high:.3g}"}


@dataclass
class Augmenter:
    """Makes the siblings of a task. arms: where they are made, or are already. statistics: of the training hearts."""

    task: Task
    arms: Conditions
    anatomy: Anatomy
    reference: Reference
    statistics: TrainingStatistics | None = None
    grounds: dict[str, Placement] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list, init=False)

    def run(self) -> Augmented:
        """Makes blocks of siblings until enough are accepted, or the most are made.

        Raises InputError where the target cannot be asked of any seed.
        """
        task, edits = self.task, self.task.strategy != "generate"
        made: list[Candidate] = []
        counts = dict.fromkeys(range(len(task.seeds)), 0)
        while len(made) < task.most and sum(c.accepted for c in made) < task.count and (counts or not edits):
            made += self._edited(made, counts) if edits else self._generated(len(made))
            met = sum(c.accepted for c in made)
            self.arms.say(f"{task.strategy}: {met} of {len(made)} meet {task.wanted}, {task.count} wanted")
        if not made:
            raise InputError("The target cannot be asked of any seed", value=self.left_out[0].rstrip("."),
                             rule=str(task.wanted))
        return Augmented(task, tuple(made), self._notes(made))

    def _generated(self, done: int) -> list[Candidate]:
        """The next block of hearts without a twin."""
        count = min(self.task.block, self.task.most - done)
        request = Request("generate", count=count, first=done, steps=self.task.steps, seed=self.task.seed)
        arm = self.arms.get(f"augment-generate-{done:05d}", [request])[0]
        return self._judged(arm, "", None)

    def _edited(self, made: Sequence[Candidate], counts: dict[int, int]) -> list[Candidate]:
        """The next siblings of the seeds. counts: place of a seed -> siblings that it has; grows, and loses the seeds
        that the target cannot be asked of.
        """
        task = self.task
        hits, done = sum(c.accepted for c in made), len(made)
        share = max(hits / done, 0.1) if done else EXPECTED[task.strategy]
        total = min(math.ceil((task.count - hits) / share), task.most - done)
        found: list[Candidate] = []
        for index, count in share_out(total, counts).items():
            start, first = task.seeds[index], counts[index]
            try:
                requests = self.requests(index, first, count)
            except InputError as problem:
                del counts[index]
                self.left_out.append(f"{start.name} is left out, the target cannot be asked of it: {problem}")
                self.arms.say(f"note: {self.left_out[-1]}")
                continue
            name = f"augment-{task.strategy}-{index:03d}-{start.name}-{first:03d}"
            for arm in self.arms.get(name, requests, start.twin):
                found += self._judged(arm, start.name, start)
            counts[index] += count
        # Round by round, so that those taken first are of all seeds and not of the first ones alone.
        return sorted(found, key=lambda candidate: int((candidate.member.entry or {}).get("k", 0)))

    def requests(self, index: int, first: int, count: int) -> list[Request]:
        """Siblings first .. first + count - 1 of a seed. Guided ones have a target each, which depends on the task's
        seed, the heart's place and the sibling's number alone.
        """
        task, start = self.task, self.task.seeds[index]
        common = {"steps": task.steps, "seed": task.seed}
        control = self.control(self.ground(start)) if task.strategy == "guided" or task.wanted.domains else None
        if task.strategy == "local":
            return [Request("inpaint", tissues=(TISSUES[index % 2],), ratio=1.0, first=first, count=count, **common)]
        plain = Request("perturb", ratio=RATIOS[index % 2], first=first, count=count, **common)
        if task.strategy == "perturb":
            return [plain]
        ground, found = self.ground(start), []
        for k in range(first, first + count):
            values = self.tail.draw(start.values, np.random.default_rng([task.seed, index, k]))
            asked = control_for(values, task.wanted, ground, control)
            request = replace(plain, first=k, count=1, control=asked)
            found.append(make_guided(request, ground, PresetsAndHolds(hold=task.hold), None).request)
        return found

    @cached_property
    def tail(self) -> Tail:
        """Seeds and training hearts beyond the threshold."""
        seeds = []
        for start in self.task.seeds:
            with suppress(InputError):  # a seed that lacks the target's domain; it is said when its turn comes
                seeds.append({key: np.array([value]) for key, value in self.measured_seed(start).items()})
        training = [self.statistics.columns()] if self.statistics else []
        return Tail.of(self.task.wanted, [*seeds, *training])

    def measured_seed(self, start: SeedHeart) -> Values:
        """A seed's values, those in control domains among them."""
        if not self.task.wanted.domains:
            return start.values
        ground = self.ground(start)
        return {**start.values, **self.in_domains(ground.labels, ground.affine, ground)}

    def ground(self, start: SeedHeart | None) -> Placement:
        """The heart that controls are placed on: the seed, or without one the model's mean heart."""
        key = start.name if start is not None else ""
        if key not in self.grounds:
            twin = open_twin(start.twin.read(), self.anatomy, self.reference) if start is not None else None
            self.grounds[key] = Placement.of(twin, self.anatomy, self.reference)
        return self.grounds[key]

    def control(self, ground: Placement) -> Control | None:
        """The control whose domains the target names, on this heart."""
        return control_of(self.task.control, ground, PresetsAndHolds(presets=self.task.presets))

    def in_domains(self, labels: np.ndarray, affine: np.ndarray, ground: Placement) -> Values:
        """What a heart has in the target's control domains. labels, affine: in the ground's frame."""
        control = self.control(ground)
        if control is None:
            return {}
        placed = ground.placed(control)
        return {m.key: measure(labels, affine, placed.domain(m.domain), self.anatomy, betti=False).mass
                for m in self.task.wanted.measures if m.domain is not None}

    def _judged(self, arm: Condition, seed: str, start: SeedHeart | None) -> list[Candidate]:
        found = []
        for member in arm.members:
            entry = member.entry or {}
            values: Values = measurements_of(entry)
            if self.task.wanted.domains:
                labelmap = read_member(member, self.anatomy)
                values |= self.in_domains(known_labels(labelmap, self.anatomy), labelmap.affine, self.ground(start))
            found.append(Candidate(member, seed, values, self.task.wanted.missed(values),
                                   busy_seconds(entry) * arm.threads))
        return found

    def _notes(self, made: Sequence[Candidate]) -> tuple[str, ...]:
        task, notes = self.task, [*self.left_out]
        met = sum(c.accepted for c in made)
        if met < task.count:
            notes.append(f"{task.strategy}: only {met} of {task.count} wanted hearts after {len(made)} samples"
                         f"{', the most that were allowed' if len(made) >= task.most else ''}.")
        if task.strategy == "guided":
            known = len(self.tail.rows)
            notes.append(f"guided: values were drawn from {known} seeds and training hearts that meet {task.wanted}."
                         if known > 1 else "guided: hardly a heart is known that meets the target; values just "
                         "beyond the threshold were aimed at. Look at the shapes.")
        return tuple(notes)


def share_out(total: int, counts: Mapping[int, int]) -> dict[int, int]:
    """How many of the next siblings each seed gets: those with the fewest first, the first of equals.

    counts: place of a seed -> siblings that it has. Returns the same for those that get any, in the order of `counts`.
    """
    heap = [(count, index) for index, count in counts.items()]
    heapq.heapify(heap)
    more = dict.fromkeys(counts, 0)
    for _ in range(total if heap else 0):
        count, index = heap[0]
        more[index] += 1
        heapq.heapreplace(heap, (count + 1, index))
    return {index: count for index, count in more.items() if count}
