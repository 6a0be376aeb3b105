"""The options of study and augment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from ...core.defaults import DEFAULT_MODEL
from ...editing.choices import SOLVER
from . import completion
from .command import COHORT, EDIT, GUIDANCE, OUTPUT, SAMPLING, SEVERAL, TRAINING
from .edit_options import PresetNames
from .shared_options import LISTED, JobCount, Labels, Machine, ModelName, SolverChoice, Steps, flag, option


class Study(str, Enum):
    """The studies that have a name; a Literal would do, but typer takes no list of those."""

    SENSITIVITY = "sensitivity"
    UNCONDITIONAL = "unconditional"
    PERTURB = "perturb"
    LOCAL = "local"
    AUGMENT = "augment"
    MECHANICS = "mechanics"
    ALL = "all"


Strategy = Literal["guided", "perturb", "local", "generate"]
Conditions = Annotated[list[Path], option(
    COHORT, "--arms", "DIR...", "Runs that exist already, such as one of `siblings generate --count 600 --seed 0`. "
    "They are used where their model and request agree.", show_default=False), SEVERAL]


@dataclass(frozen=True, kw_only=True)
class Common(Labels, Machine):
    """What both commands need."""

    jobs: JobCount = 0
    model: ModelName = DEFAULT_MODEL
    json: Annotated[bool, flag(OUTPUT, "--json", "Print the result as JSON instead of tables.")] = False


@dataclass(frozen=True, kw_only=True)
class RunStudy(Common):
    """Writes tables with the papers' figures beside this model's, and a chart for each study. Start the same command
    again to continue a stopped study.
    """

    names_of_studies: Annotated[list[Study], typer.Argument(
        metavar="NAME", show_default=False,
        help="Studies to run: sensitivity, unconditional, perturb, local, augment, all five of them, or mechanics.")]
    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the runs, measurements and results.")]
    quick: Annotated[bool, flag(
        SAMPLING, "--quick", "Run with few samples and few steps, all five in about a quarter of an hour on two "
        "cores. This shows that everything works; the figures mean nothing.")] = False
    real: Annotated[Path | None, option(
        COHORT, "--real", "DIR", "Held-out label maps.",
        show_default="hearts generated with another seed, which the tables then say")] = None
    names: Annotated[Path | None, option(
        COHORT, "--names", "JSON", "Which of the held-out maps to use: a JSON list of file names, or of objects with "
        '"name" and "split".')] = None
    split: Annotated[str, option(COHORT, "--split", "NAME", "The split to take from --names.")] = "test"
    count: Annotated[int | None, option(
        SAMPLING, "--count", "N", "Siblings of each edited condition, and accepted hearts of the augmentation.",
        show_default="40 siblings, 140 hearts; the papers: 120 siblings")] = None
    pool: Annotated[int | None, option(
        SAMPLING, "--pool", "N", "Unconditional samples that are filtered.",
        show_default="600; the paper: 7200")] = None
    steps: Annotated[int | None, option(
        SAMPLING, "--steps", "N", "Steps of the sampler from pure noise to a heart.",
        show_default="50; with --quick 6, of the multistep solver")] = None
    arms: Conditions = field(default_factory=list)
    seeds: Annotated[Path | None, option(
        COHORT, "--seeds", "DIR", "Cohort from which the augmentation takes its target cohort.",
        show_default="the one of --real")] = None
    target: Annotated[str | None, option(
        GUIDANCE, "--target", "RV>115", "Target of the augmentation.",
        show_default="RV>115; RV>p90 if more than 30 % of the cohort have that")] = None
    train_data: Annotated[Path | None, option(
        TRAINING, "--train-data", "DATASET", "Training maps as `siblings prepare` writes them. The baselines (PCA, "
        "VAE) are trained on them, and are left out without them.")] = None
    twin: Annotated[Path | None, option(
        EDIT, "--twin", "HEART", "Label map whose siblings the study mechanics simulates. It needs the extra "
        "'simulate'.")] = None
    edge: Annotated[float | None, option(
        SAMPLING, "--edge", "MM", "Mean edge of the tetrahedra of the study mechanics.",
        show_default="4; with --quick 6")] = None
    minutes: Annotated[float | None, option(
        TRAINING, "--minutes", "M", "Time limit for training the VAE baseline.", show_default="40")] = None

    examples = ("siblings study all --quick --out out/studies",
                "siblings study all --real hearts --names hearts.json --jobs 2 --out out/studies",
                "siblings study mechanics --twin heart.nii.gz --quick --out out/mechanics")


@dataclass(frozen=True, kw_only=True)
class Augment(Common):
    """Start the same command again to continue, also with a larger --count or --most. If fewer hearts than wanted meet
    the target, the command ends with exit code 3.
    """

    target: Annotated[str, option(
        GUIDANCE, "--target", "TEXT", "What the hearts must have, for example RV>115; see below.")]
    strategy: Annotated[Strategy, option(
        EDIT, "--strategy", LISTED, "How hearts are made. 'guided': siblings of the seed hearts, led to values beyond "
        "the threshold; 'perturb' and 'local': as in the papers, filtered; 'generate': new hearts, "
        "filtered.")] = "guided"
    seeds: Annotated[Path | None, option(
        COHORT, "--seeds", "DIR", "Seed hearts to edit: a folder of label maps, or a run. Those that meet the target "
        "are used, or all of them if none does; each heart is used once.")] = None
    count: Annotated[int, option(
        SAMPLING, "--count", "N", "Stop when N hearts are accepted.")] = 140
    most: Annotated[int | None, option(
        SAMPLING, "--most", "N", "Stop when N hearts are made, accepted or not.",
        show_default="five for each wanted heart")] = None
    control: Annotated[Path | None, option(
        GUIDANCE, "--control", "FILE", "Control file (JSON) whose domains the target names.")] = None
    preset: PresetNames = None
    hold: Annotated[str | None, option(
        EDIT, "--hold", "TISSUES", "With the guided strategy: tissues that keep the volume of their seed heart, or "
        "'all'.", autocompletion=completion.tissues_or_all)] = None
    steps: Steps = None
    solver: SolverChoice = SOLVER
    seed: Annotated[int, option(SAMPLING, "--seed", "S", "Seed of the noise and of the targets.")] = 0
    arms: Conditions = field(default_factory=list)
    out: Annotated[Path, option(
        OUTPUT, "--out", "DIR", "Folder of the accepted hearts, all runs, the table and the report.")]

    examples = ('siblings augment --target "RV>115" --seeds hearts --count 140 --out out/large-rv',
                'siblings augment --target "aortic annulus diameter>26" --seeds hearts --out out/roots')

    @classmethod
    def notes(cls) -> tuple[str, ...]:
        """How a target is written."""
        return ("Targets:",
                "  RV>115, LV volume<90      volume of a tissue in ml",
                "  LV major axis>95          length of a chamber's axis in mm",
                "  aortic annulus area>450   a measure, found anew in each heart (docs/measures.md)",
                "  upper RV volume>30        a domain of the control file or preset",
                "  100<RV<150                a range",
                "  RV>p90                    a percentile of the training hearts, for measures of the seed hearts",
                '  RV>115 and LV<120         several targets, joined by "and"')
