"""The optimisation loop of all stages: mixed precision, EMA, several processes, logs, and resuming after a stop."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..engine.compute import has_native_bfloat16
from .config import StageConfig
from .dataset import step_generator
from .logs import StageLog
from .state import load_state, save_state

SAVE_EVERY_SECONDS = 45.0


class Stage(Protocol):
    """What the loop optimises. `loss` must draw all randomness from the generator it is given (or torch's default
    generator, which the loop seeds from it), so that a resumed run continues as if it had not stopped.
    """

    name: str

    @property
    def model(self) -> nn.Module:
        """The module with all parameters."""

    def loss(self, model: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss of one batch and values for the log. model: `self.model`, or its parallel form."""

    def evaluate(self) -> dict[str, float]:
        """Figures of `self.model` on held-out maps."""


@dataclass(frozen=True)
class Hardware:
    """Where a run computes. amp: autocast type, None for full precision. rank, world: process and process count."""

    device: torch.device
    amp: torch.dtype | None
    rank: int = 0
    world: int = 1

    def autocast(self) -> torch.autocast:
        """The mixed-precision context of a forward pass."""
        return torch.autocast(self.device.type, dtype=self.amp or torch.bfloat16, enabled=self.amp is not None)


def find_hardware(device: str = "auto") -> Hardware:
    """The requested device (or the best one), bf16 where it is native, and the launcher's process group.

    `torchrun` and other launchers set RANK, WORLD_SIZE and LOCAL_RANK.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        torch.backends.cudnn.benchmark = True
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    amp = torch.bfloat16 if has_native_bfloat16(device) else None
    return Hardware(torch.device(device), amp, rank, world)


class Ema:
    """Exponential moving average of a model's parameters, with a short memory in the first steps.

    It starts from the initial weights; torch's AveragedModel starts from those after the first update, which would
    change the trained weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = [p.detach().clone() for p in model.parameters()]

    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards the model's present values."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in model.parameters()], 1.0 - decay)

    def swap(self, model: nn.Module) -> None:
        """Exchanges the model's values and the averaged ones (call it twice to undo)."""
        with torch.no_grad():
            for value, parameter in zip(self.values, model.parameters(), strict=True):
                kept = parameter.detach().clone()
                parameter.copy_(value)
                value.copy_(kept)


def learning_rate(config: StageConfig, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine down to 1 % of the peak.

    progress: 0..1. It depends on the time as well as on the step, so that torch's LambdaLR cannot express the rate.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


class Runner:
    """Trains one stage until its number of steps or its time limit, whichever comes first."""

    def __init__(self, stage: Stage, config: StageConfig, hardware: Hardware, out: Path, *, seed: int,
                 limit_seconds: float | None) -> None:
        self.stage, self.config, self.hardware, self.seed = stage, config, hardware, seed
        self.limit = limit_seconds
        self.path = out / f"{stage.name}.state.safetensors"
        # torch documents this call, but its annotations leave memory_format out.
        stage.model.to(hardware.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.ema = Ema(stage.model, config.ema)
        self.optimizer = torch.optim.AdamW(
            stage.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay,
            fused=hardware.device.type == "cuda",
        )
        self.step, self.seconds = load_state(self.path, stage.model, self.ema.values, self.optimizer)
        self.log = StageLog(out, stage.name, quiet=hardware.rank > 0)
        self.parallel: nn.Module = stage.model
        if hardware.world > 1:
            ids = [torch.cuda.current_device()] if hardware.device.type == "cuda" else None
            self.parallel = nn.parallel.DistributedDataParallel(stage.model, device_ids=ids)

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1 (steps or time, whichever is further)."""
        if not self.config.steps:
            return 1.0
        by_time = self.seconds / self.limit if self.limit else 0.0
        return max(self.step / self.config.steps, by_time)

    def run(self) -> dict[str, float]:
        """Trains to the end, leaves the averaged weights in the model, and returns the last evaluation."""
        saved = time.monotonic()
        while self.progress < 1.0:
            started = time.monotonic()
            values = self.optimise()
            self.seconds += time.monotonic() - started
            self.step += 1
            self.log.step(self.step, self.progress, self.seconds, values)
            if self.step % self.config.evaluate_every == 0:
                self.evaluate()
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                self.save()
                saved = time.monotonic()
        result = self.evaluate()
        self.save()
        self.ema.swap(self.stage.model)
        return result

    def optimise(self) -> dict[str, float]:
        """One step: draw, loss, gradient, update, average."""
        generator = step_generator(self.seed, self.step, self.hardware.rank)
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.stage.model.train()
        loss, values = self.stage.loss(self.parallel, generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.stage.model.parameters(), self.config.clip)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.ema.update(self.stage.model, self.step)
        return {"loss": float(loss.detach()), "rate": rate, "gradient": float(norm), **values}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights on held-out maps."""
        if self.hardware.rank > 0:
            return {}
        self.ema.swap(self.stage.model)
        self.stage.model.eval()
        values = self.stage.evaluate()
        self.ema.swap(self.stage.model)
        self.log.evaluation(self.step, values)
        return values

    def save(self) -> None:
        """Writes the whole state; the file is complete at any time."""
        if self.hardware.rank == 0:
            save_state(self.path, self.stage.model, self.ema.values, self.optimizer, self.step, self.seconds)
