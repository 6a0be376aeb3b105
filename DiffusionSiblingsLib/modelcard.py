"""The model card for programs: what a model is, where its weights are, what it was trained on and how it did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from .errors import ModelError
from .geometry import Reference

CARD_NAME = "model.json"


@dataclass(frozen=True)
class ModelCard:
    """id, version, anatomy: names. folder: where the card lies. weights: file name; sha256: of that file.
    sampling: sigma_min, sigma_max, rho, sigma_data, and sigma_start where it is not sigma_max. card: the whole JSON
    document.
    """

    id: str
    version: str
    anatomy: str
    folder: Path
    weights: str
    sha256: str
    sampling: dict[str, float]
    card: dict[str, Any]

    @property
    def weights_path(self) -> Path:
        """The weight file."""
        return self.folder / self.weights

    def reference(self) -> Reference:
        """The canonical reference, which lies in the weight file. Raises ModelError if it cannot be read."""
        try:
            with safe_open(self.weights_path, framework="numpy") as file:
                names = [name for name in file.keys() if name.startswith("reference.")]  # noqa: SIM118
                return Reference.from_tensors({name: file.get_tensor(name) for name in names})
        except (OSError, SafetensorError) as error:
            raise ModelError("The weight file cannot be read", value=f"{self.weights_path}: {error}",
                             rule="a safetensors file written by `siblings train`",
                             hint="install the model again") from error


def read_card(folder: Path) -> ModelCard:
    """Reads `folder`/model.json. Raises ModelError if it is missing, not JSON or lacks a field."""
    path = folder / CARD_NAME
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return ModelCard(id=card["id"], version=card["version"], anatomy=card["anatomy"], folder=folder,
                         weights=card["weights"], sha256=card["sha256"], sampling=card["sampling"], card=card)
    except FileNotFoundError as error:
        raise ModelError("There is no model here", value=folder, rule=f"a folder with {CARD_NAME} and its weights",
                         hint="`siblings models` lists what is installed") from error
    except (json.JSONDecodeError, KeyError, TypeError, OSError, UnicodeDecodeError) as error:
        raise ModelError("The model card cannot be read", value=f"{path}: {error!r}",
                         rule="the JSON that `siblings train` writes", hint="install the model again") from error
