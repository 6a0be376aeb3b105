"""The numbers that an anatomy's measures can give, known without a heart, and the number that a person's words mean.

    "aortic annulus area" "LV wall septal thickness"   a measure's id and the name of one of its numbers
    "mitral annulus diameter" "LV wall thickness"      its id and how the name ends: the headline number comes first
    "aorto-mitral" "RV/LV"                             its id, where it has one headline or a single number
    "wall thickness" "aortic root area"                words that the anatomy file lists as synonyms
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ..measurement import SHARE, VOLUME_RATIO, MeasurementKey
from .definition import ANGLE, AREA, LENGTH, Definition, definitions_of, kind_of
from .segments import NAMES

OPENING = {"area": AREA, "perimeter": LENGTH, "area diameter": LENGTH, "perimeter diameter": LENGTH,
           "least diameter": LENGTH, "greatest diameter": LENGTH, "eccentricity": SHARE}
WALL = {"median thickness": LENGTH, "least thickness": LENGTH, "septal thickness": LENGTH,
        **{f"thickness AHA {number} {name}": LENGTH for number, name in enumerate(NAMES, 1)}}
NUMBERS: Mapping[str, Callable[[Definition], Mapping[str, str]]] = {  # of each kind: name -> unit
    "opening": lambda measure: OPENING,
    "section": lambda measure: {f"{name} at {mm:g} mm": unit for mm in measure.options["at_mm"]
                                for name, unit in (("area", AREA), ("area diameter", LENGTH))},
    "vessel": lambda measure: {station["name"]: LENGTH for station in measure.options["stations"]},
    "axis": lambda measure: {"length": LENGTH, "sphericity": SHARE},
    "depth": lambda measure: {"length": LENGTH, "width": LENGTH},
    "chords": lambda measure: {"basal diameter": LENGTH, "mid diameter": LENGTH, "length": LENGTH},
    "angle": lambda measure: {"angle": ANGLE},
    "wall": lambda measure: WALL,
    "ratio": lambda measure: {VOLUME_RATIO: SHARE},
}


def keys_of(anatomy: Anatomy) -> tuple[MeasurementKey, ...]:
    """Every number that the measures of an anatomy can give, in the order in which a heart has them.

    Raises InputError for an anatomy whose measures are not sound.
    """
    return tuple(key for measure in definitions_of(anatomy) for key in _keys(measure))


def find_named(text: str, anatomy: Anatomy) -> MeasurementKey | None:
    """The number of a measure that words mean, in any case, with "_" for spaces; a unit in [] at the end is ignored.

    None where the words name no measure, and for those of a tissue alone ("LV", "LV volume"), which mean its volume or
    an axis. Raises InputError where they name a measure but none of its numbers, or several of them.
    """
    words = _plain(text)
    ways = tuple(dict.fromkeys((words, _with_tissue_id(words, anatomy))))
    found = _measure_and_rest(ways, anatomy)
    exact = [] if found is None else [key for key in _keys(found[0]) if _plain(key.name) == found[1]]
    if known := exact or _synonyms(ways, anatomy):
        return known[0]
    if found is None or anatomy.identify(words) is not None:
        return None
    measure, rest = found
    fitting = _fitting(rest, measure)
    if len(fitting) == 1:
        return fitting[0]
    if measure.id in anatomy.ids and not fitting:
        return None
    raise InputError(f"The words mean {'several numbers' if fitting else 'no number'} of the {measure.id}", value=text,
                     rule="one of: " + ", ".join(key.label for key in fitting or _keys(measure)))


def _synonyms(ways: tuple[str, ...], anatomy: Anatomy) -> list[MeasurementKey]:
    """The numbers that have these words as a synonym."""
    return [_key(measure, name) for measure in definitions_of(anatomy) for said, name in measure.synonyms.items()
            if _plain(said) in ways]


def _fitting(rest: str, measure: Definition) -> list[MeasurementKey]:
    """The numbers of a measure that words after its id can mean; the right one alone where there is one."""
    keys = _keys(measure)
    ending = [key for key in keys if f" {_plain(key.name)}".endswith(f" {rest}" if rest else "")]
    within = [key for key in keys if f" {rest} " in f" {_plain(key.name)} "]
    headlines = [key for key in ending if key.name in measure.headlines]
    return headlines if len(headlines) == 1 else ending or within


def _measure_and_rest(ways: tuple[str, ...], anatomy: Anatomy) -> tuple[Definition, str] | None:
    """The measure whose id the words begin with, the longest id first, and the words after it.

    ways: the words as written and with a tissue's id for its name: "left ventricle length", "lv length".
    """
    measures = sorted(definitions_of(anatomy), key=lambda measure: -len(measure.id))
    for said in ways:
        for measure in measures:
            if f"{said} ".startswith(f"{_plain(measure.id)} "):
                return measure, said[len(measure.id):].strip()
    return None


def _with_tissue_id(words: str, anatomy: Anatomy) -> str:
    """The words with the longest name of a tissue at their beginning replaced by its id."""
    split = words.split()
    for count in range(len(split), 0, -1):
        if (tissue := anatomy.identify(" ".join(split[:count]))) is not None:
            return _plain(" ".join([tissue, *split[count:]]))
    return words


def _keys(measure: Definition) -> list[MeasurementKey]:
    try:
        return [measure.key(name, unit) for name, unit in kind_of(measure, NUMBERS)(measure).items()]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"The measure {measure.id} is not sound", value=repr(error),
                         rule="docs/measures.md says what each kind needs") from error


def _key(measure: Definition, name: str) -> MeasurementKey:
    for key in _keys(measure):
        if key.name == name:
            return key
    raise InputError(f"A synonym of the measure {measure.id} means none of its numbers", value=name,
                     rule="one of: " + ", ".join(key.name for key in _keys(measure)))


def _plain(text: str) -> str:
    """Lower case, single spaces, no unit at the end."""
    words = re.sub(r"\[[^\]]*\]\s*$", "", text).replace("_", " ").lower()
    return re.sub(r"\s*/\s*", "/", " ".join(words.split()))
