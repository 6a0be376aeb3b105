"""The model card for programs: what a model is, where its weights are, what it was trained on and how it did."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ModelError

if TYPE_CHECKING:  # Slicer shows cards before safetensors is installed
    from ..labelmaps.geometry.reference import Reference

CARD_NAME = "model.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a model and of its files: never a path to somewhere else


@dataclass(frozen=True)
class ModelCard:
    """id, version, anatomy: names. folder: where the card lies. weights: file name; sha256: of that file.
    sampling: sigma_min, sigma_max, rho, sigma_data; S_churn, S_tmin and S_tmax where the sampler churns. card: the
    whole JSON document.
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
    def identity(self) -> dict[str, Any]:
        """What a record says of the model: id, version, sha256."""
        return {"id": self.id, "version": self.version, "sha256": self.sha256}

    @property
    def weights_path(self) -> Path:
        """The weight file."""
        return self.folder / self.weights

    @property
    def size_bytes(self) -> int:
        """Size of the weight file in bytes; 0 if it is not there."""
        return self.weights_path.stat().st_size if self.weights_path.is_file() else 0

    @property
    def licence(self) -> str:
        """The licence of the weights, "" if the card does not say."""
        return str(self.card.get("licence", ""))

    @property
    def summary(self) -> str:
        """What the model is for, in a sentence; "" if the card does not say."""
        return str(self.card.get("summary", ""))

    def reference(self) -> Reference:
        """The canonical reference, which lies in the weight file. Raises ModelError if it cannot be read."""
        from safetensors import SafetensorError, safe_open

        from ..labelmaps.geometry.reference import Reference

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
        return parse_card(path.read_text(encoding="utf-8"), folder)
    except FileNotFoundError as error:
        raise ModelError("There is no model here", value=folder, rule=f"a folder with {CARD_NAME} and its weights",
                         hint="`siblings models` lists what is installed") from error
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError("The model card cannot be read", value=f"{path}: {error!r}",
                         rule="the JSON that `siblings train` writes", hint="install the model again") from error


def parse_card(text: str, folder: Path) -> ModelCard:
    """The card that this JSON text describes. Raises ValueError, KeyError or TypeError if it is none."""
    card = json.loads(text)
    for key in ("id", "weights"):
        if not NAME.fullmatch(card[key]):
            raise ValueError(f"{key} is {card[key]!r} and no plain name")
    return ModelCard(id=card["id"], version=card["version"], anatomy=card["anatomy"], folder=folder,
                     weights=card["weights"], sha256=card["sha256"], sampling=card["sampling"], card=card)
