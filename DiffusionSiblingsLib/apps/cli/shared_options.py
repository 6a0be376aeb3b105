"""Options that several commands have, each written once. Nothing here loads numpy, scipy or torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ...core.defaults import COUNT, DEFAULT_MODEL, GATE_LIMIT, LEAST_GUIDED_STEPS, MULTISTEP_STEPS, PAPERS_STEPS, SEED
from ...editing.choices import SOLVER, Device, Solver
from ...metrics.acceptance_help import gate_help
from . import completion
from .command import COHORT, EDIT, MACHINE, OUTPUT, SAMPLING, TWIN, Options, listed

Format = Literal["same", "nii.gz", "nrrd", "seg.nrrd", "mha"]
TISSUES = "TISSUES"
LISTED = None  # in place of a metavar: the help lists the values of the option's type


def flag(panel: str, name: str, words: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=words, rich_help_panel=panel, metavar="", show_default=False)


def option(panel: str, name: str, metavar: str | None, words: str, **settings: Any) -> Any:
    """An option with a value. metavar: how the value is written in the help; LISTED for the values of its type."""
    return typer.Option(name, help=words, rich_help_panel=panel, metavar=metavar, **{"show_default": True, **settings})


TwinFile = Annotated[Path, typer.Argument(
    metavar="TWIN", show_default=False, help="The heart to start from: a label map (.nii, .nii.gz, .nrrd, .mha, "
    ".seg.nrrd), in which every voxel holds the value of its tissue, or a folder with one mask per tissue.")]
LABELS_HELP = ("Which value is which tissue, or the name of its segment or mask (LV=Ventricule gauche); a + joins "
               "several values (LA=420+421). Needed only where the names in the file do not say so.")
LabelsText = Annotated[str | None, option(TWIN, "--labels", "LV=3,RV=4,...", LABELS_HELP)]
HoldTissues = Annotated[str | None, option(
    EDIT, "--hold", TISSUES, "Tissues that keep the volume they have in the twin, such as LV,LA; 'all' holds every "
    "tissue that is not asked to change.", autocompletion=completion.tissues_or_all)]
JobCount = Annotated[int, option(MACHINE, "--jobs", "N", "Number of processes; 0 uses one per core.")]
Steps = Annotated[int | None, option(
    SAMPLING, "--steps", "N", "Steps of the sampler from pure noise to a heart; fewer are quicker and coarser.",
    show_default=f"{MULTISTEP_STEPS}, guided {LEAST_GUIDED_STEPS}; with --solver heun {PAPERS_STEPS}")]
SolverChoice = Annotated[Solver, option(
    SAMPLING, "--solver", LISTED, "What makes the steps: 'dpmpp-2m' (DPM-Solver++) evaluates the network once a step; "
    "'heun' is the solver of the papers, evaluates it twice a step and needs more steps.")]
First = Annotated[int, option(SAMPLING, "--first", "K", "Number of the first sibling.")]
NoRepair = Annotated[bool, flag(
    OUTPUT, "--no-repair", "Keep small specks and forbidden contacts between tissues instead of repairing them.")]
Overwrite = Annotated[bool, flag(
    OUTPUT, "--overwrite", "Let siblings replace voxels of tissues that the model does not know, such as vessels.")]
Replace = Annotated[bool, flag(
    OUTPUT, "--replace", "Replace the run that DIR already holds. Files that no run writes stay.")]
MarginMm = Annotated[float | None, option(
    OUTPUT, "--margin", "MM", "Extend the grid of the siblings, so that it reaches MM beyond the twin's heart on every "
    "side. A grid that is cropped to the heart cuts off siblings that grow.", show_default="the twin's grid, extended "
    "where a Slicer file notes that it was cropped")]
FileFormat = Annotated[Format, option(
    OUTPUT, "--format", LISTED, "File format of the siblings; 'same' is that of the twin.")]
ModelName = Annotated[str, option(
    SAMPLING, "--model", "NAME", "Installed model (`siblings models` lists them), or a model's folder.",
    autocompletion=completion.models)]
Force = Annotated[bool, flag(
    SAMPLING, "--force", "Use a model that misses the bars of its training; `siblings models` shows which ones do.")]
AnatomyName = Annotated[str, option(
    TWIN, "--anatomy", "NAME", "Anatomy file that says which tissues there are.", autocompletion=completion.anatomies)]


@dataclass(frozen=True, kw_only=True)
class Labels(Options):
    """--labels."""

    labels: LabelsText = None


@dataclass(frozen=True, kw_only=True)
class Machine(Options):
    """--device."""

    device: Annotated[Device, option(
        MACHINE, "--device", LISTED, "Processor to work on; 'auto' takes the fastest one.")] = (
        "auto")


@dataclass(frozen=True, kw_only=True)
class Json(Options):
    """--json."""

    json: Annotated[bool, flag(OUTPUT, "--json", "Print the result as JSON instead of a table.")] = False


@dataclass(frozen=True, kw_only=True)
class Run(Machine, Json):
    """Where the results of a run go, and what makes them."""

    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the results.")] = Path("siblings")
    overwrite: Overwrite = False
    replace: Replace = False
    format: FileFormat = "same"
    model: ModelName = DEFAULT_MODEL
    force: Force = False


@dataclass(frozen=True, kw_only=True)
class Margin(Options):
    """--margin."""

    margin: MarginMm = None


@dataclass(frozen=True, kw_only=True)
class Sampling(Options):
    """How siblings are drawn."""

    count: Annotated[int, option(SAMPLING, "--count", "N", "Number of siblings; with several ratios, of each.")] = COUNT
    seed: Annotated[int, option(
        SAMPLING, "--seed", "S", "Seed of the random numbers. Sibling k depends on the seed and on k alone, so that "
        "the same command makes the same siblings.")] = SEED
    first: First = 0
    steps: Steps = None
    solver: SolverChoice = SOLVER
    no_repair: NoRepair = False


@dataclass(frozen=True, kw_only=True)
class Batch(Options):
    """How many siblings are made at once, which are accepted, and whether a stopped run continues."""

    jobs: Annotated[int | None, option(
        MACHINE, "--jobs", "N", "Number of processes. Each loads its own copy of the model (about 0.5 GB) and uses its "
        "share of the cores.", show_default="1; with --cluster as many as it has room for")] = None
    cluster: Annotated[str, option(
        MACHINE, "--cluster", "ADDRESS", "Make the siblings with Ray, which the extra 'cluster' of the package "
        "installs: 'ray' uses this machine, ray://head:10001 joins a cluster.", show_default=False)] = ""
    resume: Annotated[bool, flag(
        OUTPUT, "--resume", "Continue the run that DIR holds, if there is one: nothing is made twice, and a larger "
        "--count adds siblings.")] = False
    gate: Annotated[str, option(
        COHORT, "--gate", "CHECK,...", "Acceptance checks, listed below, such as components,contacts,thin-walls:2. A "
        "sibling that fails one of them is rejected, and another one is drawn until --count have passed.",
        show_default=False, autocompletion=completion.checks)] = ""
    gate_limit: Annotated[int, option(
        COHORT, "--gate-limit", "N", "With --gate: draw at most N times --count siblings. If too few of them pass, the "
        "command ends with exit code 3.")] = GATE_LIMIT

    @classmethod
    def notes(cls) -> tuple[str, ...]:
        """The acceptance checks."""
        return listed("Acceptance checks for --gate:", gate_help())

    def batch_settings(self) -> dict[str, Any]:
        """What they say, as `RunSettings` takes it."""
        jobs = self.jobs if self.jobs is not None else 0 if self.cluster else 1
        return {"jobs": jobs, "cluster": self.cluster, "resume": self.resume, "gate": self.gate,
                "limit": self.gate_limit}
