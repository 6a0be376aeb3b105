"""The guidance benchmark's times: an evaluation, a step, a sample, a whole run. Wall and processor seconds, both told.

On a busy machine the wall says little; with one thread (OMP_NUM_THREADS=1) the processor's seconds still hold.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import measure as whole_process
from common import verdict
from guided_figures import errors, measured, summary
from guided_store import HEARTS, Bench, Heart
from guided_tables import ATRIA, Plan, Table, targets

from DiffusionSiblingsLib.control.builders import around_tissue, field_of_view
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.editing.guided_plan import GuidedTargets
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.decoders import ModelDecoders
from DiffusionSiblingsLib.engine.guidance.guide import Guide, GuideSettings
from DiffusionSiblingsLib.engine.guidance.homology import persistence
from DiffusionSiblingsLib.engine.guidance.parsing import Parser
from DiffusionSiblingsLib.engine.guided_finish import make_guide
from DiffusionSiblingsLib.metrics.measurement import titled
from DiffusionSiblingsLib.metrics.morphology import features

TWIN = HEARTS / "real" / "rodero_ct_14.nii.gz"
HIGH, MEDIUM, LOW = 64, 32, 16  # points along each axis of a template
SIGMA = 0.15  # below the noise where templates are coarse, so that whole ones are timed
STEPS = 8  # of the sampler, for what is used again at the next step


def speed(bench: Bench, plan: Plan) -> list[Table]:
    """All tables of times. plan.count: repeats of what is short, samples of what is long."""
    twin = bench.engine.twin(TWIN)
    labels, z = twin.twin.canonical.labels, twin.z.clone()  # an inference tensor has no gradient, its copy may
    heart = Heart(TWIN.name, labels, titled(features(labels, bench.affine, bench.anatomy)))
    step = unguided_step(bench, z, plan)
    return [evaluations(bench, plan, heart, z), steps(bench, plan, heart, z, step), homology(bench, plan, z),
            runs(bench, plan)]


def evaluations(bench: Bench, plan: Plan, heart: Heart, z: torch.Tensor) -> Table:
    """V- against L-parsing of the same domain: one guidance evaluation, and a sample from noise."""
    table = Table("One domain about the right ventricle: mass, centroid, covariance",
                  ["parsing", "domain", "points", "s an evaluation (CPU)", "V over it", "s a sample (CPU)", "V over it",
                   "mass L1 ml", "centroid L1 mm", "covariance L1"])
    local = around_tissue(heart.labels, bench.affine, bench.anatomy, ("RV",))
    whole = field_of_view(bench.anatomy, ("RV",), (LOW,) * 3)
    rows = [("V", "local", local, HIGH), *(("L", "local", local, n) for n in (HIGH, MEDIUM, LOW)),
            ("L", "coarse", whole, LOW)]
    check = targets([local], heart, bench)  # what all are judged by, whatever they were guided with
    first: dict[str, float] = {}  # an evaluation: residuals and Jacobian, which a sampler makes every `refresh` steps
    for parsing, place, domain, points in rows:
        control = targets([domain.with_template((points,) * 3)], heart, bench)
        guide = guide_of(bench, control, parsing, plan)
        wall, cpu = timed(lambda n, guide=guide: guide.hook(z, z, SIGMA, n * GuideSettings.refresh), plan.count)
        requests = [Request("generate", seed=plan.seed, first=k, steps=plan.steps, solver="heun", control=control,
                            parsing=parsing) for k in range(plan.count)]  # type: ignore[arg-type]
        samples = list(bench.samples(f"speed-{parsing}-{place}-{points}", requests))
        seconds, cpu_seconds = (statistics.median(s.facts[key] for s in samples) for key in ("seconds", "cpu_seconds"))
        missed = summary([entry for s in samples for entry in
                          errors(check, measured(s.canonical, bench.affine, check, bench.anatomy))])
        first = first or {"evaluation": cpu, "sample": cpu_seconds}
        faster = {"evaluation": first["evaluation"] / cpu, "sample": first["sample"] / cpu_seconds}
        table.rows.append([parsing, place, f"{points}^3", f"{wall:.3f} ({cpu:.3f})", f"{faster['evaluation']:.1f}",
                           f"{seconds:.1f} ({cpu_seconds:.1f})", f"{faster['sample']:.1f}",
                           *(f"{missed[key]:.3g}" for key in ("mass", "centroid", "covariance"))])
        table.figures[f"{parsing}, {place}, {points}"] = {
            "evaluation": wall, "evaluation_cpu": cpu, "sample": seconds, "sample_cpu": cpu_seconds,
            "evaluation_times": faster["evaluation"], "sample_times": faster["sample"], **missed}
        if (parsing, place, points) == ("L", "local", LOW):
            table.notes.append(f"L, local, {LOW}^3: an evaluation {faster['evaluation']:.1f} times faster than V "
                               f"({verdict(faster['evaluation'], 10.4, at_least=True)}), a sample "
                               f"{faster['sample']:.1f} times (the paper's 10.4 is of samples)")
    return table


def steps(bench: Bench, plan: Plan, heart: Heart, z: torch.Tensor, step: tuple[float, float]) -> Table:
    """What guiding adds to one step of the sampler (two evaluations), in unguided steps and in seconds."""
    wall, cpu = step
    table = Table("A step of the sampler (Heun: two evaluations), and what guidance adds to it",
                  ["guidance", "s a step added (CPU)", "whole step, in unguided steps"],
                  [["none", f"{wall:.3f} ({cpu:.3f}) in all", "1.0"]], figures={"unguided": {"wall": wall, "cpu": cpu}})
    volumes = Control(tuple(around_tissue(heart.labels, bench.affine, bench.anatomy, (t.id,))
                            for t in bench.anatomy.tissues),
                      tuple(Term(t.id, "mass", Target(value=100.0)) for t in bench.anatomy.tissues), "canonical")
    box = around_tissue(heart.labels, bench.affine, bench.anatomy, ("RV",))
    cases: list[tuple[str, Control, float, str]] = [
        ("six volumes (boxes, 3 mm)", volumes, 3.0, "times"),
        ("RV: mass, centroid, covariance", targets([box], heart, bench), 3.0, "times"),
        *((f"atria (2, 0, 0) at {n}^3", atria(bench, n), bar, "s") for n, bar in ((64, 0.5), (128, 1.5)))]
    for title, control, bar, unit in cases:
        guide = guide_of(bench, control, "auto", plan)

        def both(n: int, guide: Guide = guide) -> None:
            guide.hook(guide.hook(z, z, SIGMA, n), z, SIGMA, n)

        added, added_cpu = timed(both, max(plan.count, STEPS), middle=False)
        times = 1 + added_cpu / cpu
        value = added if unit == "s" else times  # seconds are a person's, on an idle machine
        table.rows.append([title, f"{added:.3f} ({added_cpu:.3f})", f"{times:.1f}"])
        table.figures[title] = {"added": added, "added_cpu": added_cpu, "times": times}
        table.notes.append(f"{title}: {value:.2f} {unit} ({verdict(value, bar)})")
    return table


def homology(bench: Bench, plan: Plan, z: torch.Tensor) -> Table:
    """H0 and H2 of the atria's probability, our own union-find against gudhi with cofaces."""
    table = Table("Components and voids of a probability field: our own against gudhi with cofaces",
                  ["points", "own s", "gudhi s", "times faster"])
    parser = Parser(ModelDecoders(bench.engine.networks))
    for n in (64, 128):
        guide = guide_of(bench, atria(bench, n), "L", plan)
        site = guide.topology[0].site
        with torch.no_grad():
            field = parser.probability(parser.read(parser.prepare(z), site), site)[0].numpy().reshape((n,) * 3)
        persistence(field[:8, :8, :8], (0, 2), engine="own")  # compiles
        own = timed(lambda _, field=field: persistence(field, (0, 2), engine="own"), plan.count)[1]
        gudhi = timed(lambda _, field=field: persistence(field, (0, 2), engine="gudhi"), 1)[1]
        table.rows.append([f"{n}^3", f"{own:.3f}", f"{gudhi:.2f}", f"{gudhi / own:.0f}"])
        table.figures[f"{n}"] = {"own": own, "gudhi": gudhi}
    table.notes.append(f"128^3: {gudhi / own:.0f} times faster ({verdict(gudhi / own, 30, at_least=True)})")
    return table


