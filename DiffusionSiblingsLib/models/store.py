"""The store of models: check weights, add a model from a file or folder, delete one of the user's own models.

Long operations are generators that yield their progress (0..1), so that a window stays usable; `verify` and `add_model`
run them to the end. Weights are safetensors files. Their header is read here by its published layout: a length of eight
bytes, JSON, then plain numbers. Nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from ..core.errors import ModelError, OutputError, reason_of
from ..core.files import atomic_path
from ..core.json_files import MALFORMED, parse_json
from ..core.limits import MOST_MODEL_BYTES
from ..core.limits import MOST_WEIGHT_HEADER_BYTES as LARGEST_TEXT
from ..core.steps import T, exhaust
from .card import CARD_NAME, WEIGHT_SCHEMAS, ModelCard, parse_card, read_card
from .registry import own_model_folder, survey

Steps = Generator[float, None, T]
BLOCK = 1 << 20  # bytes hashed between two yields: about a millisecond
MOST_PACKED = 20  # times that a file of a model may be larger than it is packed; numbers hardly shrink
COMPANIONS = ("README.md", "about.json", "cohort.json")  # copied with a model if they exist
_KINDS = "choose the folder of a model, its zip file, or its model.json with the weights beside it"


def verify(card: ModelCard) -> None:
    """Raises ModelError if the weights are missing or damaged, or if the card names other weights."""
    exhaust(verifying(card))


def verifying(card: ModelCard) -> Steps[None]:
    """The steps of `verify`."""
    path = card.weights_path
    if not path.is_file():
        raise ModelError("The weight file of the model is missing", value=path,
                         rule="the weights are in the same folder as the model card",
                         hint="add the model again from its file or folder, or reinstall the extension")
    found = yield from _hashing(path)
    if found != card.sha256:
        raise ModelError("The weight file does not match its model card", value=f"{path} has SHA-256 {found}",
                         rule=f"SHA-256 {card.sha256}",
                         hint="the file is damaged or was replaced: add the model again, or reinstall the extension")
    check_weight_file(path)


def add_model(source: Path, *, replace: bool = False) -> ModelCard:
    """Copies a model into the user's folder -> its card there.

    source: a folder or zip file with model.json and the weights; one of these two files beside the other; or only the
    weights, if the model is installed without them. replace: replace the user's own model of the same name.
    Raises ModelError if the source is not a model, is damaged or is already installed, and OutputError if the copy
    cannot be written. On an error nothing changes.
    """
    return exhaust(adding(source, replace=replace))


def adding(source: Path, *, replace: bool = False) -> Steps[ModelCard]:
    """The steps of `add_model`. They leave nothing behind if they are closed early."""
    source = Path(source)
    if source.suffix.lower() == ".safetensors" and not (source.parent / CARD_NAME).is_file():
        return (yield from _restoring(source))
    if not zipfile.is_zipfile(source):
        return (yield from _copying(_model_folder(source), source, replace))
    try:
        with zipfile.ZipFile(source) as archive:
            return (yield from _copying(_inside(archive, source), source, replace))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError("The zip file cannot be read", value=f"{source}: {reason_of(error)}",
                         rule="the zip file is complete and has no password",
                         hint="download it again, or unpack it and choose the folder") from error


def delete_model(card: ModelCard) -> None:
    """Removes one of the user's own models. Raises ModelError for a shipped model, OutputError if it is in use."""
    if card.folder.parent != own_model_folder():
        raise ModelError("A model that ships with the extension cannot be deleted", value=card.id,
                         rule="you can delete only models that you added", hint="uninstall the extension to remove it")
    aside = card.folder.with_name(f".{card.folder.name}.{secrets.token_hex(4)}.old")
    try:
        card.folder.replace(aside)  # whole or not at all: on Windows a file that is in use refuses this
    except OSError as error:
        raise OutputError(f"{card.id} could not be deleted", value=error.strerror or str(error),
                          rule="the model is unchanged",
                          hint="stop the work that uses it, or restart Slicer, and try again") from error
    shutil.rmtree(aside, ignore_errors=True)


def check_weight_file(path: Path) -> None:
    """Raises ModelError unless this is a whole safetensors file with the networks that this library makes."""
    try:
        with path.open("rb") as file:
            header = _header(file, path.stat().st_size)
    except (OSError, *MALFORMED) as error:
        raise ModelError("Not a weight file", value=f"{path}: {reason_of(error)}",
                         rule="weights are a safetensors file written by `siblings train`; files that can hold "
                              "programs, such as .pt, are never opened",
                         hint="download the model again from where it is published") from error
    metadata = header.pop("__metadata__", {})
    lacking = [key for key in ("autoencoder", "denoiser") if key not in metadata]
    framed = any(name.startswith("reference.") for name in header)
    if metadata.get("schema") not in WEIGHT_SCHEMAS or lacking or not framed:
        raise ModelError("The weights were made for another program or version",
                         value=f"{path}, schema {metadata.get('schema', 'unknown')}",
                         rule=f"the file has schema {' or '.join(WEIGHT_SCHEMAS)}, autoencoder, denoiser and the "
                              "canonical frame",
                         hint="choose a model made for this version of DiffusionSiblings, or update the extension")


