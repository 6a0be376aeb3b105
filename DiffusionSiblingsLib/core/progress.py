"""One progress bar for every long job: on a terminal with the time left, silent where standard error is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESHES_PER_SECOND = 4
SPEED_OF_LAST_SECONDS = 3600.0  # a step may take minutes, and the time left needs two of them


class ProgressBar:
    """A bar on standard error, to be used in a `with` block.

        with ProgressBar("measuring", total=len(maps), unit="maps") as bar:
            bar.show(done, len(maps), "heart_01")

    words: what is being done. total: of `unit`, None while it is unknown. kept: the finished bar stays on the terminal.
    Meanwhile, what is printed to standard error appears above the bar; standard output is left alone, as it may go to a
    file.
    """

    def __init__(self, words: str, *, total: float | None = None, unit: str = "", shown: bool = True,
                 kept: bool = True) -> None:
        self._words = words
        self._total = total
        self._unit = unit
        self._progress: Progress | None = _progress(kept) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> ProgressBar:
        if self._progress is not None:
            self._progress.add_task(self._words, total=self._total, note="",
                                    count=self._count(0, self._total))
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def show(self, done: float, total: float, words: str = "") -> None:
        """Moves the bar to `done` of `total` and shows what is at work, in words."""
        if self._progress is not None:
            done = round(done, 2)
            self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=words,
                                  count=self._count(done, total))

    def close(self) -> None:
        """Stops the bar. Closing it twice does no harm."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _count(self, done: float, total: float | None) -> str:
        return f"{done:g} of {'?' if total is None else f'{total:g}'} {self._unit}".rstrip()


def _progress(kept: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    def field(name: str, style: str = "none") -> TextColumn:
        return TextColumn(f"{{task.{name}}}", style=style, markup=False)  # brackets in file names are no markup

    return Progress(field("description"), BarColumn(bar_width=24), field("fields[count]", "progress.download"),
                    TimeRemainingColumn(), TextColumn("left", style="progress.remaining"), field("fields[note]"),
                    console=Console(stderr=True), redirect_stdout=False, refresh_per_second=REFRESHES_PER_SECOND,
                    speed_estimate_period=SPEED_OF_LAST_SECONDS, transient=not kept)
