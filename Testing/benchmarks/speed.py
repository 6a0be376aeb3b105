"""How long a user waits: `siblings perturb TWIN --count 1 --ratio 0.5`, the whole process, start to files.

Once to warm the disk cache, then REPEATS times alone and REPEATS times next to one busy neighbour process, as Slicer's
window is one. Prints the median wall time, the peak resident memory, and what sampling and decoding took by the run's
own record. Usage: python Testing/benchmarks/speed.py [TWIN] [--repeats 3] [--model NAME] [--device auto]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import GIB, Measured, cores, embedded_twin, load, machine, measure, verdict

WALL_BAR, SAMPLING_BAR, MEMORY_BAR, NEIGHBOUR_BAR = 15.0, 4.0, 1.5, 3.0  # s, s, GiB, times


def main() -> int:
    """Measures, prints, and returns 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("twin", nargs="?", type=Path, default=embedded_twin())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    print(f"{machine(cores())}; {load()}\ntwin: {arguments.twin.name}")
    once(arguments)
    alone = [once(arguments) for _ in range(arguments.repeats)]
    with busy_neighbour():
        beside = [once(arguments) for _ in range(arguments.repeats)]
    return show(alone, beside)


def once(arguments: argparse.Namespace) -> tuple[Measured, dict[str, float]]:
    """One run in a folder of its own -> how the process measured, and the seconds in its record."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "DiffusionSiblingsLib", "perturb", str(arguments.twin.resolve()),
                   "--count", "1", "--ratio", "0.5", "--out", folder,
                   "--model", arguments.model, "--device", arguments.device]
        done = measure(command)
        record = json.loads((Path(folder) / "record.json").read_text(encoding="utf-8"))
    return done, record["runs"][0]["siblings"][0]["timings_s"]


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """One process that keeps a core busy for as long as the block lasts."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def show(alone: list[tuple[Measured, dict[str, float]]], beside: list[tuple[Measured, dict[str, float]]]) -> int:
    """Prints the figures with their bars -> 1 where one was missed."""
    wall, slowed = (statistics.median(done.wall for done, _ in runs) for runs in (alone, beside))
    sampling, slowed_sampling = (
        statistics.median(t["sample"] + t["decode"] for _, t in runs) for runs in (alone, beside)
    )
    peak = max(done.peak for done, _ in alone) / GIB
    parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in alone[-1][1].items())
    lines = [
        f"whole process                 {wall:6.2f} s    {verdict(wall, WALL_BAR)}",
        f"sampling and decoding         {sampling:6.2f} s    {verdict(sampling, SAMPLING_BAR)}   ({parts})",
        f"peak memory                   {peak:6.2f} GiB  {verdict(peak, MEMORY_BAR)}",
        f"next to a busy neighbour      {slowed / wall:6.2f} x    {verdict(slowed / wall, NEIGHBOUR_BAR)}   "
        f"({slowed:.2f} s; sampling and decoding {slowed_sampling / sampling:.2f} x)",
    ]
    print("\n".join(lines))
    return int(any("MISSED" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
