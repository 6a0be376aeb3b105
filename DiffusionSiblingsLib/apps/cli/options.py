"""The commands, their options and their help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from ... import __version__
from ...control.presets import preset_help
from ...core.defaults import DEFAULT_MODEL, GUIDED_RATIO, INPAINT_RATIO
from ...editing.presets_and_holds import AMOUNT
from ...editing.request import Guider, Parsing
from . import commands, edits, measuring
from .batch_options import add_batch_options
from .comparing_options import add_comparing
from .parsers import FORMATS, add_command, device_option, json_option, labels_option
from .study_options import add_studies
from .trust_options import add_trust


def build_parser() -> argparse.ArgumentParser:
    """The parser of `siblings`; every subcommand sets `command`, a function of the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog="siblings", description="Digital siblings of digital twins: variants of a multi-tissue label map of the "
        "heart, drawn with a generative latent diffusion model, each checked, measured and recorded.",
        epilog="`siblings COMMAND --help` explains a command. Lengths are mm, volumes ml, positions RAS.",
    )
    parser.add_argument("--version", action="version", version=f"siblings {__version__}")
    commands_of = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_edits(commands_of)
    _add_tools(commands_of)
    add_comparing(commands_of)
    add_trust(commands_of)
    add_studies(commands_of)
    _add_training(commands_of)
    return parser


def _add_edits(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    generate = add_command(commands_of, "generate", edits.generate, "new hearts that have no twin",
                           "siblings generate --count 10 --seed 1 --out out/new")
    _output_options(generate)
    perturb = add_command(commands_of, "perturb", edits.perturb,
                          "siblings that differ from the twin everywhere, at a chosen scale",
                          "siblings perturb heart.nii.gz --ratio 0.2 0.5 --hold all --count 4 --out out/perturbed")
    _twin(perturb)
    perturb.add_argument("--ratio", type=float, nargs="+", default=[0.5], metavar="R",
                         help="sampling ratio, 0 to 1: 0.2 changes detail, 0.5 shape, 0.8 size and proportion; 1 keeps "
                         "nothing of the twin; several give a set of siblings each (default 0.5)")
    _hold(perturb)
    _output_options(perturb)
    inpaint = add_command(commands_of, "inpaint", edits.inpaint,
                          "siblings that differ from the twin in one region only",
                          "siblings inpaint heart.seg.nrrd --edit LV --count 8 --out out/left-ventricles")
    _twin(inpaint)
    _region(inpaint)
    inpaint.add_argument("--method", choices=("replace", "guidance"), default="replace",
                         help="how the rest of the heart is held (default replace)")
    inpaint.add_argument("--ratio", type=float, default=1.0, metavar="R",
                         help="1 draws the region anew, less stays nearer to the twin (default 1)")
    inpaint.add_argument("--resample", type=int, default=1, metavar="N",
                         help="make every step N times, to harmonise the region with its surroundings (default 1)")
    _hold(inpaint)
    _output_options(inpaint)
    _add_guide(commands_of)
    reconstruct = add_command(commands_of, "reconstruct", edits.reconstruct,
                              "the twin through the autoencoder: what the model can represent")
    _twin(reconstruct)
    _output_options(reconstruct, sampling=False)


def _add_guide(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    guide = add_command(commands_of, "guide", edits.guide, "siblings that have the measurements or topology asked for",
                        "siblings guide heart.nii.gz --preset enlarge-rv --ratio 0.6 --hold all --count 2 --out out/rv",
                        "presets:", *(f"  {name:<15} {words}" for name, words in preset_help().items()))
    guide.add_argument("twin", nargs="?", type=Path, metavar="TWIN",
                       help="label map or folder, as for perturb; without one new hearts are drawn")
    labels_option(guide)
    guide.add_argument("--control", type=Path, metavar="FILE", help="control file (JSON): domains, and what is asked "
                       "of them; `siblings measure TWIN --preset NAME --write FILE` writes one to start from")
    guide.add_argument("--preset", action="append", metavar="NAME[,NAME]", help="presets, listed below; they add up, "
                       "also to a control file")
    guide.add_argument("--amount", type=float, default=AMOUNT, metavar="A", help="how much presets change, as a share "
                       f"of what the twin has (default {AMOUNT:g}: 20 %%)")
    _hold(guide)
    guide.add_argument("--ratio", type=float, metavar="R", help="sampling ratio, 0 to 1 (default "
                       f"{GUIDED_RATIO:g}; {INPAINT_RATIO:g} with --edit, --box or --region)")
    _region(guide)
    guide.add_argument("--parsing", choices=get_args(Parsing), default="auto", help="what is decoded to measure: the "
                       "whole heart (V), the control's points alone (L), or whichever is quicker (default auto)")
    guide.add_argument("--guider", choices=get_args(Guider), default="projection", help="projection: exact and without "
                       "weights; gradient: the papers' (default projection)")
    _output_options(guide)


def _add_tools(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    measure = add_command(commands_of, "measure", measuring.measure,
                          "volumes, axes and topological checks of label maps",
                          "siblings measure heart.nii.gz --preset aortic-trunk --write control.json")
    measure.add_argument("files", nargs="*", type=Path, metavar="FILE", help="label maps, folders of masks, or folders "
                         "of either, whose maps are measured one by one; none with --preset: the model's mean heart")
    labels_option(measure)
    measure.add_argument("--control", type=Path, metavar="FILE", help="measure in the domains of this control file")
    measure.add_argument("--preset", action="append", metavar="NAME[,NAME]", help="measure in the domains of presets")
    measure.add_argument("--write", type=Path, metavar="FILE", help="write the preset's control, with the heart's own "
                         "values as targets: a start for a control of your own")
    measure.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="whose field of view and mean heart "
                         f"count for domains (default {DEFAULT_MODEL})")
    measure.add_argument("--anatomy", default="heart", help="anatomy file to measure by (default heart)")
    measure.add_argument("--out", type=Path, metavar="DIR", help="also write DIR/metrics.csv, a row as soon as it is "
                         "there")
    measure.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one per core)")
    json_option(measure)
    replay = add_command(commands_of, "replay", commands.replay, "make the siblings of a record again and compare")
    replay.add_argument("record", type=Path, metavar="RECORD", help="record.json of a run")
    replay.add_argument("--twin", type=Path, help="the twin, if it is no longer where it was")
    replay.add_argument("--out", type=Path, metavar="DIR", help="keep the new siblings in DIR")
    device_option(replay)
    json_option(replay)
    models = add_command(commands_of, "models", commands.models, "the installed models")
    models.add_argument("--verify", action="store_true", help="check the weights against their SHA-256")
    json_option(models)
    demo = add_command(commands_of, "demo", edits.demo, "perturbed and inpainted siblings of one heart, in one picture")
    demo.add_argument("twin", nargs="?", type=Path, metavar="TWIN", help="label map (default: a synthetic heart)")
    labels_option(demo)
    demo.add_argument("--out", type=Path, default=Path("siblings-demo"), metavar="DIR")
    demo.add_argument("--seed", type=int, default=0, metavar="S")
    device_option(demo)
    json_option(demo)


def _add_training(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prepare = add_command(commands_of, "prepare", commands.prepare,
                          "turn a folder of label maps into a training data set")
    prepare.add_argument("source", type=Path, metavar="SOURCE",
                         help="folder of label maps, or of sXXXX/segmentations/*.nii.gz (TotalSegmentator v1)")
    prepare.add_argument("--out", type=Path, required=True, metavar="DATASET", help="the data set's file or folder")
    prepare.add_argument("--anatomy", default="heart")
    prepare.add_argument("--exclude", nargs="*", default=[], metavar="PATTERN", help="leave out cases with such names")
    prepare.add_argument("--cases", type=Path, metavar="JSON",
                         help="subjects, splits and weights of the cases (default: cases.json in SOURCE, if there)")
    prepare.add_argument("--validation-every", type=int, default=20, metavar="N",
                         help="hold every n-th training subject back for validation (default 20)")
    prepare.add_argument("--like", metavar="MODEL", help="use the canonical pose of this model, not the cohort's own")
    prepare.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one per core)")
    labels_option(prepare)
    train = add_command(commands_of, "train", commands.train, "train a model on a prepared data set")
    train.add_argument("dataset", type=Path, metavar="DATASET")
    train.add_argument("--config", default="compact", help="compact or paper (default compact)")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="state, logs and the finished model")
    train.add_argument("--minutes", type=float, metavar="M", help="time limit for both stages together")
    train.add_argument("--from", dest="start", metavar="MODEL", help="start from the weights of this model")
    train.add_argument("--keep-autoencoder", action="store_true", help="with --from: train its denoiser alone")
    train.add_argument("--name", default="", help="id of the model (default heart-<config>)")
    train.add_argument("--about", type=Path, metavar="JSON",
                       help="prose for the model card: summary, intended_use, limits, data, architecture")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def _hold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hold", metavar="TISSUES", help="tissues that keep the twin's volume, such as LV,LA, or all: "
                        "every one that is not asked to change")


