"""What a person wants of a heart, in words: "RV volume=+20%", "wall thickness=+2mm", "mitral annulus diameter=30".

    want   = what "=" change
    change = number [unit] | ("+" | "-") number [unit] | ("+" | "-") number "%" | "same"

`what` is the volume of a tissue, or a measure by name: each is found anew in every heart, wherever it lies there. A
number without a sign is the value itself, one with a sign is added to what the twin has, "%" is a share of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..control.control import Control
from ..control.measure_terms import MeasureTerm
from ..control.placement import Placement
from ..control.terms import Target, Term
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..metrics.measurement import VOLUME, MeasurementKey, tissue_key
from ..metrics.measures.definition import ratios_of
from ..metrics.measures.names import find_named, keys_of
from ..metrics.measures.probes import steerable

_WHAT = "What is wanted cannot be read"
_HINT = 'for example "RV volume=+20%", "wall thickness=+2mm", "aortic annulus area=450mm2" or "LV length=same"'
_CHANGE = re.compile(r"(?P<sign>[+-]?)\s*(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>.*)")
_UNITS = {"mm": ("mm", 1.0), "cm": ("mm", 10.0), "mm2": ("mm^2", 1.0), "cm2": ("mm^2", 100.0), "ml": ("ml", 1.0),
          "cm3": ("ml", 1.0), "°": ("deg", 1.0), "deg": ("deg", 1.0), "degrees": ("deg", 1.0)}


@dataclass(frozen=True)
class Want:
    """One target. key: of a tissue's volume or of a measure."""

    key: MeasurementKey
    target: Target


def parse_want(text: str, anatomy: Anatomy) -> Want:
    """Reads one target. Raises InputError saying what cannot be read, or cannot be steered."""
    name, equals, change = (part.strip() for part in text.partition("="))
    if not (name and equals and change):
        raise InputError(_WHAT, value=repr(text), rule='a measure, "=", and its value or change', hint=_HINT)
    key = find_want(name, anatomy)
    return Want(key, _target(change, key, text))


def find_want(name: str, anatomy: Anatomy) -> MeasurementKey:
    """What can be asked for by this name: a volume, a measure, or the ratio of two volumes. Raises InputError."""
    found = find_named(name, anatomy)
    if found is not None:
        if not steerable(found, anatomy) and found not in ratios_of(anatomy):
            known = [key.label for key in keys_of(anatomy) if steerable(key, anatomy)]
            raise InputError("This measure cannot be asked for, only measured", value=found.label,
                             rule=f"one of {', '.join(known)}", hint="ask for another size of the same place")
        return found
    words = name.lower().replace("_", " ").removesuffix(VOLUME).strip()
    ids = {tissue.lower(): tissue for tissue in anatomy.ids}
    tissue = ids.get(words) or anatomy.identify(words)
    if tissue is None:
        raise InputError("There is no such measure", value=repr(name), hint=_HINT,
                         rule=f"the volume of a tissue ({', '.join(anatomy.ids)}), or a measure by name; "
                         "`siblings measure TWIN` lists them")
    return tissue_key(tissue)


def control_of_wants(wants: list[Want], heart: Placement) -> Control:
    """A control for all targets, on a heart: volumes as boxes around the whole tissue, measures by name.

    The ratio of two volumes becomes the volume of the first, the second as it is wanted or else as the heart has it.
    Raises InputError where the heart lacks a tissue.
    """
    volumes = {want.key.tissue: want.target for want in wants if want.key.is_volume}
    measures = [MeasureTerm(want.key, want.target) for want in wants
                if not want.key.is_volume and not _ratio(want, heart)]
    for want in wants:
        if pair := _ratio(want, heart):
            _set_ratio(volumes, pair, want, heart)
    domains = tuple(heart.around([tissue]) for tissue in volumes)
    terms = tuple(Term(tissue, "mass", target) for tissue, target in volumes.items())
    return Control(domains, terms, heart.frame, "wanted", tuple(measures))


def _target(change: str, key: MeasurementKey, text: str) -> Target:
    if change.lower() == "same":
        return Target(plus=0.0)
    found = _CHANGE.fullmatch(change)
    if found is None:
        raise InputError(_WHAT, value=repr(text), rule=f'"{change}" should be a number with a unit, or "same"',
                         hint=_HINT)
    number = float(f"{found['sign']}{found['number']}")
    unit = found["unit"].strip().lower().replace("²", "2").replace("^2", "2").replace("³", "3").replace("^3", "3")
    if unit == "%":
        if not found["sign"]:
            raise InputError(_WHAT, value=repr(text), rule="a percentage has a sign: +10% is larger, -10% is smaller")
        if number <= -100:
            raise InputError(_WHAT, value=repr(text), rule="a decrease of less than 100 %")
        return Target(times=1 + number / 100) if number else Target(plus=0.0)
    own, factor = _UNITS.get(unit, (None, 1.0)) if unit else (key.unit, 1.0)
    if own != key.unit:
        raise InputError(_WHAT, value=repr(text), rule=f"{key.label} is measured in {_shown(key.unit)}",
                         hint="leave out the unit, or write that one")
    if found["sign"]:
        return Target(plus=number * factor)
    if number <= 0:
        raise InputError(_WHAT, value=repr(text), rule="a value above 0")
    return Target(value=number * factor)


def _shown(unit: str) -> str:
    return "no unit" if unit == "1" else unit


def _ratio(want: Want, heart: Placement) -> tuple[str, str] | None:
    return ratios_of(heart.anatomy).get(want.key)


def _set_ratio(volumes: dict[str, Target], pair: tuple[str, str], want: Want, heart: Placement) -> None:
    """Adds the volumes that make a ratio. Raises InputError where the first tissue's volume is wanted, too."""
    of, over = pair
    if of in volumes:
        raise InputError("Two targets contradict each other", value=f"{want.key.label} and {of} volume",
                         rule=f"the ratio decides the volume of {of}", hint="leave one of them out")
    for tissue in pair:
        if not heart.volumes[tissue] > 0:
            raise InputError("The ratio has no value in this heart", value=want.key.label,
                             rule=f"a heart with {tissue}")
    ratio = want.target.of(heart.volumes[of] / heart.volumes[over])
    volume = ratio * volumes.setdefault(over, Target(times=1.0)).of(heart.volumes[over])
    if not volume > 0:
        raise InputError("The ratio cannot be used", value=f"{ratio:.4g}", rule="a ratio above 0")
    volumes[of] = Target(value=volume)
