"""What a worker does: it loads the model once, and makes siblings whole, map and entry, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..editing.result import Sibling
from ..engine.engine import Engine
from ..metrics.acceptance import Acceptance
from ..metrics.measures.measure import measure
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
        planned, format = self.plan.requests[task.run], self.plan.settings.format
        report = None if step is None else lambda done, steps: step(done / steps)
        for sibling in self.engine.run(planned, self.twin, ks=task.ks, progress=report):
            verdict = None
            if self.acceptance is not None:
                verdict = self.acceptance.check(sibling.known, sibling.labelmap.affine, self.plan.facts.anatomy)
            if verdict is None or verdict.accepted:  # nobody reads the measures of a rejected one, and they take time
                measures = measure(sibling.known, sibling.labelmap.affine, self.plan.facts.anatomy)
                sibling = replace(sibling, measures=measures)
            part = PartialResult.of(task.run, sibling, format, verdict)
            (parts or self.parts).write(part, sibling, format)
            if self.seen is not None and part.rejected is None:
                self.seen(task.run, sibling.k, sibling)
            yield Finished(task.run, sibling.k, part.rejected is None)
