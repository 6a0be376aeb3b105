"""A box around a place of the heart, "around:LVOT,30": a cube about the middle of a measure's place or of a tissue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..labelmaps.region import box_around
from ..metrics.measures.drawing import drawing_of
from ..metrics.measures.names import find_named
from .request import Request

if TYPE_CHECKING:
    from .planned import PlacedTwin

DECIMALS = 2  # of the corners in mm, as the record has them


def with_placed_box(request: Request, heart: PlacedTwin | None, anatomy: Anatomy) -> Request:
    """The request with the six numbers of its box, where it names a place; any other request as it is.

    Raises InputError for a place that no heart, or this one, has.
    """
    if heart is None or not isinstance(request.box, str):
        return request
    place, edge = box_around(request.box)
    center = _center(place, heart, anatomy)
    corners = np.stack([center - edge / 2, center + edge / 2], axis=1).ravel()
    return replace(request, box=tuple(round(float(value), DECIMALS) for value in corners))


def _center(place: str, heart: PlacedTwin, anatomy: Anatomy) -> npt.NDArray[np.float64]:
    """(3,) RAS mm: the middle of a tissue, or of the rings of a measure."""
    rings = _rings(heart, anatomy)
    ids = {tissue.lower(): tissue for tissue in anatomy.ids}
    words = place.lower()
    if words not in ids and (measured := _of_measure(place, heart, rings, anatomy)) is not None:
        return measured
    tissue = ids.get(words) or anatomy.identify(place)
    if tissue is None:
        raise InputError("There is no such place to put a box around", value=place,
                         rule=f"a tissue ({', '.join(anatomy.ids)}) or a place of a measure ({', '.join(rings)})",
                         hint='for example --box "around:aortic annulus,30"')
    voxels = np.argwhere(heart.twin.known == anatomy.label_of(tissue))
    affine = heart.twin.labelmap.affine
    return np.asarray(affine[:3, :3] @ voxels.mean(axis=0)[::-1] + affine[:3, 3])


def _of_measure(place: str, heart: PlacedTwin, rings: dict[str, npt.NDArray[np.float64]],
                anatomy: Anatomy) -> npt.NDArray[np.float64] | None:
    """The middle of the rings of the measure that words mean; None where they mean none that has rings."""
    if exact := [point for name, point in rings.items() if name.lower() == place.lower()]:
        return exact[0]
    try:
        key = find_named(place, anatomy)
    except InputError:  # it has several numbers, and no place of its own
        return None
    if key is None:
        return None
    found = [point for name, point in rings.items()
             if name in (key.tissue, key.label) or name.startswith(f"{key.tissue} at ")]
    if found:
        return np.asarray(np.mean(found, axis=0))
    measures = heart.measured.measures
    if measures is not None and key.tissue in measures.missing:
        raise InputError("The box cannot be placed", value=f"{place}: {measures.missing[key.tissue]}",
                         rule="the twin has the place that the box is put around",
                         hint="put it around a tissue, or give its six numbers")
    return None


def _rings(heart: PlacedTwin, anatomy: Anatomy) -> dict[str, npt.NDArray[np.float64]]:
    """Name -> (3,) RAS mm, the middle of each ring that the twin's measures have."""
    if heart.measured.measures is None:
        return {}
    lines = drawing_of(heart.measured.measures, anatomy).lines
    return {line.name: line.points.mean(axis=0) for line in lines if line.kind == "ring"}
