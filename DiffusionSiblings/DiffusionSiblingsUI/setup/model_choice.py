"""What the Model and device section shows about models and devices, with a clear warning about the CPU (no Qt)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from slicer.i18n import tr as _

from DiffusionSiblingsLib.models.registry import Installed
from DiffusionSiblingsUI.rich_text import bold, lines, plain
from DiffusionSiblingsUI.setup.environment import Status

GB = 1e9
NAMES = {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("NVIDIA graphics card (CUDA)"),
         "mps": _("Apple graphics (MPS)")}


class Device(NamedTuple):
    """id: as on the command line. label: for the list."""

    id: str
    label: str


def describe(model: Installed) -> str:
    """A model in a few words of rich text."""
    if model.card is None:
        return f"{bold(_('Damaged:'))} {plain(model.problem.value if model.problem else model.folder)}"
    card = model.card
    size = plain(f"{card.size_bytes / 1e6:.1f} MB") if card.size_bytes else bold(_("weights missing"))
    words = [plain(_("version {version}").format(version=card.version)), size,
             plain(card.licence or _("no licence stated")),
             plain(_("added by you") if model.own else _("comes with the extension"))]
    return lines([" · ".join(words), plain(card.summary)])


def known_devices(found: Mapping[str, Any] | None, platform: str = sys.platform) -> list[Device]:
    """What can be chosen. found: the worker's answer to "hello"; without it, what this system may have."""
    if found is None:
        return [Device(id, NAMES[id]) for id in ("auto", "cpu", "mps" if platform == "darwin" else "cuda")]
    devices = [Device("auto", f"{NAMES['auto']} ({kind_words(found['devices'][0]['id']).partition(' (')[0]})")]
    for entry in found["devices"]:
        label = kind_words(entry["id"])
        if entry["id"] != "cpu":
            label = f"{label}: {entry.get('name') or label}"
        if entry.get("free"):
            label = _("{device}, {size:.1f} GB free").format(device=label, size=entry["free"] / GB)
        devices.append(Device(entry["id"], label))
    return devices


def kind_words(device: str) -> str:
    """What a device is called: "cuda:1" is one of several cards, the second."""
    kind, _colon, card = device.partition(":")
    words = NAMES.get(kind, device)
    return _("{kind}, card {number}").format(kind=words, number=int(card) + 1) if card.isdigit() else words


def means(device: str, there: str) -> bool:
    """Whether a choice means a device that is there: "cuda", of a computer with one card, is the first of several."""
    return device == there or (device == "cuda" and there == "cuda:0") or (device == "cuda:0" and there == "cuda")


def device_note(device: str, found: Mapping[str, Any] | None, status: Status,
                platform: str = sys.platform) -> tuple[str, str]:
    """-> a warning, "" if there is none, and what else to say about the chosen device."""
    slow = _("Each sibling takes from a few seconds to a minute. You can go on using Slicer meanwhile.")
    if not status.ready:
        return "", _("The devices are found once the packages are installed.")
    ids = [entry["id"] for entry in found["devices"]] if found is not None else []
    if found is not None and device != "auto" and not any(means(device, there) for there in ids):
        return (_("This computer has no such device: {device}.").format(device=kind_words(device)),
                _("Choose Automatic."))
    if device == "cpu":
        card = " " + _("This computer also has a graphics card.") if ids and ids[0] != "cpu" else ""
        return _("The model runs on the CPU, as you chose."), slow + card
    if device == "auto" and ids and ids[0] == "cpu":
        return _("The model runs on the CPU: PyTorch finds no graphics card that it can use."), slow
    if device == "auto" and not ids and status.cpu_build and platform != "darwin":
        repair = _("If this computer has an NVIDIA graphics card, press Repair to install the build for it.")
        return (_("The model runs on the CPU: the installed build of PyTorch cannot use a graphics card."),
                f"{slow} {repair}")
    if not ids:
        return "", _("The model uses a graphics card if PyTorch finds one. Press Detect to find out.")
    if "mps" in (device, ids[0]):
        return "", _("The model runs on Apple graphics, in single precision.")
    return "", _("The model runs on the graphics card.")
