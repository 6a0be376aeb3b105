"""The tables of the guidance benchmark: each makes (or finds) its samples and returns what to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from common import verdict
from guided_figures import RealCohort, errors, measured, summary
from guided_store import Bench, Heart, Stored

from DiffusionSiblingsLib.control.builders import between_tissues, field_of_view
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import measure
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.editing.guided_plan import PresetsAndHolds, make_guided
from DiffusionSiblingsLib.editing.repair.repair import repair
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.metrics.betti import betti_numbers

TASKS = {"rv": "Right ventricle (box)", "mitral": "Mitral valve (2 boxes)", "trunk": "Aortic trunk (5 planes)",
         "wall": "Myocardial wall (4 lines)"}
PRESETS = {"rv": "enlarge-rv", "trunk": "aortic-trunk-fixed", "wall": "myo-wall-fixed"}  # whose domains a task takes
VALVE = ("LV", "LA")
VALVE_MM = 30.0  # thickness of the valve's boxes: 15 mm into either chamber
ATRIA = ("LA", "RA")
FULL = "128^3"
LEAST_ASKED = 0.02  # of a domain's measure: less tissue of the target heart in it is no target


@dataclass
class Table:
    """What is printed and written. notes: lines below the table. figures: the same as plain values."""

    title: str
    columns: Sequence[str]
    rows: list[list[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """Title, table, notes."""
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |", "|" + "---|" * len(self.columns)]
        lines += [f"| {' | '.join(map(str, row))} |" for row in self.rows]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]) + "\n"


@dataclass(frozen=True)
class Plan:
    """How much is made. count: samples of a set. seed, steps: of every request. real: hearts to compare with."""

    count: int
    seed: int
    steps: int
    guiders: tuple[str, ...]
    parsing: str
    tasks: tuple[str, ...]
    twins: tuple[str, ...]
    real: int | None
    ratio: float


def domains_of(task: str, heart: Heart, bench: Bench) -> Sequence[ControlDomain]:
    """The domains of one of the paper's tasks, placed on a held-out heart."""
    if task != "mitral":
        return preset(PRESETS[task], Placement.of_map(heart.labels, bench.affine, bench.anatomy)).domains
    return [between_tissues(heart.labels, bench.affine, bench.anatomy, *VALVE, (tissue,), thickness_mm=VALVE_MM,
                            spacing_mm=2.0, name=f"valve, {tissue}") for tissue in VALVE]


def targets(domains: Sequence[ControlDomain], heart: Heart, bench: Bench) -> Control:
    """A control that asks for what a held-out heart has in these domains: mass, centroid, normalised covariance.

    On a line C / v is 1 whatever is there: lines are asked for mass, centroid and number of pieces (one length can be
    that of two walls), and their size is told without being asked for (a term that is off). Domains that hold next to
    nothing are left out.
    """
    kept, terms = [], []
    for domain in domains:
        line = domain.dimension == 1
        own = measure(heart.labels, bench.affine, domain, bench.anatomy, betti=line)
        if own.mass < LEAST_ASKED * domain.whole or own.centroid is None or own.covariance is None:
            continue
        kept.append(domain)
        last: tuple[Any, Any] = ("size", own.size) if line else ("covariance", own.covariance)
        for quantity, value in (("mass", own.mass), ("position", own.centroid), last):
            terms.append(Term(domain.name, quantity, Target(value=value), on=quantity != "size"))
        if own.betti is not None:
            terms.append(Term(domain.name, "betti", Target(value=(own.betti[0], None, None))))
    return Control(tuple(kept), tuple(terms), "canonical", heart.name)


