"""How near a solver comes to the exact solution with few network evaluations, for each edit.

    python Testing/benchmarks/solvers.py [generate] [perturb] [--count 4] [--model NAME] [--reference 200]

Prints, for each solver and number of steps: network evaluations, the root mean square distance of the latents to a
reference (Heun without churn with --reference steps; latents have a standard deviation of 1), and the mean Dice of the
decoded tissues to those of the reference. Churn is left out, and so is inpainting by replacement: both draw fresh noise
at each step, and have no one solution to come near to.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import torch
from common import embedded_twin, load, machine
from torch import Tensor

from DiffusionSiblingsLib.editing.postprocess import most_probable
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.diffusion.sampler import Sampler
from DiffusionSiblingsLib.engine.engine import Engine
from DiffusionSiblingsLib.metrics.overlap import dice

SETTINGS = (("heun", 5), ("heun", 8), ("heun", 13), ("heun", 25), ("heun", 50), ("dpmpp-2m", 5), ("dpmpp-2m", 8),
            ("dpmpp-2m", 10), ("dpmpp-2m", 12), ("dpmpp-2m", 16), ("dpmpp-2m", 25), ("dpmpp-2m", 50))
EDITS: dict[str, list[dict[str, object]]] = {
    "generate": [{}], "perturb": [{"ratio": 0.5}, {"ratio": 0.35}]}


@dataclass
class Counted:
    """A denoiser that counts its evaluations."""

    denoiser: Callable[[Tensor, Tensor], Tensor]
    calls: int = field(default=0)

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """See `edm.Denoiser`."""
        self.calls += 1
        return self.denoiser(z, sigma)

    def __getattr__(self, name: str) -> object:
        return getattr(self.denoiser, name)


def main() -> None:
    """Runs the edits named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", default=list(EDITS), help=f"of {', '.join(EDITS)}")
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--reference", type=int, default=200, help="steps of the reference (default 200)")
    arguments = parser.parse_args()
    engine = Engine.open(arguments.model)
    print(f"{engine.card.id} {engine.card.version}; {machine(torch.get_num_threads())}; {load()}\n")
    for edit in arguments.edits:
        for settings in EDITS[edit]:
            table(engine, Request(edit, seed=3, **settings), arguments.count, arguments.reference)  # type: ignore[arg-type]


def table(engine: Engine, request: Request, count: int, reference: int) -> None:
    """Prints the table of one edit."""
    exact, _ = latents(engine, request, "heun", reference, count)
    truth = [decoded(engine, z) for z in exact]
    print(f"### {request.describe()}, {count} siblings\n\n| solver | steps | evaluations | distance | Dice |\n"
          "|---|---|---|---|---|")
    for solver, steps in SETTINGS:
        z, calls = latents(engine, request, solver, steps, count)
        away = float((z - exact).square().mean().sqrt())
        alike = np.mean([overlap(engine, decoded(engine, one), other) for one, other in zip(z, truth, strict=True)])
        print(f"| {solver} | {steps} | {calls} | {away:.3f} | {alike:.4f} |", flush=True)
    print()


def latents(engine: Engine, request: Request, solver: str, steps: int, count: int) -> tuple[Tensor, int]:
    """(count, C, d, h, w) latents of the siblings, without churn, and the evaluations that they took."""
    asked = Request.from_json({**request.to_json(), "solver": solver, "steps": steps})
    twin = engine.twin(embedded_twin()) if asked.needs_twin else None
    denoiser = Counted(engine.denoiser)
    sampler = Sampler(denoiser, engine.schedule(asked), solver, modes=engine.denoiser.modes)
    return engine.sample(asked, sampler, range(count), twin, None), denoiser.calls


def decoded(engine: Engine, z: Tensor) -> np.ndarray:
    """(D, H, W) labels of one sibling's latents."""
    return most_probable(engine.decode(z[None]).numpy())


def overlap(engine: Engine, labels: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice over the tissues."""
    values = {tissue.id: tissue.label for tissue in engine.anatomy.tissues}
    return float(np.mean(list(dice(labels, truth, values).values())))


if __name__ == "__main__":
    main()
