"""The commands, their options and their help."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import __version__
from . import commands

FORMATS = ("same", "nii.gz", "nrrd", "seg.nrrd", "mha")


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
    _add_training(commands_of)
    return parser


def _add_edits(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    generate = _command(commands_of, "generate", commands.generate, "new hearts that have no twin")
    _output_options(generate)
    perturb = _command(commands_of, "perturb", commands.perturb,
                       "siblings that differ from the twin everywhere, at a chosen scale")
    _twin(perturb)
    perturb.add_argument("--ratio", type=float, nargs="+", default=[0.5], metavar="R",
                         help="sampling ratio, 0 to 1: 0.2 changes detail, 0.5 shape, 0.8 size and proportion; 1 keeps "
                         "nothing of the twin; several give a set of siblings each (default 0.5)")
    _output_options(perturb)
    inpaint = _command(commands_of, "inpaint", commands.inpaint,
                       "siblings that differ from the twin in one region only")
    _twin(inpaint)
    inpaint.add_argument("--edit", default="", metavar="TISSUES", help="tissues to draw anew, such as LV or LV,RV; the "
                         "myocardium follows a ventricle")
    inpaint.add_argument("--region", type=Path, metavar="MASK", help="label map; the edit acts where it is not 0")
    inpaint.add_argument("--box", metavar='"x0,x1,y0,y1,z0,z1"', help="the edit acts inside this box, RAS mm")
    inpaint.add_argument("--method", choices=("replace", "guidance"), default="replace",
                         help="how the rest of the heart is held (default replace)")
    inpaint.add_argument("--ratio", type=float, default=1.0, metavar="R",
                         help="1 draws the region anew, less stays nearer to the twin (default 1)")
    inpaint.add_argument("--resample", type=int, default=1, metavar="N",
                         help="make every step N times, to harmonise the region with its surroundings (default 1)")
    _output_options(inpaint)
    reconstruct = _command(commands_of, "reconstruct", commands.reconstruct,
                           "the twin through the autoencoder: what the model can represent")
    _twin(reconstruct)
    _output_options(reconstruct, sampling=False)


def _add_tools(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    measure = _command(commands_of, "measure", commands.measure, "volumes, axes and topological checks of label maps")
    measure.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _labels(measure)
    measure.add_argument("--anatomy", default="heart", help="anatomy file to measure by (default heart)")
    measure.add_argument("--out", type=Path, metavar="DIR", help="also write DIR/metrics.csv")
    _json(measure)
    replay = _command(commands_of, "replay", commands.replay, "make the siblings of a record again and compare")
    replay.add_argument("record", type=Path, metavar="RECORD", help="record.json of a run")
    replay.add_argument("--twin", type=Path, help="the twin, if it is no longer where it was")
    replay.add_argument("--out", type=Path, metavar="DIR", help="keep the new siblings in DIR")
    _device(replay)
    _json(replay)
    models = _command(commands_of, "models", commands.models, "the installed models")
    models.add_argument("--verify", action="store_true", help="check the weights against their SHA-256")
    _json(models)
    demo = _command(commands_of, "demo", commands.demo, "perturbed and inpainted siblings of one heart, in one picture")
    demo.add_argument("twin", nargs="?", type=Path, metavar="TWIN", help="label map (default: a synthetic heart)")
    _labels(demo)
    demo.add_argument("--out", type=Path, default=Path("siblings-demo"), metavar="DIR")
    demo.add_argument("--seed", type=int, default=0, metavar="S")
    _device(demo)
    _json(demo)


def _add_training(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prepare = _command(commands_of, "prepare", commands.prepare, "turn a folder of label maps into a training data set")
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
    _labels(prepare)
    train = _command(commands_of, "train", commands.train, "train a model on a prepared data set")
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


def _command(commands_of: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: object,
             help_text: str) -> argparse.ArgumentParser:
    parser = commands_of.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".",
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(command=function)
    return parser


def _twin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("twin", type=Path, metavar="TWIN",
                        help="label map (.nii, .nii.gz, .nrrd, .mha, .seg.nrrd) or a folder of one mask per tissue")
    _labels(parser)


def _labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", metavar='"LV=3,RV=4,..."',
                        help="which value is which tissue, where names do not say")


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
    parser.add_argument("--overwrite", action="store_true",
                        help="let siblings take voxels of tissues that the model does not know")
    parser.add_argument("--replace", action="store_true", help="replace the run that DIR holds")
    parser.add_argument("--model", default="heart-compact", metavar="NAME", help="installed model or a model's folder")
    _device(parser)
    parser.add_argument("--format", choices=FORMATS, default="same", help="of the siblings (default: as the twin)")
    _json(parser)


def _device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
