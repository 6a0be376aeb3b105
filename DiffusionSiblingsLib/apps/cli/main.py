"""The command `siblings`: its exit codes, and the one message of a command that cannot do what it was asked."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence

import typer

from ...core.errors import InputError, SiblingsError, means_memory, too_little_memory
from .app import COMMANDS, build_app
from .unexpected import unexpected

NAME = "siblings"
FAILED, INTERRUPTED = 1, 130
WORDING = (  # of typer, and how we say it
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "it must be a whole number"),
    ("Input should be a valid integer, got a number with a fractional part", "it must be a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "it must be a number"),
    ("Got unexpected extra argument(s)", "There is one argument too many:"),
)
MOST_NEW = 100_000  # objects between two looks for garbage


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command -> exit code: 0 done, 1 an error of the program, 2 bad input (one message on standard error), 3
    done with fewer siblings than asked for or with one that could not be reproduced, 130 stopped with Ctrl-C. Help and
    --version raise SystemExit(0).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: spinning threads starve next to a neighbour
    _print_any_letter()
    usual = gc.get_threshold()
    try:
        gc.set_threshold(MOST_NEW)  # a fifth of what loading torch takes went into looking for garbage
        return _run(words)
    except SiblingsError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{NAME}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `siblings ... | head`: the reader has gone, nothing to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except SystemExit:
        raise
    except BaseException as error:  # also the panic of a package in Rust, which is no Exception
        return _failed(error, words)
    finally:  # whoever calls this as a function keeps his own
        gc.set_threshold(*usual)


def _print_any_letter() -> None:
    """From here on, a letter that a console, pipe or file has no code for is printed as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _failed(error: BaseException, words: list[str]) -> int:
    """Says what an error that nobody foresaw came to -> exit code."""
    if means_memory(error):
        what = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"{NAME}: {too_little_memory(what)}", file=sys.stderr)
        return InputError.exit_code
    print(f"{NAME}: {unexpected(error, words)}", file=sys.stderr)
    return FAILED


def _run(words: list[str]) -> int:
    """Reads what was typed and runs the command -> exit code."""
    command = build_app()
    if f"_{NAME.upper()}_COMPLETE" in os.environ:  # the shell asks what could come next; this ends the process
        command.main(words, prog_name=NAME)
    try:
        with command.make_context(NAME, words) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None
    except typer.TyperException as error:
        print(f"{NAME}: {_message(error, words)}", file=sys.stderr)
        return InputError.exit_code


def _message(error: typer.TyperException, words: list[str]) -> str:
    """What is wrong with what was typed, in one line, and where the help is."""
    text = " ".join(error.format_message().split())
    for technical, plain in WORDING:
        text = text.replace(technical, plain)
    where = f"{NAME} {words[0]}" if words and words[0] in COMMANDS else NAME
    return f"{text if text.endswith('?') else text.rstrip('.') + '.'} See `{where} --help`."
