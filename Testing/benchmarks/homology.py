"""Persistent homology: our own search against gudhi on the same fields, in one run, and what a guided step pays for it.

python Testing/benchmarks/homology.py [--sides 64 128] [--twin LABEL_MAP]
Fields: the probability of a heart's atria with soft edges (the embedded twin's, or that of --twin), and a smooth random
one. gudhi is timed with the cofaces of its pairs, without which there is nothing to decode again. Components and voids
are compared with what gudhi takes for them, which is all dimensions at once. Seconds are of one core, the best of
several runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "benchmarks")]

from common import embedded_twin, load, machine, verdict  # noqa: E402

from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.engine.guidance.homology import Pairs, compiled, persistence  # noqa: E402
from DiffusionSiblingsLib.engine.guidance.topology import TopologyTerm  # noqa: E402
from DiffusionSiblingsLib.labelmaps.read import read_labelmap  # noqa: E402
from DiffusionSiblingsLib.labelmaps.tissues import known_labels  # noqa: E402

TIMES_FASTER = 30.0  # at 128^3
STEP_SECONDS = {64: 0.5, 128: 1.5}  # one search for the critical points of all three dimensions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--twin", type=Path, default=embedded_twin())
    arguments = parser.parse_args()
    print(f"{machine(1)}; {load()}")
    if compiled() is None:
        raise SystemExit("Our own search needs numba: pip install numba")
    for side in arguments.sides:
        fields = {"atria": atria(arguments.twin, side), "random": random_field(side)}
        for field in fields.values():
            persistence(field[:8, :8, :8])  # compiles
        for name, field in fields.items():
            compare(name, field, side)
            step(name, field, side)


def atria(path: Path, side: int) -> np.ndarray:
    """The probability of the atria, softened as a decoder's, on `side`^3 points of the map's box."""
    anatomy = load_anatomy("heart")
    labelmap = read_labelmap(path, anatomy)
    labels = known_labels(labelmap, anatomy)
    wanted = [tissue.label for tissue in anatomy.tissues if tissue.id in ("LA", "RA")]
    mask = np.isin(labels, wanted).astype(np.float64)
    soft = ndimage.zoom(mask, [side / length for length in mask.shape], order=1)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(soft.shape), side / 64)
    logits = 8 * ndimage.gaussian_filter(soft, side / 64) - 4 + 0.5 * noise / noise.std()
    return 1 / (1 + np.exp(-logits * 1.5))


def random_field(side: int) -> np.ndarray:
    """Smoothed noise from 0 to 1: some hundred components, twice as many loops, some hundred voids."""
    field = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((side,) * 3), side / 32)
    return (field - field.min()) / np.ptp(field)


def compare(name: str, field: np.ndarray, side: int) -> None:
    """Prints one row for components and voids, and one for all dimensions; refuses diagrams that differ."""
    gudhi, theirs = timed(lambda: persistence(field, engine="gudhi"), 2 if side > 64 else 5)
    for dimensions in ((0, 2), (0, 1, 2)):
        own, ours = timed(lambda dimensions=dimensions: persistence(field, dimensions, "own"), 5)
        for dimension in dimensions:
            if not same(ours[dimension], theirs[dimension]):
                raise SystemExit(f"{name} {side}^3: the diagrams of dimension {dimension} differ")
        found = ", ".join(f"H{dimension} {len(pairs)}" for dimension, pairs in ours.items())
        times = gudhi / own
        bar = f", {verdict(times, TIMES_FASTER, at_least=True)}" if side == 128 and dimensions == (0, 2) else ""
        print(f"{name} {side}^3, {found} pairs, same diagrams: own {own:.3f} s, gudhi with cofaces {gudhi:.2f} s,"
              f" {times:.0f} times faster{bar}")


def step(name: str, field: np.ndarray, side: int) -> None:
    """Prints what the search for critical points takes, as a guided step does it."""
    seconds, points = timed(lambda: TopologyTerm((2, 0, 0)).select(field), 5)
    bar = f", {verdict(seconds, STEP_SECONDS[side])}" if side in STEP_SECONDS else ""
    print(f"{name} {side}^3, two components, no loops, no voids: {len(points)} critical pairs in {seconds:.3f} s{bar}")


def timed(call: Callable[[], object], runs: int) -> tuple[float, object]:
    """(seconds of the fastest run, its result)."""
    best = np.inf
    for _ in range(runs):
        began = time.process_time()
        result = call()
        best = min(best, time.process_time() - began)
    return best, result


def same(own: Pairs, theirs: Pairs) -> bool:
    """The same births and deaths, in any order."""
    ours = sorted(zip(own.birth_value.tolist(), own.death_value.tolist(), strict=True))
    return ours == sorted(zip(theirs.birth_value.tolist(), theirs.death_value.tolist(), strict=True))


if __name__ == "__main__":
    main()
