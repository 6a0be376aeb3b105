"""Sparse matrices of 3 x 3 blocks, one for each pair of nodes that share an element."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .elements import Floats
from .wall import Ints


@dataclass(frozen=True)
class Pattern:
    """The pairs of nodes that share an element. cells: (t, a) int64. size: number of nodes."""

    cells: Ints
    size: int

    @cached_property
    def _keys(self) -> tuple[Ints, Ints]:
        return np.unique(_pairs(self.cells, self.size), return_inverse=True)

    @cached_property
    def _sums(self) -> Any:
        """Sparse (blocks, pairs of elements): which blocks of elements add up to which of the matrix."""
        from scipy.sparse import csr_matrix

        where = self._keys[1].ravel()
        return csr_matrix((np.ones(len(where)), (where, np.arange(len(where)))), shape=(len(self._keys[0]), len(where)))

    def blocks_of(self, elements: Floats) -> Floats:
        """(blocks, 3, 3), of (t, a, a, 3, 3) of elements."""
        return np.asarray(self._sums @ elements.reshape(-1, 9)).reshape(-1, 3, 3)

    def places(self, cells: Ints) -> Ints:
        """(k a a,) int64: rows of blocks for the pairs of other cells (k, a), each of which lies in one of these."""
        return np.asarray(np.searchsorted(self._keys[0], _pairs(cells, self.size)), dtype=np.int64)

    def matrix(self, blocks: Floats) -> Any:
        """The scipy BSR matrix (3 size, 3 size) of (blocks, 3, 3)."""
        from scipy.sparse import bsr_matrix

        rows, columns = np.divmod(self._keys[0], self.size)
        starts = np.searchsorted(rows, np.arange(self.size + 1))
        return bsr_matrix((blocks, columns, starts), shape=(3 * self.size, 3 * self.size))


def _pairs(cells: Ints, size: int) -> Ints:
    return np.asarray(cells[:, :, None] * size + cells[:, None, :]).ravel()
