"""Markups <-> control domains. ROI = box, plane, line; curve = planes along it; point = lines that radiate from it.

A markups node is a domain of the guide if it has the attribute KEY, which keeps what is asked there (DomainSettings),
so that domains and targets are saved with the scene and renamed, moved and deleted like all other markups. All
coordinates are RAS mm in the world: parent transforms count, as in the views.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.builders import lines_from, planes_along
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.terms import Term, free_name
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.scene import markups
from DiffusionSiblingsUI.scene.markups import is_placed, kind_of

KEY = "DiffusionSiblings.Terms"
SCHEMA = 1
SPACING_MM = {"box": 3.0, "plane": 1.5, "curve": 1.5, "line": 0.7, "point": 0.7}  # of points, as the builders have it
DIMENSIONS = {"box": 3, "plane": 2, "line": 1}
FEWEST, MOST = 2, 256  # points along an axis


@dataclass(frozen=True)
class DomainSettings:
    """What a markups node asks for as a domain.

    tissues: IDs, their sum is measured. terms: `domain` is the node's name. spacing: mm between points along the
    domain's own axes, one number for all or one for each. count: planes of a curve, lines of a point. extent: width of
    the planes of a curve, length of the lines of a point, mm. normal: direction about which the lines of a point lie.
    """

    tissues: tuple[str, ...]
    terms: tuple[Term, ...] = ()
    spacing: tuple[float, ...] = ()
    count: int = 5
    extent: float = 60.0
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)


def find_domains(scene: Any = None) -> list[Any]:
    """The markups nodes of the scene that are domains, in the order in which they came."""
    nodes = (scene or slicer.mrmlScene).GetNodesByClass("vtkMRMLMarkupsNode")
    nodes.UnRegister(None)
    found = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
    return [node for node in found if node.GetAttribute(KEY) is not None and kind_of(node)]


def read_settings(node: Any) -> DomainSettings:
    """What a node asks for. Raises InputError where the attribute is not ours, or was written by a later version."""
    try:
        data = json.loads(node.GetAttribute(KEY) or "{}")
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema')}")
        own = {} if data.get("node") == node.GetID() else {"id": ""}  # the ids of a copied node are the original's
        terms = tuple(Term.from_json({**term, **own, "domain": node.GetName()}) for term in data["terms"])
        spacing = tuple(float(mm) for mm in data["spacing"])
        return DomainSettings(tuple(data["tissues"]), terms, spacing, int(data["count"]), float(data["extent"]),
                              _triple(data["normal"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(_("The targets of {name} cannot be read").format(name=node.GetName()), value=error,
                         rule=_("the node's attribute {name} is as this version writes it").format(name=KEY),
                         hint=_("remove the domain and make it again")) from error


def write_settings(node: Any, settings: DomainSettings) -> None:
    """Makes a markups node a domain that asks for this; nothing happens where it does already."""
    terms = [{key: value for key, value in term.to_json().items() if key != "domain"} for term in settings.terms]
    text = json.dumps({"schema": SCHEMA, "node": node.GetID(), "tissues": list(settings.tissues), "terms": terms,
                       "spacing": list(settings.spacing), "count": settings.count, "extent": settings.extent,
                       "normal": list(settings.normal)}, allow_nan=False)
    if node.GetAttribute(KEY) != text:
        node.SetAttribute(KEY, text)


def domains_of(node: Any, settings: DomainSettings | None = None) -> tuple[ControlDomain, ...]:
    """The domains that a markups node stands for, in the world. Raises InputError where it is not placed yet."""
    settings, kind = settings or read_settings(node), kind_of(node)
    if not is_placed(node):
        points = _("points placed: {count}").format(count=node.GetNumberOfDefinedControlPoints())
        raise InputError(_("{name} is not placed yet").format(name=node.GetName()), value=points,
                         rule=_("a domain has a place in the twin"), hint=_("place it in the views, or remove it"))
    if kind == "curve":
        curve = markups.curve_points(node)
        parts: Sequence[ControlDomain] = planes_along(curve, settings.count, settings.tissues,
                                                      width_mm=settings.extent, spacing_mm=_spacing(settings, kind)[0])
    elif kind == "point":
        parts = [line for centre in markups.control_points(node) for line in _radiating(centre, settings)]
    else:
        center, axes, size = {"box": markups.box, "plane": markups.plane, "line": markups.line}[kind](node)
        return (_domain(node.GetName(), kind, settings, center, axes, size),)
    return tuple(replace(part, name=f"{node.GetName()} {number}") for number, part in enumerate(parts, start=1))


def control_of(nodes: Iterable[Any] | None = None, name: str = "") -> Control:
    """What all domains of the scene ask for together (or these nodes), in the world frame. Raises InputError."""
    domains: list[ControlDomain] = []
    terms: list[Term] = []
    for node in find_domains() if nodes is None else nodes:
        settings = read_settings(node)
        for part, domain in enumerate(domains_of(node, settings)):
            named = replace(domain, name=free_name(domain.name, [known.name for known in domains]))
            domains.append(named)
            terms += [replace(term, domain=named.name, id=id)
                      for term, id in zip(settings.terms, term_ids(node, settings, part), strict=True)]
    return Control(tuple(domains), tuple(terms), "world", name)


def term_ids(node: Any, settings: DomainSettings, part: int) -> tuple[str, ...]:
    """The ids of a node's terms in the control of the scene, by which their achieved values are found again.

    part: which of the node's domains, from 0. Terms of a file keep the ids that they had there. They stay when the node
    is renamed or moved, and differ from those of a copy of the node.
    """
    found: list[str] = []
    for term in settings.terms:
        own = term.id if part == 0 else ""
        found.append(own or free_name(f"{node.GetID()} part {part + 1} {term.quantity}", found))
    return tuple(found)


def markups_of(control: Control) -> list[Any]:
    """A markups node in the scene for each domain, asking for what the control asks there. Raises InputError."""
    if control.frame != "world":
        raise InputError(_("The control is not in the coordinates of a twin"),
                         value=_("frame {frame}").format(frame=control.frame),
                         rule=_('its frame is "world": RAS mm of the twin'),
                         hint=_("save the control for this twin first, then open it here"))
    taken = {term.id for node in find_domains() for term in read_settings(node).terms}
    return [markup_of(domain, tuple(replace(term, id="") if term.id in taken else term
                                    for term in control.terms if term.domain == domain.name))
            for domain in control.domains]


def markup_of(domain: ControlDomain, terms: Sequence[Term] = ()) -> Any:
    """A domain as a new markups node: ROI, plane or line."""
    kind = {dimension: kind for kind, dimension in DIMENSIONS.items()}[domain.dimension]
    node = markups.new_markup(kind, domain.name)
    axes = np.array(domain.axes, dtype=np.float64)
    if np.linalg.det(axes) < 0:  # a box is the same about its centre whichever way an axis points
        axes[2] *= -1.0
    center, size = np.array(domain.centre, dtype=np.float64), np.array(domain.size, dtype=np.float64)
    if kind == "box":
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(_matrix(center, axes).ravel().tolist())
        node.SetAndObserveObjectToNodeMatrix(matrix)
        node.SetSize(*size.tolist())
    elif kind == "plane":
        node.SetPlaneType(node.PlaneTypePointNormal)
        node.SetSizeMode(node.SizeModeAbsolute)
        node.SetOriginWorld(*center.tolist())
        node.SetAxesWorld(*(vtk.vtkVector3d(*axis.tolist()) for axis in axes))
        node.SetSizeWorld(float(size[0]), float(size[1]))
    else:
        for end in (-0.5, 0.5):
            node.AddControlPointWorld(vtk.vtkVector3d(*(center + end * size[0] * axes[0]).tolist()))
    spacing = tuple(float(side / count) for side, count in zip(domain.size, domain.template, strict=True) if count > 1)
    own = tuple(replace(term, domain=node.GetName()) for term in terms)
    write_settings(node, DomainSettings(tuple(domain.tissues), own, spacing))
    return node


def _radiating(centre: np.ndarray, settings: DomainSettings) -> Sequence[ControlDomain]:
    """The lines of a point: evenly spread about `normal`."""
    _along, first, second = markups.frame_along(np.array(settings.normal))
    angles = 2 * np.pi * np.arange(settings.count) / settings.count
    directions = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
    return lines_from(centre, directions, settings.extent, settings.tissues,
                      spacing_mm=_spacing(settings, "point")[0])


def _domain(name: str, kind: str, settings: DomainSettings, center: np.ndarray, axes: np.ndarray,
            size: np.ndarray) -> ControlDomain:
    dimension = DIMENSIONS[kind]
    if not (size[:dimension] > 0).all():
        raise InputError(_("{name} has no size").format(name=name),
                         value=" x ".join(f"{side:g}" for side in size[:dimension]),
                         rule=_("all sides are longer than 0 mm"), hint=_("drag its handles in the views"))
    spacing = _spacing(settings, kind)
    counts = [int(np.clip(round(float(size[axis]) / spacing[min(axis, len(spacing) - 1)]), FEWEST, MOST))
              for axis in range(dimension)]
    i, j, k = (*counts, *[1] * (3 - dimension))
    return ControlDomain(name=name, tissues=settings.tissues, centre=_triple(center),
                         axes=(_triple(axes[0]), _triple(axes[1]), _triple(axes[2])), size=_triple(size),
                         template=(i, j, k))


def _spacing(settings: DomainSettings, kind: str) -> tuple[float, ...]:
    return settings.spacing or (SPACING_MM[kind],)


def _matrix(center: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(4, 4): the domain's own coordinates -> world."""
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = axes.T, center
    return made


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
