"""What a solver does to edits, beside another one: failed checks before repair, drift from the twin, evaluations, time.

    python Testing/benchmarks/solver_edits.py [HEART ...] [--solvers heun dpmpp-2m] [--count 4] [--model NAME]

Both make siblings with their own default number of steps, with the same seeds, of the same hearts (files; without any,
the embedded twin). Failed checks are per cent of all checks of all siblings; "repaired" is the mean number of voxels
that the repair changed; "Dice" is that to the twin.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import torch
from common import embedded_twin, load, machine
from solvers import Counted

from DiffusionSiblingsLib.editing.choices import default_steps
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.engine.engine import Engine

EDITS: list[dict[str, object]] = [*({"edit": "perturb", "ratio": ratio} for ratio in (0.35, 0.5, 0.65, 0.8, 1.0)),
                                  {"edit": "inpaint", "tissues": ("LV",)}, {"edit": "generate"}]


def main() -> None:
    """Prints one row for each edit and solver, over all hearts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearts", nargs="*", type=Path)
    parser.add_argument("--solvers", nargs="+", default=["heun", "dpmpp-2m"])
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--model", default="heart-compact")
    arguments = parser.parse_args()
    engine = Engine.open(arguments.model)
    counted = engine.denoiser = Counted(engine.denoiser)  # type: ignore[assignment]
    hearts = arguments.hearts or [embedded_twin()]
    print(f"{engine.card.id} {engine.card.version}; {machine(torch.get_num_threads())}; {load()}; "
          f"{len(hearts)} hearts, {arguments.count} siblings of each\n\n"
          "| edit | solver | evaluations | failed checks raw, full / half [%] | repaired | Dice | CPU s |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    for settings in EDITS:
        for solver in arguments.solvers:
            request = Request(seed=3, count=arguments.count, solver=solver, steps=default_steps(solver),
                              **settings)  # type: ignore[arg-type]
            counted.calls, began = 0, time.process_time()  # type: ignore[attr-defined]
            found = [one for heart in (hearts if request.needs_twin else hearts[:1])
                     for one in siblings(engine, request, heart)]
            seconds = (time.process_time() - began) / len(found)
            print(f"| {request.describe()} | {solver} | {counted.calls / len(found):.0f} | "
                  f"{share(found, 'full'):.1f} / {share(found, 'half'):.1f} | {repaired(found):.0f} | {alike(found)} | "
                  f"{seconds:.1f} |", flush=True)


def siblings(engine: Engine, request: Request, heart: Path) -> list[Sibling]:
    """The siblings of one heart."""
    return list(engine.run(request, engine.twin(heart) if request.needs_twin else None))


def share(found: Sequence[Sibling], resolution: str) -> float:
    """Per cent of checks that failed before repair."""
    return 100 * float(np.mean([not good for one in found for good in one.raw_checks[resolution].checks.values()]))


def repaired(found: Sequence[Sibling]) -> float:
    """Mean number of voxels that the repair changed."""
    return float(np.mean([one.voxels_repaired for one in found]))


def alike(found: Sequence[Sibling]) -> str:
    """Mean Dice to the twin, where there is one."""
    scores = [float(np.mean(list(one.dice_to_twin.values()))) for one in found if one.dice_to_twin]
    return f"{np.mean(scores):.3f}" if scores else "-"


if __name__ == "__main__":
    main()
