"""Targets of guided edits in tables and in words: asked, achieved, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..control import Achieved, Control, Measurement, columns
from ..control.report import cell_text
from ..control.terms import Value

NOTES = "guidance notes"


def target_columns(guidance: Sequence[Achieved], notes: Iterable[str] = ()) -> dict[str, object]:
    """A sibling's columns: asked and achieved of every target, "targets reached", and remarks; none if not guided."""
    found = columns(guidance)
    if told := "; ".join(notes):
        found[NOTES] = told
    return found


def twin_columns(guidance: Sequence[Achieved]) -> dict[str, object]:
    """The same columns in the twin's row: what it had itself where the siblings have what they achieved."""
    found: dict[str, object] = {}
    for item in guidance:
        asked, achieved = (name for name in columns([item]) if name.startswith(f"{item.label} a"))
        found |= {asked: "", achieved: cell_text(item.before)}
    return found


def missed_words(guidance: Sequence[Achieved]) -> list[str]:
    """One line for each target that was not reached: "RV mass 171.2 ml, asked 178.9 ml (4.3 % off)"."""
    return [f"{item.label} {_with_unit(item.achieved, item.unit)}, asked {_with_unit(item.asked, item.unit)}"
            f"{_error_words(item)}" for item in guidance if not item.reached]


def looked_at(guidance: Sequence[Achieved], notes: Iterable[str]) -> tuple[str, ...]:
    """What a person should look at: every target that was missed, and the remarks."""
    return (*missed_words(guidance), *notes)


def domain_rows(control: Control, measured: Mapping[str, Measurement], **named: object) -> list[dict[str, object]]:
    """What a heart has in every domain, a row each. named: columns that come first, the same in every row."""
    rows = []
    for domain in control.domains:
        found = measured[domain.name]
        betti = found.betti or ("", "", "")
        rows.append({**named, "domain": domain.name, "tissues": " + ".join(domain.tissues), "mass": found.mass,
                     "unit": found.unit, "position [mm]": _cell(found.centroid, 1), "size [mm^2]": found.size,
                     "shape": _cell(found.shape, 3), "components": betti[0], "loops": betti[1], "voids": betti[2]})
    return rows


def _cell(value: Sequence[float] | None, decimals: int) -> str:
    return "" if value is None else " ".join(f"{number:.{decimals}f}" for number in value)


def _with_unit(value: Value | None, unit: str) -> str:
    shown: Any = f"{value:.4g}" if isinstance(value, float) else cell_text(value) if value is not None else "not there"
    return f"{shown} {unit}".rstrip()


def _error_words(item: Achieved) -> str:
    if item.error is None:
        return ""
    if item.quantity in ("mass", "size"):
        return f" ({100 * item.error:.1f} % off)"
    unit = {"position": " mm", "orientation": " degrees"}.get(item.quantity, "")
    return f" ({item.error:.3g}{unit} off)"