def tasks(bench: Bench, plan: Plan) -> Table:
    """The paper's four tasks from noise, guided and unguided from the same seeds."""
    columns = ["task", "method", "mass L1", "centroid L1 mm", "covariance L1", "times below: mass", "centroid",
               "covariance", "median mass error %", "median centroid mm", "FMD", "1-NNA %", "violations %",
               "s a sample (CPU)"]
    table = Table(f"Four tasks from noise, {plan.count} samples each, targets of held-out hearts", columns)
    hearts, cohort = bench.hearts(plan.count), real_cohort(bench, plan)
    plain = [Request("generate", seed=plan.seed, first=k, steps=plan.steps, solver="heun") for k in range(plan.count)]
    free = list(bench.samples("unguided", plain))
    base = cohort.compare(*_maps_and_features(free))
    for task in plan.tasks:
        controls = [targets(domains_of(task, heart, bench), heart, bench) for heart in hearts]
        sets = {"unguided": free}
        for guider in plan.guiders:
            requests = [replace(request, control=control, guider=guider, parsing=plan.parsing)  # type: ignore[arg-type]
                        for request, control in zip(plain, controls, strict=True)]
            sets[guider] = list(bench.samples(f"{task}-{guider}", requests))
        for method, samples in sets.items():
            figures = summary([entry for sample, control in zip(samples, controls, strict=True) for entry in
                               errors(control, measured(sample.canonical, bench.affine, control, bench.anatomy))])
            figures |= base if method == "unguided" else cohort.compare(*_maps_and_features(samples))
            figures |= means(samples, "violations", "seconds", "cpu_seconds")
            table.figures.setdefault(task, {})[method] = figures
            _task_row(table, TASKS[task], method, figures, table.figures[task]["unguided"])
    if np.isfinite(base["fmd"]):
        table.notes.append(f"FMD that {plan.count} samples of the held-out hearts' kind would have to them: "
                           f"{cohort.floor(plan.count):.2f}.")
    table.notes += ["Covariance of lines: relative error of their size v, not asked for.",
                    "Errors are of the finished label map, whose whole voxels (1.4 mm) bound what a line can reach.",
                    "Seconds: wall (CPU), decoding, finishing, checks and repair included."]
    return table


def _task_row(table: Table, title: str, method: str, own: dict[str, float], base: dict[str, float]) -> None:
    """Adds a row, and below the table what the row's bars say."""
    keys = ("mass", "centroid", "covariance")
    times = {key: base[key] / own[key] if own[key] else float("inf") for key in keys}
    table.rows.append([title, method, *(f"{own[key]:.3g}" for key in keys), *(f"{times[key]:.1f}" for key in keys),
                       f"{100 * own['relative_median']:.2f}", f"{own['distance_median']:.2f}", f"{own['fmd']:.2f}",
                       f"{100 * own['nna']:.1f}", f"{own['violations']:.1f}", took(own)])
    if method != "unguided":
        bars = [("mass, times below unguided", times["mass"], 30, True), ("centroid", times["centroid"], 8, True),
                ("covariance", times["covariance"], 8, True), ("median mass error %", 100 * own["relative_median"],
                0.5, False), ("median centroid mm", own["distance_median"], 0.5, False),
                ("FMD over unguided", own["fmd"] / base["fmd"], 1.1, False),
                ("1-NNA over unguided", own["nna"] / base["nna"], 1.1, False)]
        said = "; ".join(f"{name} {value:.3g} ({verdict(value, bar, at_least=up)})" for name, value, bar, up in bars
                         if np.isfinite(value))
        table.notes.append(f"{title}, {method}: {said}; empty {own['empty']:.0f}")


