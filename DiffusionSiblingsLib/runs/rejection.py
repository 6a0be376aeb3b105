"""Which siblings of a request are still to be drawn, and which number each gets: the same however many draw them.

Without acceptance checks, sibling k has number k - first. With checks, the accepted siblings are numbered in the order
of k. As many siblings are always under way as are still missing. So the same siblings are drawn, whatever the order in
which they come, and none too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush


class SamplingBudget:
    """The siblings of one request.

    first: number k of the first. count: how many are to be accepted. offset: number of the first one in the folder.
    most: how many may be drawn, count or more; None without acceptance checks.
    """

    def __init__(self, first: int, count: int, offset: int, most: int | None = None) -> None:
        self.first, self.count, self.offset = first, count, offset
        self.gated, self.most = most is not None, count if most is None else most
        self.verdicts: dict[int, bool] = {}
        self.out: set[int] = set()  # on their way
        self._settled, self._rank = first, 0  # with a gate: below this k all are decided; so many of them accepted
        self._new: list[int] = []  # accepted since `settled` was asked
        self._next = first + count
        self._waiting = list(range(first, first + count))
        self._ranks: dict[int, int] | None = None  # of chosen siblings

    @classmethod
    def of(cls, ks: Sequence[int], offset: int) -> SamplingBudget:
        """Chosen siblings alone, numbered in their order. ks: ascending; they may have gaps, or be none."""
        budget = cls(0, len(ks), offset)
        budget._waiting, budget._ranks = list(ks), {k: rank for rank, k in enumerate(ks)}
        return budget

    @property
    def accepted(self) -> int:
        """How many are accepted."""
        return sum(self.verdicts.values())

    @property
    def waiting(self) -> int:
        """How many are to be drawn as things stand."""
        return len(self._waiting)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: all are there, or as many are drawn as may be."""
        return not self._waiting and not self.out

    def known(self, verdicts: dict[int, bool]) -> None:
        """Takes over what an earlier run decided, before anything is drawn; also beyond a limit that is lower now."""
        if self.gated:
            self.most = max([self.most, *(k + 1 - self.first for k in verdicts)])
        bound = self.first + self.most
        self.verdicts = {k: good for k, good in verdicts.items() if self.first <= k < bound}
        wanted, k = self.count - self.accepted, self.first
        self._waiting = []
        while len(self._waiting) < wanted and k < bound:
            if k not in self.verdicts:
                self._waiting.append(k)
            k += 1
        self._next = max([k, *(decided + 1 for decided in self.verdicts)])
        self._settled, self._rank = self.first, 0
        self._new = sorted(k for k, good in self.verdicts.items() if good)
        heapify(self._waiting)

    def take(self, most: int) -> tuple[int, ...]:
        """The lowest ones that wait, at most so many, in ascending order; they are on their way then."""
        taken = tuple(heappop(self._waiting) for _ in range(min(most, len(self._waiting))))
        self.out.update(taken)
        return taken

    def put_back(self, ks: Iterable[int]) -> None:
        """What did not come: it waits again."""
        for k in ks:
            self.out.discard(k)
            heappush(self._waiting, k)

    def decide(self, k: int, accepted: bool) -> None:
        """Sibling k is there. For one that was rejected, the next is drawn, while that is allowed."""
        self.out.discard(k)
        self.verdicts[k] = accepted
        self._new += [k] * accepted
        if not accepted and self._next < self.first + self.most:
            heappush(self._waiting, self._next)
            self._next += 1

    def settled(self) -> list[tuple[int, int]]:
        """(k, number in the folder) of those whose number has become known since the last call."""
        new, self._new = self._new, []
        if self._ranks is not None:
            return [(k, self.offset + self._ranks[k]) for k in new]
        if not self.gated:
            return [(k, self.offset + k - self.first) for k in new]
        found = []
        while self._settled in self.verdicts:
            if self.verdicts[self._settled]:
                found.append((self._settled, self.offset + self._rank))
                self._rank += 1
            self._settled += 1
        return found
