"""What the Model and device section says, for each computer and each choice; what it says of the CPU is loud."""

from __future__ import annotations

from typing import Any

import pytest
from DiffusionSiblingsUI.setup.environment import Package, Status
from DiffusionSiblingsUI.setup.model_choice import describe, device_note, known_devices, means

from DiffusionSiblingsLib.models.registry import survey

CPU = {"id": "cpu", "name": "x86_64", "free": 12.3e9}
CUDA = {"id": "cuda", "name": "RTX 4000", "free": 7.5e9}
MPS = {"id": "mps", "name": "Apple GPU", "free": None}


def status(torch: str = "2.13.0") -> Status:
    return Status((Package("torch", "2.5", torch),), True)


@pytest.mark.parametrize(("device", "devices", "torch", "warning"), [
    ("cpu", None, "2.13.0", "on the CPU, as you chose"),
    ("cpu", [CUDA, CPU], "2.13.0", "on the CPU, as you chose"),
    ("auto", [CPU], "2.13.0", "finds no graphics card"),
    ("auto", None, "2.13.0+cpu", "cannot use a graphics card"),
    ("cuda", [CPU], "2.13.0", "no such device: NVIDIA"),
    ("auto", None, "2.13.0", ""),
    ("auto", [CUDA, CPU], "2.13.0", ""),
    ("auto", [MPS, CPU], "2.13.0", ""),
    ("cuda", [CUDA, CPU], "2.13.0", ""),
    ("auto", None, "", ""),
])
def test_the_cpu_is_said_loudly_and_nothing_else(device: str, devices: list[Any] | None, torch: str,
                                                 warning: str) -> None:
    found = {"devices": devices} if devices else None
    loud, text = device_note(device, found, status(torch), "linux")
    assert warning in loud
    assert bool(loud) is bool(warning)
    assert text


def test_devices_before_and_after_the_worker_was_asked() -> None:
    assert [device.id for device in known_devices(None, "linux")] == ["auto", "cpu", "cuda"]
    assert [device.id for device in known_devices(None, "darwin")] == ["auto", "cpu", "mps"]
    after = known_devices({"devices": [CUDA, CPU]})
    assert [device.id for device in after] == ["auto", "cuda", "cpu"]
    assert after[0].label == "Automatic (NVIDIA graphics card)"
    assert "RTX 4000, 7.5 GB free" in after[1].label
    assert known_devices({"devices": [MPS, CPU]})[1].label == "Apple graphics (MPS): Apple GPU"


def test_each_graphics_card_has_an_entry() -> None:
    cards = [{**CUDA, "id": f"cuda:{number}", "name": f"RTX {number}"} for number in range(2)]
    found = known_devices({"devices": [*cards, CPU]})
    assert [device.id for device in found] == ["auto", "cuda:0", "cuda:1", "cpu"]
    assert found[2].label.startswith("NVIDIA graphics card (CUDA), card 2: RTX 1")
    assert means("cuda", "cuda:0") and means("cuda:0", "cuda") and not means("cuda", "cuda:1")
    for device in ("cuda", "cuda:0", "cuda:1"):
        assert not device_note(device, {"devices": [*cards, CPU]}, status(), "linux")[0]
    assert "card 3" in device_note("cuda:2", {"devices": [*cards, CPU]}, status(), "linux")[0]


def test_a_model_is_described_with_version_size_and_licence() -> None:
    text = describe(next(model for model in survey() if model.name == "heart-compact"))
    for word in ("version 20", " MB", "Apache-2.0", "comes with the extension", "digital siblings"):
        assert word in text