def _region(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--edit", default="", metavar="TISSUES", help="tissues to draw anew, such as LV or LV,RV; the "
                        "myocardium follows a ventricle")
    parser.add_argument("--region", type=Path, metavar="MASK", help="label map; the edit acts where it is not 0")
    parser.add_argument("--box", metavar='"x0,x1,y0,y1,z0,z1"', help="the edit acts inside this box, RAS mm")


def _twin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("twin", type=Path, metavar="TWIN",
                        help="label map (.nii, .nii.gz, .nrrd, .mha, .seg.nrrd) or a folder of one mask per tissue")
    labels_option(parser)


def _output_options(parser: argparse.ArgumentParser, *, sampling: bool = True) -> None:
    parser.add_argument("--out", type=Path, default=Path("siblings"), metavar="DIR", help="folder of the results")
    if sampling:
        parser.add_argument("--count", type=int, default=1, metavar="N", help="siblings of each request (default 1)")
        parser.add_argument("--seed", type=int, default=0, metavar="S",
                            help="sibling k depends on (S, k) alone (default 0)")
        parser.add_argument("--first", type=int, default=0, metavar="K", help="number k of the first one (default 0)")
        parser.add_argument("--steps", type=int, default=50, metavar="N",
                            help="solver steps of a whole run (default 50)")
        parser.add_argument("--no-repair", action="store_true", help="leave specks and forbidden contacts as they come")
        add_batch_options(parser)
    parser.add_argument("--overwrite", action="store_true",
                        help="let siblings take voxels of tissues that the model does not know")
    parser.add_argument("--replace", action="store_true", help="replace the run that DIR holds")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="installed model or a model's folder")
    device_option(parser)
    parser.add_argument("--format", choices=FORMATS, default="same", help="of the siblings (default: as the twin)")
    json_option(parser)
