"""Distances between all shapes of two cohorts, in several processes; exact where a figure looks at them.

Chamfer distances are cheap: every pair is measured. The earth mover's distance is not, and no figure needs it of every
pair: MMD, COV and 1-NNA ask for nearest shapes. So every pair gets a lower bound first (`transport`), a third of the
cost, and then the pairs that may be somebody's nearest are measured exactly, the most promising first, until it is
certain who is nearest (`certify`). The figures are those of the full matrix, to the last digit; only numbers that
nobody looks at remain bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..core.files import atomic_path
from ..metrics.pointcloud import chamfer_of_trees, tree
from ..metrics.transport import WORTH, earth_mover, earth_mover_bound
from .pool import Workers

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Subset = tuple[IntArray, IntArray]  # chosen synthetic and chosen real shapes
Kind = Literal["CD", "EMD"]
Progress = Callable[[int, int, str], None]
Pair = tuple[int, int]
TOGETHER = 24  # pairs handed to a process at once
VERSION = 1  # of the cached distances


@dataclass(frozen=True)
class Distances:
    """joint: (g + r, g + r) float64, synthetic shapes before real ones, symmetric; in the unit of the clouds, for CD
    its square. exact: (g + r, g + r) bool, False where `joint` is only a lower bound.
    """

    joint: FloatArray
    exact: BoolArray
    synthetic: int

    @property
    def to_real(self) -> FloatArray:
        """(g, r) from synthetic to real shapes."""
        return self.joint[: self.synthetic, self.synthetic :]

    @property
    def generated(self) -> FloatArray:
        """(g, g)."""
        return self.joint[: self.synthetic, : self.synthetic]

    @property
    def real(self) -> FloatArray:
        """(r, r)."""
        return self.joint[self.synthetic :, self.synthetic :]


def measure_distances(synthetic: npt.NDArray[np.floating], real: npt.NDArray[np.floating], kind: Kind, *,
                      subsets: Sequence[Subset] = (), parts: Sequence[Subset] = (), jobs: int = 0,
                      cache: Path | None = None, full: bool = False, progress: Progress | None = None) -> Distances:
    """Distances by which MMD, COV and 1-NNA of the whole cohorts, and of every one of `subsets`, are exact.

    synthetic: (g, n, 3), real: (r, n, 3), in the unit of the comparison. parts: pairs of disjoint parts of the real
    cohort, for which the same figures are exact, the first one in the place of the synthetic cohort. cache: a folder
    that keeps earth mover's distances by the content of the clouds. full: measure every pair exactly. progress: pairs
    done, in all, what.
    """
    clouds = np.concatenate([np.asarray(synthetic, np.float64), np.asarray(real, np.float64)])
    count, g = len(clouds), len(synthetic)
    table = _Table(np.zeros((count, count)), np.eye(count, dtype=np.bool_), np.eye(count, dtype=np.bool_))
    kept = [] if cache is None or kind == "CD" else _blocks(Path(cache), clouds, g)
    for path, rows, columns in kept:
        table.read(path, rows, columns)
    with Workers(jobs, _begin, (clouds,)) as workers:
        if kind == "CD" or full or clouds.shape[1] < WORTH:  # bounds of so few points cost more than they save
            table.fill(workers, _chamfer if kind == "CD" else _earth_mover, table.missing(table.exact), f"{kind}",
                       progress)
        else:
            table.fill(workers, _bound, table.missing(table.known), "EMD bounds", progress)
            whole = (np.arange(g), np.arange(count - g))
            compared = [(chosen, others + g) for chosen, others in (whole, *subsets)]
            _certify(table, [*compared, *((one + g, other + g) for one, other in parts)], workers, progress)
    for path, rows, columns in kept:
        table.write(path, rows, columns)
    return Distances(table.values, table.exact, g)


def mean_paired(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating], kind: Kind, *, jobs: int = 0) -> float:
    """Mean distance of one[k] to other[k], (n, points, 3) each; of two draws of the same surfaces it is the floor."""
    clouds, count = np.concatenate([np.asarray(one, np.float64), np.asarray(other, np.float64)]), len(one)
    chunks = [[(i, count + i) for i in range(low, min(low + TOGETHER, count))] for low in range(0, count, TOGETHER)]
    work = _chamfer if kind == "CD" else _earth_mover
    with Workers(jobs, _begin, (clouds,)) as workers:
        return float(sum(sum(found) for _, found in workers.each(work, chunks)) / count)


@dataclass
class _Table:
    """values, exact: as in `Distances`. known: (n, n) bool, there is a number of either kind."""

    values: FloatArray
    exact: BoolArray
    known: BoolArray

    def missing(self, there: BoolArray) -> list[Pair]:
        """Pairs (row > column) that are not in `there`."""
        return [(int(i), int(j)) for i, j in np.argwhere(np.tril(~there, -1))]

    def fill(self, workers: Workers, work: Callable[[list[Pair]], list[float]], pairs: list[Pair], what: str,
             progress: Progress | None) -> None:
        """Measures pairs and takes in what comes."""
        chunks = [pairs[low : low + TOGETHER] for low in range(0, len(pairs), TOGETHER)]
        done = 0
        for index, found in workers.each(work, chunks):
            for (i, j), value in zip(chunks[index], found, strict=True):
                self.values[i, j] = self.values[j, i] = value
                self.known[i, j] = self.known[j, i] = True
                self.exact[i, j] = self.exact[j, i] = work is not _bound
            done += len(found)
            if progress is not None:
                progress(done, len(pairs), what)

    def read(self, path: Path, rows: slice, columns: slice) -> None:
        """Takes in a block of the cache; a missing or damaged one is left."""
        with suppress(OSError, KeyError, ValueError, EOFError, BadZipFile), np.load(path) as file:
            values, exact = np.asarray(file["values"], np.float64), np.asarray(file["exact"], np.bool_)
            if values.shape == exact.shape == self.values[rows, columns].shape:
                for target, part in ((self.values, values), (self.exact, exact), (self.known, np.ones_like(exact))):
                    target[rows, columns] = part
                    target[columns, rows] = part.T

    def write(self, path: Path, rows: slice, columns: slice) -> None:
        """Keeps a block. Raises OutputError."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, values=self.values[rows, columns], exact=self.exact[rows, columns])


