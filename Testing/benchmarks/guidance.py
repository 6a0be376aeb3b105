"""What guidance reaches and costs, beside the figures of Anatomica (CVPR 2026): one table a sub-command.

    python Testing/benchmarks/guidance.py tasks|hold|topology|edits|speed|all [--count 64] [--out build/guidance]
    python Testing/benchmarks/guidance.py report --out build/guidance

tasks     the paper's four tasks from noise, targets drawn from held-out hearts, both guiders against unguided
hold      perturbing a twin with every volume held, against plain perturbing
topology  two separate atria, against unguided
edits     guided edits of real twins: RV, wall, all chambers, inpainting
speed     L- against V-parsing, guided against unguided steps, topology terms, a whole sibling
report    all tables that were made, as one Markdown page

Needs ../shared/data (or $SIBLINGS_SHARED_DATA). Samples are kept in --out as they come, so that a run that was stopped
goes on where it was; --again makes them anew, after a change of the program. Tables are written as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common import load, machine  # noqa: E402
from guided_store import Bench  # noqa: E402
from guided_tables import TASKS, Plan, Table, tasks, topology  # noqa: E402
from guided_twins import edits, hold  # noqa: E402

PAPER = json.loads(Path(__file__).with_name("anatomica.json").read_text(encoding="utf-8"))
HELD_OUT = ("toronto_normal", "rodero_ct_14")
COUNTS = {"tasks": 64, "topology": 64, "hold": 8, "edits": 4, "speed": 3}


def main() -> int:
    """Makes the tables asked for, and returns 1 where a bar was missed."""
    arguments = parsed()
    names = list(COUNTS) if arguments.table == "all" else [arguments.table]
    if arguments.table != "report":
        from DiffusionSiblingsLib.engine import guided_finish as guiding
        from DiffusionSiblingsLib.engine.engine import Engine

        guiding.FINISHES = arguments.rounds or guiding.FINISHES
        bench = Bench(Engine.open(arguments.model, arguments.device), arguments.out, arguments.again)
        print(f"{machine(bench.threads)}; {load()}\nModel {bench.engine.card.id} {bench.engine.card.version}, "
              f"{bench.engine.compute.to_json()}, program {bench.program}\n", flush=True)
        for name in names:
            write(bench, name, make(bench, name, arguments), arguments)
    return report(arguments.out, list(COUNTS) if arguments.table == "report" else names)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=[*COUNTS, "all", "report"])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "guidance")
    parser.add_argument("--count", type=int, help=f"samples of a set; by default {COUNTS}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guiders", default="projection,gradient", help="of projection, gradient")
    parser.add_argument("--parsing", default="auto", choices=("auto", "L", "V"))
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"of {', '.join(TASKS)}")
    parser.add_argument("--twins", default=",".join(HELD_OUT), help="held-out real hearts (hold, edits)")
    parser.add_argument("--ratio", type=float, default=0.5, help="sampling ratio of the table hold")
    parser.add_argument("--real", type=int, help="held-out draws that cohorts are compared with; all by default")
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, help="maps that a sample may be finished with (1: the guider's own work)")
    parser.add_argument("--again", action="store_true", help="make samples anew that are there")
    return parser.parse_args()


def make(bench: Bench, name: str, arguments: argparse.Namespace) -> list[Table]:
    """One of the tables, and what else belongs below its heading."""
    plan = Plan(arguments.count or COUNTS[name], arguments.seed, arguments.steps,
                tuple(arguments.guiders.split(",")), arguments.parsing, tuple(arguments.tasks.split(",")),
                tuple(arguments.twins.split(",")), arguments.real, arguments.ratio)
    if name == "speed":
        from guided_speed import speed

        return [*speed(bench, plan), paper("Speed and fidelity in the paper", PAPER["speed"], ["rv"])]
    tables = {"tasks": tasks, "topology": topology, "hold": hold, "edits": edits}
    found = [tables[name](bench, plan)]
    if name == "tasks":
        found.append(paper("The same tasks in the paper (128 samples, its own cohort and units)",
                           {"columns": PAPER["columns"], **PAPER["tasks"]}, plan.tasks))
    if name == "topology":
        found.append(paper("The same task in the paper (coarse grid)", PAPER["topology"], ["atria"]))
    return found


def paper(title: str, part: dict[str, Any], keys: Any) -> Table:
    """Figures of the paper as a table."""
    table = Table(title, ["task", "method", *part["columns"]])
    for key in keys:
        table.rows += [[key, method, *values] for method, values in part.get(key, {}).items()]
    return table


def write(bench: Bench, name: str, tables: list[Table], arguments: argparse.Namespace) -> None:
    """OUT/NAME.json and OUT/NAME.md."""
    made = {"table": name, "machine": machine(bench.threads), "compute": bench.engine.compute.to_json(),
            "model": f"{bench.engine.card.id} {bench.engine.card.version}", "program": bench.program,
            "settings": {key: str(value) for key, value in vars(arguments).items()},
            "tables": [{"title": t.title, "columns": list(t.columns), "rows": t.rows, "notes": t.notes,
                        "figures": t.figures} for t in tables]}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    page = "\n".join(table.markdown() for table in tables)
    foot = f"Model {made['model']}, program {made['program']}, {made['machine']}, {made['compute']['dtype']}."
    (arguments.out / f"{name}.md").write_text(f"{page}\n{foot}\n", encoding="utf-8")


def report(out: Path, names: list[str]) -> int:
    """Prints the tables that are there, and writes them all as OUT/guidance.md -> 1 where a bar was missed."""
    there = {name: out / f"{name}.md" for name in COUNTS if (out / f"{name}.md").exists()}
    pages = {name: path.read_text(encoding="utf-8") for name, path in there.items()}
    (out / "guidance.md").write_text("\n".join(pages.values()), encoding="utf-8")
    page = "\n".join(pages[name] for name in names if name in pages)
    print(page)
    return int("MISSED" in page or ": NO" in page)


if __name__ == "__main__":
    raise SystemExit(main())
