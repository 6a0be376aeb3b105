"""Siblings per second in batches of 1 to 64, the share of the card's peak that they use, and agreement with the CPU.

For a CUDA device (elsewhere it runs too, to be tried out). Sampling and decoding are timed, not reading, checking and
writing, which run on the CPU. The work of one sibling is counted by PyTorch's FlopCounterMode, the peak is the best of
some large matrix products in the same floating type. Agreement: the same siblings made on the CPU in float32.
Usage: python Testing/benchmarks/throughput.py [TWIN] [--device cuda] [--batches 1 4 16 64]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import GIB, cores, embedded_twin, machine, verdict
from torch.utils.flop_counter import FlopCounterMode

from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.engine.compute import Compute, find_compute
from DiffusionSiblingsLib.engine.diffusion.sampler import Sampler
from DiffusionSiblingsLib.engine.engine import Encoded, Engine

AGREEMENT_BAR = 0.99  # mean Dice between the device's sibling and the CPU's, per tissue


@dataclass(frozen=True)
class Batched(Compute):
    """A device that samples `size` siblings at once."""

    size: int = 1

    @property
    def batch(self) -> int:
        """The batch that is measured."""
        return self.size


def main() -> int:
    """Measures, prints, and returns 1 where device and CPU disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("twin", nargs="?", type=Path, default=embedded_twin())
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--device", default="cuda", choices=("cuda", "mps", "cpu"))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    compute = find_compute(arguments.device)
    engine = Engine.open(arguments.model, arguments.device)
    twin = engine.twin(arguments.twin)
    work, peak = flops_of_sibling(engine, twin, arguments.steps), peak_flops(compute)
    print(f"{compute.to_json()['name']}, {compute.dtype}; {machine(cores())}")
    print(f"one sibling: {work / 1e12:.2f} TFLOP; peak by matrix product: {peak / 1e12:.3g} TFLOP/s\n")
    print("batch   siblings/s   sample      decode     share of peak   device memory")
    for size in arguments.batches:
        print(row(engine, twin, compute, size, arguments.steps, work, peak), flush=True)
    return agreement(engine, twin, arguments)


def row(engine: Engine, twin: Encoded, compute: Compute, size: int, steps: int, work: float, peak: float) -> str:
    """One batch size, after one batch to warm up."""
    engine.compute = Batched(compute.device, compute.dtype, size)
    request = Request("perturb", ratio=0.5, steps=steps, solver="heun", count=size)
    sample_and_decode(engine, twin, request)
    if compute.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    sample, decode = sample_and_decode(engine, twin, request)
    used = torch.cuda.max_memory_allocated() / GIB if compute.device.type == "cuda" else float("nan")
    rate = size / (sample + decode)
    return (f"{size:5d}   {rate:10.2f}   {sample / size * 1e3:6.0f} ms   {decode / size * 1e3:6.0f} ms   "
            f"{100 * rate * work / peak:11.1f} %   {used:9.2f} GiB")


def sample_and_decode(engine: Engine, twin: Encoded, request: Request) -> tuple[float, float]:
    """Seconds of sampling one batch, and of decoding it, as the engine does both."""
    sampler, indices = Sampler(engine.denoiser, engine.schedule(request)), range(request.count)
    began = time.perf_counter()
    z = engine.sample(request, sampler, indices, twin, None)
    middle = time.perf_counter()  # sampling ends with a look at its numbers, and so do the device's kernels
    for k in indices:
        engine.decode(z[k : k + 1])
    return middle - began, time.perf_counter() - middle


def flops_of_sibling(engine: Engine, twin: Encoded, steps: int) -> float:
    """Floating-point operations of sampling and decoding one sibling."""
    with FlopCounterMode(display=False) as counter:
        sample_and_decode(engine, twin, Request("perturb", ratio=0.5, steps=steps, solver="heun"))
    return float(counter.get_total_flops())


def peak_flops(compute: Compute) -> float:
    """The best of five products of two large square matrices."""
    n = 8192 if compute.device.type == "cuda" else 1024
    a = torch.randn(n, n, device=compute.device, dtype=compute.dtype)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        (a @ a)[0, 0].item()
        times.append(time.perf_counter() - began)
    return 2.0 * n**3 / min(times[1:])


def agreement(engine: Engine, twin: Encoded, arguments: argparse.Namespace) -> int:
    """Compares two siblings with the CPU's in float32, prints the tolerance -> 1 where they disagree."""
    request = Request("perturb", ratio=0.5, steps=arguments.steps, solver="heun", count=2)
    reference = Engine.open(arguments.model, "cpu", dtype="float32")
    pairs = list(zip(engine.run(request, twin), reference.run(request, reference.twin(arguments.twin)), strict=True))
    same = statistics.mean(float(np.mean(a.known == b.known)) for a, b in pairs)
    dice = min(mean_dice(a, b) for a, b in pairs)
    print(f"\nagainst the CPU in float32: {100 * same:.3f} % of voxels equal, mean Dice {dice:.4f}   "
          f"{verdict(dice, AGREEMENT_BAR, at_least=True)}")
    return int(dice < AGREEMENT_BAR)


def mean_dice(a: Sibling, b: Sibling) -> float:
    """Mean Dice over the tissues that either has."""
    values: list[Any] = [label for label in np.union1d(a.known, b.known) if label]
    return statistics.mean(
        2 * np.count_nonzero((a.known == v) & (b.known == v)) / (np.sum(a.known == v) + np.sum(b.known == v))
        for v in values
    )


if __name__ == "__main__":
    raise SystemExit(main())
