"""A twin and its siblings meshed, inflated and activated: what an anatomical change does to a simulation, against what
the mesh does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cohorts.members import find_member
from ..core.errors import InputError
from ..core.names import plain_name
from ..metrics.bootstrap import of_mean
from ..simulation.packages import elements
from ..simulation.ventricle import Setup
from .context import StudyContext
from .edited_cohorts import deviation
from .mechanics_cases import CONTROL, Case, cases_of
from .mechanics_chart import Line, chart
from .mechanics_solving import Outcome, Task, solve_all
from .tables import Row, StudyResult, interval
from .twins import TwinSource

STUDY = "mechanics"
FIGURES = ("compliance [ml/kPa]", "specific compliance [1/kPa]", "peak strain", "activation [ms]")
SHOWN = ("cavity [ml]", "wall [ml]", "aortic annulus [mm]", "held wall [ml]")
AGAIN = (0.97, 1.03, 0.985, 1.015)  # shares of the edge: lattices that lie elsewhere in the wall
MESHED_AGAIN = "twin, meshed again"
FEWEST_FOR_INTERVAL = 5  # siblings: the bootstrap of fewer is far too narrow
FEWEST_MESHES = 3  # of the twin: two may agree by chance, and then everything looks like a finding
_SOLVED = "solved"


@dataclass(frozen=True)
class _Group:
    """Hearts of one row of the table."""

    name: str
    place: str
    tasks: tuple[Task, ...]


def mechanics(context: StudyContext) -> StudyResult:
    """One row for the twin, for each size of its mesh, for its mesh on moved lattices, and for each condition."""
    elements()  # before any sibling is made
    if context.settings.twin is None:
        raise InputError("The study mechanics has no heart", rule="a label map is given as the twin",
                         hint="name it with --twin HEART")
    twin = TwinSource(find_member(context.settings.twin, context.anatomy), context.anatomy, context.settings.labels)
    cases = cases_of(context, twin)
    groups = [*_of_twin(context, twin), *_of_siblings(context, twin, cases)]
    found = _solved(context, groups)
    own = found[groups[0].name][0]
    if not own.numbers:
        raise InputError("The twin cannot be simulated", value=own.why, rule="the twin itself can be solved")
    spread = _spread(found)
    rows = [_row(group, found[group.name], own, spread) for group in groups]
    lines = [Line(group.name, {what: [one.numbers[what] for one in found[group.name] if one.numbers]
                               for what in FIGURES}, group.place in ("", CONTROL)) for group in groups[1:]]
    picture = chart(lines, {what: own.numbers[what] for what in FIGURES}, spread, STUDY)
    everyone = [one for outcomes in found.values() for one in outcomes]
    return StudyResult(
        STUDY, "Passive filling and activation of a twin and its siblings", rows, _notes(context, everyone), [picture],
        {"setup": _setup(context).to_json(), "hearts": [_entry(one) for one in everyone]}, against_reference=False)


def _setup(context: StudyContext) -> Setup:
    return Setup(edge_mm=context.plan.edge_mm, pressures=context.plan.pressures)


def _of_twin(context: StudyContext, twin: TwinSource) -> list[_Group]:
    """The twin itself, its mesh at other sizes, and other meshes of nearly the same size."""
    setup, plan, folder = _setup(context), context.plan, context.settings.out / STUDY / _SOLVED
    sizes = [Task(f"twin-edge-{setup.edge_mm * share:g}", twin, replace(setup, edge_mm=setup.edge_mm * share), folder)
             for share in plan.edge_shares]
    again = [Task(f"twin-again-{number}", twin, replace(setup, edge_mm=setup.edge_mm * share), folder)
             for number, share in enumerate(AGAIN[:plan.meshed_again], 1)]
    return [_Group("twin", "", (Task("twin", twin, setup, folder),)),
            *(_Group(f"twin, edge {task.setup.edge_mm:g} mm", "", (task,)) for task in sizes),
            _Group(MESHED_AGAIN, "", tuple(again))]


def _of_siblings(context: StudyContext, twin: TwinSource, cases: Sequence[Case]) -> list[_Group]:
    """One group for each condition. Siblings are made here."""
    made = context.conditions.get(STUDY, [case.request for case in cases], twin)
    folder = context.settings.out / STUDY / _SOLVED
    return [_Group(case.name, case.place, tuple(
        Task(f"{plain_name(case.name)}-{number:03d}", TwinSource(member, context.anatomy), _setup(context), folder)
        for number, member in enumerate(condition.members))) for case, condition in zip(cases, made, strict=True)]


def _solved(context: StudyContext, groups: Sequence[_Group]) -> dict[str, list[Outcome]]:
    """The outcomes of each group, in the order of its tasks."""
    places = [(group.name, task) for group in groups for task in group.tasks]
    outcomes: dict[int, Outcome] = {}
    for index, outcome in solve_all([task for _, task in places], context.settings.jobs):
        outcomes[index] = outcome
        context.say(f"{len(outcomes)} of {len(places)}: {outcome.name} "
                    + (f"not solved: {outcome.why}" if outcome.why else f"solved in {outcome.seconds:.0f} s"))
    return {group.name: [outcomes[index] for index, (name, _) in enumerate(places) if name == group.name]
            for group in groups}


def _spread(found: dict[str, list[Outcome]]) -> dict[str, float]:
    """Deviation of each figure over the twin's meshes of nearly one size: what two meshes of one heart differ by."""
    same = [one for name in ("twin", MESHED_AGAIN) for one in found[name] if one.numbers]
    if len(same) < FEWEST_MESHES:
        return {}
    return {what: deviation(np.array([one.numbers[what] for one in same])) for what in FIGURES}


