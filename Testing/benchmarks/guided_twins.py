"""The guidance benchmark's tables of real twins: volumes held while perturbing, and guided edits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from common import verdict
from guided_figures import measured, mutual_dice, volume_changes
from guided_store import HEARTS, Bench, Stored
from guided_tables import Plan, Table, means, took

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.editing.composite import free_labels
from DiffusionSiblingsLib.editing.guided_plan import PresetsAndHolds, make_guided
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.engine.engine import Encoded
from DiffusionSiblingsLib.metrics.morphology import tissue_volumes

SYNTHETIC_WALL = "toronto"  # hearts whose label 2 is a shell that somebody drew about the cavity, see the data's README


def hold(bench: Bench, plan: Plan) -> Table:
    """Perturbing with and without all volumes held: drift gone, variety kept."""
    names = [t.id for t in bench.anatomy.tissues]
    columns = ["twin", "siblings", *(f"{name} mean (largest) %" for name in names), "Dice to twin", "between siblings",
               "violations %", "s a sample (CPU)"]
    table = Table(f"Perturbing at ratio {plan.ratio:g}, {plan.count} siblings: volume against the twin's", columns)
    for name in plan.twins:
        twin = open_real(bench, name)
        own = tissue_volumes(twin.twin.known, twin.twin.labelmap.affine, bench.anatomy)
        plain = Request("perturb", ratio=plan.ratio, seed=plan.seed, steps=plan.steps, solver="heun")
        guided = make_guided(plain, ground_of(bench, twin), PresetsAndHolds(hold=("all",))).request
        for method, request in (("plain", plain), ("hold all", guided)):
            samples = list(bench.samples(f"hold-{name}-{method.replace(' ', '-')}", each(request, plan.count), twin))
            changes = volume_changes([s.facts["volumes"] for s in samples], own)
            near = float(np.mean([list(s.facts["dice_to_twin"].values()) for s in samples]))
            apart = mutual_dice([s.canonical for s in samples], bench.anatomy)
            cost = means(samples, "violations", "seconds", "cpu_seconds")
            table.rows.append([name, method, *(f"{m:+.1f} ({w:.1f})" for m, w in changes.values()), f"{near:.3f}",
                               f"{apart:.3f}", f"{cost['violations']:.1f}", took(cost)])
            table.figures[f"{name}, {method}"] = {"changes_percent": changes, "dice_to_twin": near,
                                                  "dice_between": apart, **cost}
            if method != "plain":
                worst = max(largest for _, largest in changes.values())
                table.notes.append(f"{name}: largest difference of any volume {worst:.2f} % ({verdict(worst, 1.0)})")
    return table


def edits(bench: Bench, plan: Plan) -> Table:
    """Guided edits of real twins: what was asked, what came, on the twin's own grid."""
    columns = ["twin", "edit", "asked", "mean (largest) error", "other volumes, largest %", "preserved voxels changed",
               "violations %", "s a sample (CPU)"]
    table = Table(f"Guided edits of real hearts, {plan.count} siblings each", columns)
    for name in plan.twins:
        twin = open_real(bench, name)
        ground = ground_of(bench, twin)
        for edit in guided_edits(bench, plan, ground):
            if edit.lines_mm and name.startswith(SYNTHETIC_WALL):
                table.notes.append(f"{name}: no wall lines, as its myocardium is a synthetic shell.")
                continue
            held = free_labels(edit.request.tissues, bench.anatomy) if edit.request.tissues else ()

            def more(sibling: Sibling, edit: Edit = edit, ground: Placement = ground,
                     held: tuple[int, ...] = held) -> dict[str, Any]:
                found = measured(sibling.known, ground.affine, ground.placed(edit.control), bench.anatomy)
                return {"masses": {key: m.mass for key, m in found.items()},
                        "preserved_changed": preserved_changed(sibling.known, ground.labels, held)}

            request = replace(edit.request, control=edit.control)
            samples = list(bench.samples(f"edit-{name}-{edit.key}", each(request, plan.count), twin, more))
            _edit_row(table, name, edit, ground, samples)
    return table


@dataclass(frozen=True)
class Edit:
    """An edit of the table. volumes: tissue -> asked factor on the twin's volume. lines_mm: added to every line."""

    key: str
    title: str
    request: Request
    control: Control
    volumes: dict[str, float] = field(default_factory=dict)
    lines_mm: float = 0.0


