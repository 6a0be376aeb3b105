"""The options of `siblings study` and `siblings augment`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...models.registry import DEFAULT_MODEL
from . import studying
from .parsers import add_command, device_option, json_option, labels_option

NAMES = ("sensitivity", "unconditional", "perturb", "local", "augment", "all")
STRATEGIES = ("guided", "perturb", "local", "generate")


def add_studies(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands."""
    _add_study(commands_of)
    _add_augment(commands_of)


def _add_study(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    study = add_command(commands_of, "study", studying.study, "the papers' studies with this model: tables with the "
                        "papers' figures beside ours, and a figure each; the same command goes on where it was stopped",
                        "siblings study all --quick --out out/studies",
                        "siblings study all --real hearts --names hearts.json --jobs 2 --out out/studies")
    study.add_argument("names_of_studies", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    study.add_argument("--out", type=Path, required=True, metavar="DIR", help="arms, measurements and results")
    study.add_argument("--quick", action="store_true", help="all five within ten minutes on two cores: few samples, "
                       "few steps; shows that everything works, measures nothing")
    study.add_argument("--real", type=Path, metavar="DIR", help="held-out label maps (default: hearts generated with "
                       "another seed stand in, and the tables say so)")
    study.add_argument("--names", type=Path, metavar="JSON",
                       help='which of them: a list of file names, or of {"name", "split"}')
    study.add_argument("--split", default="test", help="the split to take from --names (default test)")
    study.add_argument("--count", type=int, metavar="N", help="siblings of an edited arm (default 40; the papers: "
                       "120), and accepted hearts of an augmentation (default 140)")
    study.add_argument("--pool", type=int, metavar="N", help="unconditional samples that are filtered (default 600; "
                       "the paper: 7200)")
    study.add_argument("--steps", type=int, metavar="N", help="sampler steps (default 50; quick: 10)")
    study.add_argument("--arms", type=Path, nargs="+", default=[], metavar="DIR", help="runs that are there already, "
                       "such as one of `siblings generate --count 600 --seed 0`; used where model and request agree")
    study.add_argument("--seeds", type=Path, metavar="DIR", help="cohort that the augmentation's target cohort is "
                       "taken from (default: that of --real)")
    study.add_argument("--target", metavar='"RV>115"', help="of the augmentation (default: RV>115, or RV>p90 where "
                       "more than 30 %% of the cohort have that)")
    study.add_argument("--train-data", type=Path, metavar="PACK", help="training maps as `siblings prepare` writes "
                       "them: trains the baselines (PCA, VAE), which are left out without")
    study.add_argument("--minutes", type=float, metavar="M", help="of the VAE baseline's training (default 40)")
    _common(study)


def _add_augment(commands_of: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    augment = add_command(
        commands_of, "augment", studying.augment, "enriches a cohort with hearts that meet a written target",
        'siblings augment --target "RV>115" --seeds hearts --count 140 --out out/large-rv',
        'siblings augment --target "aortic root area>450" --control root.json --seeds hearts --out out/root',
        "targets: a tissue's volume (RV>115, LV volume<90), a chamber's axis (LV major axis>95), a domain of a control",
        "(with --control or --preset), a range (100<RV<150), a percentile of the training hearts (RV>p90); several are",
        'joined by "and"')
    augment.add_argument("--target", required=True, metavar="TEXT", help="what the hearts must have")
    augment.add_argument("--strategy", choices=STRATEGIES, default="guided", help="guided: siblings of the seeds, led "
                         "to values beyond the threshold; perturb, local: as the papers do, filtered; generate: new "
                         "hearts, filtered (default guided)")
    augment.add_argument("--seeds", type=Path, metavar="DIR", help="hearts to edit: a folder of label maps, or a run; "
                         "those that meet the target, or all where none does; each heart once")
    augment.add_argument("--count", type=int, default=140, metavar="N",
                         help="stop when so many are accepted (default 140)")
    augment.add_argument("--most", type=int, metavar="N",
                         help="or when so many are made (default: five for each wanted); exit code 3 where that was "
                         "too few")
    augment.add_argument("--control", type=Path, metavar="FILE", help="control file whose domains the target names")
    augment.add_argument("--preset", action="append", metavar="NAME[,NAME]",
                         help="the same by preset, placed on every seed")
    augment.add_argument("--hold", metavar="TISSUES", help="guided: tissues that keep their seed's volume, or all")
    augment.add_argument("--steps", type=int, default=50, metavar="N", help="sampler steps (default 50)")
    augment.add_argument("--seed", type=int, default=0, metavar="S", help="of noise and targets (default 0)")
    augment.add_argument("--arms", type=Path, nargs="+", default=[], metavar="DIR", help="runs that are there already")
    augment.add_argument("--out", type=Path, required=True, metavar="DIR",
                         help="accepted hearts, all runs, table, report; the same order goes on there, also with a "
                         "larger --count or --most")
    _common(augment)


def _common(parser: argparse.ArgumentParser) -> None:
    labels_option(parser)
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one per core)")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="installed model or a model's folder")
    device_option(parser)
    json_option(parser, "tables")
