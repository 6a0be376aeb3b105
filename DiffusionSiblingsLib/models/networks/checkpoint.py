"""Weight files: one safetensors file that holds the configuration and the weights of both networks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...core.codec import from_plain, to_plain
from ...core.errors import ModelError, reason_of
from ...core.json_files import MALFORMED, parse_json
from ...core.record import hash_file
from ...core.tensor_files import write_tensors
from ..card import WEIGHT_SCHEMAS
from .bounds import check_sizes, check_weights
from .denoiser import Denoiser, DenoiserConfig
from .mode_denoiser import ModeDenoiser, ModeDenoiserConfig
from .vae import Autoencoder, AutoencoderConfig

T = TypeVar("T")
MODES = ("modes/mean", "modes/vectors", "modes/variances")


@dataclass(frozen=True)
class Networks:
    """The networks of a model.

    autoencoder, denoiser: in evaluation mode. latent_mean, latent_std: (C,) float32, of the raw latents.
    modes: mean (C, d, h, w), vectors (K, C, d, h, w) and variances (K,) float32 of the widest modes of the standardised
    latents; None for a model without modes. mode_denoiser: the network along them, in float32 everywhere; None for the
    best linear estimate alone.
    """

    autoencoder: Autoencoder
    denoiser: Denoiser
    latent_mean: Tensor
    latent_std: Tensor
    modes: tuple[Tensor, Tensor, Tensor] | None = None
    mode_denoiser: ModeDenoiser | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Networks:
        """The networks on a device, in a floating-point type and in channels-last order."""
        for net in (self.autoencoder, self.denoiser):
            cast(Any, net).to(device=device, dtype=dtype, memory_format=torch.channels_last_3d)
        if self.mode_denoiser is not None:
            self.mode_denoiser.to(device)
        modes = self.modes
        if modes is not None:
            modes = modes[0].to(device), modes[1].to(device), modes[2].to(device)
        return dataclasses.replace(self, latent_mean=self.latent_mean.to(device), latent_std=self.latent_std.to(device),
                                   modes=modes)

    def raw(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w), standardised -> latents in the autoencoder's own scale, type and memory order."""
        raw = z.float() * self.latent_std[:, None, None, None] + self.latent_mean[:, None, None, None]
        dtype = next(self.autoencoder.parameters()).dtype
        return raw.to(dtype).contiguous(memory_format=torch.channels_last_3d)


def save_networks(path: Path, networks: Networks, extra: dict[str, Tensor],
                  metadata: dict[str, str]) -> str | None:
    """Writes the weights in float16 with their configuration -> SHA-256 of the file.

    extra: further tensors, such as the canonical reference, stored unchanged under their own names.
    metadata: strings for the header of the file.
    """
    tensors: dict[str, Tensor] = {key: value.contiguous() for key, value in extra.items()}
    for prefix, net in _parts(networks.autoencoder, networks.denoiser, networks.mode_denoiser).items():
        for name, value in net.state_dict().items():
            tensors[f"{prefix}/{name}"] = value.detach().cpu().half().contiguous()
    tensors["latent_mean"], tensors["latent_std"] = networks.latent_mean.cpu(), networks.latent_std.cpu()
    for name, value in zip(MODES, networks.modes or (), strict=False):
        kept = value.detach().cpu().contiguous()
        tensors[name] = kept.half() if name == MODES[1] else kept
    plain, with_modes = WEIGHT_SCHEMAS
    header = {
        "schema": plain if networks.mode_denoiser is None else with_modes,
        "autoencoder": json.dumps(to_plain(networks.autoencoder.config)),
        "denoiser": json.dumps(to_plain(networks.denoiser.config)),
        **metadata,
    }
    if networks.mode_denoiser is not None:
        header["mode_denoiser"] = json.dumps(to_plain(networks.mode_denoiser.config))
    write_tensors(path, save(tensors, metadata=header))
    return hash_file(path)


def load_networks(path: Path, *, sha256: str | None = None) -> Networks:
    """Reads a weight file in float32 on the CPU.

    Raises ModelError if the file is missing or damaged, has another schema, or does not have this SHA-256.
    """
    if not path.is_file():
        raise ModelError("The weight file of the model is missing", value=path,
                         rule="the weights are in the same folder as the model card",
                         hint="reinstall the model, or train it with `siblings train`")
    if sha256 is not None and (found := hash_file(path)) != sha256:
        raise ModelError("The weight file does not match its model card", value=f"{path} has SHA-256 {found}",
                         rule=f"SHA-256 {sha256}", hint="the file is damaged or was replaced: install the model again")
    try:
        with safe_open(path, framework="pt") as file:
            return _build(file)
    except (OSError, SafetensorError, RuntimeError, ArithmeticError, MemoryError, *MALFORMED) as error:
        raise ModelError("The weight file cannot be read", value=f"{path}: {reason_of(error)}",
                         rule="weights are a safetensors file written by `siblings train`",
                         hint="install the model again") from error


def _build(file: Any) -> Networks:
    header = file.metadata() or {}
    if header.get("schema") not in WEIGHT_SCHEMAS:
        raise ValueError(f"schema {header.get('schema')} instead of {' or '.join(WEIGHT_SCHEMAS)}")
    with torch.device("meta"):  # the file's weights come next, so none are drawn
        autoencoder = Autoencoder(_config(AutoencoderConfig, header, "autoencoder"))
        denoiser = Denoiser(_config(DenoiserConfig, header, "denoiser"))
        along = None
        if "mode_denoiser" in header:
            along = ModeDenoiser(_config(ModeDenoiserConfig, header, "mode_denoiser"))
    names, parts = set(file.keys()), _parts(autoencoder, denoiser, along)
    check_weights(sum(weight.numel() for net in parts.values() for weight in net.parameters()))
    for prefix, net in parts.items():
        own = {k.removeprefix(f"{prefix}/"): file.get_tensor(k).float() for k in names if k.startswith(f"{prefix}/")}
        net.load_state_dict(own, assign=True)
        net.eval().requires_grad_(False)
    modes = tuple(file.get_tensor(name).float() for name in MODES) if names.issuperset(MODES) else None
    return Networks(autoencoder, denoiser, file.get_tensor("latent_mean"), file.get_tensor("latent_std"), modes, along)


def _config(kind: type[T], header: Mapping[str, str], name: str) -> T:
    """A network's configuration in the header of a weight file. Raises KeyError or ValueError."""
    plain = parse_json(header[name])
    check_sizes(plain, name)
    return from_plain(kind, plain, name)


def _parts(autoencoder: Autoencoder, denoiser: Denoiser, along: ModeDenoiser | None) -> dict[str, nn.Module]:
    """The networks by the names that their weights begin with."""
    parts: dict[str, nn.Module] = {"autoencoder": autoencoder, "denoiser": denoiser}
    return parts if along is None else {**parts, "mode_denoiser": along}