def guided_edits(bench: Bench, plan: Plan, ground: Placement) -> list[Edit]:
    """What issue and README promise, made ready on a twin."""
    perturb = Request("perturb", ratio=0.6, seed=plan.seed, steps=plan.steps, solver="heun", parsing=plan.parsing)  # type: ignore[arg-type]
    redraw = replace(perturb, edit="inpaint", tissues=("RV",), ratio=1.0)
    same = dict.fromkeys((t.id for t in bench.anatomy.tissues), 1.0)
    chambers = tuple(bench.anatomy.chambers)

    def ready(request: Request, targets: PresetsAndHolds) -> Control:
        control = make_guided(request, ground, targets).request.control
        if control is None:
            raise RuntimeError(f"no control of {targets}")
        return control

    lines = preset("myo-wall-fixed", ground).domains
    wall = Control(lines, tuple(Term(d.name, "mass", Target(plus=2.0)) for d in lines), ground.frame, "wall + 2 mm")
    found = [Edit("rv-plus", "RV +20 %, the others held", perturb,
                  ready(perturb, PresetsAndHolds(("enlarge-rv",), hold=("all",))), {**same, "RV": 1.2}),
             Edit("rv-minus", "RV -20 %, the others held", perturb,
                  ready(perturb, PresetsAndHolds(("shrink-rv",), hold=("all",))), {**same, "RV": 0.8}),
             Edit("wall", "wall +2 mm on four lines", perturb, wall, lines_mm=2.0)]
    larger = tuple(f"enlarge-{chamber.lower()}" for chamber in chambers)
    found.append(Edit("chambers", "four chambers +10 %", perturb, ready(perturb, PresetsAndHolds(larger, amount=0.1)),
                      dict.fromkeys(chambers, 1.1)))
    found.append(Edit("inpaint", "RV drawn anew, +20 %", redraw, ready(redraw, PresetsAndHolds(("enlarge-rv",))),
                      {"RV": 1.2}))
    return found


def _edit_row(table: Table, name: str, edit: Edit, ground: Placement, samples: list[Stored]) -> None:
    """Adds a row and its verdicts."""
    own = ground.volumes
    off = {t: np.array([100 * abs(s.facts["volumes"][t] / (own[t] * factor) - 1) for s in samples])
           for t, factor in edit.volumes.items()}
    others = max((float(v.max()) for t, v in off.items() if edit.volumes[t] == 1), default=float("nan"))
    asked = [t for t in off if edit.volumes[t] != 1]
    if edit.lines_mm:
        before = {key: m.mass for key, m in ground.measured(edit.control).items()}
        wrong = np.array([abs(s.facts["masses"][d] - before[d] - edit.lines_mm) for s in samples for d in before])
        error, words, bar = wrong, f"{edit.lines_mm:+g} mm", (float(wrong.max()), 0.3, "mm")
    else:
        error = np.concatenate([off[t] for t in asked])
        words = ", ".join(f"{t} {100 * (edit.volumes[t] - 1):+.0f} %" for t in asked)
        bar = (float(max(v.max() for v in off.values())), 1.0, "%")
    preserved = sum(s.facts["preserved_changed"] for s in samples) if edit.request.edit == "inpaint" else None
    cost = means(samples, "violations", "seconds", "cpu_seconds")
    table.rows.append([name, edit.title, words, f"{error.mean():.2f} ({error.max():.2f}) {bar[2]}", f"{others:.2f}",
                       "-" if preserved is None else preserved, f"{cost['violations']:.1f}", took(cost)])
    table.figures[f"{name}, {edit.key}"] = {
        "mean_error": float(error.mean()), "largest_error": float(error.max()), "unit": bar[2], "others": others,
        "preserved_changed": preserved, **cost}
    kept = "" if preserved is None else f"; preserved voxels identical: {'yes' if preserved == 0 else 'NO'}"
    table.notes.append(f"{name}, {edit.title}: largest error {bar[0]:.2f} {bar[2]} ({verdict(bar[0], bar[1])}){kept}")


def preserved_changed(known: np.ndarray, twin: np.ndarray, free: tuple[int, ...]) -> int:
    """Voxels of preserved tissue that differ from the twin, and new ones of it. free: labels that may change."""
    kept = (twin > 0) & ~np.isin(twin, free)
    gained = ~kept & ~np.isin(known, (0, *free))
    return int(np.count_nonzero(known[kept] != twin[kept])) + int(np.count_nonzero(gained))


def each(request: Request, count: int) -> list[Request]:
    """One request a sibling."""
    return [replace(request, first=k) for k in range(count)]


def open_real(bench: Bench, name: str) -> Encoded:
    """A held-out real heart by its name."""
    return bench.engine.twin(HEARTS / "real" / f"{name}.nii.gz")


def ground_of(bench: Bench, twin: Encoded) -> Placement:
    """Where controls of the twin are placed and measured."""
    return Placement.of(twin.twin, bench.anatomy, bench.engine.reference)
