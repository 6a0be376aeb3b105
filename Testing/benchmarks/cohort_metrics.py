"""How long two cohorts take to compare, and how much memory: python Testing/benchmarks/cohort_metrics.py

Bars: 120 against 120 with exact earth mover's distances in at most 15 minutes on 2 cores; everything else of 360
against 360 in at most 5 minutes; at most 2 GiB in all processes together. Without --cohort the hearts are the shipped
twin, stretched at random and drawn anew for each (nothing from outside is needed); with it those of a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import GIB, cores, embedded_twin, load, machine, verdict

from DiffusionSiblingsLib.cohorts import dataset_file as pack
from DiffusionSiblingsLib.cohorts.compare_cohorts import compare_cohorts
from DiffusionSiblingsLib.cohorts.measured import MeasuredCohort, MeasuredMember, collect, measure_cohort
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.twin import open_twin
from DiffusionSiblingsLib.metrics.morphology import features, tissue_volumes
from DiffusionSiblingsLib.metrics.pointcloud import surface_draws
from DiffusionSiblingsLib.metrics.transport import earth_mover, earth_mover_bound
from DiffusionSiblingsLib.models.registry import find_model

EMD_SIZE, OTHER_SIZE = 120, 360
SPREAD = 0.06  # of the hearts' axes, about that of real ones


@dataclass
class Cost:
    """wall, cpu: seconds, the latter of all processes. peak: largest resident memory of all processes together."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=Path, help="a folder with hearts, at least 4")
    parser.add_argument("--cache", type=Path, help="where their measurements are kept")
    parser.add_argument("--emd-size", type=int, default=EMD_SIZE, help="hearts a side with exact EMD, 0 for none")
    parser.add_argument("--size", type=int, default=OTHER_SIZE, help="hearts a side for all other figures, 0 for none")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(1), "cores": cores(), "load": load()}
    print(f"{report['machine']}; {report['load']}", flush=True)
    most = 2 * max(arguments.emd_size, arguments.size)
    hearts = made(most) if arguments.cohort is None else read(arguments.cohort, arguments.cache, most, arguments.jobs)
    report["pair"] = one_pair(hearts)
    for name, size, emd, bar in (("with exact EMD", arguments.emd_size, True, 15), ("all other figures",
                                                                                   arguments.size, False, 5)):
        if size:
            report[name] = compared(hearts, min(size, len(hearts) // 2), emd, arguments.jobs, name, bar)
    if arguments.json:
        print(json.dumps(report))


def compared(hearts: MeasuredCohort, size: int, emd: bool, jobs: int, name: str, bar: float) -> dict[str, Any]:
    """One comparison, measured; bar: minutes."""
    real, synthetic = hearts.subset(range(size), "real"), hearts.subset(range(size, 2 * size), "synthetic")
    pairs: dict[str, int] = {}

    def note(done: int, total: int, what: str) -> None:
        if pairs.get(what) != total:
            pairs[what] = total
            print(f"  {what}: {total} pairs", flush=True)

    with measured() as cost:
        found = compare_cohorts(real, synthetic, emd=emd, jobs=jobs, progress=note)
    exact = sum(total for what, total in pairs.items() if "round" in what)
    print(f"{size} against {size}, {name}: {cost.wall / 60:.1f} min, {cost.cpu / 60:.1f} min of processor "
          f"({cost.cpu / 60 / 2:.1f} min on 2 free cores, {verdict(cost.cpu / 120, bar)}), "
          f"peak {cost.peak / GIB:.2f} GiB ({verdict(cost.peak / GIB, 2)})")
    if emd:
        print(f"  exact: {exact} of {pairs['EMD bounds']} pairs")
    for figure in found.figures:
        floor = "" if figure.floor is None else f", floor {figure.floor:.3f}"
        print(f"  {figure.name:<10} {figure.value:8.3f} ({figure.low:.3f} to {figure.high:.3f}) {figure.unit}{floor}")
    return {"size": size, "wall_s": cost.wall, "cpu_s": cost.cpu, "peak_bytes": cost.peak, "pairs": pairs,
            "figures": found.to_json()["figures"]}


def one_pair(hearts: MeasuredCohort, count: int = 8) -> dict[str, float]:
    """Milliseconds of processor for one pair: the bound, the exact distance, the bare solver; and the bound's gap."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    spent, gaps = np.zeros(3), []
    for n in range(count):
        a, b = hearts.clouds[2 * n % len(hearts)], hearts.clouds[(2 * n + 1) % len(hearts)]
        times = [time.process_time()]
        bound = earth_mover_bound(a, b)
        times.append(time.process_time())
        exact = earth_mover(a, b)
        times.append(time.process_time())
        costs = cdist(a, b)
        bare = costs[linear_sum_assignment(costs)].mean()
        times.append(time.process_time())
        if not np.isclose(exact, bare, rtol=1e-9) or bound > bare:
            raise RuntimeError(f"exact {exact}, bound {bound}, bare solver {bare}")
        spent += np.diff(times)
        gaps.append(1 - bound / exact)
    bound_ms, exact_ms, bare_ms = (1000 * spent / count).tolist()
    print(f"one pair: bound {bound_ms:.0f} ms ({100 * np.mean(gaps):.1f} % below), exact {exact_ms:.0f} ms, "
          f"bare solver {bare_ms:.0f} ms")
    return {"bound_ms": bound_ms, "exact_ms": exact_ms, "bare_ms": bare_ms, "gap": float(np.mean(gaps))}


def made(count: int) -> MeasuredCohort:
    """Hearts that are the shipped twin, each stretched at random, its surface drawn anew."""
    anatomy = load_anatomy()
    twin = open_twin(embedded_twin(), anatomy, find_model("heart-compact").reference())
    labels, affine, rng = twin.canonical.labels, CanonicalFrame.of(anatomy).affine, np.random.default_rng(0)
    base = MeasuredMember("heart", features(labels, affine, anatomy), tissue_volumes(labels, affine, anatomy), (), (),
                          np.zeros((1, 3)), np.zeros((1, 3)), pack.encode(labels).tobytes(), Path("heart"))
    clouds = surface_draws(labels, affine, anatomy, rng, draws=2 * count)
    members = []
    for n in range(count):
        stretch = np.eye(3) + SPREAD * rng.normal(size=(3, 3))
        noisy = {name: value * (1 + SPREAD * rng.normal()) for name, value in base.features.items()}
        one, other = ((cloud @ stretch).astype(np.float32) for cloud in clouds[2 * n : 2 * n + 2])
        members.append(replace(base, name=f"heart_{n:04d}", features=noisy, cloud=one, second_cloud=other))
    return collect(members, anatomy, name="made")


def read(folder: Path, cache: Path | None, count: int, jobs: int) -> MeasuredCohort:
    """The hearts of a folder."""
    with measured() as cost:
        hearts = measure_cohort(folder, load_anatomy(), find_model("heart-compact").reference(), jobs=jobs, cache=cache)
    print(f"measured {len(hearts)} hearts: {cost.wall:.0f} s, {cost.cpu:.0f} s of processor, "
          f"peak {cost.peak / GIB:.2f} GiB")
    return hearts.subset(range(min(count, len(hearts))))


@contextmanager
def measured() -> Iterator[Cost]:
    """Wall and processor time, and memory of this process and its children together while the block runs (Linux)."""
    cost, stop = Cost(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            cost.peak = max(cost.peak, memory_of(os.getpid()))

    watcher = threading.Thread(target=watch, daemon=True)
    before, began = os.times(), time.perf_counter()
    watcher.start()
    try:
        yield cost
    finally:
        cost.wall = time.perf_counter() - began
        after = os.times()
        cost.cpu = sum(after[:4]) - sum(before[:4])
        stop.set()
        watcher.join()


def memory_of(process: int) -> int:
    """Resident bytes of a process and of all its children; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(memory_of(int(child)) for child in children)


if __name__ == "__main__":
    main()
