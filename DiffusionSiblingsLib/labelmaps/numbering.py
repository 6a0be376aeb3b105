"""Whether unnamed label values can follow the anatomy's own numbering, judged by which labels touch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Labels

MARGIN = 2
"""How many more contacts must fit, because a real heart may lack one or have one too many."""


def as_option(numbers: Mapping[str, int]) -> str:
    """{"LV": 3} -> the command-line option that gives these values."""
    return '--labels "' + ",".join(f"{tissue}={value}" for tissue, value in numbers.items()) + '"'


def check_numbering(labels: Labels, anatomy: Anatomy, path: Path) -> None:
    """Raises InputError if the labels touch as they would in another program's numbering of the same values.

    For example, TotalSegmentator's heartchambers_highres numbers the same tissues from 1 to 6 in another order.
    """
    own = {tissue.id: tissue.label for tissue in anatomy.tissues}
    others = [(name, numbers) for name, numbers in anatomy.numberings if set(numbers.values()) == set(own.values())]
    if not others:
        return
    touching = contacts(labels)
    fit = {name: _score(numbers, touching, anatomy) for name, numbers in others}
    best = max(fit, key=lambda name: fit[name])
    if fit[best] >= _score(own, touching, anatomy) + MARGIN:
        raise InputError(
            f"{path} does not say which label is which tissue",
            value=f"its labels touch as in {best}, not as in this project's numbering",
            rule=f"without names, the values mean {', '.join(f'{tissue} {value}' for tissue, value in own.items())}",
            hint=f"use {as_option(dict(others)[best])} for {best}, or {as_option(own)} to confirm this numbering",
        )


def contacts(labels: Labels) -> set[tuple[int, int]]:
    """Pairs (low, high) of non-zero labels below 256 that share a voxel face."""
    box = tuple(slice(*_range(np.asarray(labels.any(axis=axes)))) for axes in ((1, 2), (0, 2), (0, 1)))
    cut = labels[box].astype(np.uint8)
    seen = np.zeros(1 << 16, dtype=bool)
    for axis in range(3):
        first, second = np.moveaxis(cut, axis, 0)[:-1], np.moveaxis(cut, axis, 0)[1:]
        for a, b in zip(first, second, strict=True):
            edge = (a != b) & (a != 0) & (b != 0)
            seen[a[edge].astype(np.uint16) * 256 + b[edge]] = True
    pairs = [divmod(int(code), 256) for code in np.flatnonzero(seen)]
    return {(min(a, b), max(a, b)) for a, b in pairs}


def _range(occupied: npt.NDArray[np.bool_]) -> tuple[int, int]:
    places = np.flatnonzero(occupied)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _score(numbers: Mapping[str, int], touching: set[tuple[int, int]], anatomy: Anatomy) -> int:
    """The number of required contacts minus the number of forbidden contacts in the map."""

    def touch(pair: tuple[str, str]) -> bool:
        low, high = sorted((numbers[pair[0]], numbers[pair[1]]))
        return (low, high) in touching

    required = sum(touch(pair) for pair in anatomy.required_contacts)
    return required - sum(touch(contact.pair) for contact in anatomy.forbidden_contacts)
