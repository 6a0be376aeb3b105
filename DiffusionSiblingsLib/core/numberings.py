"""How others number the tissues of an anatomy, and how its tissues lie to one another. Read from data files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Pair = tuple[float, float]  # mean and standard deviation


@dataclass(frozen=True)
class Numbering:
    """The label values of a program or a public data set.

    labels: tissue id -> its values, most often one. other: value -> what else the numbering has, which is no tissue of
    the anatomy. source: where the numbering is documented.
    """

    name: str
    labels: Mapping[str, tuple[int, ...]]
    other: Mapping[int, str] = field(default_factory=dict)
    source: str = ""

    @property
    def tissue_of(self) -> dict[int, str]:
        """Value -> tissue id."""
        return {value: tissue for tissue, values in self.labels.items() for value in values}

    @classmethod
    def from_data(cls, entry: Mapping[str, Any]) -> Numbering:
        """The Numbering of an entry of a data file; KeyError, TypeError or ValueError where it is none."""
        labels = {key: tuple(int(v) for v in (value if isinstance(value, list) else [value]))
                  for key, value in entry["labels"].items()}
        return cls(entry["name"], labels, {int(key): str(name) for key, name in entry.get("other", {}).items()},
                   entry["source"])


@dataclass(frozen=True)
class TissueLayout:
    """How the tissues of sound maps lie, as means and deviations; T tissues, in the anatomy's order.

    volume: (T) ln of a tissue's volume over the geometric mean of all. extent: (T) ln of the root mean square distance
    from its centroid over the cube root of its volume. contact: (T (T - 1) / 2, pairs in the order of
    itertools.combinations) ln of (0.02 + the share of the smaller one's surface that touches the other). distance: (the
    same pairs) of centroids over the root mean square of all pairs. turn: (combinations of four) triple product of the
    centroids' differences from the first, over that root mean square to the third power; its sign tells left from
    right.
    """

    volume: tuple[Pair, ...]
    extent: tuple[Pair, ...]
    contact: tuple[Pair, ...]
    distance: tuple[Pair, ...]
    turn: tuple[Pair, ...]
    source: str = ""

    @classmethod
    def from_data(cls, entry: Mapping[str, Any]) -> TissueLayout:
        """The TissueLayout of an entry of a data file; KeyError, TypeError or ValueError where it is none."""
        return cls(_pairs(entry["volume"]), _pairs(entry["extent"]), _pairs(entry["contact"]),
                   _pairs(entry["distance"]), _pairs(entry["turn"]), str(entry["source"]))


def _pairs(rows: Sequence[Sequence[float]]) -> tuple[Pair, ...]:
    return tuple((float(mean), float(deviation)) for mean, deviation in rows)
