"""The options of pick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .command import COHORT, OUTPUT
from .shared_options import AnatomyName, JobCount, Json, Labels, flag, option


@dataclass(frozen=True, kw_only=True)
class Pick(Labels, Json):
    """Prints for each quantile its value, the map whose value is nearest, and that value. Each map stands for one
    quantile at most. Maps without the measurement are named and left out.
    """

    cohort: Annotated[Path, typer.Argument(
        metavar="DIR", show_default=False, help="Folder of a run, or a folder of label maps.")]
    by: Annotated[str, option(
        COHORT, "--by", "TEXT", "Measurement to choose by: a measure ('aortic annulus area'), a tissue's volume ('RV') "
        "or axis ('LV major axis').")]
    quantiles: Annotated[str, option(
        COHORT, "--quantiles", "Q,...", "Quantiles to choose maps for, in percent.")] = "5,25,50,75,95"
    anatomy: AnatomyName = "heart"
    jobs: JobCount = 0
    out: Annotated[Path | None, option(
        OUTPUT, "--out", "OUT", "Also write OUT/pick.csv, and copy the chosen maps to OUT.")] = None
    replace: Annotated[bool, flag(
        OUTPUT, "--replace", "Replace the files of an earlier pick in OUT. Other files stay.")] = False

    examples = ('siblings pick out/new --by "aortic annulus area" --out out/five',
                'siblings pick hearts --by "wall thickness" --quantiles 10,50,90')
