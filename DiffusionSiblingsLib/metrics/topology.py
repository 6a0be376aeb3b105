"""Topological checks of a label map: one piece per tissue, required and forbidden contacts (METHODS.md, Metrics)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, cast

import cc3d
import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from .run_lengths import LabelArray, find_runs, require_labels

Offset = tuple[int, int, int]
TISSUE_CONNECTIVITY = 26
CONTACT_CONNECTIVITY = 6


@dataclass(frozen=True)
class TopologyReport:
    """Outcome of all checks on one label map.

    checks: name -> passed, in the anatomy's order ("LV one component", "LV-Ao contact", "LV-RV no contact").
    components: tissue id -> number of connected pieces, for every tissue of the anatomy (0 = absent).
    subsample: 1 = every voxel, 2 = every other voxel along each axis (the papers' setting).
    """

    checks: dict[str, bool]
    components: dict[str, int] = field(default_factory=dict)
    subsample: int = 1
    tissue_connectivity: int = TISSUE_CONNECTIVITY
    contact_connectivity: int = CONTACT_CONNECTIVITY

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed, in order."""
        return tuple(name for name, passed in self.checks.items() if not passed)

    @property
    def violation_percent(self) -> float:
        """Failed checks over all checks in percent; for 12 checks one failure is 8.3 %."""
        return 100.0 * len(self.failed) / len(self.checks) if self.checks else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        return {
            "subsample": self.subsample,
            "tissue_connectivity": self.tissue_connectivity,
            "contact_connectivity": self.contact_connectivity,
            "violation_percent": round(self.violation_percent, 4),
            "failed": list(self.failed),
            "checks": dict(self.checks),
            "components": dict(self.components),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TopologyReport:
        """What `to_json` wrote; KeyError or TypeError where it did not."""
        return cls(dict(values["checks"]), dict(values["components"]), int(values["subsample"]),
                   int(values["tissue_connectivity"]), int(values["contact_connectivity"]))


@dataclass(frozen=True)
class ContactCheck:
    """Whether two tissues touch as the anatomy says. wanted: they must touch; else they must not."""

    first: str
    second: str
    wanted: bool
    passed: bool

    @property
    def name(self) -> str:
        """Its name among the checks of a report: "LV-Ao contact" or "LV-RV no contact"."""
        return f"{self.first}-{self.second} {'' if self.wanted else 'no '}contact"


def check(
    labels: LabelArray,
    anatomy: Anatomy,
    *,
    subsample: int = 1,
    tissue_connectivity: int = TISSUE_CONNECTIVITY,
    contact_connectivity: int = CONTACT_CONNECTIVITY,
) -> TopologyReport:
    """Run the anatomy's checks: 12 for the heart.

    labels: (D, H, W) integer, KJI order, the anatomy's label values; other values count as background.
    subsample: 2 checks labels[::2, ::2, ::2]. An absent tissue fails its component check and its required contacts.
    """
    if subsample < 1:
        raise InputError("The topology cannot be checked at this resolution", value=subsample,
                         rule="1 (every voxel) or more")
    known = as_known(labels[::subsample, ::subsample, ::subsample], anatomy)
    pieces = count_components(known, tissue_connectivity)
    checks = {f"{name} one component": pieces.get(anatomy.label_of(name), 0) == 1 for name in anatomy.one_component}
    checks |= {contact.name: contact.passed for contact in contact_checks(known, anatomy, contact_connectivity)}
    components = {tissue.id: pieces.get(tissue.label, 0) for tissue in anatomy.tissues}
    return TopologyReport(checks, components, subsample, tissue_connectivity, contact_connectivity)


def contact_checks(known: npt.NDArray[np.uint8], anatomy: Anatomy,
                   connectivity: int = CONTACT_CONNECTIVITY) -> list[ContactCheck]:
    """The anatomy's required contacts, then its forbidden ones.

    known: (D, H, W) uint8, KJI order, the anatomy's label values (`as_known`). connectivity: 6, 18 or 26.
    """
    touching, found = find_contacts(known, connectivity), []
    forbidden = [contact.pair for contact in anatomy.forbidden_contacts]
    for wanted, pairs in ((True, anatomy.required_contacts), (False, forbidden)):
        for first, second in pairs:
            low, high = sorted((anatomy.label_of(first), anatomy.label_of(second)))
            found.append(ContactCheck(first, second, wanted, ((low, high) in touching) == wanted))
    return found


def check_both(labels: LabelArray, anatomy: Anatomy) -> dict[str, TopologyReport]:
    """The checks at full resolution ("full") and on the map subsampled by two ("half"), default connectivities."""
    return {"full": check(labels, anatomy), "half": check(labels, anatomy, subsample=2)}


def as_known(labels: LabelArray, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8, C order: the anatomy's label values, 0 for background and everything that it does not know."""
    labels = require_labels(labels)
    values = [tissue.label for tissue in anatomy.tissues]
    if labels.dtype == np.uint8 and np.isin(find_runs(labels).value, [0, *values]).all():
        return labels.view(np.uint8)
    return np.where(np.isin(labels, values), labels, 0).astype(np.uint8)


def count_components(labels: npt.NDArray[np.uint8], connectivity: int = TISSUE_CONNECTIVITY) -> dict[int, int]:
    """Label value -> number of connected pieces, for the non-zero values that occur.

    labels: (D, H, W) uint8, C order. connectivity: 6 (faces), 18 (and edges) or 26 (and corners).
    """
    box = foreground_box(labels)
    if box is None:
        return {}
    inside = np.ascontiguousarray(labels[box])
    pieces, total = connected_pieces(inside, connectivity)
    start = find_runs(inside).start  # every piece begins a run, so the runs name them all
    value_of_piece = np.zeros(total + 1, dtype=np.int64)
    value_of_piece[pieces.reshape(-1)[start]] = inside.reshape(-1)[start]
    counts = np.bincount(value_of_piece[1:])
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def connected_pieces(image: npt.NDArray[Any], connectivity: int) -> tuple[npt.NDArray[np.unsignedinteger[Any]], int]:
    """Number of the connected piece of equal non-zero value that each voxel belongs to, and how many pieces there are.

    image: (D, H, W) uint8 or bool. connectivity: 6, 18 or 26. Returns (D, H, W) unsigned, from 1 (0 = background).
    """
    neighbour_offsets(connectivity)  # refuses other numbers
    checked = cast("Literal[6, 18, 26]", connectivity)
    return cc3d.connected_components(image, connectivity=checked, return_N=True)


def find_contacts(labels: npt.NDArray[np.uint8], connectivity: int = CONTACT_CONNECTIVITY) -> set[tuple[int, int]]:
    """Pairs (low, high) of different non-zero label values that have neighbouring voxels.

    labels: (D, H, W) uint8. connectivity: 6 (shared face), 18 (or edge) or 26 (or corner).
    """
    offsets = neighbour_offsets(connectivity)
    box = foreground_box(labels)
    if box is None:
        return set()
    inside = labels[box]
    table = np.zeros((256, 256), dtype=np.bool_)
    for offset in offsets:
        first, second = shifted(inside, offset)
        differ = first != second
        table[first[differ], second[differ]] = True
    table[0] = table[:, 0] = False
    return {(min(a, b), max(a, b)) for a, b in np.argwhere(table).tolist()}


def neighbour_offsets(connectivity: int) -> tuple[Offset, ...]:
    """Half of the neighbour offsets (the other half are their negatives): 3, 9 or 13 of them."""
    reach = {6: 1, 18: 2, 26: 3}.get(connectivity)
    if reach is None:
        raise InputError("Unknown connectivity", value=connectivity, rule="6, 18 or 26")
    everything = ((k, j, i) for k, j, i in product((-1, 0, 1), repeat=3))
    return tuple(offset for offset in everything if offset > (0, 0, 0) and sum(map(abs, offset)) <= reach)


def shifted(array: npt.NDArray[Any], offset: Offset) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two views of a (D, H, W) array: element n of the second lies `offset` voxels after element n of the first."""
    sizes = list(zip(offset, array.shape, strict=True))
    near = tuple(slice(max(-step, 0), max(size - max(step, 0), 0)) for step, size in sizes)
    far = tuple(slice(max(step, 0), max(size - max(-step, 0), 0)) for step, size in sizes)
    return array[near], array[far]
