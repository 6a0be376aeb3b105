"""What the Model and device section says: about models, about devices, and loudly about the CPU (no Qt)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from DiffusionSiblingsLib.models.registry import Installed
from DiffusionSiblingsUI.setup.environment import Status

GB = 1e9
NAMES = {"auto": "Automatic", "cpu": "CPU", "cuda": "NVIDIA graphics card (CUDA)", "mps": "Apple graphics (MPS)"}


class Device(NamedTuple):
    """id: as on the command line. label: for the list."""

    id: str
    label: str


def describe(model: Installed) -> str:
    """A model in a few words of rich text."""
    if model.card is None:
        return f"<b>Damaged:</b> {escape(str(model.problem.value if model.problem else model.folder))}"
    card = model.card
    size = f"{card.size_bytes / 1e6:.1f} MB" if card.size_bytes else "<b>weights missing</b>"
    origin = "yours" if model.own else "ships with the extension"
    words = [f"version {escape(card.version)}", size, escape(card.licence) or "no licence named", origin]
    return f"{' · '.join(words)}<br>{escape(card.summary)}"


def known_devices(found: Mapping[str, Any] | None, platform: str = sys.platform) -> list[Device]:
    """What can be chosen. found: the worker's answer to "hello"; without it, what this system may have."""
    if found is None:
        return [Device(id, NAMES[id]) for id in ("auto", "cpu", "mps" if platform == "darwin" else "cuda")]
    devices = [Device("auto", f"{NAMES['auto']} ({NAMES[found['devices'][0]['id']].partition(' (')[0]})")]
    for entry in found["devices"]:
        free = f", {entry['free'] / GB:.1f} GB free" if entry.get("free") else ""
        name = entry.get("name") or NAMES[entry["id"]]
        devices.append(Device(entry["id"], f"{NAMES[entry['id']]}: {name}{free}" if entry["id"] != "cpu"
                              else f"{NAMES['cpu']}{free}"))
    return devices


def device_note(device: str, found: Mapping[str, Any] | None, status: Status,
                platform: str = sys.platform) -> tuple[str, str]:
    """-> a warning, "" if there is none, and what else to say about the chosen device."""
    slow = "A sibling takes from some seconds to a minute, several take several times that. Slicer stays usable."
    if not status.ready:
        return "", "Known once the packages are installed."
    ids = [entry["id"] for entry in found["devices"]] if found is not None else []
    if found is not None and device != "auto" and device not in ids:
        return f"This computer has no {NAMES.get(device, device)}.", "Choose Automatic."
    if device == "cpu":
        return "On the CPU, as you chose.", slow + (" There is a graphics card too." if ids and ids[0] != "cpu" else "")
    if device == "auto" and ids and ids[0] == "cpu":
        return "On the CPU: PyTorch finds no graphics card that it can use.", slow
    if device == "auto" and not ids and status.cpu_build and platform != "darwin":
        return ("On the CPU: the installed PyTorch is the build that uses no graphics card.",
                f"{slow} If this computer has an NVIDIA card, Repair installs the build for it.")
    if not ids:
        return "", "A graphics card is used if PyTorch finds one; Detect tells."
    if "mps" in (device, ids[0]):
        return "", "On Apple graphics, in single precision."
    return "", "On the graphics card."
