"""The options of measure, replay, models, spread and design."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ...core.defaults import DEFAULT_MODEL
from ...editing.choices import SOLVER
from . import completion
from .command import EDIT, GUIDANCE, OUTPUT, SAMPLING, SEVERAL, TWIN
from .shared_options import (
    TISSUES,
    AnatomyName,
    First,
    HoldTissues,
    JobCount,
    Json,
    Labels,
    Machine,
    Margin,
    NoRepair,
    Overwrite,
    Replace,
    Run,
    SolverChoice,
    Steps,
    TwinFile,
    flag,
    option,
)


@dataclass(frozen=True, kw_only=True)
class Measure(Labels, Json):
    """Prints volumes, axis lengths and the topological checks of every map. With a control file or presets, it measures
    the places (control domains) that those name instead. Maps that cannot be measured are named at the end.
    """

    files: Annotated[list[Path], typer.Argument(
        metavar="FILE", show_default=False, help="Label maps, folders with one mask per tissue, or folders of either, "
        "whose maps are measured one by one. Without one, --preset measures the model's mean heart.")] = field(
            default_factory=list)
    control: Annotated[Path | None, option(
        GUIDANCE, "--control", "FILE", "Measure in the domains of this control file.")] = None
    preset: Annotated[list[str] | None, option(
        GUIDANCE, "--preset", "NAME,...", "Measure in the domains of these presets; `siblings guide --help` lists "
        "them.", autocompletion=completion.presets)] = None
    write: Annotated[Path | None, option(
        GUIDANCE, "--write", "FILE", "Write the preset's control file with the heart's own values as targets: a start "
        "for a control of your own.")] = None
    model: Annotated[str, option(
        GUIDANCE, "--model", "NAME", "Model whose field of view and mean heart are used for domains.",
        autocompletion=completion.models)] = DEFAULT_MODEL
    anatomy: AnatomyName = "heart"
    out: Annotated[Path | None, option(
        OUTPUT, "--out", "DIR", "Also write DIR/metrics.csv, each row as soon as it is measured.")] = None
    jobs: JobCount = 0

    examples = ("siblings measure heart.nii.gz", "siblings measure hearts --out out/measured",
                "siblings measure heart.nii.gz --preset aortic-trunk-fixed --write control.json")


@dataclass(frozen=True, kw_only=True)
class Replay(Machine, Json):
    """Prints for each sibling whether it is identical, equal within the tolerance, or different. If one is different,
    the command ends with exit code 3.
    """

    record: Annotated[Path, typer.Argument(metavar="RECORD", show_default=False, help="The record.json of a run.")]
    twin: Annotated[Path | None, option(
        TWIN, "--twin", "FILE", "Where the twin is now, if it has been moved since the run.")] = None
    out: Annotated[Path | None, option(OUTPUT, "--out", "DIR", "Keep the new siblings in DIR.")] = None
    model: Annotated[str, option(
        SAMPLING, "--model", "NAME", "Where the record's model is: an installed model, or a model's folder.",
        show_default="the installed model that the record names", autocompletion=completion.models)] = ""

    examples = ("siblings replay out/perturbed/record.json",)


@dataclass(frozen=True, kw_only=True)
class Models(Json):
    """Your own models come first, then those that ship with the program."""

    verify: Annotated[bool, flag(OUTPUT, "--verify", "Check that the weight files are undamaged (SHA-256).")] = False

    examples = ("siblings models --verify",)


@dataclass(frozen=True, kw_only=True)
class Variability(Labels, Json):
    """Writes maps of where the siblings differ (spread.nii.gz, entropy.nii.gz), the shape that most of them have
    (majority.nii.gz), a table (spread.csv) and a picture (spread.png), for every request with two or more siblings.
    """

    source: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Folder of a run.")]
    out: Annotated[Path | None, option(
        OUTPUT, "--out", "OUT", "Folder of the results.", show_default="DIR/spread")] = None
    anatomy: AnatomyName = "heart"

    examples = ("siblings perturb heart.nii.gz --ratio 0.5 --count 20 --out out/twenty",
                "siblings spread out/twenty")


@dataclass(frozen=True, kw_only=True)
class PairedDesign(Labels, Margin, Run):
    """Every combination of region, ratio and magnitude is a cell. All cells start from the same noise, so that the
    differences between them come from what was asked and not from chance. Writes design.csv with one row per sibling,
    effects.csv with the paired differences and levels.csv with what each cell reached, of volumes, axes and measures.
    """

    twin: TwinFile
    edit: Annotated[list[str], option(
        EDIT, "--edit", f"{TISSUES}...", "Regions to draw anew: 'LV RV' are two regions, 'LV,RV' is one region of "
        "both; 'whole' perturbs the whole heart.", autocompletion=completion.regions), SEVERAL] = field(
            default_factory=lambda: ["whole"])
    ratio: Annotated[list[float], option(
        EDIT, "--ratio", "R...", "Sampling ratios from 0 to 1; see `siblings perturb --help`."), SEVERAL] = field(
            default_factory=lambda: [0.5])
    magnitude: Annotated[list[float], option(
        EDIT, "--magnitude", "M...", "Changes of the region's volumes, or of what --of names: 0.2 is 20 % more. No "
        "change, 0, is added for comparison.", show_default="nothing is asked for"), SEVERAL] = field(
            default_factory=list)
    of: Annotated[str, option(
        EDIT, "--of", "WHAT", "What the magnitudes change: a measure by name, such as 'aortic annulus diameter', or "
        "the volume of a tissue.", show_default="the volumes of the region")] = ""
    hold: HoldTissues = None
    count: Annotated[int, option(SAMPLING, "--count", "N", "Number of siblings in each cell.")] = 4
    seed: Annotated[int, option(SAMPLING, "--seed", "S", "Seed of the noise that all cells share.")] = 0
    first: First = 0
    steps: Steps = None
    solver: SolverChoice = SOLVER
    no_repair: NoRepair = False
    overwrite: Overwrite = False
    replace: Replace = False
    resume: Annotated[bool, flag(OUTPUT, "--resume", "Continue the run that DIR holds.")] = False
    jobs: JobCount = 1
    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the results.")] = Path("design")

    examples = ("siblings design heart.nii.gz --edit LV RV --magnitude -0.1 0.1 --count 8 --out out/design",
                "siblings design heart.nii.gz --of 'aortic annulus diameter' --magnitude -0.1 0.1 --hold all")
