"""Targets as people write and read them: "+20 %", "120 ml", "+2", "keep", "2, 0, 0" (no Qt)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.absolute_targets import absolute
from DiffusionSiblingsLib.control.measure import Measurement
from DiffusionSiblingsLib.control.measure_terms import MeasureTerm
from DiffusionSiblingsLib.control.terms import ADDABLE, SCALABLE, Quantity, Target, Term
from DiffusionSiblingsLib.core.errors import InputError

MASS_WORDS = {"ml": _("Volume"), "mm^2": _("Area"), "mm": _("Length")}
WORDS = {"position": _("Centre"), "size": _("Extent"), "shape": _("Shape"), "orientation": _("Orientation"),
         "covariance": _("Covariance"), "betti": _("Pieces, holes, voids")}
UNITS = {"position": "mm", "size": "mm²", "shape": "", "orientation": "", "covariance": "", "betti": ""}
MEANINGS = {
    "mass": _("the amount of the tissues in the domain"),
    "position": _("the centre of the tissues in the domain, as R, A, S in mm"),
    "size": _("how far the tissues extend around their centre: the sum of their variances"),
    "shape": _("the shares of the extent along the main directions, largest first; they add up to 1"),
    "orientation": _("the main directions of the tissues"),
    "covariance": _("shape and orientation together: the covariance of the tissues divided by its trace"),
    "betti": _("the numbers of separate pieces, through holes and closed voids of the tissues in the domain"),
}
KEEP, BY = "keep", "by "
NUMBER = r"[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?"
EXAMPLES = {"mass": _('"+20 %", "120" or "+5"'), "size": _('"+20 %", "900" or "+50"'),
            "position": _('"by 0; 0; 5" (a shift) or "12; -30; 45" (a place), in mm'),
            "betti": _('"2; 0; 0" ("-" for any number)')}


def quantity_words(quantity: str, unit: str) -> str:
    """What a quantity is called in a domain of that unit: "Volume", "Area", ...; a measure by name has its own."""
    return MASS_WORDS.get(unit, _("Amount")) if quantity == "mass" else WORDS.get(quantity, quantity.capitalize())


def unit_words(quantity: str, unit: str) -> str:
    """The unit as it is shown: "ml", "mm²", ..."""
    shown = unit.replace("^2", "²").replace("deg", "°")
    return shown if quantity == "mass" or quantity not in UNITS else UNITS[quantity]


def want_words(term: MeasureTerm) -> str:
    """A target of a measure by name, as it is typed: "LV wall median thickness=+2mm"."""
    target, unit = term.target, {"mm^2": "mm2", "1": ""}.get(term.key.unit, term.key.unit)
    if term.target.keeps:
        change = "same"
    elif target.times is not None:
        change = f"{100 * (target.times - 1):+.6g}%"
    else:
        change = f"{target.plus:+.6g}{unit}" if target.plus is not None else f"{target.value:.6g}{unit}"
    return f"{term.label}={change}"


def with_wants(before: Sequence[str], added: Sequence[str]) -> str:
    """Targets by name as they are typed, with commas; a new one takes the place of an earlier one of that measure."""
    found = {want.partition("=")[0].strip().lower(): want for want in (*before, *added)}
    return ", ".join(found.values())


def value_text(quantity: str, value: Any, unit: str = "") -> str:
    """A measured or asked value: "84.1 ml", "12.0; -30.5; 44.2", "1; 0; 0"; "none" for None."""
    if value is None:
        return _("none")
    words = unit_words(quantity, unit) if quantity != "position" else ""  # three numbers leave no room for it
    if quantity == "betti":
        return "; ".join("-" if number is None else str(int(number)) for number in value)
    numbers = _flat(value)
    if quantity == "orientation" or len(numbers) == 9:
        numbers = numbers[:3]
        return "; ".join(f"{number:.2f}" for number in numbers) + "; ..."
    decimals = {"position": 1, "shape": 3}.get(quantity)
    text = "; ".join(_short(number) if decimals is None else f"{number:.{decimals}f}" for number in numbers)
    return f"{text} {words}".strip()


def target_text(target: Target, quantity: str) -> str:
    """A target as `parse_target` reads it."""
    if target.times is not None:
        return KEEP if math.isclose(target.times, 1.0) else f"{100 * (target.times - 1):+.4g} %"
    if target.plus is not None:
        numbers = _flat(target.plus)
        if not any(numbers):
            return KEEP
        return f"{numbers[0]:+g}" if len(numbers) == 1 else BY + "; ".join(f"{number:g}" for number in numbers)
    return value_text(quantity, target.value) if quantity == "betti" else "; ".join(
        f"{number:.6g}" for number in _flat(target.value))


def parse_target(text: str, quantity: str, measured: Any = None) -> Target:
    """A target from what a user typed.

    "+20 %" and "-5%" are relative to the twin, "+3" and "by 0; 0; 5" are added to it, "120" is the value itself;
    several numbers stand apart by semicolons or spaces. "keep" asks for the twin's own value; where it cannot be asked
    for in relative terms it is `measured`, as it is now. A unit behind the numbers is left out. Raises InputError.
    """
    plain = text.strip().lower()
    if plain in (KEEP, "=", "hold"):
        return keep_target(quantity, measured)
    if quantity in SCALABLE and (found := re.fullmatch(rf"({NUMBER})\s*%", plain)):
        return Target(times=1 + _number(found[1]) / 100)
    if quantity in SCALABLE and (found := re.fullmatch(rf"[x×*]\s*({NUMBER})", plain)):
        return Target(times=_number(found[1]))
    added = plain.startswith((BY, "+")) or (quantity == "mass" and plain.startswith("-"))
    numbers = _numbers(plain.removeprefix(BY), quantity)
    wanted = {"mass": (1,), "size": (1,), "position": (3,), "betti": (3,), "orientation": (9,), "covariance": (9,),
              "shape": (1, 2, 3)}[quantity]
    if numbers is None or len(numbers) not in wanted:
        examples = EXAMPLES.get(quantity, _("numbers separated by semicolons"))
        raise InputError(_("The target cannot be read"), value=text,
                         rule=_('for example {examples}, or "{keep}"').format(examples=examples, keep=KEEP))
    shaped: Any = numbers[0] if quantity in SCALABLE else _rows(numbers) if len(numbers) == 9 else tuple(numbers)
    if quantity in ADDABLE and added:
        return Target(plus=shaped)
    return Target(value=shaped)


def keep_target(quantity: str, measured: Any = None) -> Target:
    """The twin's own value as target."""
    if quantity in SCALABLE:
        return Target(times=1.0)
    if quantity == "position":
        return Target(plus=(0.0, 0.0, 0.0))
    if measured is None:
        raise InputError(_("The twin has no value to keep here"), value=WORDS[quantity],
                         rule=_("the twin has these tissues in the domain"),
                         hint=_("move the domain, or type a value"))
    return Target(value=measured)


