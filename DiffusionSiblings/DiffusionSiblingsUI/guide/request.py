"""From the wishes of a script or the panel for a guided edit to a task (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.control import Control, read_control
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.runs.edits import REGION_TO_COME, Task

GUIDED_RATIO = 0.6  # as of `siblings guide`: room for the targets, and still a sibling
DRAWN_ANEW = 1.0


def guided_task(twin: Any, control: Any, *, preset: Sequence[str] | str, amount: float, hold: Sequence[str] | str,
                ratio: float | None, tissues: Sequence[str] | str, roi: Any, segment: tuple[Any, str] | None,
                box: Sequence[float] | None, labels: Mapping[str, str] | None, model: str, device: str,
                **settings: Any) -> Task:
    """The task of `logic.guide`, whose arguments these are; settings: those of every Request. Raises InputError."""
    from DiffusionSiblingsUI.runs.scene_edits import segment_id, segments_of

    asked = wishes(names(preset), amount, names(hold))
    found = control_from(control, markups=not asked)
    if found is None and not asked:
        raise InputError(_("There is nothing to guide the edit"),
                         rule=_("a control, a preset, tissues to hold, or domains in the scene with active targets"),
                         hint=_('for example preset="enlarge-rv"'))
    painted = (segment[0], segment_id(segment[0], segment[1])) if segment is not None else None
    bounds = tuple(float(value) for value in box) if box is not None else None
    within = bool(names(tissues) or bounds or roi is not None or painted)
    where: dict[str, Any] = {"model": model, "device": device, "wishes": asked}
    if twin is None:
        if within or ratio is not None or asked.get("hold"):
            raise InputError(_("The edit needs a twin"), rule=_("ratio, hold, tissues and regions refer to a twin"),
                             hint=_("pass the segmentation node of the twin, or leave these out to make new hearts"))
        return Task((Request("generate", control=as_canonical(found), **settings),), **where)
    if within:
        settings |= {"tissues": names(tissues), "box": bounds,
                     "region": REGION_TO_COME if roi is not None or painted else None}
    psi = ratio if ratio is not None else DRAWN_ANEW if within else GUIDED_RATIO
    request = Request("inpaint" if within else "perturb", ratio=psi, control=found, **settings)
    return Task((request,), twin, segments_of(twin, labels) if labels else None, roi, painted, **where)


def wishes(preset: Sequence[str] = (), amount: float = 0.2, hold: Sequence[str] = ()) -> dict[str, Any]:
    """What the worker makes controls of, as `DiffusionSiblingsLib.editing.presets_and_holds` reads it."""
    found: dict[str, Any] = {"preset": list(preset), "amount": amount} if preset else {}
    return {**found, "hold": list(hold)} if hold else found


def control_from(control: Any, markups: bool = False) -> Control | None:
    """A Control from one, the path of a file, or markups nodes; None where nothing is asked. Raises InputError.

    markups: take all domains of the scene where nothing is given.
    """
    if control is None:
        control = domains.find_domains() if markups else []
    if isinstance(control, (str, Path)):
        control = read_control(control)
    if not isinstance(control, Control):
        nodes = [control] if hasattr(control, "GetClassName") else list(control)
        if not nodes:
            return None
        control = domains.control_of(nodes)
    return control if any(term.on for term in control.terms) else None


def as_canonical(control: Control | None) -> Control | None:
    """The same control for hearts without a twin: they lie in the scene as in the model's own frame."""
    return replace(control, frame="canonical") if control is not None else None


def names(value: Sequence[str] | str) -> tuple[str, ...]:
    """A name, several with commas, or a list of them -> names."""
    listed = value.split(",") if isinstance(value, str) else list(value)
    return tuple(name.strip() for name in listed if name.strip())
