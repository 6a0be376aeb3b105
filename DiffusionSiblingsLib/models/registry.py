"""Which models are installed, and where."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..core.anatomy import resource_folder
from ..core.defaults import DEFAULT_MODEL
from ..core.errors import ModelError
from .card import CARD_NAME, NAME, ModelCard, read_card


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
    """All models that can be chosen, the user's own first. Of two models with the same name, the first counts.

    $SIBLINGS_MODELS may also be the folder of one model.
    """
    found: dict[str, Installed] = {}
    for root in model_folders():
        for path in [*root.glob(CARD_NAME), *sorted(root.glob(f"*/{CARD_NAME}"))]:
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
    """The model in this folder, or with this name in `survey`, as `siblings models` lists it. Raises ModelError naming
    what is installed.
    """
    from ..core.files import reachable  # loads psutil, which help need not wait for

    reachable(name)
    if (Path(name) / CARD_NAME).is_file():
        return read_card(Path(name))
    models = survey()
    for model in models:
        if model.name == name:
            return model.card if model.card is not None else read_card(model.folder)  # which says what is damaged
    names = ", ".join(model.name for model in models if model.card) or "none"
    raise ModelError("There is no such model", value=name,
                     rule=f"name an installed model ({names}) or the folder of a model",
                     hint="`siblings models` lists the installed models; `siblings train` makes a new one")


def require_free_name(name: str, folder: Path) -> None:
    """Raises ModelError where a model of that name would be taken for another one, or where it can be no name.

    folder: of the model that is to have it; what lies there may be replaced, and so may what was added from there.
    """
    if not NAME.fullmatch(name):
        raise ModelError("This cannot be the name of a model", value=name,
                         rule="letters, digits, dots, hyphens and underscores, with a letter or digit first",
                         hint="choose a name with --name")
    own = (folder / CARD_NAME).is_file() and read_card(folder).id == name
    for model in survey():
        if model.name == name and model.folder.resolve() != folder.resolve() and not (own and model.own):
            raise ModelError("The name of the model is taken", value=name,
                             rule=f"{'your' if model.own else 'the shipped'} model in {model.folder} has it",
                             hint="choose another name with --name")
