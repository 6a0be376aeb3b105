"""Which models are installed, and where."""

from __future__ import annotations

import os
from pathlib import Path

from .anatomy import resource_folder
from .errors import ModelError
from .modelcard import CARD_NAME, ModelCard, read_card

DEFAULT_MODEL = "heart-compact"


def model_folders() -> list[Path]:
    """Folders that hold models, one subfolder each: $SIBLINGS_MODELS (if set), then what ships with the library."""
    own = os.environ.get("SIBLINGS_MODELS")
    return [*([Path(own)] if own else []), resource_folder() / "Models"]


def installed_models() -> list[ModelCard]:
    """The cards of all installed models, the user's own first; of two with one id the first counts."""
    cards: dict[str, ModelCard] = {}
    for folder in model_folders():
        for path in sorted(folder.glob(f"*/{CARD_NAME}")):
            card = read_card(path.parent)
            cards.setdefault(card.id, card)
    return list(cards.values())


def find_model(name: str = DEFAULT_MODEL) -> ModelCard:
    """The model with this id, or in this folder. Raises ModelError naming what is installed."""
    for folder in [Path(name), *(root / name for root in model_folders())]:
        if (folder / CARD_NAME).is_file():
            return read_card(folder)
    names = ", ".join(card.id for card in installed_models()) or "none"
    raise ModelError("There is no such model", value=name, rule=f"an installed model ({names}) or a model's folder",
                     hint="`siblings models` lists them; `siblings train` makes one")
