"""Targets of guided edits in tables and in words: asked, achieved, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ..control.achieved import REACHED, Achieved, cell_text
from ..control.control import Control
from ..control.measure import Measurement
from ..control.terms import Value, quantity_word, unplain
from ..core.places import at_words
from ..metrics.fidelity import betti_accuracy, mean_l1
from ..metrics.measurement import MeasurementKey

NOTES = "guidance notes"
ERROR_UNITS = {"mass": "%", "size": "%", "position": "mm", "orientation": "degrees"}  # pure numbers of the others
MEASURE_ERRORS = {"mm^2": "%", "": "%", "mm": "mm", "deg": "degrees"}  # of measures by name, by their unit
FIXED, FOLLOWS = "fixed", "in each heart"  # where a target is measured


def target_columns(guidance: Sequence[Achieved], notes: Iterable[str] = ()) -> dict[str, object]:
    """A sibling's columns: asked and achieved of every target, "targets reached", and remarks; none if not guided."""
    found: dict[str, object] = {}
    for item in guidance:
        found |= {item.asked_title: cell_text(item.asked), item.achieved_title: cell_text(item.achieved)}
    if guidance:
        found[REACHED] = f"{sum(item.reached for item in guidance)} of {len(guidance)}"
    if joined := "; ".join(notes):
        found[NOTES] = joined
    return found


def twin_columns(guidance: Sequence[Achieved]) -> dict[str, object]:
    """The same columns in the twin's row: what it had itself where the siblings have what they achieved."""
    found: dict[str, object] = {}
    for item in guidance:
        found |= {item.asked_title: "", item.achieved_title: cell_text(item.before)}
    return found


def cavity_words(repair: Mapping[str, Any] | None) -> list[str]:
    """One line for each cavity that a repair (as the record has it) left in a tissue, unless it is the twin's own. None
    fails a check, and a mesh has a surface there.
    """
    return [f"background is enclosed in {item['what']}{at_words(item.get('ras_mm'))} "
            f"({item['reason']})" for item in (repair or {}).get("left", ())
            if item["kind"] == "cavity" and not item["inherited"]]


def looked_at(guidance: Sequence[Achieved], notes: Iterable[str],
              repair: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """What a person should look at: every target that was missed, the remarks, and cavities. repair: of the record.

    One line for each target: "RV volume 171.2 ml, asked 178.9 ml (4.3 % off)".
    """
    missed = (f"{item.label} {_with_unit(item.achieved, item.unit)}, asked {_with_unit(item.asked, item.unit)}"
              f"{_error_words(item)}" for item in guidance if not item.reached)
    return (*missed, *notes, *cavity_words(repair))


def target_rows(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What became of the targets of many siblings, a row for each target: asked, achieved, errors, how many missed.

    entries: of a record; those that were not guided do not count.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        for item in entry.get("guidance", ()):
            found.setdefault((item["domain"], item["quantity"]), []).append(item)
    rows = []
    for (domain, quantity), items in found.items():
        unit = next((item["unit"] for item in items if item["unit"]), "")
        errors = [item["error"] for item in items if item["error"] is not None]
        scalars = [item["achieved"] for item in items if isinstance(item["achieved"], (int, float))]
        follows = bool(items[0].get("follows", False))
        shown = _error_unit(quantity, unit, follows=follows)
        tolerances = [_error_text(shown, error) for error in sorted({item["tolerance"] for item in items})]
        rows.append({"target": f"{domain} {quantity_word(quantity, unit)}",
                     "place": FOLLOWS if follows else FIXED, "members": len(items),
                     "asked": _asked_words([item["asked"] for item in items], unit),
                     "achieved": _with_unit(float(median(scalars)), unit) if scalars else "",
                     "tolerance": " to ".join(dict.fromkeys((tolerances[0], tolerances[-1]))),
                     "median error": _error_text(shown, median(errors)) if errors else "",
                     "worst error": _error_text(shown, max(errors)) if errors else "",
                     "fidelity": _fidelity_words(quantity, items, unit),
                     "not reached": sum(not item["reached"] for item in items)})
    return rows


def domain_rows(control: Control, measured: Mapping[str, Measurement], **named: object) -> list[dict[str, object]]:
    """What a heart has in every domain, a row each. named: columns that come first, the same in every row."""
    rows = []
    for domain in control.domains:
        found = measured[domain.name]
        betti = found.betti or ("", "", "")
        rows.append({**named, "domain": domain.name, "tissues": " + ".join(domain.tissues), "amount": found.mass,
                     "unit": found.unit, "position [mm]": _cell(found.centroid, 1), "size [mm^2]": found.size,
                     "shape": _cell(found.shape, 3), "components": betti[0], "loops": betti[1], "voids": betti[2]})
    return rows


def measure_rows(control: Control, measured: Mapping[MeasurementKey, float], **named: object
                 ) -> list[dict[str, object]]:
    """What a heart has of every measure that the control names, a row each, in the columns of `domain_rows`."""
    return [{**named, "domain": term.label, "amount": measured.get(term.key, ""),
             "unit": "" if term.key.unit == "1" else term.key.unit} for term in control.measures]


def _cell(value: Sequence[float] | None, decimals: int) -> str:
    return "" if value is None else " ".join(f"{number:.{decimals}f}" for number in value)


def _with_unit(value: Value | None, unit: str) -> str:
    shown: Any = f"{value:.4g}" if isinstance(value, float) else cell_text(value) if value is not None else "not there"
    return f"{shown} {unit}".rstrip()


def _error_words(item: Achieved) -> str:
    shown = _error_unit(item.quantity, item.unit, follows=item.follows)
    return "" if item.error is None else f" ({_error_text(shown, item.error)} off)"


def _error_unit(quantity: str, unit: str, *, follows: bool) -> str:
    """The unit in which the error of a target is told. unit: of its values."""
    return MEASURE_ERRORS.get(unit, "") if follows else ERROR_UNITS.get(quantity, "")


def _error_text(unit: str, error: float) -> str:
    """An error or a tolerance in its unit; "%" of a share."""
    return f"{100 * error:.1f} %" if unit == "%" else f"{error:.3g} {unit}".rstrip()


def _asked_words(values: Sequence[Any], unit: str) -> str:
    """What was asked of many siblings: one value, or the range of different numbers."""
    different = list(dict.fromkeys(_with_unit(unplain(value), unit) for value in values))
    if len(different) == 1:
        return different[0]
    if all(isinstance(value, (int, float)) for value in values):
        return f"{min(values):.4g} to {max(values):.4g} {unit}".rstrip()
    return f"{len(different)} different ones"


def _fidelity_words(quantity: str, items: Sequence[Mapping[str, Any]], unit: str) -> str:
    """The papers' figure of a target: the mean L1 error, or the share with the right Betti numbers.

    None for orientation: an axis and its opposite are the same, so that a difference of entries says nothing.
    """
    asked, achieved = ([item[name] for item in items] for name in ("asked", "achieved"))
    if quantity == "betti":
        return f"{100 * betti_accuracy(asked, achieved):.0f} % right"
    if quantity == "orientation" or all(value is None for value in achieved):
        return ""
    return f"L1 {mean_l1(asked, achieved):.3g} {unit}".rstrip()