def runs(bench: Bench, plan: Plan) -> Table:
    """Whole processes of the command line, start to files."""
    table = Table("`siblings guide`, the whole process, one sibling", ["command", "s", "of it sampling", "repeats"])
    cases = {"50 steps from noise": ["--preset", "enlarge-rv"],
             "of a twin, all else held": [str(TWIN), "--preset", "enlarge-rv", "--hold", "all", "--ratio", "0.6"]}
    for title, words in cases.items():
        walls, sampling = [], []
        for _ in range(plan.count):
            with tempfile.TemporaryDirectory() as folder:
                done = whole_process([sys.executable, "-m", "DiffusionSiblingsLib", "guide", *words, "--count", "1",
                                      "--steps", str(plan.steps), "--solver", "heun",
                                      "--out", folder, "--model", bench.engine.card.id])
                record = json.loads((Path(folder) / "record.json").read_text(encoding="utf-8"))
            walls.append(done.wall)
            sampling.append(record["runs"][0]["siblings"][0]["timings_s"]["sample"])
        wall = statistics.median(walls)
        table.rows.append([title, f"{wall:.1f}", f"{statistics.median(sampling):.1f}", plan.count])
        table.figures[title] = {"wall": wall, "sampling": statistics.median(sampling)}
        table.notes.append(f"{title}: {wall:.1f} s ({verdict(wall, 15)})")
    return table


def atria(bench: Bench, points: int) -> Control:
    """Two separate atria, looked at in the whole field of view."""
    domain: ControlDomain = field_of_view(bench.anatomy, ATRIA, (points,) * 3, "atria")
    return Control((domain,), (Term("atria", "betti", Target(value=(2, 0, 0))),), "canonical")


def guide_of(bench: Bench, control: Control, parsing: str, plan: Plan) -> Guide:
    """A guide as the engine makes it for a new heart."""
    request = Request("generate", steps=plan.steps, solver="heun", control=control, parsing=parsing)  # type: ignore[arg-type]
    goal = GuidedTargets.of(request.control, Placement.of(None, bench.anatomy, bench.engine.reference))
    if goal is None:
        raise RuntimeError("the control asks for nothing")
    return make_guide(goal, request, bench.engine.networks, bench.anatomy, bench.engine.denoiser.modes, None, None)


def unguided_step(bench: Bench, z: torch.Tensor, plan: Plan) -> tuple[float, float]:
    """Wall and processor seconds of two evaluations of the denoiser."""
    level = torch.full((), SIGMA, dtype=torch.float64)

    @torch.no_grad()
    def both(_: int) -> None:
        for _repeat in range(2):
            bench.engine.denoiser(z.double(), level)

    return timed(both, max(plan.count, STEPS))


def timed(action: Callable[[int], Any], repeats: int, *, middle: bool = True) -> tuple[float, float]:
    """Wall and processor seconds of action(n): the median over `repeats`, or the mean where some of them reuse others'.

    One more runs first, unmeasured.
    """
    action(-2)
    walls, cpus = [], []
    for n in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        action(n)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    take = statistics.median if middle else np.mean
    return float(take(walls)), float(take(cpus))
