"""Cases by their numbers: the input that each damages, what its readers did, and how much time and memory they took."""

from __future__ import annotations

import random
import shutil
import signal
import time
import traceback
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from inputs import INPUTS, Input

from DiffusionSiblingsLib.core.errors import SiblingsError

SECONDS, BYTES = 10.0, 1 << 30  # more than this of either is a failure
PATIENCE = 60  # s of work after which a case is interrupted, where the system can do that
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class HungError(BaseException):
    """A case took longer than PATIENCE. No Exception, so that no reader takes it for a damaged file."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case. foreign: the traceback of an exception that is not of the project's own, "" without.

    seconds: of processor time. grown: bytes that were in use at most, beyond those in use before.
    """

    target: str
    number: int
    raw: bytes
    refused: bool
    foreign: str
    seconds: float
    grown: int

    @property
    def failed(self) -> bool:
        """Whether a reader did what no reader may do."""
        return bool(self.foreign) or self.seconds > SECONDS or self.grown > BYTES


def schedule(names: Sequence[str] = ()) -> list[str]:
    """Targets in the order of the cases, each as often as its share; it is repeated without end."""
    chosen = {name: INPUTS[name] for name in names or INPUTS}
    turns = [name for name, target in chosen.items() for _ in range(target.share)]
    random.Random(0).shuffle(turns)
    return turns


class Session:
    """Runs cases in a folder of its own. Case n is the same in every session with the same targets."""

    def __init__(self, folder: Path, names: Sequence[str] = ()) -> None:
        self.folder, self.turns = folder, schedule(names)
        self._sound: dict[str, Sequence[bytes]] = {}

    def run(self, number: int) -> Outcome:
        """Damages and reads one input."""
        name = self.turns[number % len(self.turns)]
        target = INPUTS[name]
        rng = random.Random(f"{name} {number}")
        raw = target.mutate(rng, rng.choice(self._whole(name, target)))
        path = self.folder / name / target.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        refused, foreign, before = False, "", _reset_peak()
        start = time.process_time()  # a busy machine makes no case slower
        try:
            with _patience():
                target.read(path, rng)
        except SiblingsError as error:
            refused, message = True, error.message()
            if not message or "\n" in message or "memory" in message:
                foreign = f"this is no message: {message!r}"
        except HungError:
            pass
        except Exception:
            foreign = traceback.format_exc()
        seconds = time.process_time() - start
        for left in path.parent.glob("again*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        return Outcome(name, number, raw, refused, foreign, seconds, max(0, _peak() - before))

    def _whole(self, name: str, target: Input) -> Sequence[bytes]:
        if name not in self._sound:
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            self._sound[name] = target.sound(folder)
        return self._sound[name]


@contextmanager
def _patience() -> Any:
    """Interrupts what takes too long, with HungError."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise HungError

    earlier = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


def _reset_peak() -> int:
    """Forgets how much memory was in use at most -> what is in use now; 0 where the system does not tell."""
    try:
        REFERENCES.write_text("5", encoding="ascii")
    except OSError:
        return 0
    return _status("VmRSS")


def _peak() -> int:
    """Bytes that were in use at most since then; 0 where the system does not tell."""
    return _status("VmHWM") if REFERENCES.exists() else 0


def _status(field: str) -> int:
    try:
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)
