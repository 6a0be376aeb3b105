"""The settings of a request that are chosen from a list, by name. Light: the command line's help imports it."""

from __future__ import annotations

from typing import Literal

Edit = Literal["generate", "reconstruct", "perturb", "inpaint"]
Method = Literal["replace", "guidance"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Guider = Literal["projection", "gradient"]
Parsing = Literal["auto", "V", "L"]
