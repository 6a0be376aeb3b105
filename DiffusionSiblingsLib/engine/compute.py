"""Where and how numbers are computed: the device, its floating type, and quiet threads (torch layer)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core.cores import asked_threads, usable_cores
from ..core.errors import DeviceError

MOST_THREADS = 16


@dataclass(frozen=True)
class Compute:
    """device: 'cpu', 'cuda' (one of several cards: 'cuda:1') or 'mps'. dtype: of the networks; the sampler's state is
    float64 (float32 on MPS).
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def batch(self) -> int:
        """How many siblings are sampled at once: one on a CPU, where more gain nothing."""
        return 16 if self.device.type == "cuda" else 1

    def to_json(self) -> dict[str, object]:
        """What the record says of it."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return {"device": self.device.type, "name": name, "dtype": str(self.dtype).removeprefix("torch."),
                "threads": torch.get_num_threads()}


def find_compute(device: str = "auto", dtype: str | None = None) -> Compute:
    """The device asked for, or the best there is; bfloat16 only where the hardware has it.

    device: "auto", "cpu", "mps", "cuda", or one of several cards as "cuda:1". dtype: 'float32' or 'bfloat16' to ask for
    one (replaying a record of another machine). Raises DeviceError where the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if there[name])
    kind, _, card = device.partition(":")
    cards = [str(number) for number in range(torch.cuda.device_count())] if kind == "cuda" else []
    if not there.get(kind, False) or (":" in device and card not in cards):
        names = ", ".join(name for name, found in there.items() if found)
        raise DeviceError("The device is not available", value=device, rule=f"this machine has {names}",
                          hint="use --device auto, or install the torch build for this device")
    quiet_threads()
    chosen = {"float32": torch.float32, "bfloat16": torch.bfloat16, None: None}[dtype]
    return Compute(torch.device(device), chosen or (torch.bfloat16 if has_native_bfloat16(kind) else torch.float32))


def has_native_bfloat16(device: str) -> bool:
    """Whether bfloat16 is quicker than float32: CUDA cards, and CPUs with avx512_bf16. Elsewhere it is emulated."""
    if device == "cpu":
        probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public probe in torch 2.13
        return bool(probe is not None and probe())
    return device == "cuda"


def quiet_threads() -> None:
    """As many threads as cores this process may use, at most 16: more only wait for each other."""
    torch.set_num_threads(asked_threads() or min(usable_cores(), MOST_THREADS))
