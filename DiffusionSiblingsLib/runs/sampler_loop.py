"""What a worker does: it loads the model once, and makes siblings whole, map and entry, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

from ..editing.result import Sibling
from ..engine.engine import Encoded, Engine
from ..metrics.acceptance import Acceptance
from .messages import Finished, Job, Ready, Task
from .partial_results import PartialResult, PartialResults

Step = Callable[[float], None]
Seen = Callable[[int, int, Sibling], None]  # (run, k, sibling) of those that a gate let through


class Maker:
    """A loaded model at work on one job. seen: is shown siblings while they are in memory."""

    def __init__(self, job: Job, *, seen: Seen | None = None) -> None:
        self.job, self.seen = job, seen
        self.parts = PartialResults(job.out)
        self.engine = Engine.open(job.model, job.device, dtype=job.dtype)
        self.gate = Acceptance.parse(job.gate) if job.gate else None
        self.twin: Encoded | None = None
        if job.twin is not None:
            self.twin = Encoded(job.twin, self.engine.encode(job.twin.canonical.labels))

    @property
    def ready(self) -> Ready:
        """What this worker computes with."""
        return Ready(self.engine.compute.to_json(), self.engine.compute.batch)

    def make(self, task: Task, step: Step | None = None, *, parts: PartialResults | None = None) -> Iterator[Finished]:
        """Makes a task's siblings; each is written when it is given back, into the run's folder if not other `parts`.

        step: told the share of the task done.
        """
        request = self.job.requests[task.run]
        for done, ks in _stretches(task.ks):
            report = None
            if step is not None:
                def report(at: int, of: int, done: int = done, count: int = len(ks)) -> None:
                    step((done + count * at / of) / len(task.ks))
            stretch = replace(request, first=ks[0], count=len(ks))
            for sibling in self.engine.run(stretch, self.twin, progress=report):
                yield self._finish(task.run, sibling, parts or self.parts)

    def _finish(self, run: int, sibling: Sibling, parts: PartialResults) -> Finished:
        verdict = None
        if self.gate is not None:
            verdict = self.gate.check(sibling.known, sibling.labelmap.affine, self.engine.anatomy)
        part = PartialResult.of(run, sibling, self.job.format, verdict)
        parts.write(part, sibling, self.job.format)
        if self.seen is not None and part.rejected is None:
            self.seen(run, sibling.k, sibling)
        return Finished(run, sibling.k, part.rejected is None)


def _stretches(ks: tuple[int, ...]) -> Iterator[tuple[int, list[int]]]:
    """(how many come before, neighbouring numbers): siblings that one request can ask for."""
    done = 0
    for _, group in groupby(enumerate(ks), key=lambda pair: pair[1] - pair[0]):
        stretch = [k for _, k in group]
        yield done, stretch
        done += len(stretch)
