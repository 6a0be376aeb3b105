"""Results of several processes in the order of their items, without keeping more than a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from .pool import each

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, *,
             start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> Iterator[tuple[int, Result]]:
    """As `pool.each`, in the order of the items: a result that is ready early waits, there are never many of those."""
    waiting: dict[int, Result] = {}
    following = 0
    for index, result in each(work, items, jobs, start=start, given=given):
        waiting[index] = result
        while following in waiting:
            yield following, waiting.pop(following)
            following += 1
