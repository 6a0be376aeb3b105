"""Options of the commands that tell how far siblings can be trusted: spread and design."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...models.registry import DEFAULT_MODEL
from . import designing, spreading
from .parsers import FORMATS, add_command, device_option, json_option, labels_option


def add_trust(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands."""
    _add_spread(commands_of)
    _add_design(commands_of)


def _add_spread(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    spread = add_command(commands_of, "spread", spreading.spread, "how much the siblings of one request differ: in "
                         "each voxel, on each surface, in each measurement",
                         "siblings perturb heart.nii.gz --ratio 0.5 --count 20 --out out/twenty",
                         "siblings spread out/twenty")
    spread.add_argument("source", type=Path, metavar="DIR", help="folder of a run; a set of files for each request")
    spread.add_argument("--out", type=Path, metavar="OUT", help="folder of the results (default DIR/spread)")
    spread.add_argument("--anatomy", default="heart", help="anatomy file to measure by (default heart)")
    labels_option(spread)
    json_option(spread)


def _add_design(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    design = add_command(commands_of, "design", designing.design, "a grid of edits of one twin with the same noise in "
                         "every cell, as one table of paired differences",
                         "siblings design heart.nii.gz --edit LV RV --magnitude -0.1 0.1 --count 8 --out out/design")
    design.add_argument("twin", type=Path, metavar="TWIN", help="label map or folder, as for perturb")
    labels_option(design)
    design.add_argument("--edit", nargs="+", default=["whole"], metavar="TISSUES", help="regions to draw anew: LV RV "
                        "are two, LV,RV is one of both; whole perturbs the heart (default whole)")
    design.add_argument("--ratio", type=float, nargs="+", default=[0.5], metavar="R",
                        help="sampling ratios, 0 to 1 (default 0.5)")
    design.add_argument("--magnitude", type=float, nargs="+", default=[], metavar="M", help="change of the region's "
                        "volumes: 0.2 is 20 %% more; 0 is added, as what the others are compared with (default: no "
                        "volume is asked for)")
    design.add_argument("--hold", metavar="TISSUES", help="tissues that keep the twin's volume in every cell, or all: "
                        "every one that is not asked to change")
    design.add_argument("--count", type=int, default=4, metavar="N", help="siblings of each cell (default 4)")
    design.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise, which all cells share")
    design.add_argument("--first", type=int, default=0, metavar="K", help="number k of the first one (default 0)")
    design.add_argument("--steps", type=int, default=50, metavar="N", help="solver steps of a whole run (default 50)")
    design.add_argument("--no-repair", action="store_true", help="leave specks and forbidden contacts as they come")
    design.add_argument("--overwrite", action="store_true",
                        help="let siblings take voxels of tissues that the model does not know")
    design.add_argument("--out", type=Path, default=Path("design"), metavar="DIR", help="folder of the results")
    design.add_argument("--format", choices=FORMATS, default="same", help="of the siblings (default: as the twin)")
    design.add_argument("--replace", action="store_true", help="replace the run that DIR holds")
    design.add_argument("--resume", action="store_true", help="go on with the run that DIR holds")
    design.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    design.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="installed model or a model's folder")
    device_option(design)
    json_option(design)
