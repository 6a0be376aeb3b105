"""`siblings models`: the installed models."""

from __future__ import annotations

import json

from ...core.errors import InputError, ModelError
from ...models.bars import has_figures, missed_bars
from ...models.card import ModelCard
from ...models.registry import survey
from ...models.store import verify
from .measuring_options import Models
from .terminal import print_table

DAMAGED = "DAMAGED"


def models(options: Models) -> int:
    """siblings models: exit code 2 if one is damaged."""
    rows: list[dict[str, object]] = []
    for model in survey():
        card = model.card
        rows.append({"model": model.name, "version": card.version if card else "",
                     "anatomy": card.anatomy if card else "",
                     "weights": _state(card, options.verify) if card else f"{DAMAGED} card",
                     "training bars": _bars(card), "licence": card.licence if card else "",
                     "folder": str(model.folder)})
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)
    return InputError.exit_code if any(DAMAGED in str(row["weights"]) for row in rows) else 0


def _bars(card: ModelCard | None) -> str:
    """Whether a model misses bars of its training."""
    missed = missed_bars(card.card) if card else ()
    return f"{len(missed)} MISSED" if missed else "cleared" if card and has_figures(card.card) else ""


def _state(card: ModelCard, verified: bool) -> str:
    """Size of a model's weights and, if asked for, whether they are whole."""
    if not card.size_bytes:
        return "missing"
    state = f"{card.size_bytes / 1e6:.1f} MB"
    if not verified:
        return state
    try:
        verify(card)
    except ModelError:
        return f"{state}, {DAMAGED}"
    return f"{state}, verified"
