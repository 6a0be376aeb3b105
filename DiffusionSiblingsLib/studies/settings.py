"""The settings of a study, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..core.defaults import DEFAULT_MODEL, LEAST_GUIDED_STEPS
from ..core.errors import InputError
from ..core.labelmap import LabelValues
from ..editing.choices import Solver

STUDIES = ("sensitivity", "unconditional", "perturb", "local", "augment")  # the papers', which "all" stands for
MECHANICS = "mechanics"
LEAST_EDGE_MM, MOST_EDGE_MM = 2.0, 5.0  # of the tetrahedra of simulated walls
PRESSURES = (0.1, 0.25, 0.5, 1.0)
SEED = 0  # of every condition, so that sibling k of two conditions starts from the same noise
REFERENCE_SEED = 1  # of the generated hearts that replace real ones if none are given


@dataclass(frozen=True)
class StudyPlan:
    """The sizes of a run. steps: of the sampler; least_guided: of guided conditions at least. count: siblings of an
    edited condition. held: of the condition with held volumes. guidance_form: of inpainting by guidance. unconditional:
    samples of tables 1 and 2. pool: samples that are filtered. reference: generated hearts that replace real ones.
    reconstructed: real hearts put through the autoencoder. step_counts, step_size: the sampler steps whose influence is
    studied, and the samples for each. sizes: of cohorts, each drawn `draws` times from the pool. accepted, most: stop
    rule of each augmentation. percentile: of the target, where 115 ml is not rare. emd: members of each cohort for the
    exact earth mover's distance, 0 for none. minutes: of the VAE baseline's training. mechanics_ratios: of perturbed
    siblings that are simulated. edge_mm: of their tetrahedra; the twin's mesh is also made at these shares of it, and
    `meshed_again` times at nearly the same. simulated: siblings of each condition. pressures: kPa, in their
    cavities.
    """

    solver: Solver = "heun"
    steps: int = 50
    least_guided: int = LEAST_GUIDED_STEPS
    count: int = 40
    held: int = 40
    guidance_form: int = 40
    unconditional: int = 360
    pool: int = 600
    reference: int = 120
    reconstructed: int = 40
    ratios: tuple[float, ...] = (0.35, 0.5, 0.65, 0.8, 1.0)
    step_counts: tuple[int, ...] = (5, 10, 20, 50, 100, 200)
    step_size: int = 40
    sizes: tuple[int, ...] = (5, 10, 20, 50, 100, 200)
    draws: int = 20
    accepted: int = 140
    most: int = 400
    percentile: float = 90.0
    emd: int = 120
    minutes: float = 40.0
    mechanics_ratios: tuple[float, ...] = (0.35, 0.65)
    edge_mm: float = 4.0
    edge_shares: tuple[float, ...] = (1.2, 0.8)
    meshed_again: int = 4
    pressures: tuple[float, ...] = PRESSURES
    simulated: int = 40

    @property
    def guided_steps(self) -> int:
        """Steps of guided conditions: guidance needs more of them than sampling alone."""
        return max(self.steps, self.least_guided)


QUICK = StudyPlan(solver="dpmpp-2m", steps=6, least_guided=6, count=2, held=1, guidance_form=1, unconditional=12,
             pool=12, reference=12, reconstructed=2, ratios=(0.35, 1.0), step_counts=(3, 6), step_size=6, sizes=(5, 10),
             draws=10, accepted=4, most=6, percentile=60.0, emd=0, minutes=0.5,
             edge_mm=5.0, edge_shares=(0.9,), meshed_again=2, simulated=1, pressures=PRESSURES[:1])
QUICK_WORDS = ("A quick run: few samples, few steps of the multistep solver, no earth mover's distance. It shows that "
               "everything works and how the figures tend, but it does not measure the model.")


@dataclass(frozen=True)
class StudySettings:
    """The options of `siblings study`. real: folder of held-out label maps. names, split: a JSON list of its files
    ({"name", "split"}), and the split to use. seeds: folder with the target cohort of the augmentation (default: the
    real cohort). existing_runs: run folders, or folders of them, whose siblings are used again. train_data: a data set
    of `siblings prepare`, for the baselines. twin, edge_mm: of the study `mechanics`. count, pool, steps, edge_mm:
    replace sizes of the plan. jobs: processes.
    """

    out: Path
    quick: bool = False
    count: int | None = None
    pool: int | None = None
    steps: int | None = None
    real: Path | None = None
    names: Path | None = None
    split: str = "test"
    labels: LabelValues | None = None
    seeds: Path | None = None
    target: str | None = None
    existing_runs: tuple[Path, ...] = ()
    train_data: Path | None = None
    minutes: float | None = None
    twin: Path | None = None
    edge_mm: float | None = None
    jobs: int = 0
    model: str = DEFAULT_MODEL
    device: str = "auto"
    command: str = ""

    def __post_init__(self) -> None:
        for name in ("count", "pool", "steps"):
            value = getattr(self, name)
            if value is not None and value < 2:
                raise InputError(f"--{name} is too small for a study", value=value, rule="2 or more")
        if self.minutes is not None and not self.minutes > 0:
            raise InputError("The baseline cannot be trained for this many minutes", value=self.minutes,
                             rule="more than 0")
        if self.edge_mm is not None and not LEAST_EDGE_MM <= self.edge_mm <= MOST_EDGE_MM:
            raise InputError("The wall cannot be simulated with this edge", value=f"{self.edge_mm:g} mm",
                             rule=f"from {LEAST_EDGE_MM:g} to {MOST_EDGE_MM:g} mm: finer takes hours, coarser is "
                             "wider than thin walls")
        if self.names is not None and self.real is None:
            raise InputError("The list of names has no folder", value=self.names, rule="--names needs --real",
                             hint="name the folder with these files with --real DIR")

    @property
    def plan(self) -> StudyPlan:
        """The sizes of the run."""
        plan = QUICK if self.quick else StudyPlan()
        if self.count is not None:
            plan = replace(plan, count=self.count, held=min(plan.held, self.count),
                           guidance_form=min(plan.guidance_form, self.count), simulated=self.count, accepted=self.count,
                           most=max(3 * self.count, plan.most if not self.quick else 0))
        if self.pool is not None:
            plan = replace(plan, pool=self.pool, unconditional=min(plan.unconditional, self.pool))
        if self.steps is not None:
            plan = replace(plan, steps=self.steps)
        if self.minutes is not None:
            plan = replace(plan, minutes=self.minutes)
        if self.edge_mm is not None:
            plan = replace(plan, edge_mm=self.edge_mm)
        return replace(plan, sizes=tuple(size for size in plan.sizes if size <= plan.pool))
