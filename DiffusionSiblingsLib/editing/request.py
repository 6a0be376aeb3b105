"""What a user asks for: one frozen, self-validating description of an edit, the same for CLI, console and Slicer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from ..core.defaults import COUNT, RATIO, RATIO_WORDS, SEED
from ..core.errors import InputError
from ..labelmaps.region import check_box
from .choices import PAPERS_SOLVER, SOLVER, Edit, Guider, Method, Parsing, Solver, default_steps

if TYPE_CHECKING:
    from ..control.control import Control
    from ..control.terms import Target

MAX_SEED = 2**63 - 1
GUIDANCE = ("control", "guider", "parsing")  # settings of guided requests alone
NAMED_TERMS = 3  # that `describe` names
CHOICES = {"edit": get_args(Edit), "method": get_args(Method), "solver": get_args(Solver),
           "guider": get_args(Guider), "parsing": get_args(Parsing)}
WHOLE_NUMBERS = {"count": (1, 100_000), "seed": (0, MAX_SEED), "first": (0, 2**32 - 1), "steps": (2, 1000),
                 "resample": (1, 20)}


@dataclass(frozen=True)
class Request:
    """One edit, asked for `count` times.

    edit: generate (a new heart), reconstruct (the twin through the autoencoder), perturb (the whole twin at the scale
    that `ratio` sets), inpaint (only `tissues`, or only inside `box` or `region`; several of them narrow each other).
    ratio: sampling ratio psi, 0..1; at inpainting 1 draws the free region anew, less stays near the twin.
    tissues: ids of the tissues to edit (inpaint). box: x0, x1, y0, y1, z0, z1 in RAS mm, or "around:PLACE,MM"
    until the twin is placed. region: label map file on any grid, non-zero where the edit may act. method: inpainting by
    replacement or by guidance. resample: how often each sampling step of an inpainting is made.
    first: number k of the first sibling; sibling k depends on (seed, k) alone. steps: solver steps of a whole run; None
    until the request is planned, for as many as the solver needs.
    overwrite: let siblings take voxels of tissues that the model does not know. repair: remove specks, open contacts.
    control: measurements and topology that the siblings must have; makes a guided edit of generate, perturb or inpaint.
    guider: how each step is led there. parsing: what is decoded for it: the whole view (V), the control's points alone
    (L), or whichever is the quicker (auto). solver: what makes the steps; a ratio means the same noise with either.
    """

    edit: Edit
    count: int = COUNT
    seed: int = SEED
    first: int = 0
    steps: int | None = None
    ratio: float = RATIO
    tissues: tuple[str, ...] = ()
    box: tuple[float, ...] | str | None = None
    region: str | None = None
    method: Method = "replace"
    resample: int = 1
    overwrite: bool = False
    repair: bool = True
    control: Control | None = None
    guider: Guider = "projection"
    parsing: Parsing = "auto"
    solver: Solver = SOLVER

    def __post_init__(self) -> None:
        _plain_values(self)
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise InputError(f"The {name} cannot be used", value=value, rule=f"one of {', '.join(allowed)}")
        for name, (low, high) in WHOLE_NUMBERS.items():
            value = getattr(self, name)
            if name == "steps" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InputError(f"The {name} cannot be used", value=value, rule=f"a whole number from {low} to {high}")
        if not (isinstance(self.ratio, (int, float)) and 0.0 <= self.ratio <= 1.0):
            raise InputError("The sampling ratio cannot be used", value=self.ratio, rule="a number from 0 to 1",
                             hint=RATIO_WORDS)
        if self.box is not None:
            check_box(self.box)
        if self.edit == "inpaint" and not (self.tissues or self.box or self.region):
            raise InputError("The inpainting has no region", rule="the region is given by tissues, a box or a mask",
                             hint='give --edit LV, --box "x0,x1,y0,y1,z0,z1" or --region mask.nii.gz')
        if self.control is not None:
            _check_control(self.control, self)

    @property
    def needs_twin(self) -> bool:
        """Whether the edit starts from a twin."""
        return self.edit != "generate"

    @property
    def sampling_steps(self) -> int:
        """The solver's steps of a whole run, from pure noise to a heart."""
        return default_steps(self.solver, guided=self.control is not None) if self.steps is None else self.steps

    @property
    def psi(self) -> float:
        """The sampling ratio that the sampler uses: 1 for generate, 0 for reconstruct."""
        return {"generate": 1.0, "reconstruct": 0.0}.get(self.edit, self.ratio)

    def describe(self) -> str:
        """One short line for tables and pictures."""
        if self.edit == "inpaint":
            where = [*self.tissues, *(["box"] if self.box else []), *([Path(self.region).name] if self.region else [])]
            words = f"edit {' + '.join(where)}" + (f", ratio {self.ratio:g}" if self.ratio < 1 else "")
            words += ", guidance form" if self.method == "guidance" else ""
        else:
            words = f"ratio {self.ratio:g}" if self.edit == "perturb" else self.edit
        return ", ".join(part for part in (words, self.describe_guidance()) if part)

    def describe_guidance(self) -> str:
        """The terms of the control in brief: "guided: RV volume x 1.2, 5 held"; "" without one."""
        return "" if self.control is None else _guided_words(self.control)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record, which holds the whole control; no settings of guidance without one."""
        names = [entry.name for entry in dataclasses.fields(self)]
        if self.control is None:
            names = [name for name in names if name not in GUIDANCE]
        values = {name: getattr(self, name) for name in names}
        return {name: value.to_json() if name == "control" else list(value) if isinstance(value, tuple) else value
                for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """The request that `to_json` wrote; unknown names are refused. One without a solver was made with Heun's."""
        if not isinstance(values, Mapping) or "edit" not in values:
            raise InputError("The request cannot be read", value=str(values)[:60],
                             rule="an object with an edit and its settings")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError("The request has unknown settings", value=", ".join(unknown),
                             rule=f"settings are {', '.join(sorted(known))}", hint="use a record of this version")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        settings.setdefault("solver", PAPERS_SOLVER)
        if settings.get("control") is not None:
            from ..control.control import Control

            settings["control"] = Control.from_json(settings["control"])
        return cls(**settings)


