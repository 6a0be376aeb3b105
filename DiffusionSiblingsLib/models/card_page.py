"""The model card for people: Markdown written from model.json, to which measured figures are added after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.files import atomic_path, write_json
from .bars import missed_bars
from .card import CARD_NAME, read_card

PAGE_NAME = "README.md"


def update_card(folder: Path, figures: dict[str, Any]) -> None:
    """Merges measured figures ("reconstruct", "perturb", ...) into model.json and rewrites README.md."""
    card = read_card(folder).card
    card["measured"] = {**card.get("measured", {}), **figures}
    write_card(folder, card)


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Writes both forms of the card atomically."""
    write_json(folder / CARD_NAME, card)
    with atomic_path(folder / PAGE_NAME) as temporary:
        temporary.write_text(page(card), encoding="utf-8")


def page(card: dict[str, Any]) -> str:
    """The card as Markdown for people."""
    training = card["training"]
    parts = [f"# Model card: {card['id']}, version {card['version']}", _missed(card), card.get("summary", ""),
             *(f"## {title}\n\n{_text(card[key])}" for title, key in _PROSE if key in card),
             "## Training\n\n" + _training(training)]
    measured = card.get("measured", {})
    if measured:
        parts.append("## Measured\n\nFigures written by `python Testing/benchmarks/quality.py --card`.")
        parts += [f"### {title.capitalize()}\n\n{_table(values)}" for title, values in measured.items()]
    parts.append(f"Weights: `{card['weights']}`, SHA-256 `{card['sha256']}`, licence {card['licence']}.")
    return "\n\n".join(part for part in parts if part) + "\n"


_PROSE = (("Intended use", "intended_use"), ("Limits", "limits"), ("Data", "data"), ("Architecture", "architecture"))


def _missed(card: dict[str, Any]) -> str:
    """What a reader must know first of a model that misses a bar."""
    missed = missed_bars(card)
    return "\n".join(["**This model misses bars of its training**, so that edits with it need `--force`:\n",
                      *(f"- {words}" for words in missed)]) if missed else ""


def _text(value: Any) -> str:
    return "\n".join(f"- {item}" for item in value) if isinstance(value, list) else str(value)


def _training(training: dict[str, Any]) -> str:
    lines = [f"- {training['cases']} training maps; hardware: {training['hardware']}"]
    for stage, figures in training["figures"].items():
        held = ", ".join(f"{key} {value:.4g}" for key, value in figures.items() if key not in ("steps", "seconds"))
        lines.append(f"- {stage}: {figures['steps']} steps, {figures['seconds'] / 60:.0f} min; validation: {held}")
    lines += [f"- {note}" for note in training.get("notes", [])]
    return "\n".join(lines)


def _table(values: dict[str, Any]) -> str:
    """A table with one row per dictionary; other entries come first, as lines."""
    lines = [f"- {key}: {_number(value)}" for key, value in values.items() if not isinstance(value, dict)]
    rows = {key: value for key, value in values.items() if isinstance(value, dict)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, row in rows.items():
        cells = " | ".join(_number(value) for value in row.values())
        groups.setdefault(tuple(row), []).append(f"| {key} | {cells} |")
    tables = [f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}\n" + "\n".join(body)
              for columns, body in groups.items()]
    return "\n\n".join(["\n".join(lines), *tables] if lines else tables)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float):
        return {True: "yes", False: "NO"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return f"{value:.4g}"
