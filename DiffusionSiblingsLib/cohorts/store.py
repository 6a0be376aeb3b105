"""Where the voxels of a measured cohort are: packed in memory, or in the cache's files, one map unpacked at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError, reason_of
from .dataset_file import decode

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Store:
    """Canonical label maps of a cohort. shape: (D, H, W). sources: of each map the bytes of `pack.encode` (about 12 kB
    a heart), or the cache's .npz file that has them under "packed".
    """

    shape: Shape
    sources: tuple[bytes | Path, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def packed(self, index: int) -> bytes:
        """The bytes of one map. InputError where the cache's file is gone."""
        source = self.sources[index]
        if isinstance(source, bytes):
            return source
        try:
            with np.load(source) as file:
                return np.asarray(file["packed"], dtype=np.uint8).tobytes()
        except (OSError, KeyError, ValueError) as problem:
            raise InputError("A measured map is no longer in the cache", value=f"{source}: {reason_of(problem)}",
                             hint="measure the cohort again") from problem

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """(D, H, W) uint8, KJI order, canonical: one map of the cohort."""
        return decode(np.frombuffer(self.packed(index), dtype=np.uint8), self.shape)

    def subset(self, indices: Iterable[int]) -> Store:
        """The store of some of the maps, in that order."""
        return Store(self.shape, tuple(self.sources[index] for index in indices))

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The maps one after the other; only one of them is unpacked at a time."""
        for index in range(len(self)):
            yield self.labels(index)


def joined(stores: Sequence[Store]) -> Store:
    """One store of the maps of several."""
    if len({store.shape for store in stores}) != 1:
        raise InputError("Cohorts on different grids cannot be joined", value=[store.shape for store in stores],
                         rule="one number of voxels along each axis", hint="measure all of them with one model")
    return Store(stores[0].shape, tuple(source for store in stores for source in store.sources))
