"""The settings of a request that are chosen from a list, by name. Light: the command line's help imports it."""

from __future__ import annotations

from typing import Literal

from ..core.defaults import LEAST_GUIDED_STEPS, MULTISTEP_STEPS, PAPERS_STEPS

Edit = Literal["generate", "reconstruct", "perturb", "inpaint"]
Solver = Literal["heun", "dpmpp-2m"]
SOLVER: Solver = "dpmpp-2m"
PAPERS_SOLVER: Solver = "heun"
Method = Literal["replace", "guidance"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Guider = Literal["projection", "gradient"]
Parsing = Literal["auto", "V", "L"]


def default_steps(solver: Solver, *, guided: bool = False) -> int:
    """Steps of a whole run where nothing else is asked for."""
    steps = PAPERS_STEPS if solver == PAPERS_SOLVER else MULTISTEP_STEPS
    return max(steps, LEAST_GUIDED_STEPS) if guided else steps