def _certify(table: _Table, subsets: Sequence[Subset], workers: Workers, progress: Progress | None) -> None:
    """Measures pairs exactly until the nearest shapes that the figures of every subset look at are certain.

    subsets: rows of the table, of either side.
    """
    open_subsets, rounds = list(subsets), 0
    while open_subsets:
        rounds += 1
        wanted: set[Pair] = set()
        left = []
        for chosen, others in open_subsets:
            pairs = _doubtful(table, chosen, others)
            if pairs:
                wanted |= pairs
                left.append((chosen, others))
        open_subsets = left
        if wanted:
            table.fill(workers, _earth_mover, sorted(wanted), f"EMD of nearest shapes, round {rounds}", progress)


def _doubtful(table: _Table, synthetic: IntArray, real: IntArray) -> set[Pair]:
    """Pairs to be measured next before the nearest shapes of a subset are certain; empty when they are.

    synthetic, real: rows of the table. Asked are: of every real shape the nearest synthetic one (MMD), of every
    synthetic one the nearest real one (COV), of every shape the nearest of all others (1-NNA).
    """
    everything = np.concatenate([synthetic, real])
    pairs: set[Pair] = set()
    for rows, columns in ((real, synthetic), (synthetic, real), (everything, everything)):
        block = np.ix_(rows, columns)
        values, exact = table.values[block], table.exact[block]
        if rows is columns:
            values[np.arange(len(rows)), np.arange(len(rows))] = np.inf  # a shape is not its own neighbour
        certain = np.where(exact, values, np.inf).min(axis=1, initial=np.inf)
        bounds = np.where(exact, np.inf, values)
        best = bounds.argmin(axis=1)
        lowest = bounds[np.arange(len(rows)), best]
        # A bound that equals the smallest exact distance may be a tie, which counts: it is measured too.
        for row in np.flatnonzero((lowest <= certain) & np.isfinite(lowest)):
            i, j = int(rows[row]), int(columns[best[row]])
            pairs.add((max(i, j), min(i, j)))
    return pairs


def _blocks(folder: Path, clouds: FloatArray, g: int) -> list[tuple[Path, slice, slice]]:
    """The cache's files of the three kinds of pairs: (file, rows, columns)."""
    parts = (slice(0, g), slice(g, len(clouds)))
    digests = [hashlib.sha256(np.ascontiguousarray(clouds[part]).tobytes()).hexdigest()[:16] for part in parts]
    return [(folder / f"emd{VERSION}-{digests[a]}-{digests[b]}.npz", parts[a], parts[b])
            for a, b in ((1, 1), (0, 0), (0, 1))]


_clouds: list[FloatArray] = []  # of this process
_trees: dict[int, Any] = {}


def _begin(clouds: FloatArray) -> None:
    _clouds[:] = list(clouds)
    _trees.clear()


def _tree(index: int) -> Any:
    if index not in _trees:
        _trees[index] = tree(_clouds[index])
    return _trees[index]


def _chamfer(pairs: list[Pair]) -> list[float]:
    return [chamfer_of_trees(_tree(i), _tree(j)) for i, j in pairs]


def _earth_mover(pairs: list[Pair]) -> list[float]:
    return [earth_mover(_clouds[i], _clouds[j]) for i, j in pairs]


def _bound(pairs: list[Pair]) -> list[float]:
    return [earth_mover_bound(_clouds[i], _clouds[j]) for i, j in pairs]
