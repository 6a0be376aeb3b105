"""What a user asks for: one frozen, self-validating description of an edit, the same for CLI, console and Slicer."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import InputError

Edit = Literal["generate", "reconstruct", "perturb", "inpaint"]
Method = Literal["replace", "guidance"]
Device = Literal["auto", "cpu", "cuda", "mps"]

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Request:
    """One edit, asked for `count` times.

    edit: generate (a new heart), reconstruct (the twin through the autoencoder), perturb (the whole twin at the scale
    that `ratio` sets), inpaint (only `tissues`, or only inside `box` or `region`).
    ratio: sampling ratio psi, 0..1; at inpainting 1 draws the free region anew, less stays near the twin.
    tissues: ids of the tissues to edit (inpaint). box: x0, x1, y0, y1, z0, z1 in RAS mm. region: label map file on any
    grid, non-zero where the edit may act. method: inpainting by replacement or by guidance. resample: how often each
    sampling step of an inpainting is made.
    first: number k of the first sibling; sibling k depends on (seed, k) alone. steps: solver steps of a whole run.
    overwrite: let siblings take voxels of tissues that the model does not know. repair: remove specks, open contacts.
    """

    edit: Edit
    count: int = 1
    seed: int = 0
    first: int = 0
    steps: int = 50
    ratio: float = 0.5
    tissues: tuple[str, ...] = ()
    box: tuple[float, ...] | None = None
    region: str | None = None
    method: Method = "replace"
    resample: int = 1
    overwrite: bool = False
    repair: bool = True

    def __post_init__(self) -> None:
        _one_of("edit", self.edit, get_args(Edit))
        _one_of("method", self.method, get_args(Method))
        _whole("count", self.count, 1, 100_000)
        _whole("seed", self.seed, 0, MAX_SEED)
        _whole("first", self.first, 0, 2**32 - 1)
        _whole("steps", self.steps, 2, 1000)
        _whole("resample", self.resample, 1, 20)
        if not (isinstance(self.ratio, (int, float)) and 0.0 <= self.ratio <= 1.0):
            raise InputError("The sampling ratio cannot be used", value=self.ratio, rule="a number from 0 to 1",
                             hint="0.2 changes detail, 0.5 shape, 0.8 size and proportion; 1 ignores the twin")
        if self.box is not None:
            _check_box(self.box)
        if self.edit == "inpaint" and not (self.tissues or self.box or self.region):
            raise InputError("The inpainting has nothing to edit", rule="tissues, a box or a region mask",
                             hint='give --edit LV, --box "x0,x1,y0,y1,z0,z1" or --region mask.nii.gz')

    @property
    def needs_twin(self) -> bool:
        """Whether the edit starts from a twin."""
        return self.edit != "generate"

    @property
    def psi(self) -> float:
        """The sampling ratio that the sampler uses: 1 for generate, 0 for reconstruct."""
        return {"generate": 1.0, "reconstruct": 0.0}.get(self.edit, self.ratio)

    def describe(self) -> str:
        """One short line for tables and pictures."""
        if self.edit == "inpaint":
            where = [*self.tissues, *(["box"] if self.box else []), *([Path(self.region).name] if self.region else [])]
            return f"edit {' + '.join(where)}" + (f", ratio {self.ratio:g}" if self.ratio < 1 else "")
        return f"ratio {self.ratio:g}" if self.edit == "perturb" else self.edit

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record."""
        return {key: list(value) if isinstance(value, tuple) else value
                for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """The request that `to_json` wrote; unknown names are refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError("The request has unknown settings", value=", ".join(unknown),
                             rule=f"settings are {', '.join(sorted(known))}", hint="use a record of this version")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)


def parse_box(text: str) -> tuple[float, ...]:
    """'x0,x1,y0,y1,z0,z1' in RAS mm -> six numbers, each pair in rising order."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    _check_box(values, text)
    return values


def _check_box(box: tuple[float, ...], text: str | None = None) -> None:
    pairs = list(zip(box[::2], box[1::2], strict=False))
    if len(box) != 6 or not all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in pairs):
        raise InputError("The box cannot be used", value=text if text is not None else box,
                         rule='six numbers "x0,x1,y0,y1,z0,z1" in RAS mm with x0 < x1, y0 < y1, z0 < z1',
                         hint="read the corners off in Slicer (they are RAS there)")


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"The {name} cannot be used", value=value, rule=f"one of {', '.join(allowed)}")


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"The {name} cannot be used", value=value, rule=f"a whole number from {low} to {high}")