def topology(bench: Bench, plan: Plan) -> Table:
    """Atria in two pieces without loops or voids, before and after repair, guided and unguided from the same seeds."""
    columns = ["method", "resolution", "B0 %", "B1 %", "B2 %", "all %", "FMD", "1-NNA %", "s a sample (CPU)"]
    table = Table(f"Atrial separation from noise, {plan.count} samples: share with Betti numbers (2, 0, 0)", columns)
    whole, cohort = field_of_view(bench.anatomy, ATRIA, (64, 64, 64), "atria"), real_cohort(bench, plan)
    mean = Placement.of(None, bench.anatomy, bench.engine.reference)
    control = make_guided(Request("generate"), mean, PresetsAndHolds(("atria-separate",))).request.control
    plain = [Request("generate", seed=plan.seed, first=k, steps=plan.steps, solver="heun", repair=False)
             for k in range(plan.count)]
    sets = {"unguided": plain, **{guider: [replace(r, control=control, guider=guider, parsing=plan.parsing)
                                           for r in plain] for guider in plan.guiders}}
    held_out = [heart.labels for heart in bench.hearts(plan.real)]
    for resolution, shares in right_betti(bench, whole, held_out).items():
        table.rows.append(["held-out hearts", resolution, *(f"{share:.1f}" for share in shares), "-", "-", "-"])
    for method, requests in sets.items():
        samples = list(bench.samples(f"atria-{method}", requests))
        lying, cost = cohort.compare(*_maps_and_features(samples)), means(samples, "seconds", "cpu_seconds")
        for resolution, shares in right_betti(bench, whole, [s.canonical for s in samples]).items():
            table.figures[f"{method}, {resolution}"] = {**dict(zip(("b0", "b1", "b2", "all"), shares, strict=True)),
                                                        **cost, **lying}
            table.rows.append([method, resolution, *(f"{share:.1f}" for share in shares), f"{lying['fmd']:.2f}",
                               f"{100 * lying['nna']:.1f}", took(cost)])
            if method != "unguided" and resolution == FULL:
                said = [f"B{b} {verdict(shares[b], bar, at_least=True)}" for b, bar in enumerate((95, 95, 98))]
                table.notes.append(f"{method}, {resolution}: {'; '.join(said)}")
        delivered = right_betti(bench, whole, [repair(s.canonical, bench.anatomy).labels for s in samples])[FULL]
        table.figures[f"{method}, delivered"] = dict(zip(("b0", "b1", "b2", "all"), delivered, strict=True))
        table.rows.append([method, f"{FULL}, repaired", *(f"{share:.1f}" for share in delivered), "-", "-", "-"])
    table.notes.append("At 64^3 (points 2.8 mm apart) a wall between the atria may fall between the points, so bars "
                       "are for every voxel; the held-out hearts' own numbers are told for comparison.")
    return table


def right_betti(bench: Bench, whole: ControlDomain, maps: Sequence[np.ndarray]) -> dict[str, list[float]]:
    """Resolution -> percent of maps whose atria together have B0 = 2, B1 = 0, B2 = 0, and all three."""
    values = [bench.anatomy.label_of(tissue) for tissue in ATRIA]
    found = {FULL: [betti_numbers(np.isin(labels, values)) for labels in maps],
             "64^3": [measure(labels, bench.affine, whole, bench.anatomy).betti for labels in maps]}
    result = {}
    for resolution, numbers in found.items():
        right = np.array(numbers) == (2, 0, 0)  # (maps, 3)
        result[resolution] = [*(100 * right.mean(axis=0)).tolist(), float(100 * right.all(axis=1).mean())]
    return result


def means(samples: Sequence[Stored], *keys: str) -> dict[str, float]:
    """Means of some facts."""
    return {key: float(np.mean([sample.facts[key] for sample in samples])) for key in keys}


def took(cost: dict[str, float]) -> str:
    """Seconds of a sample, wall and processor."""
    return f"{cost['seconds']:.1f} ({cost['cpu_seconds']:.1f})"


def real_cohort(bench: Bench, plan: Plan) -> RealCohort:
    """The held-out draws as a cohort; the distances between them are kept in the folder."""
    hearts, path = bench.hearts(plan.real), bench.out / "hearts" / f"distances-{plan.real or 'all'}-{plan.seed}.npy"
    known = np.load(path) if path.exists() else None
    cohort = RealCohort([h.labels for h in hearts], [h.features for h in hearts], bench.affine, bench.anatomy,
                        plan.seed, known)
    if known is None:
        np.save(path, cohort.distances)
    return cohort


def _maps_and_features(samples: Sequence[Stored]) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    return [s.canonical for s in samples], [s.facts["features"] for s in samples]
