"""The options of draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from .command import COHORT, OUTPUT, Options
from .shared_options import LISTED, option


@dataclass(frozen=True, kw_only=True)
class Draw(Options):
    """Draws label maps from published measurements of an anatomy, without a model: the thoracic aorta with the branches
    of its arch, or the bifurcation of the left coronary artery with wall, calcium and lipid. A file beside each map
    holds the truth about it: diameters, stenoses, centre lines, angles, Betti numbers.
    """

    anatomy: Annotated[Literal["aorta", "coronary"], typer.Argument(
        metavar="ANATOMY", show_default=False, help="What to draw: aorta or coronary.")]
    count: Annotated[int, option(COHORT, "--count", "N", "Number of maps.")] = 10
    seed: Annotated[int, option(
        COHORT, "--seed", "S", "Seed of the first map; the next map has the next seed, on which alone it depends.")] = 0
    out: Annotated[Path, option(
        OUTPUT, "--out", "DIR", "Folder of the maps. Maps that it holds are not made again.")] = Path("drawn")
    format: Annotated[Literal["nii.gz", "nrrd", "seg.nrrd", "mha"], option(
        OUTPUT, "--format", LISTED, "File format of the maps.")] = "nii.gz"

    examples = ("siblings draw aorta --count 100 --out out/aortas",)
