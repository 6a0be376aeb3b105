"""Training logs: a CSV file per stage, TensorBoard if it is installed, and progress lines with the time left."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LINE_EVERY_SECONDS = 20.0


class StageLog:
    """Collects the values of every step and writes their means. quiet: for all processes except the first."""

    def __init__(self, out: Path, stage: str, *, quiet: bool = False) -> None:
        self.stage, self.quiet = stage, quiet
        self.path = out / f"{stage}.csv"
        self.sums: dict[str, float] = {}
        self.count, self.printed = 0, time.monotonic()
        self.board = None if quiet else open_board(out / "tensorboard" / stage)

    def step(self, step: int, progress: float, seconds: float, values: dict[str, float]) -> None:
        """Adds the values of one step; from time to time writes their means and prints the progress."""
        self.count += 1
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        if self.quiet or (time.monotonic() - self.printed < LINE_EVERY_SECONDS and progress < 1.0):
            return
        means = {key: value / self.count for key, value in self.sums.items()}
        left = seconds * (1.0 - progress) / progress if progress > 0 else float("nan")
        shown = " ".join(f"{key} {value:.4g}" for key, value in means.items())
        print(f"{self.stage} step {step} ({progress:.1%}, {left / 60:.0f} min left) {shown}", flush=True)
        self.write("train", step, {"seconds": seconds, **means})
        self.sums, self.count, self.printed = {}, 0, time.monotonic()

    def evaluation(self, step: int, values: dict[str, float]) -> None:
        """Prints and writes figures of held-out maps."""
        shown = " ".join(f"{key} {value:.4f}" for key, value in values.items())
        print(f"{self.stage} step {step} held out: {shown}", flush=True)
        self.write("held out", step, values)

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Appends long-form rows: kind, step, name, value."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["kind", "step", "name", "value"])
            writer.writerows([kind, step, key, f"{value:.6g}"] for key, value in values.items())
        if self.board is not None:
            for key, value in values.items():
                self.board.add_scalar(f"{kind}/{key}", value, step)


def open_board(folder: Path) -> SummaryWriter | None:
    """A TensorBoard writer; None if tensorboard, which the extra `train` installs, is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