def tolerance_text(term: Term) -> str:
    """How far off still counts as reached: "1 %", "0.5 mm"."""
    number = term.allowed
    if term.quantity in SCALABLE:
        return f"{100 * number:g} %"
    return f"{number:g} {({'position': 'mm', 'orientation': '°'}).get(term.quantity, '')}".strip()


def parse_tolerance(text: str, quantity: str) -> float | None:
    """What was typed as tolerance, None (the default) if nothing was. Raises InputError."""
    plain = text.strip().lower()
    if not plain:
        return None
    found = re.fullmatch(rf"({NUMBER})\s*(%|mm|°|degrees)?", plain)
    if found is None or _number(found[1]) < 0:
        raise InputError(_("The tolerance cannot be read"), value=text,
                         rule=_("a number from 0, in % for amounts and extents"))
    return _number(found[1]) / (100 if quantity in SCALABLE else 1)


def terms_words(terms: Iterable[Term], hold: Sequence[str] = ()) -> str:
    """What a guide asks for, in brief: "3 targets; LV and RV volumes held"."""
    count = sum(term.on for term in terms)
    said = []
    if count:
        said.append(_("1 target") if count == 1 else _("{count} targets").format(count=count))
    if "all" in hold:
        said.append(_("all other volumes held"))
    elif hold:
        text = _("volume of {tissues} held") if len(hold) == 1 else _("volumes of {tissues} held")
        said.append(text.format(tissues=", ".join(hold)))
    return "; ".join(said)


def measured_of(measurement: Measurement | None, quantity: Quantity) -> Any:
    """A quantity of a measurement, None without a measurement."""
    return measurement.get(quantity) if measurement is not None else None


def asked_of(term: Term, measurement: Measurement | None) -> Any:
    """The absolute value of a target on the twin; None where it has none, as the twin has nothing to refer to."""
    try:
        return absolute(term, measured_of(measurement, term.quantity))
    except InputError:
        return None


def _numbers(text: str, quantity: str) -> list[Any] | None:
    bare = re.sub(r"(ml|mm\^?[23²]?|mm²)\s*$", "", text).strip()
    parts = [part for part in re.split(r"\s*;\s*|\s+", bare) if part]
    if len(parts) == 1 and bare.count(",") >= 2:  # "2, 0, 0" without spaces
        parts = bare.split(",")
    parts = [part.strip().rstrip(",") for part in parts]
    found: list[Any] = []
    for part in parts:
        if quantity == "betti" and part in ("-", "none", "*"):
            found.append(None)
        elif re.fullmatch(NUMBER, part):
            number = _number(part)
            if quantity == "betti" and number != int(number):
                return None
            found.append(int(number) if quantity == "betti" else number)
        else:
            return None
    return found


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _rows(numbers: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(numbers[3 * row:3 * row + 3]) for row in range(3))


def _flat(value: Any) -> list[float]:
    if isinstance(value, (int, float)):
        return [float(value)]
    return [number for part in value for number in _flat(part)]


def _short(number: float) -> str:
    """Three or four digits."""
    size = abs(number)
    return f"{number:.0f}" if size >= 1000 else f"{number:.1f}" if size >= 10 else f"{number:.2f}"