def _row(group: _Group, outcomes: Sequence[Outcome], twin: Outcome, spread: dict[str, float]) -> Row:
    solved = [one for one in outcomes if one.numbers]
    row: Row = {"hearts": group.name, "changed": group.place, "members": len(outcomes),
                "not solved": len(outcomes) - len(solved)}
    for what in (*SHOWN, *FIGURES):
        values = np.array([one.numbers[what] for one in solved])
        mean = float(values.mean()) if len(values) else float("nan")
        row[what] = mean
        if what not in FIGURES:
            continue
        few = len(values) < FEWEST_FOR_INTERVAL
        low, high = (np.nan, np.nan) if few else of_mean(values, np.random.default_rng(0))
        row |= {f"{what} 95 %": interval(low, high), f"{what} sd": deviation(values),
                f"{what} change [%]": 100 * (mean / twin.numbers[what] - 1)}
        if spread.get(what) and group.name != "twin":
            row[f"{what} change [mesh sd]"] = (mean - twin.numbers[what]) / spread[what]
    row["processor [s a heart]"] = float(np.median([one.seconds for one in solved])) if solved else float("nan")
    return row


def _entry(one: Outcome) -> Row:
    """An outcome as it is kept in study.json."""
    return {"name": one.name, "not solved": one.why, **{name: round(value, 6) for name, value in one.numbers.items()},
            "tetrahedra": one.notes.get("tetrahedra"), "processor seconds": round(one.seconds, 1)}


def _notes(context: StudyContext, everyone: Sequence[Outcome]) -> list[str]:
    setup = _setup(context)
    law, speed, hold = setup.material, setup.speed, setup.attachment
    failed = [f"{one.name}: {one.why}" for one in everyone if one.why]
    return [
        f"Each heart: its left ventricle and wall meshed with edges of {setup.edge_mm:g} mm, quadratic displacements, "
        f"Guccione's law (C {law.stiffness:g} kPa, bf {law.along:g}, bt {law.across:g}, bfs {law.shear:g}: Land et al. "
        f"2015), bulk modulus {law.bulk:g} kPa, fibres by rule from +60 to -60 degrees, pressure up to "
        f"{setup.pressures[-1]:g} kPa. Held by springs of {hold.stiffness:g} kPa/mm2 at the rings of the mitral and "
        f"the aortic valve, which end {hold.none_mm:g} mm from them.",
        "Compliance: filling of the cavity over the greatest pressure; specific: of the cavity's own volume. Peak "
        "strain: 99th percentile by volume of the largest principal Green-Lagrange strain, without the wall that is "
        "held.",
        f"Activation: the last of the wall, after a stimulus in the middle of the septum's inner side; {speed.along:g} "
        f"m/s along fibres and {speed.across:g} across. There is no fast conduction system, so times are "
        "longer than a QRS.",
        "Intervals: of the mean over siblings (bootstrap), from "
        f"{FEWEST_FOR_INTERVAL} siblings on. Mesh sd: deviation over the twin's meshes of nearly the "
        "same size; a change of less than two of them is no finding.",
        "Controls: ratio 0 is the twin through the autoencoder; a new right atrium leaves the LV as it is.",
        "Limits: the imaged shape is taken as free of stress; one set of passive properties for all hearts; no "
        "pericardium, no right ventricle, no active tension; the siblings are those of one twin.",
        *(f"Not solved: {words}" for words in failed)]
