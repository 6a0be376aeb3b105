"""What a sibling costs when many are made: seconds, bytes and memory, in one process, in several, and with Ray.

    python Testing/benchmarks/scale.py --out out/scale [--count 8] [--steps 50] [--jobs 2] [--ray] [--kill] [--read]

Each arm makes the same siblings into a folder of its own (resumed if the benchmark was stopped), and their hashes are
compared with the serial arm's. --kill ends one worker of each arm that has several, in the middle. --read also tells
how quickly record and table are put together for 7,200 siblings, from parts that are made up. Prints a table and
writes scale.json. Numbers of docs/scale.md come from here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from DiffusionSiblingsLib.core.tables import short_table
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.runs.partial_results import PartialResult, PartialResults
from DiffusionSiblingsLib.runs.pipeline import run
from DiffusionSiblingsLib.runs.plan import Plan
from DiffusionSiblingsLib.runs.run_folder import RunFolder, clear_folder
from DiffusionSiblingsLib.runs.scheduler import Hooks
from DiffusionSiblingsLib.runs.settings import RunSettings

COHORT = 7200
ACTORS = (b"ray::RayWorker",)


class Peak(threading.Thread):
    """The most memory that this process and its descendants held together, in MiB (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.own, self._over = 0.0, 0.0, threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            sizes = {pid: pages(pid) for pid in (os.getpid(), *descendants())}
            self.own = max(self.own, sizes[os.getpid()])
            self.most = max(self.most, sum(sizes.values()))

    def close(self) -> Peak:
        self._over.set()
        self.join()
        return self


def descendants() -> list[int]:
    """Process ids of children and theirs."""
    parents = dict[int, int]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found, ring = list[int](), [os.getpid()]
    while ring:
        ring = [pid for pid, parent in parents.items() if parent in ring]
        found += ring
    return found


def pages(pid: int) -> float:
    """MiB that a process holds and shares with no other (what it shares is counted at none)."""
    try:
        values = [int(value) for value in Path(f"/proc/{pid}/statm").read_text().split()]
    except (OSError, ValueError):
        return 0.0
    return (values[1] - values[2]) * resource.getpagesize() / 2**20


def killer(out: Path, at: int) -> Callable[[float, int, str], None]:
    """A progress callback that kills one worker of this process when so many siblings are there."""
    killed: list[int] = []

    def show(done: float, asked: int, words: str) -> None:
        if killed or len(list(out.glob("sibling_*"))) < at:
            return
        workers = [child.pid for child in multiprocessing.active_children()]
        workers += [pid for pid in descendants() if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(ACTORS)]
        killed.append(workers[0])
        os.kill(workers[0], signal.SIGKILL)

    return show


def arm(name: str, out: Path, request: Request, twin: Path | None, kill: bool, **settings: Any) -> dict[str, object]:
    """Makes the siblings in one way -> its row."""
    peak = Peak()
    peak.start()
    progress = killer(out / name, request.count // 3) if kill else None
    made = run([request], twin, out / name, RunSettings(resume=True, **settings), Hooks(progress))
    peak.close()
    record = json.loads((out / name / "record.json").read_text())
    entries = record["runs"][0]["siblings"]
    size = sum(path.stat().st_size for path in (out / name).glob("sibling_*"))
    work = [sum(entry["timings_s"].values()) for entry in entries]
    return {"arm": name, "workers": record["compute"].get("workers", 1), "threads each": record["compute"]["threads"],
            "siblings": made.accepted, "made now": made.made, "workers lost": made.lost, "seconds": made.seconds,
            "seconds a sibling": made.seconds / made.made if made.made else None,
            "its own seconds": sum(work) / len(work), "kB a label map": size / len(entries) / 1e3,
            "kB a record entry": (out / name / "record.json").stat().st_size / len(entries) / 1e3,
            "peak MiB, all": peak.most, "peak MiB, master": peak.own,
            "hashes": [entry["labels_sha256"] for entry in entries]}


def read_many(out: Path, folder: Path) -> dict[str, object]:
    """Seconds and memory to put record and table of a large cohort together from parts."""
    record = json.loads((folder / "record.json").read_text())
    parts = PartialResults(out / "many")
    entry = record["runs"][0]["siblings"][0]
    plan = Plan.of([Request("generate")], None, RunSettings(record["model"]["id"]))
    clear_folder(out / "many", replace=True)
    many = RunFolder(out / "many", plan, plan.record({}))
    many.begin()
    for number in range(COHORT):
        part = PartialResult(0, number, "nii.gz", {**entry, "k": number})
        parts.write(part, None, "")
        parts.map_of(0, number, "nii.gz").touch()
        many.place(number, part)
    peak, before, began = Peak(), pages(os.getpid()), time.perf_counter()
    peak.start()
    many.checkpoint(always=True)
    seconds = time.perf_counter() - began
    grown = peak.close().own - before
    size = (out / "many" / "record.json").stat().st_size / 1e6
    return {"siblings": COHORT, "seconds to write record and table": seconds, "record MB": size,
            "memory grown by, MiB": grown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("twin", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/scale"))
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--jobs", type=int, nargs="*", default=[2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--ray", type=int, nargs="*", default=[], help="numbers of Ray workers on this machine")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--read", action="store_true")
    given = parser.parse_args()
    request = Request("perturb", ratio=0.5) if given.twin else Request("generate")
    request = replace(request, count=given.count, steps=given.steps)
    common = {"model": given.model, "device": given.device}
    rows = [arm("serial", given.out, request, given.twin, False, **common)]
    rows += [arm(f"processes-{jobs}", given.out, request, given.twin, given.kill, jobs=jobs, **common)
             for jobs in given.jobs]
    rows += [arm(f"ray-{jobs}", given.out, request, given.twin, given.kill, jobs=jobs, cluster="ray", **common)
             for jobs in given.ray]
    hashes: list[Any] = [row.pop("hashes") for row in rows]
    for row, those in zip(rows, hashes, strict=True):
        row["as serial"] = sum(one == other for one, other in zip(those, hashes[0], strict=True))
    print(short_table(rows))
    result: dict[str, object] = {"machine": platform.platform(), "cores": os.cpu_count(), "arms": rows,
                                 "request": request.to_json()}
    if given.read:
        result["many"] = read_many(given.out, given.out / "serial")
        print(short_table([result["many"]]))  # type: ignore[list-item]
    (given.out / "scale.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
