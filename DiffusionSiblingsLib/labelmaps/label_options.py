"""The option --labels: which values, or which names of segments, are which tissue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelValues, Segment
from ..core.tissue_names import name_key

MOST_VALUE_DIGITS = 10
_EXAMPLE = '--labels "LV=3,RV=4", --labels "LA=420+421" or --labels "LV=Ventricule gauche"'


def parse_labels(text: str) -> LabelValues:
    """ "LV=3,LA=420+421,RV=right pump" -> {"LV": 3, "LA": (420, 421), "RV": "right pump"}. Raises InputError.

    Double quotes hold a name together that has a comma in it.
    """
    found: dict[str, int | str | tuple[int | str, ...]] = {}
    for part in re.findall(r'(?:[^,"]|"[^"]*")+|(?<=,)(?=,)', text) or [""]:
        name, _, value = (piece.strip() for piece in part.partition("="))
        given = value.strip('"').strip()
        numbers = _numbers(given)
        if not name or name in found or not (numbers or any(letter.isalpha() for letter in given)):
            raise InputError(
                "The label values cannot be parsed",
                value=part.strip() or text,
                rule="tissue=value or tissue=name of the segment, separated by commas; each tissue appears once, with "
                "a + between several values",
                hint=f"write them as {_EXAMPLE}",
            )
        found[name] = given if not numbers else numbers[0] if len(numbers) == 1 else tuple(numbers)
    return found


def _numbers(text: str) -> list[int]:
    """ "420+421" -> [420, 421]; [] for anything else."""
    parts = [part.strip() for part in text.split("+")]
    return [int(part) for part in parts] if all(_is_value(part) for part in parts) else []


def _is_value(text: str) -> bool:
    """Whether a text can be a label value; no file has one of more digits."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_VALUE_DIGITS


def as_option(numbers: Mapping[str, int | str | Sequence[int]]) -> str:
    """{"LV": 3, "LA": (420, 421)} -> the command-line option that gives these values."""
    def words(value: int | str | Sequence[int]) -> str:
        return str(value) if isinstance(value, (int, str)) else "+".join(map(str, value))

    return '--labels "' + ",".join(f"{tissue}={words(value)}" for tissue, value in numbers.items()) + '"'


def values_of(pairs: Iterable[tuple[int, str]]) -> dict[str, tuple[int, ...]]:
    """(value, tissue id) pairs -> tissue id -> its values."""
    found: dict[str, tuple[int, ...]] = {}
    for value, tissue in pairs:
        found[tissue] = (*found.get(tissue, ()), value)
    return found


def chosen_tissues(labels: LabelValues, segments: Sequence[Segment], anatomy: Anatomy, path: Path,
                   listing: str) -> dict[int, str]:
    """Value -> tissue id, as the user says. listing: the values of the file in words, for messages.

    Raises InputError for tissues, values and names that are not there, and for those that are given twice.
    """
    chosen: dict[int, str] = {}
    for name, given in labels.items():
        tissue = name if name in anatomy.ids else anatomy.identify(name)
        if tissue is None:
            raise InputError("The label values name an unknown tissue", value=name,
                             rule=f"the tissues of the {anatomy.id} are {', '.join(anatomy.ids)}")
        if tissue in chosen.values():
            raise InputError("The label values contradict each other", value=f"{tissue} is given twice",
                             rule="each tissue appears once", hint="write several values as LA=420+421")
        for one in given if isinstance(given, (tuple, list)) else (given,):  # lists come from JSON
            for value in _values(one, segments, tissue, path, listing):
                if value in chosen:
                    raise InputError("The label values contradict each other", value=f"{name}={one}",
                                     rule=f"each value is one tissue, and {value} is {chosen[value]} already")
                chosen[value] = tissue
    return chosen


def _values(given: int | str, segments: Sequence[Segment], tissue: str, path: Path, listing: str) -> list[int]:
    """The values that a number or a name means."""
    if isinstance(given, int):
        found = [segment.value for segment in segments if segment.value == given]
    else:
        parts = [given] if _named(given, segments) or "+" not in given else [part.strip() for part in given.split("+")]
        groups = [[int(part)] if _is_value(part) else _named(part, segments) for part in parts]
        found = [value for group in groups for value in group] if all(groups) else []
    if not found:
        raise InputError(f"{path} has no voxel with the {'value' if isinstance(given, int) else 'name'} given for "
                         f"{tissue}", value=given, rule=f"the file has {listing}", hint="correct --labels")
    return found


def _named(name: str, segments: Sequence[Segment]) -> list[int]:
    """The values of the segments of that name: as it is written, else whatever the case and the order of words."""
    exact = [s.value for s in segments if s.name and name.casefold() in (s.name.casefold(), s.identifier.casefold())]
    return exact or [s.value for s in segments if s.name and name_key(s.name) == name_key(name)]
