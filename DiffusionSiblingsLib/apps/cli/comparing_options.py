"""The options of compare and report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...core.defaults import DEFAULT_MODEL
from . import completion
from .command import COHORT, OUTPUT, REPORT, SAMPLING, TWIN, Options
from .shared_options import JobCount, LabelsText, flag, option

LABELS = "LV=3,RV=4,..."


@dataclass(frozen=True, kw_only=True)
class Page(Options):
    """What both pages need."""

    out: Annotated[Path, option(OUTPUT, "--out", "REPORT", "Folder of the report.")]
    question: Annotated[str, option(
        REPORT, "--question", "TEXT", "The question that the cohort is to answer; it is printed on the page.",
        show_default=False)] = ""
    no_occupancy: Annotated[bool, flag(
        REPORT, "--no-occupancy", "Leave out the pictures of where tissues differ.")] = False
    jobs: JobCount = 0
    cache: Annotated[Path | None, option(
        OUTPUT, "--cache", "DIR", "Keep every map's measurements in DIR, so that a stopped run continues and a second "
        "run is quick.", show_default="REPORT/.measured")] = None
    model: Annotated[str, option(
        SAMPLING, "--model", "NAME", "Model whose canonical frame and training hearts are used.",
        show_default=f"the model that made the cohort; for compare {DEFAULT_MODEL}",
        autocompletion=completion.models)] = ""
    json: Annotated[bool, flag(OUTPUT, "--json", "Print the result as JSON instead of words.")] = False


@dataclass(frozen=True, kw_only=True)
class Compare(Page):
    """Writes one page that explains every figure, with confidence intervals, tables and pictures."""

    real: Annotated[Path, option(
        COHORT, "--real", "DIR", "Cohort to compare with: a folder of label maps, or the folder of a run.")]
    synthetic: Annotated[Path, option(COHORT, "--synthetic", "DIR", "Cohort in question, given in the same way.")]
    no_emd: Annotated[bool, flag(
        REPORT, "--no-emd", "Leave out the exact earth mover's distance, which takes most of the time with more than "
        "about 50 hearts on each side.")] = False
    emd_members: Annotated[int | None, option(
        REPORT, "--emd-members", "N", "Use at most N hearts of each side for that distance, chosen evenly. 120 on each "
        "side take some minutes, 360 an hour.", show_default="all")] = None
    seed: Annotated[int, option(REPORT, "--seed", "S", "Seed of the resampling for the intervals.")] = 0
    real_name: Annotated[str, option(
        REPORT, "--real-name", "WORDS", "Name of the real cohort on the page.", show_default="its folder")] = ""
    synthetic_name: Annotated[str, option(
        REPORT, "--synthetic-name", "WORDS", "Name of the synthetic cohort on the page.",
        show_default="its folder")] = ""
    labels: Annotated[str | None, option(
        TWIN, "--labels", LABELS, "Which value is which tissue, for both cohorts; ignored for runs, whose record has "
        "the labels.")] = None
    real_labels: Annotated[str | None, option(
        TWIN, "--real-labels", LABELS, "The same for the real cohort alone; it overrides names, --labels and "
        "records.")] = None
    synthetic_labels: Annotated[str | None, option(
        TWIN, "--synthetic-labels", LABELS, "The same for the synthetic cohort alone.")] = None

    examples = ("siblings compare --real hearts --synthetic out/new --out out/comparison",)


@dataclass(frozen=True, kw_only=True)
class Report(Page):
    """The page holds the question, how the cohort was made, checks, the training distance, what was rejected, limits
    and pictures.
    """

    cohort: Annotated[Path, typer.Argument(
        metavar="DIR", show_default=False, help="Folder of a run, or a folder of label maps.")]
    use: Annotated[str, option(
        REPORT, "--use", "TEXT", "Context of use: who decides what with the cohort, and what happens if it is wrong.",
        show_default=False)] = ""
    labels: LabelsText = None

    examples = ('siblings report out/new --question "Does the ring fit small roots?" --out out/report',)
