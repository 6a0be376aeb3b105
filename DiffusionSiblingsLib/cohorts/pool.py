"""Work on many items in several processes: results as they come, memory flat, children that end with their parent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from ..errors import InputError, OutputError

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 3  # items handed out per process, so that none waits and results do not pile up
FEW = 4  # items that are not worth starting processes for


def jobs_of(jobs: int) -> int:
    """The number of processes: `jobs`, or for 0 one for each core that this process may use. InputError below 0."""
    if jobs < 0:
        raise InputError("The number of processes is not usable", value=jobs, rule="1 or more; 0 for one a core")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or cores


def each(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, *,
         start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> Iterator[tuple[int, Result]]:
    """(index, result) of every item, in the order in which they are ready; in this process for one job or few items.

    work: a function of a module, that a new process can import. start: called once in every process with `given`,
    before the first item (in this process too). Raises what `work` raises; OutputError where a process was killed.
    """
    jobs = min(jobs_of(jobs), len(items))
    if jobs <= 1 or len(items) < FEW:
        if start is not None:
            start(*given)
        for index, item in enumerate(items):
            yield index, work(item)
        return
    # "spawn": a fork of a process that runs threads (torch, SimpleITK) may hang.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=start, initargs=given) as pool:
        try:
            yield from _streamed(pool, work, items, jobs * AHEAD)
        except BrokenProcessPool as problem:
            raise OutputError("A process of the measurement ended before its time", value=f"{jobs} processes",
                              rule="what was measured before is kept where there is a cache",
                              hint="free some memory or take fewer with --jobs 1; a script that calls this needs "
                              "`if __name__ == '__main__':` around its own work") from problem
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _streamed(pool: ProcessPoolExecutor, work: Callable[[Item], Result], items: Sequence[Item],
              ahead: int) -> Iterator[tuple[int, Result]]:
    """As `each`, never with more than `ahead` items under way."""
    under_way: dict[Future[Result], int] = {}
    following = iter(range(len(items)))
    while True:
        while len(under_way) < ahead and (index := next(following, None)) is not None:
            under_way[pool.submit(work, items[index])] = index
        if not under_way:
            return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=under_way.__getitem__):
            yield under_way.pop(future), future.result()