def _check_control(control: Control, request: Request) -> None:
    """Refuses what no guidance can act on."""
    from ..control.control import Control

    if not isinstance(control, Control):
        raise InputError("The request's control is not a Control object", value=type(control).__name__,
                         rule="a Control", hint="read a file with read_control(path), or make one with preset(...)")
    if not control.active and not control.active_measures:
        raise InputError("The control asks for nothing", value=control.name or f"{len(control.domains)} domains",
                         rule="at least one term that is on", hint="give a domain a target, or leave out the control")
    if request.psi == 0:
        raise InputError("The edit draws nothing new, so it cannot be guided", value=request.describe(),
                         rule="only generate, and perturb or inpaint at a ratio above 0, can be guided",
                         hint="use a ratio of about 0.6")
    if request.edit == "generate" and control.frame != "canonical":
        raise InputError("A generated heart has no twin, so a twin-based control cannot be used",
                         value=f"frame {control.frame}",
                         rule='a control in the frame "canonical"',
                         hint="name the twin, or make the control without one: siblings measure --preset ... --write")


def _guided_words(control: Control) -> str:
    """What the control asks for, the first few in words, those that are to stay as a number."""
    from ..control.terms import quantity_word

    active = [(f"{term.domain} {quantity_word(term.quantity, control.domain(term.domain).unit)}", term.target)
              for term in control.active] + [(term.label, term.target) for term in control.active_measures]
    held = [target for _, target in active if target.keeps]
    changed = [_target_words(label, target) for label, target in active if target not in held]
    more = [f"{len(changed) - NAMED_TERMS} more"] if len(changed) > NAMED_TERMS else []
    return "guided: " + ", ".join([*changed[:NAMED_TERMS], *more, *([f"{len(held)} held"] if held else [])])


def _target_words(label: str, target: Target) -> str:
    if target.times is not None:
        return f"{label} x {target.times:g}"
    value, sign = (target.value, "") if target.value is not None else (target.plus, "+")
    if isinstance(value, (int, float)):
        return f"{label} {value:{sign}g}"
    return label  # the record holds a matrix in full


def _plain_values(request: Request) -> None:
    """Refuses settings of the wrong types, as a damaged record has them."""
    tissues, box = request.tissues, request.box
    wrong = {
        "tissues": not (isinstance(tissues, tuple) and all(isinstance(tissue, str) for tissue in tissues)),
        "box": not (box is None or isinstance(box, str)
                    or (isinstance(box, tuple) and all(_is_number(value) for value in box))),
        "region": not (request.region is None or isinstance(request.region, str)),
        "overwrite": not isinstance(request.overwrite, bool), "repair": not isinstance(request.repair, bool),
    }
    for name in (name for name, refused in wrong.items() if refused):
        raise InputError(f"The {name} of the request cannot be used", value=str(getattr(request, name))[:60],
                         rule="tissues are names, a box is six numbers, a region is a path, the others are yes or no")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
