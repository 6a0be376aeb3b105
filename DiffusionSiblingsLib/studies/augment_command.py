"""`siblings augment`: writes an augmentation to a folder: the accepted hearts, a table of all hearts, and the yield."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cohorts.measured import measure_cohort
from ..cohorts.members import find_members, numbering_notes
from ..cohorts.training_statistics import TrainingStatistics, beyond_training, read_training_statistics
from ..cohorts.wanted import Wanted, parse_wanted
from ..control.control import Control
from ..control.placement import Placement
from ..core.anatomy import Anatomy, load_anatomy
from ..core.defaults import DEFAULT_MODEL, LEAST_GUIDED_STEPS
from ..core.errors import InputError
from ..core.labelmap import LabelValues
from ..editing.choices import SOLVER, Solver, default_steps
from ..editing.presets_and_holds import PresetsAndHolds, control_of
from ..labelmaps.geometry.reference import Reference
from ..metrics.measurement import MeasurementKey
from ..models.registry import find_model
from .augmentation import AugmentationResult, AugmentationTask, Augmenter, Strategy
from .augmentation_folder import ACCEPTED, MADE, require_apart, require_same_order, write_augmentation
from .conditions import Conditions
from .seed_hearts import SeedHeart, choose_seed_hearts, seed_hearts_of
from .sibling_maker import SiblingMaker
from .twins import TwinSource

MOST = 5  # by default, at most this many siblings are made for each wanted heart


@dataclass(frozen=True)
class AugmentationOrder:
    """The options of `siblings augment`. target: as the user wrote it. seeds: a folder of label maps, or a run; None
    for the strategy "generate". existing_runs: earlier runs whose siblings are used again.
    """

    target: str
    out: Path
    strategy: Strategy = "guided"
    seeds: Path | None = None
    count: int = 140
    most: int | None = None
    control: Control | None = None
    presets: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    steps: int | None = None
    solver: Solver = SOLVER
    seed: int = 0
    labels: LabelValues | None = None
    existing_runs: tuple[Path, ...] = ()
    jobs: int = 0
    model: str = DEFAULT_MODEL
    device: str = "auto"
    command: str = ""


def augment_cohort(order: AugmentationOrder, say: Callable[[str], None]) -> AugmentationResult:
    """Makes siblings in order.out/made, copies the accepted ones to order.out/accepted, and writes table and report.

    The same order resumes where it was stopped. say: called with each progress message. Raises InputError.
    """
    if order.seeds is not None:
        require_apart(order.out, order.seeds)
    card = find_model(order.model)
    anatomy, reference = load_anatomy(card.anatomy), card.reference()
    statistics = read_training_statistics(card.folder)
    mean = Placement.of(None, anatomy, reference)
    named = control_of(_canonical(order.control, mean), mean, PresetsAndHolds(presets=order.presets))
    wanted = parse_wanted(order.target, anatomy, named)
    if order.strategy != "generate" and order.seeds is None:
        raise InputError("There are no seed hearts", rule=f"the strategy {order.strategy} edits seed hearts",
                         hint="name their folder with --seeds DIR")
    columns = statistics.columns() if statistics is not None else {}
    seeds: tuple[SeedHeart, ...] = ()
    notes: tuple[str, ...] = ()
    if order.seeds is not None and order.strategy != "generate":
        measured, notes = _measured(order.seeds, order, anatomy, reference, by_name=wanted.by_name)
        columns = {**_columns(measured), **columns} if wanted.by_name or not columns else columns
        wanted = wanted.resolved(columns)
        found = choose_seed_hearts(measured, wanted)
        seeds, notes = found.seeds, (*notes, *found.left_out)
        say(f"{len(seeds)} of {len(measured)} hearts are seed hearts and meet {wanted}" if found.meet else
            f"{len(seeds)} of {len(measured)} hearts are seed hearts; none of them is known to meet {wanted}")
    wanted = wanted.resolved(columns)
    for note in notes:
        say(f"note: {note}")
    for warning in _warnings(wanted, statistics):
        say(f"note: {warning}")
    guided = order.strategy == "guided"
    steps = default_steps(order.solver, guided=guided) if order.steps is None else order.steps
    if guided and steps < LEAST_GUIDED_STEPS:
        say(f"note: guided siblings made with {steps} steps are often broken; use {LEAST_GUIDED_STEPS} steps or "
            "more")
    most = order.most if order.most is not None else MOST * order.count
    task = AugmentationTask(wanted, order.strategy, seeds, order.count, most, order.control, order.presets,
                            order.hold, steps, order.seed, solver=order.solver)
    model = card.identity
    require_same_order(order.out, task, model)
    make = SiblingMaker(order.model, order.device, order.jobs, say)
    conditions = Conditions(order.out / MADE, card.sha256, make, order.existing_runs, say)
    made = Augmenter(task, conditions, anatomy, reference, statistics).run()
    made = replace(made, notes=(*notes, *made.notes, *numbering_notes(
        [candidate.member for candidate in made.accepted], ACCEPTED)))
    write_augmentation(order.out, made, model, order.command, anatomy)
    return made


def _columns(hearts: Sequence[SeedHeart]) -> dict[MeasurementKey, npt.NDArray[np.float64]]:
    """Key -> (n,) float64: the values of the hearts."""
    return {key: np.array([heart.values[key] for heart in hearts]) for key in hearts[0].values}


def _measured(source: Path, order: AugmentationOrder, anatomy: Anatomy, reference: Reference, *,
              by_name: bool) -> tuple[list[SeedHeart], tuple[str, ...]]:
    """The measurable hearts of a folder or a run, and notes: why others are none, and what reading assumed."""
    members = find_members(source, anatomy=anatomy)
    cohort = measure_cohort(members, anatomy, reference, jobs=order.jobs, labels=order.labels,
                            cache=order.out / ".measured", by_name=by_name)
    twins = {member.name: TwinSource(member, anatomy, order.labels) for member in members}
    found = seed_hearts_of(cohort, [twins[name] for name in cohort.members])
    return found, (*(f"{name} is not a seed heart because it cannot be measured: {why}"
                     for name, why in cohort.skipped.items()), *cohort.assumptions)


def _canonical(control: Control | None, mean: Placement) -> Control | None:
    """The control in the frame of the mean heart. Reading a target needs only the names of its domains, which are the
    same in every frame.
    """
    if control is None or control.frame == mean.frame:
        return control
    return Control(control.domains, control.terms, mean.frame, control.name)


def _warnings(wanted: Wanted, statistics: TrainingStatistics | None) -> tuple[str, ...]:
    """Warnings about a target that no training heart of the model meets."""
    if statistics is None:
        return ()
    known = [measure for measure in wanted.measures if measure.key in statistics.keys]
    edges: dict[tuple[str, ...], float] = {}
    for measure in known:
        seen, (low, high) = statistics.column(measure.key), wanted.bounds(measure)
        if measure.is_volume and measure.tissue is not None and (low > seen.max() or high < seen.min()):
            edges[measure.tissue,] = low if low > seen.max() else high
    if edges:
        return beyond_training(edges, statistics)
    rows = (dict(zip(statistics.keys, row.tolist(), strict=True)) for row in statistics.rows)
    if len(known) < len(wanted.measures) or any(wanted.met_by(row) for row in rows):
        return ()
    return (f"none of the {len(statistics)} training hearts of the model meets {wanted}; check that siblings reach it, "
            "and look at their shapes",)
