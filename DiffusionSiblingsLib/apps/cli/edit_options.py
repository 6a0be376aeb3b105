"""The options of the commands that make siblings: generate, perturb, inpaint, guide, reconstruct and demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ...control.preset_file import preset_help
from ...core.defaults import AMOUNT, GUIDED_RATIO, INPAINT_RATIO, RATIO, RATIO_WORDS
from ...editing.choices import Guider, Method, Parsing
from . import completion
from .command import EDIT, GUIDANCE, OUTPUT, SAMPLING, SEVERAL, Options, listed
from .shared_options import (
    LISTED,
    TISSUES,
    Batch,
    HoldTissues,
    Json,
    Labels,
    Machine,
    Margin,
    Replace,
    Run,
    Sampling,
    TwinFile,
    option,
)

PresetNames = Annotated[list[str] | None, option(
    GUIDANCE, "--preset", "NAME,...", "Ready-made targets, listed below. Several presets add up, also with a control "
    "file; the option can be repeated.", autocompletion=completion.presets)]


@dataclass(frozen=True, kw_only=True)
class Region(Options):
    """Where an edit acts."""

    edit: Annotated[str, option(
        EDIT, "--edit", TISSUES, "Tissues to draw anew, such as LV or LV,RV. The myocardium follows a ventricle.",
        show_default=False, autocompletion=completion.tissues)] = ""
    region: Annotated[Path | None, option(
        EDIT, "--region", "MASK", "Label map that marks the region: the edit acts where it is not 0.")] = None
    box: Annotated[str | None, option(
        EDIT, "--box", "x0,x1,y0,y1,z0,z1", "Box in which the edit acts, in mm in RAS coordinates; or "
        "'around:PLACE,MM', a cube with edges of MM around a tissue (around:RV,40) or a place that is measured "
        "(around:aortic annulus,30).")] = None


@dataclass(frozen=True, kw_only=True)
class Generate(Sampling, Batch, Run):
    """The hearts are drawn from what the model has learned. They resemble its training hearts and have no twin."""

    examples = ("siblings generate --count 10 --seed 1 --out out/new",
                "siblings generate --count 10 --gate components,contacts --out out/checked")


@dataclass(frozen=True, kw_only=True)
class Perturb(Labels, Sampling, Batch, Margin, Run):
    """The sampling ratio sets how far a sibling may be from the twin: noise is added to the twin up to that share of
    the sampler's steps, and the sampler then makes a heart of the result.
    """

    twin: TwinFile
    ratio: Annotated[list[float], option(
        EDIT, "--ratio", "R...", f"Sampling ratio from 0 to 1: {RATIO_WORDS}. Several ratios give a set of siblings "
        "each."), SEVERAL] = field(
            default_factory=lambda: [RATIO])
    hold: HoldTissues = None

    examples = ("siblings perturb heart.nii.gz --count 4 --out out/four",
                "siblings perturb heart.nii.gz --ratio 0.2 0.5 --hold all --count 4 --out out/perturbed")


@dataclass(frozen=True, kw_only=True)
class Inpaint(Labels, Region, Sampling, Batch, Margin, Run):
    """Name the region by tissues (--edit), a mask (--region) or a box (--box). Outside it, every voxel stays as it is
    in the twin. Several of them together narrow each other: --edit LV with a box draws anew only what the box has of
    the left ventricle and its myocardium, and no other tissue in the box changes.
    """

    twin: TwinFile
    method: Annotated[Method, option(
        EDIT, "--method", LISTED, "How the rest of the heart is held during sampling.")] = (
        "replace")
    ratio: Annotated[float, option(
        EDIT, "--ratio", "R", "Sampling ratio from 0 to 1: 1 draws the region anew, less stays nearer to the twin.")
        ] = INPAINT_RATIO
    resample: Annotated[int, option(
        EDIT, "--resample", "N", "Repeat every sampling step N times, so that the region fits its surroundings "
        "better.")] = 1
    hold: HoldTissues = None

    examples = ("siblings inpaint heart.seg.nrrd --edit LV --count 8 --out out/left-ventricles",
                'siblings inpaint heart.nii.gz --box "-15,20,-30,10,-5,40" --out out/box',
                'siblings inpaint heart.nii.gz --edit LV --box "around:LVOT,30" --out out/outflow')


@dataclass(frozen=True, kw_only=True)
class Guide(Labels, Region, Sampling, Batch, Margin, Run):
    """Targets are volumes, areas, lengths, angles or the number of pieces, loops and voids. They come from words
    (--want), presets (--preset), a control file (--control), or tissues that must keep their volume (--hold).
    """

    twin: Annotated[Path | None, typer.Argument(
        metavar="TWIN", show_default=False, help="The heart to start from, as for `siblings perturb`. Without one, new "
        "hearts are drawn.")] = None
    control: Annotated[Path | None, option(
        GUIDANCE, "--control", "FILE", "Control file (JSON): places in the heart (control domains) and their targets. "
        "`siblings measure TWIN --preset NAME --write FILE` writes one to start from.")] = None
    want: Annotated[list[str] | None, option(
        GUIDANCE, "--want", "WHAT=VALUE", "A volume or a measure by name, and its value or change: \"RV volume=+20%\", "
        "\"wall thickness=+2mm\", \"aortic annulus area=450mm2\", \"LV length=same\". It is measured anew in each "
        "heart. The option can be repeated.")] = None
    preset: PresetNames = None
    amount: Annotated[float, option(
        GUIDANCE, "--amount", "A", "How much the presets change, as a share of what the twin has: 0.2 is 20 %.")
        ] = AMOUNT
    hold: HoldTissues = None
    ratio: Annotated[float | None, option(
        EDIT, "--ratio", "R", "Sampling ratio from 0 to 1; see `siblings perturb --help`.",
        show_default=f"{GUIDED_RATIO:g}; {INPAINT_RATIO:g} with --edit, --box or --region")] = None
    parsing: Annotated[Parsing, option(
        GUIDANCE, "--parsing", LISTED, "What is decoded to measure the targets: the whole heart (V), the control's "
        "points alone (L), or whichever is quicker (auto).")] = "auto"
    guider: Annotated[Guider, option(
        GUIDANCE, "--guider", LISTED, "How each step is led to the targets: 'projection' is exact and needs no "
        "weights, 'gradient' is the method of the papers.")] = "projection"

    examples = ('siblings guide heart.nii.gz --want "aortic annulus diameter=+10%" --hold all --out out/annulus',
                "siblings guide heart.nii.gz --preset enlarge-rv --ratio 0.6 --hold all --count 2 --out out/rv",
                "siblings guide heart.nii.gz --control control.json --count 4 --out out/own")

    @classmethod
    def notes(cls) -> tuple[str, ...]:
        """The presets, and the acceptance checks."""
        return (*listed("Presets:", preset_help()), "", *super().notes())


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Labels, Margin, Run):
    """The twin is encoded and decoded without sampling. What the result lacks, the model cannot represent."""

    twin: TwinFile

    examples = ("siblings reconstruct heart.nii.gz --out out/reconstructed",)


@dataclass(frozen=True, kw_only=True)
class Demo(Labels, Machine, Margin, Json):
    """Makes four perturbed and two inpainted siblings and shows them in overview.png. An earlier demo in the folder is
    replaced, another run only with --replace.
    """

    twin: Annotated[Path | None, typer.Argument(
        metavar="TWIN", help="The heart to start from, as for `siblings perturb`.",
        show_default="a synthetic heart that comes with the program")] = None
    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the results.")] = Path("siblings-demo")
    replace: Replace = False
    seed: Annotated[int, option(SAMPLING, "--seed", "S", "Seed of the random numbers.")] = 0

    examples = ("siblings demo", "siblings demo heart.nii.gz --out out/demo")