def _header(file: IO[bytes], size: int) -> dict[str, Any]:
    """The JSON header of a safetensors file. Raises ValueError if it does not describe every byte of the file."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(LARGEST_TEXT, size - 8):
        raise ValueError("it does not begin like a safetensors file")
    header: dict[str, Any] = parse_json(file.read(length).decode("utf-8"))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    end = 8 + length + max(ends, default=0)
    if end != size:
        raise ValueError(f"it has {size} bytes, but its header describes {end} bytes")
    return header


def _model_folder(source: Path) -> Path:
    """The folder of the model that the user chose by this path."""
    folder = source if source.is_dir() else source.parent
    known = source.is_dir() or source.name == CARD_NAME or source.suffix.lower() == ".safetensors"
    if not known or not (folder / CARD_NAME).is_file():
        raise ModelError("There is no model here", value=source, rule=_KINDS,
                         hint="a model is a model.json with the weights that it names; `siblings train` makes both")
    return folder


def _inside(archive: zipfile.ZipFile, source: Path) -> zipfile.Path:
    """The folder in a zip file that holds the card."""
    cards = [name for name in archive.namelist() if name.rpartition("/")[2] == CARD_NAME]
    if len(cards) != 1:
        raise ModelError("A zip file must hold exactly one model", value=f"{source}: {len(cards)} model cards",
                         rule=_KINDS,
                         hint="unpack it and choose the folder of one model")
    for entry in archive.infolist():
        if entry.file_size > min(MOST_MODEL_BYTES, entry.compress_size * MOST_PACKED + LARGEST_TEXT):
            raise ModelError("A file in the zip file unpacks to more than a model can have",
                             value=f"{source}: {entry.filename[:80]}, {entry.compress_size} bytes that unpack to "
                                   f"{entry.file_size}",
                             rule=f"weights are at most {MOST_PACKED} times as large as they are packed",
                             hint="download the model again from where it is published")
    return zipfile.Path(archive, cards[0].removesuffix(CARD_NAME))


def _copying(folder: Path | zipfile.Path, source: Path, replace: bool) -> Steps[ModelCard]:
    text = _card_text(folder, source)
    card = _parsed(text, source)
    if not (folder / card.weights).is_file():
        raise ModelError("The weight file of the model is missing", value=f"{source}: {card.weights}", rule=_KINDS,
                         hint="put the weights into the same folder as model.json")
    if source.suffix.lower() == ".safetensors" and source.name != card.weights:
        raise ModelError("The model card beside these weights names another weight file",
                         value=f"{source.name}, but model.json names {card.weights}",
                         rule="model.json names the weight file", hint="choose the folder, or the file that it names")
    with (folder / card.weights).open("rb") as weights:
        size = _size(folder / card.weights)
        return (yield from _writing(card, text, weights, size, folder, replace))


def _restoring(source: Path) -> Steps[ModelCard]:
    """Adds weights without a card to the installed model that lacks them."""
    check_weight_file(source)
    digest = yield from _hashing(source)
    card = next((model.card for model in survey() if model.card and model.card.sha256 == digest), None)
    if card is None:
        raise ModelError("A weight file alone is not enough: the model card is missing", value=source, rule=_KINDS,
                         hint="put the model.json that came with the weights into the same folder")
    with source.open("rb") as weights:
        text = (card.folder / CARD_NAME).read_text(encoding="utf-8")
        return (yield from _writing(card, text, weights, source.stat().st_size, card.folder, True))


def _writing(card: ModelCard, text: str, weights: IO[bytes], size: int, companions: Path | zipfile.Path,
             replace: bool) -> Steps[ModelCard]:
    """Copies and checks the model in a hidden folder, then moves that folder into place."""
    target = own_model_folder() / card.id
    if target.exists() and not replace:
        raise ModelError("A model of this name is already installed", value=card.id,
                         rule=f"{target} is not overwritten",
                         hint="delete it first, or choose to replace it")
    try:
        with atomic_path(target) as temporary:
            temporary.mkdir()
            digest, copied = hashlib.sha256(), 0
            with (temporary / card.weights).open("wb") as out:
                while block := weights.read(BLOCK):
                    out.write(block)
                    digest.update(block)
                    copied += len(block)
                    yield min(1.0, copied / max(1, size))
            if digest.hexdigest() != card.sha256:
                raise ModelError("The weights do not match the model card",
                                 value=f"SHA-256 {digest.hexdigest()}", rule=f"SHA-256 {card.sha256}",
                                 hint="the copy is damaged or incomplete: download the model again")
            check_weight_file(temporary / card.weights)
            (temporary / CARD_NAME).write_bytes(text.encode())
            for name in COMPANIONS:
                if (companions / name).is_file():
                    (temporary / name).write_bytes(_small(companions / name))
    except OutputError as error:
        raise OutputError(f"The model {card.id} could not be added", value=f"{target}: {error.value}", rule=error.rule,
                          hint="free some space, or set SIBLINGS_MODELS to a folder on another disk") from error
    return read_card(target)


def _card_text(folder: Path | zipfile.Path, source: Path) -> str:
    try:
        return _small(folder / CARD_NAME).decode("utf-8")
    except (OSError, ValueError) as error:
        raise ModelError("The model card cannot be read", value=f"{source}: {reason_of(error)}", rule=_KINDS,
                         hint="download the model again from where it is published") from error


def _parsed(text: str, source: Path) -> ModelCard:
    try:
        return parse_card(text, source)
    except MALFORMED as error:
        raise ModelError("The model card cannot be read", value=f"{source}: {reason_of(error)}",
                         rule="model.json is as `siblings train` writes it",
                         hint="download the model again from where it is published") from error


def _small(path: Path | zipfile.Path) -> bytes:
    with path.open("rb") as file:
        return bytes(file.read(LARGEST_TEXT))  # a longer file is cut here, and refused when it is parsed


def _size(path: Path | zipfile.Path) -> int:
    return path.stat().st_size if isinstance(path, Path) else path.root.getinfo(path.at).file_size


def _hashing(path: Path) -> Steps[str]:
    digest, size, done = hashlib.sha256(), max(1, path.stat().st_size), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            yield min(1.0, done / size)
    return digest.hexdigest()
