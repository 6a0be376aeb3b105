"""The state of a training stage as one safetensors file: weights, their average, optimiser moments, step, seconds."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..core.files import atomic_path


def save_state(path: Path, model: nn.Module, ema: list[Tensor], optimizer: torch.optim.Optimizer, step: int,
               seconds: float) -> None:
    """Writes the state atomically."""
    tensors: dict[str, Tensor] = {}
    for (name, parameter), average in zip(model.named_parameters(), ema, strict=True):
        tensors[f"model/{name}"] = parameter.detach()
        tensors[f"ema/{name}"] = average
        for key in ("exp_avg", "exp_avg_sq"):
            if parameter in optimizer.state:
                tensors[f"{key}/{name}"] = optimizer.state[parameter][key]
    flat = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(flat, temporary, metadata={"step": str(step), "seconds": repr(seconds)})


def load_state(path: Path, model: nn.Module, ema: list[Tensor], optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Restores model, average and optimiser from `path` -> (step, seconds); (0, 0.0) if there is no file."""
    if not path.is_file():
        return 0, 0.0
    with safe_open(path, framework="pt") as file, torch.no_grad():
        metadata, names = file.metadata(), set(file.keys())
        step = int(metadata["step"])
        for (name, parameter), average in zip(model.named_parameters(), ema, strict=True):
            parameter.copy_(file.get_tensor(f"model/{name}"))
            average.copy_(file.get_tensor(f"ema/{name}"))
            if f"exp_avg/{name}" in names:
                moments = {key: file.get_tensor(f"{key}/{name}").to(parameter) for key in ("exp_avg", "exp_avg_sq")}
                optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    return step, float(metadata["seconds"])
