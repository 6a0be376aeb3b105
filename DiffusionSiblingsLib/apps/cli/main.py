"""The command `siblings`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from ...core.errors import SiblingsError
from .options import build_parser

INTERRUPTED = 130
MOST_NEW = 100_000  # objects between two looks for garbage


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command -> exit code: 0 done, 2 bad input (one message on standard error), 3 done with fewer siblings
    than were wanted or one that did not come out again, 130 stopped with Ctrl-C.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: spinning threads starve next to a neighbour
    usual = gc.get_threshold()
    arguments = build_parser().parse_args(argv)
    try:
        gc.set_threshold(MOST_NEW)  # a fifth of what loading torch takes went into looking for garbage
        return int(arguments.command(arguments) or 0)
    except SiblingsError as error:
        print(f"siblings: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("siblings: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `siblings ... | head`: the reader has gone, nothing to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:  # whoever calls this as a function keeps his own
        gc.set_threshold(*usual)
