"""What a worker does: it loads the model once, and makes siblings whole, map and entry, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from ..editing.result import Sibling
from ..engine.engine import Engine
from ..metrics.acceptance import Acceptance
from .messages import Finished, Ready, RunJob, SamplingTask
from .partial_results import PartialResult, PartialResults

Step = Callable[[float], None]
Seen = Callable[[int, int, Sibling], None]  # (run, k, sibling)


class SamplerLoop:
    """A loaded model at work on one run. engine: one that is loaded already. seen: is shown accepted siblings."""

    def __init__(self, job: RunJob, engine: Engine | None = None, *, seen: Seen | None = None) -> None:
        self.plan, self.seen = job.plan, seen
        settings = self.plan.settings
        self.parts = PartialResults(job.out)
        self.engine = engine or Engine.open(self.plan.facts, settings.device, dtype=job.dtype)
        self.acceptance = Acceptance.parse(settings.gate) if settings.gate else None
        self.twin = self.engine.encoded(self.plan.twin) if self.plan.twin is not None else None

    @property
    def ready(self) -> Ready:
        """What this worker computes with."""
        return Ready(self.engine.compute.to_json(), self.engine.compute.batch)

    def run(self, task: SamplingTask, step: Step | None = None, *,
            parts: PartialResults | None = None) -> Iterator[Finished]:
        """Makes a task's siblings; each is written when it is given back, into the run's folder if not other `parts`.

        step: is called with the share of the task that is sampled.
        """
        planned, before = self.plan.requests[task.run], 0
        for _, group in groupby(enumerate(task.ks), key=lambda pair: pair[1] - pair[0]):
            ks = [k for _, k in group]  # neighbouring numbers: siblings that one call of the engine can make
            report = _share_of(task, before, len(ks), step) if step is not None else None
            for sibling in self.engine.run(planned, self.twin, ks=range(ks[0], ks[-1] + 1), progress=report):
                yield self._store(task.run, sibling, parts or self.parts)
            before += len(ks)

    def _store(self, run: int, sibling: Sibling, parts: PartialResults) -> Finished:
        verdict = None
        if self.acceptance is not None:
            verdict = self.acceptance.check(sibling.known, sibling.labelmap.affine, self.plan.facts.anatomy)
        part = PartialResult.of(run, sibling, self.plan.settings.format, verdict)
        parts.write(part, sibling, self.plan.settings.format)
        if self.seen is not None and part.rejected is None:
            self.seen(run, sibling.k, sibling)
        return Finished(run, sibling.k, part.rejected is None)


def _share_of(task: SamplingTask, before: int, count: int, step: Step) -> Callable[[int, int], None]:
    """Progress of the engine on a stretch of a task as the share of the whole task."""
    return lambda done, steps: step((before + count * done / steps) / len(task.ks))
