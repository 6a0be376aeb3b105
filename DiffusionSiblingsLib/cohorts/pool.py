"""Work on many items in several processes: results as they come, memory flat, children that end with their parent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

from ..core.children import obey_parent
from ..core.cores import usable_cores
from ..core.errors import InputError, OutputError, SiblingsError

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 3  # items handed out per process, so that none waits and results do not pile up
WAITING = 32  # the same where results come in order: how far the others go on while one is slow
FEW = 4  # items that are not worth starting processes for
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def jobs_of(jobs: int) -> int:
    """The number of processes: `jobs`, or for 0 one for each core that this process may use. InputError below 0."""
    if jobs < 0:
        raise InputError("The number of processes is not usable", value=jobs, rule="1 or more; 0 for one a core")
    return jobs or usable_cores()


class Workers:
    """Processes that are started once, when there is first enough to do, and do several rounds of work.

    jobs: processes, 0 for one a core; with 1, or for a handful of items, the work is done in this process. start:
    called once in every process with `given`, before its first item. To be used in a `with` block.
    """

    def __init__(self, jobs: int, start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> None:
        self._jobs = jobs_of(jobs)
        self._start, self._given = start, given
        self._pool: ProcessPoolExecutor | None = None
        self._begun_here = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            self._pool = None

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *,
             ordered: bool = False) -> Iterator[tuple[int, Result]]:
        """(index, result) of every item as they are ready, or ordered: in the order of the items. work: a function of a
        module, that a new process can import. Raises what `work` raises; OutputError where a process was killed.
        """
        if self._jobs == 1 or (len(items) < FEW and self._pool is None):
            if self._start is not None and not self._begun_here:
                self._start(*self._given)
                self._begun_here = True
            for index, item in enumerate(items):
                yield index, work(item)
            return
        if self._pool is None:
            # "spawn": a fork of a process that runs threads (torch, SimpleITK) may hang.
            self._pool = ProcessPoolExecutor(min(self._jobs, len(items)), mp_context=get_context("spawn"),
                                             initializer=_begin, initargs=(self._start, self._given))
        try:
            yield from _streamed(self._pool, work, items, self._jobs * (WAITING if ordered else AHEAD), ordered)
        except BrokenProcessPool as problem:
            raise OutputError("A process of the measurement was stopped before it finished",
                              value=f"{self._jobs} processes",
                              rule="finished measurements are kept if there is a cache",
                              hint="free some memory, or use fewer processes with --jobs 1; a script that calls this "
                              "needs `if __name__ == '__main__':` around its own work") from problem


def each(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, *,
         start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> Iterator[tuple[int, Result]]:
    """One round of `Workers.each`."""
    with Workers(jobs, start, given) as workers:
        yield from workers.each(work, items)


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, *,
             start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> Iterator[tuple[int, Result]]:
    """The same in the order of the items: a result that is ready early waits, WAITING of them a process at most."""
    with Workers(jobs, start, given) as workers:
        yield from workers.each(work, items, ordered=True)


def or_reason(work: Callable[[Item], Result], item: Item) -> Result | str:
    """What `work` makes of one item of many, or in words why it cannot: one bad map does not end the work on thousands.

    Raises OutputError: what cannot be written ends it.
    """
    try:
        return work(item)
    except OutputError:
        raise
    except SiblingsError as problem:
        return problem.message()
    except (MemoryError, OSError, ValueError) as problem:
        return f"{type(problem).__name__}: {problem}"


def _streamed(pool: ProcessPoolExecutor, work: Callable[[Item], Result], items: Sequence[Item], ahead: int,
              ordered: bool) -> Iterator[tuple[int, Result]]:
    """Never more than `ahead` items handed out whose result was not taken yet."""
    under_way: dict[Future[Result], int] = {}
    following = iter(range(len(items)))
    while True:
        while len(under_way) < ahead and (index := next(following, None)) is not None:
            with _one_thread_each():
                under_way[pool.submit(work, items[index])] = index
        if not under_way:
            return
        done = {next(iter(under_way))} if ordered else wait(under_way, return_when=FIRST_COMPLETED).done
        for future in sorted(done, key=under_way.__getitem__):
            yield under_way.pop(future), future.result()


def _begin(start: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """What each process does first."""
    obey_parent()
    if start is not None:
        start(*given)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """New processes inherit that NumPy's matrix products take one thread: there is a process for every core already,
    and threads that wait for each other on busy cores make small products a hundred times as slow.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
