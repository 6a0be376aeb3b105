"""Pieces that the commands' parsers share: a subcommand with its help, and options that several of them have."""

from __future__ import annotations

import argparse

LABELS = '"LV=3,RV=4,..."'  # how --labels is written
FORMATS = ("same", "nii.gz", "nrrd", "seg.nrrd", "mha")
Commands = argparse._SubParsersAction  # of argparse.ArgumentParser


def add_command(commands_of: Commands[argparse.ArgumentParser], name: str, function: object, help_text: str,
                *lines: str) -> argparse.ArgumentParser:
    """A subcommand. lines: of the end of its help; those that begin with "siblings " are examples that work as they
    are, the others come after them.
    """
    examples = [f"  {line}" for line in lines if line.startswith("siblings ")]
    others = [line for line in lines if not line.startswith("siblings ")]
    ending = [f"example{'s' * (len(examples) > 1)}:", *examples, ""] * bool(examples) + others
    parser = commands_of.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".",
                                    epilog="\n".join(ending), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(command=function)
    return parser


def labels_option(parser: argparse.ArgumentParser, of: str = "") -> None:
    """--labels. of: the maps that it is of, where those are not all."""
    parser.add_argument("--labels", metavar=LABELS, help=f"{of}which value is which tissue, where names do not say")


def device_option(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")


def json_option(parser: argparse.ArgumentParser, instead_of: str = "a table") -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help=f"print the result as JSON instead of {instead_of}")
