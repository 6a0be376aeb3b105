"""Names of measurements as typed keys, and the one place where a key becomes a column title and back.

Inside the product a measurement is known by its key. Titles ("LV volume [ml]") exist in files and on screens alone:
`MeasurementKey.title` writes them, and `keyed_numbers` reads those that stand in JSON files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..core.anatomy import Anatomy
from ..core.errors import InputError

VOLUME, MAJOR_AXIS, MINOR_AXIS = "volume", "major axis", "minor axis"
UNITS = {VOLUME: "ml", MAJOR_AXIS: "mm", MINOR_AXIS: "mm"}  # of what is measured in a tissue
VOLUME_RATIO, SHARE = "volume ratio", "1"  # of two tissues ("RV/LV"), and its unit
Value = TypeVar("Value")


@dataclass(frozen=True)
class MeasurementKey:
    """What a number measures: the name ("volume"), the tissue or control domain that has it ("LV"), and the unit
    ("ml").
    """

    name: str
    tissue: str
    unit: str

    def __post_init__(self) -> None:
        if not (self.name and self.tissue and self.unit):
            raise InputError("A measurement has an incomplete name", value=f"{self.tissue!r} {self.name!r} "
                             f"{self.unit!r}", rule="a tissue or control domain, a name and a unit")

    def __str__(self) -> str:
        return self.title

    @property
    def label(self) -> str:
        """The measurement without its unit: "LV volume"."""
        return f"{self.tissue} {self.name}"

    @property
    def title(self) -> str:
        """The title of its column: "LV volume [ml]"."""
        return f"{self.label} [{self.unit}]"

    def title_with(self, words: str) -> str:
        """The title of a column derived from it: "minus base" gives "LV volume minus base [ml]"."""
        return f"{self.label} {words} [{self.unit}]"

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume in ml."""
        return self.name == VOLUME


def tissue_key(tissue: str, name: str = VOLUME) -> MeasurementKey:
    """The key of a measurement of a tissue. name: "volume", "major axis" or "minor axis"."""
    return MeasurementKey(name, tissue, UNITS[name])


def feature_keys(anatomy: Anatomy) -> tuple[MeasurementKey, ...]:
    """The morphological features: volume, major and minor axis of each chamber; 12 for the heart."""
    return tuple(tissue_key(chamber, name) for chamber in anatomy.chambers for name in UNITS)


def measurement_keys(anatomy: Anatomy) -> tuple[MeasurementKey, ...]:
    """All measurements of a map in the order of their columns: the features, then the volumes of the other tissues."""
    return tuple(dict.fromkeys([*feature_keys(anatomy), *(tissue_key(tissue) for tissue in anatomy.ids)]))


def titled(values: Mapping[MeasurementKey, Value]) -> dict[str, Value]:
    """Values by column title, as tables show them and JSON files store them."""
    return {key.title: value for key, value in values.items()}


def keyed_numbers(values: Mapping[str, float | None]) -> dict[MeasurementKey, float]:
    """Numbers of a JSON file by their keys: the inverse of `titled`. Raises InputError for an unknown title.

    null, which stands for a number that is not finite, becomes nan.
    """
    return {key_of(title): math.nan if value is None else float(value) for title, value in values.items()}


def key_of(title: str) -> MeasurementKey:
    """The key of a title that stands in a file: "LV volume [ml]". Raises InputError for any other text."""
    for name, unit in {**UNITS, VOLUME_RATIO: SHARE}.items():
        tissue = title.removesuffix(f" {name} [{unit}]")
        if tissue != title and tissue:
            return MeasurementKey(name, tissue, unit)
    raise InputError("A file names an unknown measurement", value=title,
                     rule="a tissue, then " + ", ".join(f'"{name} [{unit}]"' for name, unit in UNITS.items())
                     + f', or two tissues ("RV/LV") and "{VOLUME_RATIO} [{SHARE}]"')
