"""A command on its way to the worker, and the errors that come back."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from DiffusionSiblingsLib.core import errors
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.i18n import tr as _
from DiffusionSiblingsUI.panel_words import in_panel_words

# What the launcher of Slicer's Python (CTKAppLauncher) writes to the log when Python crashed.
LAUNCHER_SAYS = re.compile(r"exit\s+abnormally")
SHELLS_SIGNAL = 128
OUT_OF_MEMORY = (0xC0000017, 0xC000012D)  # Windows: no memory, commitment limit
OnEvent = Callable[["Job", dict[str, Any]], None]


class WorkerDied(SiblingsError):  # noqa: N818, what happened, in the words of the message
    """The child ended while it had work. log: the last lines that it wrote."""

    log = ""


@dataclass
class Job:
    """One command on its way.

    state: 'running', 'done', 'failed' or 'cancelled'. progress: 0..1 over the whole job. what: what is being done, in
    words. seconds_left: None while nobody knows. events: all but the progress, as they came. error: of a failed job.
    log: where a failure came from, for the details. result: the values of the "done" event.
    """

    id: int
    command: dict[str, Any]
    on_event: OnEvent | None = None
    state: str = "running"
    progress: float = 0.0
    what: str = _("Starting the worker")
    seconds_left: float | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    error: SiblingsError | None = None
    log: str = ""
    result: dict[str, Any] | None = None
    started: bool = False
    cancel_by: float | None = None

    @property
    def running(self) -> bool:
        """Whether its end has not come yet."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it was asked to stop and has not yet."""
        return self.running and self.cancel_by is not None

    def of(self, event: str) -> list[dict[str, Any]]:
        """Its events of one kind, such as "sibling"."""
        return [values for values in self.events if values["event"] == event]


def error_of(values: Mapping[str, Any]) -> SiblingsError:
    """The error that a "failed" event tells of, as the class that it was in the child."""
    kind = getattr(errors, str(values.get("kind", "")), SiblingsError)
    if not (isinstance(kind, type) and issubclass(kind, SiblingsError)):
        kind = SiblingsError
    error = kind(values.get("what", _("The worker process failed")), value=values.get("value", ""),
                 rule=values.get("rule", ""), hint=values.get("hint", ""))
    return in_panel_words(error)


def died(code: int, log: str, log_path: Path | None) -> WorkerDied:
    """The error for a child that ended by itself, or was ended by someone else."""
    how, killed = _ending(code, log)
    hints = [_("run it again; the worker then starts anew")]
    if killed:
        hints.append(_("if this happens again, memory may be short: close programs, crop the segmentation or use fewer "
                       "parallel processes"))
    lines = [line.strip() for line in log.splitlines() if line.strip() and not LAUNCHER_SAYS.search(line)]
    hints.append(_("the log is in {path}").format(path=log_path))
    error = WorkerDied(_("The worker process stopped before it was finished"),
                       value=f"{how}; {lines[-1]}" if lines else how, hint="; ".join(hints))
    error.log = log
    return error


def _ending(code: int, log: str) -> tuple[str, bool]:
    """How a child ended, in words, and whether the system may have killed it, as it does when memory runs out.

    Slicer starts Python behind a launcher, which ends with 1 whatever signal ended Python: only what it wrote tells.
    """
    if code > 0 and LAUNCHER_SAYS.search(log):
        return _("Slicer's Python was killed, or it crashed"), True
    if code < 0 or SHELLS_SIGNAL < code < SHELLS_SIGNAL + 65:  # a shell, as a container's first process, adds 128
        number = -code if code < 0 else code - SHELLS_SIGNAL
        try:
            name = f"{number} ({signal.Signals(number).name})"
        except ValueError:
            name = str(number)
        return _("signal {number}").format(number=name), number == getattr(signal, "SIGKILL", 9)
    number_text = str(code) if code < 256 else f"0x{code:08X}"  # Windows: 0xC0000005 and the like
    return _("exit code {number}").format(number=number_text), code in OUT_OF_MEMORY
