"""The training cohort in memory: label maps, split by subject, drawn with the case weights of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..cohorts.dataset_file import read_pack


@dataclass(frozen=True)
class Cohort:
    """names: one per case. labels: (N, D, H, W) uint8, KJI order, canonical. weights: (N,) float64 drawing weights."""

    names: tuple[str, ...]
    labels: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def draw(self, count: int, generator: torch.Generator, power: float = 1.0) -> list[int]:
        """`count` case indices, drawn with replacement; power: exponent of the weights."""
        return torch.multinomial(self.weights**power, count, replacement=True, generator=generator).tolist()


def load_cohort(path: Path, splits: Sequence[str]) -> Cohort:
    """The cases of a data set that belong to one of `splits`."""
    pack = read_pack(path)
    chosen = [i for i, case in enumerate(pack.cases) if case.split in splits]
    labels = torch.stack([torch.from_numpy(pack.labels(i)) for i in chosen]) if chosen else torch.empty(0)
    weights = torch.tensor([float(pack.cases[i].weight) for i in chosen], dtype=torch.float64)
    return Cohort(tuple(pack.cases[i].name for i in chosen), labels, weights)


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """The generator of one training step, so that a resumed run draws the same numbers as an uninterrupted one."""
    mixed = (seed * 1_000_003 + step) * 8191 + rank
    return torch.Generator().manual_seed(mixed % (2**63 - 1))
