"""Commands whose options are the fields of a frozen dataclass, and their help."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from textwrap import fill
from typing import Any, ClassVar, get_args, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import ArgumentInfo, OptionInfo

from .tokens import Takes, TokenError, spelled_out

TWIN, EDIT, GUIDANCE, SAMPLING, COHORT = "Twin", "Edit", "Guidance", "Sampling", "Cohort"
REPORT, TRAINING, OUTPUT, MACHINE, HELP = "Report", "Training", "Output", "Machine", "Help"
PANELS = (TWIN, EDIT, GUIDANCE, SAMPLING, COHORT, REPORT, TRAINING, OUTPUT, MACHINE, HELP)  # in the order of the help

NOTE_WIDTH = 98

SEVERAL: Takes = "several"  # in the annotation of an option: it takes values up to the next option
ANY: Takes = "any"  # the same, and it may have none


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the options of a command share. Their docstring is part of the help. examples: command lines for its end."""

    examples: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def notes(cls) -> tuple[str, ...]:
        """Lines after the examples."""
        return ()


class Spoken:
    """What a command and the group of all commands share: how they read what was typed, and how they show their help.

    takes: option -> how many values it takes. mixed: options may stand behind other words.
    """

    takes: dict[str, Takes]
    mixed = True
    rich_markup_mode: Any

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads what was typed."""
        try:
            args = spelled_out(args, self.takes, mixed=self.mixed)
        except TokenError as error:
            if not ctx.resilient_parsing:  # while a shell completes a half-written line, nothing is wrong yet
                ctx.fail(str(error))
        return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]  # of typer's class beside this one

    def get_help_option(self, ctx: Any) -> Any:
        """--help, in a panel of its own at the end."""
        return in_help_panel(super().get_help_option(ctx))  # type: ignore[misc]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Panels on a terminal; in a pipe or file plain text, which can be searched."""
        if not sys.stdout.isatty():
            self.rich_markup_mode = None
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(Spoken, TyperCommand):
    """A command that takes several values behind one option, and whose help is plain text without a terminal."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line, without the braces that typer puts around arguments which must be given."""
        return [piece.removeprefix("{").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then the options of each panel."""
        groups: dict[str, list[tuple[str, str]]] = {}
        params: list[Any] = self.get_params(ctx)
        for param in params:
            record = param.get_help_record(ctx)
            if record is not None:
                title = "Arguments" if param.param_type_name == "argument" else param.rich_help_panel
                groups.setdefault(title, []).append(record)
        write_groups(formatter, groups)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Examples and notes, line by line."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


def in_help_panel(option: Any) -> Any:
    """The option in the panel of help, without a type. A flag of typer's own that is None would make typer load
    pydantic, which takes a tenth of a second; False is the same to it.
    """
    option.rich_help_panel, option.metavar = HELP, ""
    if option.is_flag:
        option.default = False
    return option


def in_paragraphs(text: str) -> str:
    """The text without the line ends of its source: each paragraph is one line, which is wrapped where it is shown."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def listed(title: str, entries: Mapping[str, str]) -> tuple[str, ...]:
    """A title and lines "name: words" under it, for the end of a help."""
    lines = (fill(f"{name}: {words}", NOTE_WIDTH, initial_indent="  ", subsequent_indent="      ")
             for name, words in entries.items())
    return (title, *lines)


def write_groups(formatter: Any, groups: dict[str, list[tuple[str, str]]]) -> None:
    """Definition lists under titles, in plain text."""
    for title, records in groups.items():
        with formatter.section(title):
            formatter.write_dl(records)


def build(name: str, summary: str, options: type[Options], run: Callable[[Any], int]) -> Command:
    """The command whose options are the fields of `options`, and which calls `run` with them."""

    def call(**values: Any) -> int:
        from ...core.files import reachable  # loads psutil, which help need not wait for

        for value in values.values():
            for path in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(path, Path):
                    reachable(path)
        return run(options(**values))

    call.__signature__ = _signature(options)  # type: ignore[attr-defined]  # what typer reads
    title = "Examples:" if len(options.examples) > 1 else "Example:"
    examples, notes = [title, *(f"  {line}" for line in options.examples)] if options.examples else [], options.notes()
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(name, cls=Command, help=f"{summary}\n\n{in_paragraphs(options.__doc__ or '')}",
                epilog="\n".join([*examples, *[""] * bool(examples and notes), *notes]))(call)
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    hints = get_type_hints(options, include_extras=True)
    params: list[Any] = command.params
    command.takes = {}
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = _no_type
        elif param.name is not None:
            marks = [mark for mark in get_args(hints[param.name]) if mark in (SEVERAL, ANY)]
            command.takes |= dict.fromkeys(param.opts, marks[0] if marks else "nothing" if param.is_flag else "one")
    return command


def _no_type(ctx: Any) -> None:
    """What the help shows as the type of an argument: nothing, as typer would name Python's."""


def _signature(options: type[Options]) -> inspect.Signature:
    """The fields as keyword parameters, in the order of the help: arguments first, then panel by panel; --out leads its
    panel, --json ends it; else a class's own fields come before those of its bases.
    """
    hints = get_type_hints(options, include_extras=True)
    order = [name for kind in options.__mro__ for name in inspect.get_annotations(kind)]
    placed: list[tuple[tuple[int, int, int], inspect.Parameter]] = []
    for entry in fields(options):
        (info,) = (part for part in get_args(hints[entry.name]) if isinstance(part, (OptionInfo, ArgumentInfo)))
        panel = -1 if isinstance(info, ArgumentInfo) else PANELS.index(str(info.rich_help_panel))
        default = inspect.Parameter.empty if entry.default is MISSING else entry.default
        if entry.default_factory is not MISSING:
            default = entry.default_factory()
        placed.append(((panel, {"out": -1, "json": 1}.get(entry.name, 0), order.index(entry.name)),
                       inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=default,
                                         annotation=hints[entry.name])))
    return inspect.Signature([parameter for _, parameter in sorted(placed, key=lambda pair: pair[0])])
