"""The model card for programs: what a model is, where its weights are, its training data and its results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ModelError, reason_of
from ..core.json_files import MALFORMED, parse_json, read_text
from ..core.record_shape import LONGEST_NAME

if TYPE_CHECKING:  # Slicer shows model cards before safetensors is installed
    from ..labelmaps.geometry.reference import Reference

CARD_NAME = "model.json"
MOST_SIGMA = 1e6  # of the numbers of a sampler, in a model card
WEIGHT_SCHEMAS = ("1", "2")  # of weight files; 2: with a network along the modes, which earlier programs would not use
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # name of a model or of its files; it cannot be a path


@dataclass(frozen=True)
class ModelCard:
    """What model.json says.

    id, version, anatomy: names. folder: the folder of the card. weights: file name of the weights; sha256: their
    SHA-256. sampling: sigma_min, sigma_max, rho, sigma_data, and S_churn, S_tmin and S_tmax if the sampler uses churn.
    card: the whole JSON document.
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
        """Size of the weight file in bytes; 0 if it is missing."""
        return self.weights_path.stat().st_size if self.weights_path.is_file() else 0

    @property
    def licence(self) -> str:
        """The licence of the weights, "" if the card does not name one."""
        return str(self.card.get("licence", ""))

    @property
    def summary(self) -> str:
        """The purpose of the model in one sentence; "" if the card has no summary."""
        return str(self.card.get("summary", ""))

    def reference(self) -> Reference:
        """The canonical reference, which is stored in the weight file. Raises ModelError if it cannot be read."""
        from safetensors import SafetensorError, safe_open

        from ..labelmaps.geometry.reference import Reference

        try:
            with safe_open(self.weights_path, framework="numpy") as file:
                names = [name for name in file.keys() if name.startswith("reference.")]  # noqa: SIM118
                return Reference.from_tensors({name: file.get_tensor(name) for name in names})
        except (OSError, SafetensorError) as error:
            raise ModelError("The weight file cannot be read", value=f"{self.weights_path}: {reason_of(error)}",
                             rule="weights are a safetensors file written by `siblings train`",
                             hint="install the model again") from error


def read_card(folder: Path) -> ModelCard:
    """Reads `folder`/model.json. Raises ModelError if it is missing, is not JSON or lacks a field."""
    path = folder / CARD_NAME
    try:
        return parse_card(read_text(path), folder)
    except FileNotFoundError as error:
        raise ModelError("There is no model here", value=folder, rule=f"the folder holds {CARD_NAME} and the weights",
                         hint="`siblings models` lists the installed models") from error
    except (OSError, *MALFORMED) as error:
        raise ModelError("The model card cannot be read", value=f"{path}: {reason_of(error)}",
                         rule=f"{CARD_NAME} is as `siblings train` writes it",
                         hint="install the model again") from error


def parse_card(text: str, folder: Path) -> ModelCard:
    """The card that this JSON text describes. Raises one of MALFORMED if it is not a model card."""
    card = parse_json(text)
    if not isinstance(card, dict):
        raise TypeError("it is no JSON object")
    for key in ("id", "version", "anatomy", "weights", "sha256"):
        if not isinstance(card[key], str):
            raise TypeError(f"{key} is {str(card[key])[:60]!r}, which is no text")
    for key in ("id", "weights"):
        if not NAME.fullmatch(card[key]) or len(card[key]) > LONGEST_NAME:
            raise ValueError(f"{key} is {card[key][:60]!r}, which is not a plain name")
    for name, value in card["sampling"].items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_SIGMA:
            raise ValueError(f"{name} of sampling is {str(value)[:60]!r}, which is no number from 0 to {MOST_SIGMA:g}")
    return ModelCard(id=card["id"], version=card["version"], anatomy=card["anatomy"], folder=folder,
                     weights=card["weights"], sha256=card["sha256"], sampling=card["sampling"], card=card)
