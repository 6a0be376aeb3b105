"""Tetrahedra of label maps, and a twin's tetrahedra carried to its siblings: quality, volumes, distances, time, memory.

    python Testing/benchmarks/tetrahedra.py MAP ... [--edge 2] [--grade 1] [--like TWIN] [--out FILE.json]

Each map is meshed in a process of its own, whose processor time and greatest memory are printed. The bars are those of
issue 18: least scaled Jacobian 0.05, 1st percentile 0.2, median 0.6, volumes within 0.5 %, 60 s, 2 GiB; with --like, a
mean distance of 0.3 mm with the twin's own elements. A row that misses one ends with its name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from common import ROOT, report_of

sys.path.insert(0, str(ROOT))
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.meshing.carried import carried_to
from DiffusionSiblingsLib.meshing.mesh import VolumeMesh
from DiffusionSiblingsLib.meshing.meshable import meshable_map
from DiffusionSiblingsLib.meshing.quality_report import faults_of
from DiffusionSiblingsLib.meshing.surface import map_volumes, surface_of
from DiffusionSiblingsLib.meshing.tetrahedra import tetrahedra_of

TITLE = (f"{'map':26s} {'tets':>8s} {'edge':>5s} {'least':>6s} {'p1':>6s} {'median':>6s} {'volume %':>8s} {'mm':>5s} "
         f"{'CPU s':>6s} {'s':>6s} {'MiB':>5s}")


def main() -> None:
    """Meshes each map in a process of its own and prints a row for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", nargs="+", type=Path)
    parser.add_argument("--edge", type=float, default=2.0)
    parser.add_argument("--grade", type=int, default=1)
    parser.add_argument("--like", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(options.maps[0], options)))
        return
    print(TITLE)
    rows = []
    for path in options.maps:
        again = [sys.executable, __file__, str(path), "--one", "--edge", str(options.edge),
                 "--grade", str(options.grade), *(["--like", str(options.like)] if options.like else [])]
        name = path.name.split(".")[0]
        try:
            row, done = report_of(again)
            rows.append({"map": f"{path.parent.name}/{name}"[-26:], "mebibytes": done.peak / 2 ** 20, **row})
        except RuntimeError as problem:
            rows.append({"map": name, "error": str(problem)})
        print(_line(rows[-1]), flush=True)
    kept = sum(not _missed(row) for row in rows)
    print(f"{kept} of {len(rows)} meet every bar")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _one(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one map. Reading and repairing it, and its surfaces, are not counted."""
    labels, affine, surface = _prepared(path)
    twin = _twin(options) if options.like else None
    began, cpu = time.perf_counter(), time.process_time()
    if twin is None:
        mesh, said = tetrahedra_of(labels, affine, surface, options.edge, options.grade)
    else:
        mesh, said = carried_to(twin, surface, map_volumes(labels, affine))
    said |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    return said | ({"faults": faults_of(mesh)} if mesh is not None else {})


def _prepared(path: Path) -> tuple[Any, Any, Any]:
    anatomy = load_anatomy("heart")
    label_map = read_labelmap(path, anatomy)
    labels = meshable_map(known_labels(label_map, anatomy), label_map.affine, anatomy=anatomy).labels
    return labels, label_map.affine, surface_of(labels, label_map.affine)


def _twin(options: argparse.Namespace) -> VolumeMesh:
    labels, affine, surface = _prepared(options.like)
    return tetrahedra_of(labels, affine, surface, options.edge, options.grade)[0]


def _missed(row: dict[str, Any]) -> list[str]:
    if "error" in row or row.get("carried") is False:
        return [str(row.get("error") or row["why"])]
    shape = row["scaled_jacobian"]
    carried = "carried" in row
    bars = {"a fault": bool(row["faults"]), "least": shape["least"] < 0.05, "p1": shape["p1"] < 0.2 and not carried,
            "median": shape["median"] < 0.6, "volume": _worst(row) > 0.5,
            "distance": carried and row["mean_distance_mm"] > 0.3,
            "time": row["cpu_seconds"] > 60 and not carried, "memory": row["mebibytes"] > 2048}
    return [name for name, missed in bars.items() if missed]


def _worst(row: dict[str, Any]) -> float:
    return max(abs(float(tissue["difference_percent"])) for tissue in row["volumes"].values())


def _line(row: dict[str, Any]) -> str:
    missed = ", ".join(_missed(row))
    if "scaled_jacobian" not in row:
        return f"{row['map']:26s} {missed}"
    shape = row["scaled_jacobian"]
    return (f"{row['map']:26s} {row['tetrahedra']:8d} {row['mean_edge_mm']:5.2f} {shape['least']:6.3f} "
            f"{shape['p1']:6.3f} {shape['median']:6.3f} {_worst(row):8.4f} {row.get('mean_distance_mm', 0):5.2f} "
            f"{row['cpu_seconds']:6.1f} {row['seconds']:6.1f} {row['mebibytes']:5.0f} {missed}")


if __name__ == "__main__":
    main()
