"""All measures of a label map by name, each at the place that it finds in this map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.labelmap import Affine
from ..measurement import MeasurementKey
from ..run_lengths import LabelArray
from .definition import Definition, definitions_of
from .fields import TissueFields
from .kinds import KINDS, Found, NotFound, Number


@dataclass(frozen=True)
class Measured:
    """The measures of one map.

    values: by key, in the anatomy's order; what was not found is not among them. missing: measure's id -> why it was
    not found. found: the planes, outlines, axes and thicknesses behind the numbers, for pictures.
    """

    values: dict[MeasurementKey, float]
    missing: dict[str, str]
    found: Found


def measure(labels: LabelArray, affine: Affine, anatomy: Anatomy) -> Measured:
    """Every measure that the anatomy defines, found anew in this map.

    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4) float64, voxel IJK -> RAS mm.
    Definitions and sources: docs/measures.md. Raises InputError for an anatomy whose measures are not sound.
    """
    found = Found(TissueFields(labels, affine, anatomy))
    values: dict[MeasurementKey, float] = {}
    missing: dict[str, str] = {}
    for definition in definitions_of(anatomy):
        try:
            values |= dict(_kind_of(definition)(found, definition))
        except NotFound as reason:
            missing[definition.id] = str(reason)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"The measure {definition.id} of the {anatomy.id} anatomy is not sound",
                             value=repr(error), rule="docs/measures.md says what each kind needs") from error
    return Measured(values, missing, found)


def _kind_of(definition: Definition) -> Callable[[Found, Definition], list[Number]]:
    if definition.kind not in KINDS:
        raise InputError(f"The measure {definition.id} is of an unknown kind", value=definition.kind,
                         rule=f"one of {', '.join(KINDS)}")
    return KINDS[definition.kind]
