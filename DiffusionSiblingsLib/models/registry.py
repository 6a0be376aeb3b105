"""Which models are installed, and where."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..core.anatomy import resource_folder
from ..core.defaults import DEFAULT_MODEL
from ..core.errors import ModelError
from .card import CARD_NAME, ModelCard, read_card


@dataclass(frozen=True)
class Installed:
    """A folder that holds a model. own: added by the user. card: None if it is damaged; `problem` says why."""

    folder: Path
    own: bool
    card: ModelCard | None = None
    problem: ModelError | None = None

    @property
    def name(self) -> str:
        """The model's id, or its folder's name where the card cannot be read."""
        return self.card.id if self.card else self.folder.name


def own_model_folder() -> Path:
    """Where the user's own models are: $SIBLINGS_MODELS, or the folder in which this system keeps a user's data.

    The rules are those of platformdirs, which Slicer has not installed yet when it first lists models; a test
    compares the two.
    """
    if chosen := os.environ.get("SIBLINGS_MODELS"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "DiffusionSiblings" / "Models"


def model_folders() -> list[Path]:
    """The folders that hold models, one subfolder each: the user's own first, then the shipped ones."""
    return [own_model_folder(), resource_folder() / "Models"]


def survey() -> list[Installed]:
    """All models that can be chosen, the user's own first. Of two models with the same name, the first counts."""
    found: dict[str, Installed] = {}
    for root in model_folders():
        for path in sorted(root.glob(f"*/{CARD_NAME}")):
            if path.parent.name.startswith("."):
                continue  # it is being written or removed
            own = root == own_model_folder()
            try:
                model = Installed(path.parent, own, read_card(path.parent))
            except ModelError as error:
                model = Installed(path.parent, own, problem=error)
            found.setdefault(model.name, model)
    return list(found.values())


def installed_models() -> list[ModelCard]:
    """The cards of all models that can be used; `survey` also lists models whose card is damaged."""
    return [model.card for model in survey() if model.card]


def find_model(name: str = DEFAULT_MODEL) -> ModelCard:
    """The model with this id, or in this folder. Raises ModelError naming what is installed."""
    from ..core.files import reachable  # loads psutil, which help need not wait for

    reachable(name)
    for folder in [Path(name), *(root / name for root in model_folders())]:
        if (folder / CARD_NAME).is_file():
            return read_card(folder)
    names = ", ".join(card.id for card in installed_models()) or "none"
    raise ModelError("There is no such model", value=name,
                     rule=f"name an installed model ({names}) or the folder of a model",
                     hint="`siblings models` lists the installed models; `siblings train` makes a new one")
