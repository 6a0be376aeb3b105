"""The options of prepare and train."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import completion
from .command import ANY, COHORT, MACHINE, OUTPUT, TRAINING, Options
from .shared_options import LISTED, AnatomyName, JobCount, Labels, flag, option


@dataclass(frozen=True, kw_only=True)
class Prepare(Labels):
    """Checks every map, turns it into the canonical pose, and packs all of them into one data set, with a table of the
    cases that were taken or rejected.
    """

    source: Annotated[Path, typer.Argument(
        metavar="SOURCE", show_default=False, help="Folder of label maps, or of sXXXX/segmentations/*.nii.gz "
        "(TotalSegmentator v1).")]
    out: Annotated[Path, option(OUTPUT, "--out", "DATASET", "File or folder of the data set.")]
    anatomy: AnatomyName = "heart"
    exclude: Annotated[list[str], option(
        COHORT, "--exclude", "PATTERN...", "Leave out cases whose names match, such as s001*.", show_default=False),
        ANY] = field(default_factory=list)
    cases: Annotated[Path | None, option(
        COHORT, "--cases", "JSON", "Subjects, splits and weights of the cases.",
        show_default="cases.json in SOURCE, if it exists")] = None
    validation_every: Annotated[int, option(
        COHORT, "--validation-every", "N", "Hold back every N-th training subject for validation.")] = 20
    like: Annotated[str | None, option(
        TRAINING, "--like", "MODEL", "Use the canonical pose of this model.", show_default="the cohort's own pose",
        autocompletion=completion.models)] = None
    jobs: JobCount = 0

    examples = ("siblings prepare hearts --out build/data",)


@dataclass(frozen=True, kw_only=True)
class Train(Options):
    """Trains the autoencoder, the small network along its modes, the denoiser, and then the decoders once more, and
    writes the model with its card. The same command continues a training that was stopped.
    """

    dataset: Annotated[Path, typer.Argument(
        metavar="DATASET", show_default=False, help="Data set that `siblings prepare` wrote.")]
    config: Annotated[str, option(
        TRAINING, "--config", "NAME", "Size of the model and settings of the training: compact or paper.",
        autocompletion=completion.configurations)] = "compact"
    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the state, the logs and the finished model.")]
    minutes: Annotated[float | None, option(
        TRAINING, "--minutes", "M", "Time limit for all stages together.")] = None
    start: Annotated[str | None, option(
        TRAINING, "--from", "MODEL", "Start from the weights of this model.",
        autocompletion=completion.models)] = None
    keep_autoencoder: Annotated[bool, flag(
        TRAINING, "--keep-autoencoder", "With --from: keep its autoencoder and train only the denoiser.")] = False
    modes_only: Annotated[bool, flag(
        TRAINING, "--modes-only", "With --from: keep its autoencoder and denoiser, and train only the small network "
        "along the widest modes of the latents.")] = False
    name: Annotated[str, option(TRAINING, "--name", "NAME", "Name of the model, which no other model may have.",
        show_default="name of the folder --out")] = ""
    about: Annotated[Path | None, option(
        OUTPUT, "--about", "JSON", "Texts for the model card: summary, intended_use, limits, data, "
        "architecture.")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], option(
        MACHINE, "--device", LISTED, "Processor to train on; 'auto' takes the fastest one.")] = "auto"

    examples = ("siblings train build/data --out build/my-hearts",
                "siblings train build/data --from heart-compact --minutes 60 --out build/my-hearts")
