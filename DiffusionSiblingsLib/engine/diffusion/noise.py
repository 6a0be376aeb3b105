"""Random numbers of one sample: sibling k depends on (seed, k), never on its batch or its device."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF  # torch's CPU generator keeps only the lower 32 bits of a seed


def state_dtype(device: torch.device | str) -> torch.dtype:
    """The dtype of a sampler's state: float64, or float32 on MPS, which has no float64."""
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


class SampleNoise:
    """Standard normal noise for a batch of samples, drawn from one CPU generator for every sample and purpose.

    seed: the seed of the whole request, 0 or more. indices: number k of every sample of this batch, 0 <= k < 2^32.
    shape: of one sample, (C, d, h, w). The numbers are drawn in float32 on the CPU, then moved to device and dtype (by
    default that of the sampler's state), so that every device gets the same. Each purpose ("start", "churn",
    "preserved", "resample") has its own stream: drawing more for one does not shift another.
    """

    def __init__(self, seed: int, indices: Sequence[int], shape: Sequence[int],
                 device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> None:
        self.seed = int(seed)
        self.indices = tuple(int(k) for k in indices)
        self.shape = (len(self.indices), *shape)  # (B, C, d, h, w)
        self.device = torch.device(device)
        self.dtype = dtype or state_dtype(device)
        self._generators: dict[str, list[torch.Generator]] = {}

    def __call__(self, stream: str) -> Tensor:
        """(B, C, d, h, w): the next draw of this stream."""
        if stream not in self._generators:
            self._generators[stream] = [
                torch.Generator().manual_seed(stream_seed(self.seed, k, stream)) for k in self.indices
            ]
        draws = torch.empty(self.shape, dtype=torch.float32)
        for draw, generator in zip(draws, self._generators[stream], strict=True):
            draw.normal_(generator=generator)
        return draws.to(self.device).to(self.dtype)


def stream_seed(seed: int, k: int, stream: str) -> int:
    """32-bit generator seed for sample k: a hash of (seed, stream), then a one-to-one scrambling of k.

    One-to-one (xor, then the finaliser of MurmurHash3), because hashing k as well would make two of 100,000 siblings
    equal with a chance of 2 in 3: 32 bits are few. Stable across versions, platforms and processes.
    """
    digest = hashlib.blake2b(f"{seed}|{stream}".encode(), digest_size=4).digest()
    h = int.from_bytes(digest, "little") ^ (k & _WORD)
    h = (h ^ (h >> 16)) * 0x85EBCA6B & _WORD
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & _WORD
    return h ^ (h >> 16)
