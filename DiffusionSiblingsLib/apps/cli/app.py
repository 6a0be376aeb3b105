"""The commands of `siblings`, which are loaded when they are used: `siblings --help` needs their summaries alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ...core.version import __version__
from .command import Command, Spoken, build, in_help_panel, in_paragraphs, write_groups

MAKE, LOOK, SIMULATE = "Make siblings", "Measure and check", "Mesh for simulations"
COHORTS, TRAIN = "Cohorts and studies", "Train models"
ABOUT = """Make digital siblings of digital twins: variants of a segmented heart that differ from it at a chosen scale,
in a chosen region, or by chosen measurements.

You give a label map, an image in which every voxel holds the value of its tissue (the twin). A generative model that
was trained on many hearts draws plausible variants of it (the siblings). Each one is checked, measured and recorded, so
that it can be made again."""
ENDING = """`siblings COMMAND --help` explains a command. Lengths are in mm, volumes in ml, positions in RAS
coordinates. Exit codes: 0 done; 1 an error of the program; 2 the input cannot be used; 3 done, but too few siblings
were accepted or one could not be reproduced; 130 stopped with Ctrl-C."""


@dataclass(frozen=True)
class Entry:
    """One command. options: "module:Class", whose fields are its options. run: "module:function", called with them."""

    panel: str
    summary: str
    options: str
    run: str


COMMANDS = {
    "perturb": Entry(MAKE, "Make siblings that differ from the twin everywhere, at a chosen scale.",
                     "edit_options:Perturb", "edits:perturb"),
    "inpaint": Entry(MAKE, "Make siblings that differ from the twin in one region only.",
                     "edit_options:Inpaint", "edits:inpaint"),
    "guide": Entry(MAKE, "Make siblings that reach the measurements or the topology you ask for.",
                   "edit_options:Guide", "edits:guide"),
    "generate": Entry(MAKE, "Make new hearts that have no twin.", "edit_options:Generate", "edits:generate"),
    "reconstruct": Entry(MAKE, "Pass the twin through the autoencoder, to see what the model can represent.",
                         "edit_options:Reconstruct", "edits:reconstruct"),
    "design": Entry(MAKE, "Make a grid of edits of one twin with common noise, and tables of paired differences.",
                    "measuring_options:PairedDesign", "designing:design"),
    "demo": Entry(MAKE, "Make a few siblings of one heart and show them in one picture.",
                  "edit_options:Demo", "edits:demo"),
    "measure": Entry(LOOK, "Measure label maps: volumes, axis lengths and topological checks.",
                     "measuring_options:Measure", "measuring:measure"),
    "spread": Entry(LOOK, "Show how much the siblings of one request differ: in voxels, surfaces and measurements.",
                    "measuring_options:Variability", "spreading:spread"),
    "pick": Entry(LOOK, "Choose members of a cohort that stand for quantiles of a measurement.",
                  "picking_options:Pick", "picking:pick"),
    "replay": Entry(LOOK, "Make the siblings of a record again and compare them with the recorded ones.",
                    "measuring_options:Replay", "replaying:replay"),
    "mesh": Entry(SIMULATE, "Turn label maps into meshes for simulations, with named patches.",
                  "meshing_options:Mesh", "meshing:mesh"),
    "models": Entry(LOOK, "List the installed models.", "measuring_options:Models", "listing:models"),
    "compare": Entry(COHORTS, "Compare a synthetic cohort with a real one, on one page.",
                     "comparing_options:Compare", "comparing:compare"),
    "report": Entry(COHORTS, "Report on a cohort, on one page.", "comparing_options:Report", "comparing:report"),
    "augment": Entry(COHORTS, "Add hearts that meet a written target to a cohort.",
                     "study_options:Augment", "studying:augment"),
    "study": Entry(COHORTS, "Repeat the papers' studies with this model.", "study_options:RunStudy", "studying:study"),
    "draw": Entry(TRAIN, "Draw label maps from published measurements, with the exact truth about each.",
                  "drawing_options:Draw", "drawing:draw"),
    "prepare": Entry(TRAIN, "Turn a folder of label maps into a training data set.",
                     "training_options:Prepare", "training:prepare"),
    "train": Entry(TRAIN, "Train a model on a prepared data set.", "training_options:Train", "training:train"),
}


class Siblings(Spoken, TyperGroup):
    """The group of all commands: known by their summaries, and built one at a time."""

    mixed = False  # its options stand before the command's name

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was named, with its options."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, None if known is None or name is None else load(name), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands under their titles, with whole summaries."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, entry in COMMANDS.items():
            groups.setdefault(entry.panel, []).append((name, entry.summary))
        write_groups(formatter, groups)


def build_app() -> Siblings:
    """The whole command line."""
    app = typer.Typer(cls=Siblings, rich_markup_mode="rich", help=in_paragraphs(ABOUT),
                      epilog=in_paragraphs(ENDING),
                      context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_version)
    group = typer.main.get_command(app)
    assert isinstance(group, Siblings)
    group.takes = {name: "nothing" for param in group.params for name in param.opts}
    for param in group.params:
        in_help_panel(param)
    for name, entry in COMMANDS.items():
        group.add_command(TyperCommand(name, help=entry.summary, rich_help_panel=entry.panel))
    return group


def load(name: str) -> Command:
    """The command of that name. What it does is imported when it runs."""
    entry = COMMANDS[name]
    return build(name, entry.summary, _attribute(entry.options), lambda options: _attribute(entry.run)(options))


def _attribute(place: str) -> Any:
    """What "module:name" of this folder stands for."""
    module, _, name = place.partition(":")
    return getattr(import_module(f".{module}", __package__), name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"siblings {__version__}")
        raise typer.Exit


def _version(version: Annotated[bool, typer.Option(
        "--version", is_eager=True, callback=_show_version, help="Show the version and exit.")] = False) -> None:
    """The options of `siblings` itself."""
