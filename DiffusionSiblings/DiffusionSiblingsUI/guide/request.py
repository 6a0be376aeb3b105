"""From what a script or the panel asks of a guided edit to a task (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from DiffusionSiblingsLib.control.control import Control, read_control
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.guide_rules import guided_request
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.panel_words import in_panel_words
from DiffusionSiblingsUI.runs.edits import Task


def guided_task(twin: Any, control: Any, *, preset: Sequence[str] | str, amount: float, hold: Sequence[str] | str,
                ratio: float | None, tissues: Sequence[str] | str, roi: Any, segment: tuple[Any, str] | None,
                box: Sequence[float] | None, labels: Mapping[str, str] | None, model: str, device: str,
                want: Sequence[str] | str = (), **settings: Any) -> Task:
    """The task of `logic.guide`, whose arguments these are; settings: those of every Request. Raises InputError."""
    from DiffusionSiblingsUI.runs import arguments
    from DiffusionSiblingsUI.runs.scene_edits import segments_of

    twin = arguments.segmentation(twin) if twin is not None else None
    shorthand = PresetsAndHolds(names_of(preset), arguments.plain(amount), names_of(hold), names_of(want))
    found = control_from(control, markups=not shorthand)
    roi, painted = arguments.roi_of(roi), arguments.painted(segment)
    region = {"tissues": arguments.tissues_of(tissues), "box": arguments.box_of(box),
              "region": arguments.region_of(roi, painted)}
    settings = {name: arguments.plain(value) for name, value in settings.items()}
    try:
        request = guided_request(found if twin is not None else as_canonical(found), shorthand, twin=twin is not None,
                                 ratio=arguments.plain(ratio), region=region, **settings)
    except SiblingsError as error:
        raise in_panel_words(error) from error
    where: dict[str, Any] = {"model": model, "device": device, "targets": shorthand.to_json()}
    if twin is None:
        return Task((request,), **where)
    tissue_of = segments_of(twin, arguments.check_labels(labels)) if labels else None
    return Task((request,), twin, tissue_of, roi, painted, **where)


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
    return control if control.active or control.active_measures else None


def as_canonical(control: Control | None) -> Control | None:
    """The same control for hearts without a twin: they lie in the scene as in the model's own frame."""
    return replace(control, frame="canonical") if control is not None else None
