"""The options of `siblings compare` and `siblings report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...models.registry import DEFAULT_MODEL
from . import comparing
from .parsers import LABELS, add_command, json_option, labels_option


def add_comparing(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands."""
    compare = add_command(commands_of, "compare", comparing.compare, "figures of a synthetic cohort against a real "
                          "one, with intervals, tables, pictures and one page that explains them",
                          "siblings compare --real hearts --synthetic out/new --out out/comparison")
    compare.add_argument("--real", type=Path, required=True, metavar="DIR",
                         help="the cohort to measure by: a folder of label maps, or a run's folder")
    compare.add_argument("--synthetic", type=Path, required=True, metavar="DIR", help="the cohort in question")
    compare.add_argument("--no-emd", action="store_true", help="leave out the exact earth mover's distance, which "
                         "takes most of the time with more than about 50 hearts a side")
    compare.add_argument("--emd-members", type=int, metavar="N", help="take that distance of N hearts of either side "
                         "at most, evenly chosen (default: all; 120 a side take some minutes, 360 an hour)")
    compare.add_argument("--seed", type=int, default=0, metavar="S", help="of the intervals' resampling (default 0)")
    compare.add_argument("--real-name", default="", metavar="WORDS",
                         help="what the page calls it (default: its folder)")
    compare.add_argument("--synthetic-name", default="", metavar="WORDS", help="the same of the other cohort")
    _common(compare)
    labels_option(compare, "of both cohorts, but not of a run, whose record says it: ")
    for side in ("real", "synthetic"):
        compare.add_argument(f"--{side}-labels", metavar=LABELS, help="the same of that cohort alone, whatever names, "
                             "--labels or a record say")
    report = add_command(commands_of, "report", comparing.report, "one page on a cohort: question, how it was made, "
                         "checks, bias, what was rejected, limits, pictures",
                         "siblings report out/new --question \"Does the ring fit small roots?\" --out out/report")
    report.add_argument("cohort", type=Path, metavar="DIR", help="a run's folder, or a folder of label maps")
    report.add_argument("--use", default="", metavar="TEXT", help="context of use: who decides what with it, and what "
                        "happens if it is wrong")
    _common(report)
    labels_option(report)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="folder of the report")
    parser.add_argument("--question", default="", metavar="TEXT",
                        help="what the cohort is to answer; stands on the page")
    parser.add_argument("--no-occupancy", action="store_true", help="leave out where tissue differs")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one per core)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep every map's measurement in DIR (default: "
                        "REPORT/.measured), so that a stopped run goes on and a second one is quick")
    parser.add_argument("--model", default="", metavar="NAME", help="whose canonical frame and training hearts count "
                        f"(default: of a report the model that made the cohort, else {DEFAULT_MODEL})")
    json_option(parser, "words")
