"""`siblings augment`: an augmentation into a folder, with the accepted hearts, a table of all, and the yield."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..cohorts.measured import measure_cohort
from ..cohorts.members import find_members
from ..cohorts.training_statistics import Support, read_cohort, unsupported
from ..cohorts.wanted import Wanted, parse_wanted
from ..control.control import Control
from ..control.placement import Placement
from ..core.anatomy import Anatomy, load_anatomy
from ..core.defaults import DEFAULT_MODEL, LEAST_GUIDED_STEPS
from ..core.errors import InputError
from ..editing.presets_and_holds import PresetsAndHolds, control_of
from ..labelmaps.geometry.reference import Reference
from ..models.registry import find_model
from .augmentation import Augmented, Augmenter, Strategy, Task
from .augmented_folder import MADE, numbering_notes, require_same_order, write_augmented
from .conditions import Conditions
from .seed_hearts import SeedHeart, starts, starts_of
from .sibling_maker import Maker
from .twins import TwinSource

MOST = 5  # siblings made at most for each that is wanted, unless it is said


@dataclass(frozen=True)
class Order:
    """What is asked of `siblings augment`. target: as written. seeds: folder of label maps, or a run; None to generate.
    arms: runs that are there already.
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
    steps: int = 50
    seed: int = 0
    labels: dict[str, int] | None = None
    arms: tuple[Path, ...] = ()
    jobs: int = 0
    model: str = DEFAULT_MODEL
    device: str = "auto"
    command: str = ""


def enrich(order: Order, say: Callable[[str], None]) -> Augmented:
    """Makes the siblings into order.out/made, copies the accepted ones to order.out/accepted, writes table and report.

    The same order again goes on where it was stopped. say: told what happens. Raises InputError.
    """
    card = find_model(order.model)
    anatomy, reference, support = load_anatomy(card.anatomy), card.reference(), read_cohort(card.folder)
    mean = Placement.of(None, anatomy, reference)
    named = control_of(_canonical(order.control, mean), mean, PresetsAndHolds(presets=order.presets))
    wanted = parse_wanted(order.target, anatomy, named)
    if order.strategy != "generate" and order.seeds is None:
        raise InputError("There are no seeds", rule=f"{order.strategy} edits seeds", hint="give --seeds DIR")
    columns = {name: support.column(name) for name in support.columns} if support is not None else {}
    seeds: tuple[SeedHeart, ...] = ()
    notes: tuple[str, ...] = ()
    if order.seeds is not None and order.strategy != "generate":
        measured, notes = _measured(order.seeds, order, anatomy, reference)
        seen = columns or {column: [start.values[column] for start in measured] for column in measured[0].values}
        wanted = wanted.resolved(seen)
        found = starts(measured, wanted)
        seeds, notes = found.seeds, (*notes, *found.left_out)
        say(f"{len(seeds)} of {len(measured)} hearts are seeds and meet {wanted}" if found.meet else
            f"{len(seeds)} of {len(measured)} hearts are seeds: none is known to meet {wanted}")
    wanted = wanted.resolved(columns)
    for note in notes:
        say(f"note: {note}")
    for warning in _warnings(wanted, support):
        say(f"note: {warning}")
    if order.strategy == "guided" and order.steps < LEAST_GUIDED_STEPS:
        say(f"note: guided siblings of {order.steps} steps are often broken; {LEAST_GUIDED_STEPS} or more are sound")
    most = order.most if order.most is not None else MOST * order.count
    task = Task(wanted, order.strategy, seeds, order.count, most, order.control, order.presets, order.hold, order.steps,
                order.seed)
    model = card.identity
    require_same_order(order.out, task, model)
    make = Maker(order.model, order.device, order.jobs, say)
    arms = Conditions(order.out / MADE, card.sha256, make, order.arms, say)
    made = Augmenter(task, arms, anatomy, reference, support).run()
    made = replace(made, notes=(*notes, *made.notes, *numbering_notes(made)))
    write_augmented(order.out, made, model, order.command)
    return made


def _measured(source: Path, order: Order, anatomy: Anatomy,
              reference: Reference) -> tuple[list[SeedHeart], tuple[str, ...]]:
    """The hearts of a folder or a run that can be measured, and what to say of the others."""
    members = find_members(source, anatomy=anatomy)
    cohort = measure_cohort(members, anatomy, reference, jobs=order.jobs, labels=order.labels,
                            cache=order.out / ".measured")
    twins = {member.name: TwinSource(member, anatomy, order.labels) for member in members}
    found = starts_of(cohort, [twins[name] for name in cohort.members])
    return found, tuple(f"{name} is no seed, it cannot be measured: {why}" for name, why in cohort.skipped.items())


def _canonical(control: Control | None, mean: Placement) -> Control | None:
    """The control for reading the target: one of a twin's own frame names its domains as well as any other."""
    if control is None or control.frame == mean.frame:
        return control
    return Control(control.domains, control.terms, mean.frame, control.name)


def _warnings(wanted: Wanted, support: Support | None) -> tuple[str, ...]:
    """What to say of a target that none of the hearts meets which the model was trained on."""
    if support is None:
        return ()
    known = [measure for measure in wanted.measures if measure.column in support.columns]
    edges: dict[tuple[str, ...], float] = {}
    for measure in known:
        seen, (low, high) = support.column(measure.column), wanted.bounds(measure)
        if measure.is_volume and measure.tissue is not None and (low > seen.max() or high < seen.min()):
            edges[measure.tissue,] = low if low > seen.max() else high
    if edges:
        return unsupported(edges, support)
    rows = (dict(zip(support.columns, row.tolist(), strict=True)) for row in support.rows)
    if len(known) < len(wanted.measures) or any(wanted.met_by(row) for row in rows):
        return ()
    return (f"none of the {len(support)} hearts that the model was trained on has {wanted}: look at whether it is "
            "reached, and at the shapes",)
