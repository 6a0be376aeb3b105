"""A command on its way to the worker, and the errors that come back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from DiffusionSiblingsLib.core import errors
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.i18n import tr as _

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
    return kind(values.get("what", _("The worker process failed")), value=values.get("value", ""),
                rule=values.get("rule", ""), hint=values.get("hint", ""))


def died(code: int, log: str, log_path: Path | None) -> WorkerDied:
    """The error for a child that ended by itself, or was ended by someone else."""
    number = str(code) if code < 256 else f"0x{code:08X}"  # Windows: 0xC0000005 and the like
    how = _("exit code {number}").format(number=number)
    hints = [_("run it again; the worker then starts anew")]
    if code < 0:
        try:
            number = f"{-code} ({signal.Signals(-code).name})"
        except ValueError:
            number = str(-code)
        how = _("signal {number}").format(number=number)
        if -code == getattr(signal, "SIGKILL", 9):
            hints.append(_("if this happens again, memory may be short: close programs or crop the segmentation"))
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    hints.append(_("the log is in {path}").format(path=log_path))
    error = WorkerDied(_("The worker process stopped before it was finished"),
                       value=f"{how}; {last}" if last else how, hint="; ".join(hints))
    error.log = log
    return error
