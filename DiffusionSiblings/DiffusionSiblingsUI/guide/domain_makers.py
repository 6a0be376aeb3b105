"""New targets and control domains: of a segment, between two, from a preset, or to be drawn (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.builders import between_tissues
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.preset_file import MEASURES, preset_help, recipes_of
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.metrics.measures.definition import definitions_of
from DiffusionSiblingsUI.guide import domains, live
from DiffusionSiblingsUI.scene import markups

KIND_WORDS = {"box": _("Box"), "plane": _("Plane"), "line": _("Line"), "curve": _("Planes along a curve"),
              "point": _("Lines from a point")}
OPENING = "opening"  # the kind of a measure: where two tissues meet
KEEP = Target(times=1.0)  # the twin's own value: to start from
Color = tuple[float, float, float]
Coloring = Callable[[tuple[str, ...]], Color]


def of_segments(anatomy: Anatomy) -> dict[str, str]:
    """What can be asked of a segment wherever it is in each heart: words -> the target that keeps it, as it is typed.

    The volume of every tissue, and the area of every opening between two.
    """
    volumes = {_("Volume of {name}").format(name=tissue.name): f"{tissue.id} volume=same" for tissue in anatomy.tissues}
    openings = {_("Area of {name}").format(name=measure.id): f"{measure.id} area=same"
                for measure in definitions_of(anatomy) if measure.kind == OPENING}
    return volumes | openings


def placed_twin(node: Any, tissue_of: Mapping[str, str | None], anatomy: Anatomy) -> Placement:
    """A segmentation node as domains are placed and measured on it. Raises InputError."""
    if node is None:
        raise InputError(_("No twin is chosen"), rule=_("domains are placed on a segmentation"),
                         hint=_("choose the twin in the section Twin, or draw the domain"))
    return exhaust(live.reading(node, tissue_of, anatomy))


def around(twin: Placement, tissues: tuple[str, ...], color: Color | None = None) -> Any:
    """A box around tissues that keeps their volume until something else is asked -> its node. Raises InputError."""
    domain = twin.around(tissues)
    return _painted(domains.markup_of(domain, [Term(domain.name, "mass", KEEP)]), color)


def between(twin: Placement, first: str, second: str, color: Color | None = None) -> Any:
    """A plane where two tissues meet, measuring both of them -> its node. Raises InputError."""
    domain = between_tissues(twin.labels, twin.affine, twin.anatomy, first, second, (first, second))
    return _painted(domains.markup_of(domain, [Term(domain.name, "mass", KEEP)]), color)


def from_preset(twin: Placement, name: str, amount: float, coloring: Coloring | None = None) -> list[Any]:
    """The domains and targets of a preset -> their nodes. Raises InputError."""
    control = preset(name, twin, amount)
    return colored(domains.markups_of(control), coloring)


def presets(anatomy: Anatomy) -> dict[str, str]:
    """Preset name -> one line of help."""
    return preset_help(anatomy.id)


def wants_of_preset(name: str, amount: float, anatomy: Anatomy) -> tuple[str, ...]:
    """The targets of a preset that asks for measures by name, as they are typed; () for one that makes domains."""
    recipe = recipes_of(anatomy.id)[name]
    if recipe["kind"] != MEASURES:
        return ()
    change = 100 * float(recipe["change"]) * amount
    return tuple(f"{measure}={change:+.6g}%" for measure in recipe["measures"])


def to_draw(twin: Placement | None, kind: str, tissues: Sequence[str], coloring: Coloring | None = None) -> Any:
    """A domain without points yet -> its node. Lines from a point lie across the long axis of the twin's heart."""
    chosen = tuple(tissues)
    node = markups.new_markup(kind, f"{'+'.join(chosen)} {kind}", coloring(chosen) if coloring else None)
    settings = domains.DomainSettings(chosen, (Term(node.GetName(), "mass", KEEP),), count=4 if kind == "point" else 5,
                                normal=long_axis(twin) if twin is not None else (0.0, 0.0, 1.0))
    domains.write_settings(node, settings)
    return node


def long_axis(twin: Placement) -> tuple[float, float, float]:
    """Unit vector, RAS: from the centroid of the anatomy's first axis tissue to that of its second; S without them."""
    ends = []
    for tissue in (twin.anatomy.axis_from, twin.anatomy.axis_to):
        inside = np.argwhere(twin.labels == twin.anatomy.label_of(tissue))
        if not len(inside):
            return 0.0, 0.0, 1.0
        ends.append(twin.affine[:3, :3] @ inside.mean(axis=0)[::-1])
    x, y, z = (ends[1] - ends[0]) / max(float(np.linalg.norm(ends[1] - ends[0])), 1e-9)
    return float(x), float(y), float(z)


def colored(nodes: list[Any], coloring: Coloring | None) -> list[Any]:
    """The nodes in the colours of what they measure."""
    if coloring is not None:
        for node in nodes:
            _painted(node, coloring(domains.read_settings(node).tissues))
    return nodes


def _painted(node: Any, color: Color | None) -> Any:
    if color is not None:
        markups.paint(node, color)
    return node
