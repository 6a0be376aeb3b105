"""The networks: grids and shapes, the field's two ways to the same values, weight files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from DiffusionSiblingsLib.core.errors import ModelError
from DiffusionSiblingsLib.models.networks.checkpoint import Networks, load_networks, save_networks
from DiffusionSiblingsLib.models.networks.denoiser import Denoiser, DenoiserConfig
from DiffusionSiblingsLib.models.networks.field import FieldConfig, FieldDecoder, interpolation_matrix
from DiffusionSiblingsLib.models.networks.layers import ChannelNorm, depth_to_space, space_to_depth
from DiffusionSiblingsLib.models.networks.mode_denoiser import ModeDenoiser, ModeDenoiserConfig
from DiffusionSiblingsLib.models.networks.vae import Autoencoder, AutoencoderConfig, kl_to_standard_normal
from DiffusionSiblingsLib.models.store import check_weight_file

SMALL = AutoencoderConfig(patch=4, latent_channels=3, encoder=(8, 16), decoder=(8, 16), decoder_blocks=1,
                          field=FieldConfig(channels=8, width=8))
SMALL_DENOISER = DenoiserConfig(latent_channels=3, channels=(8, 16), attention=(1,), heads=2, condition=16)


def small_networks() -> Networks:
    torch.manual_seed(0)
    return Networks(Autoencoder(SMALL).eval(), Denoiser(SMALL_DENOISER).eval(), torch.zeros(3), torch.ones(3))


def test_space_to_depth_and_depth_to_space_are_inverse() -> None:
    x = torch.arange(2 * 3 * 8 * 4 * 12, dtype=torch.float32).view(2, 3, 8, 4, 12)
    assert torch.equal(depth_to_space(space_to_depth(x, 4), 4), x)


@pytest.mark.parametrize("config", [
    SMALL,
    AutoencoderConfig(patch=1, latent_channels=4, encoder=(8, 8, 16), decoder=(8, 8, 16), norm="group", field=None),
])
def test_autoencoder_keeps_the_grid(config: AutoencoderConfig) -> None:
    net = Autoencoder(config)
    mean, logvar = net.encode(torch.randint(0, 7, (2, 16, 24, 16), dtype=torch.uint8))
    latent = (2, config.latent_channels, 16 // config.reduction, 24 // config.reduction, 16 // config.reduction)
    assert mean.shape == logvar.shape == latent
    assert net.decoder(mean).shape == (2, 7, 16, 24, 16)


def test_a_crop_decodes_like_the_whole_away_from_its_rim() -> None:
    """The norms keep no statistics over space, so that a part decodes alone."""
    decoder = small_networks().autoencoder.decoder
    z = torch.randn(1, 3, 12, 12, 12)
    whole, part = decoder(z), decoder(z[:, :, :, :, :10])
    assert torch.allclose(whole[..., :40], part[..., :40], atol=1e-5)  # five cells in from the cut


def test_field_on_a_grid_equals_field_at_its_points() -> None:
    torch.manual_seed(0)
    field = FieldDecoder(3, 7, FieldConfig(channels=8, width=8))
    features = field.features(torch.randn(1, 3, 4, 4, 4))
    axes = tuple(torch.linspace(-1.1, 1.1, n) for n in (5, 6, 7))
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack([x, y, z], dim=-1).view(1, -1, 3)
    assert torch.allclose(field.on_grid(features, axes).view(1, -1, 7), field.at(features, points), atol=1e-5)


def test_interpolation_matrix_is_linear_interpolation() -> None:
    weights = interpolation_matrix(torch.tensor([-1.0, -0.75, 0.0, 0.25, 1.0]), 4)
    values = weights @ torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert values.tolist() == [0.0, 0.0, 1.5, 2.0, 3.0]


def test_channel_norm_normalises_every_position() -> None:
    x = ChannelNorm(16)(torch.randn(2, 16, 3, 4, 5) * 7 + 3)
    assert torch.allclose(x.mean(1), torch.zeros(2, 3, 4, 5), atol=1e-5)
    assert torch.allclose(x.var(1, unbiased=False), torch.ones(2, 3, 4, 5), atol=1e-3)


def test_kl_of_a_standard_normal_is_zero_and_known_otherwise() -> None:
    zero = torch.zeros(1, 2, 1, 1, 1)
    assert kl_to_standard_normal(zero, zero).item() == 0.0
    assert kl_to_standard_normal(zero + 1.0, zero).item() == pytest.approx(1.0)


def test_an_untrained_denoiser_predicts_nothing() -> None:
    """The head starts at zero, so that training starts from the preconditioner's own estimate."""
    net = Denoiser(SMALL_DENOISER)
    out = net(torch.randn(2, 3, 8, 8, 8), torch.tensor([0.1, 3.0]))
    assert out.shape == (2, 3, 8, 8, 8)
    assert torch.equal(out, net.head.bias.view(1, 3, 1, 1, 1).expand_as(out))


def test_weight_file_round_trip(tmp_path: Path) -> None:
    networks, path = small_networks(), tmp_path / "weights.safetensors"
    digest = save_networks(path, networks, {"reference.x": torch.arange(3)}, {"name": "small"})
    loaded = load_networks(path, sha256=digest)
    assert loaded.autoencoder.config == SMALL
    assert loaded.denoiser.config == SMALL_DENOISER
    z = torch.randn(1, 3, 4, 4, 4)
    assert torch.allclose(loaded.autoencoder.decoder(z), networks.autoencoder.decoder(z), atol=2e-2)


def test_a_network_along_the_modes_is_kept_in_the_weight_file_under_a_schema_of_its_own(tmp_path: Path) -> None:
    plain = dataclasses.replace(small_networks(), modes=(torch.zeros(3, 4, 4, 4), torch.ones(2, 3, 4, 4, 4),
                                                         torch.tensor([4.0, 1.0])))
    along = ModeDenoiser(ModeDenoiserConfig(modes=2, width=8, blocks=1, above=3.0)).eval()
    torch.nn.init.normal_(along.head.weight)
    full = dataclasses.replace(plain, mode_denoiser=along)
    for networks, schema in ((plain, "1"), (full, "2")):
        path = tmp_path / f"{schema}.safetensors"
        save_networks(path, networks, {"reference.x": torch.arange(3)}, {})
        check_weight_file(path)
        with safe_open(path, framework="pt") as file:
            assert file.metadata()["schema"] == schema
        loaded = load_networks(path)
        assert (loaded.mode_denoiser is None) == (schema == "1")
    assert loaded.mode_denoiser is not None and loaded.mode_denoiser.config == along.config
    x, c_noise = torch.randn(5, 2), torch.linspace(-1, 1, 5)
    assert torch.allclose(loaded.mode_denoiser(x, c_noise), along(x, c_noise), atol=2e-2)
    moved = loaded.to(torch.device("cpu"), torch.bfloat16).mode_denoiser
    assert moved is not None and next(moved.parameters()).dtype == torch.float32


def test_a_weight_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_networks(path, small_networks(), {}, {"schema": "3"})
    with pytest.raises(ModelError, match="schema 3 instead of 1 or 2"):
        load_networks(path)
    with pytest.raises(ModelError, match="another program or version"):
        check_weight_file(path)


def test_a_damaged_or_missing_or_foreign_weight_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ModelError, match="weight file of the model is missing"):
        load_networks(path)
    digest = save_networks(path, small_networks(), {}, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        load_networks(path, sha256=digest)
    path.write_bytes(bytes(data[:200]))
    with pytest.raises(ModelError, match="cannot be read"):
        load_networks(path)
