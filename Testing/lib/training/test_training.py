"""Training: a run that is killed and resumed ends where an unbroken one ends; augmentation keeps labels."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.dataset_file import PackCase, write_pack
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.geometry.reference import starting_reference
from DiffusionSiblingsLib.models.card import read_card
from DiffusionSiblingsLib.models.networks.checkpoint import load_networks
from DiffusionSiblingsLib.models.networks.denoiser import DenoiserConfig
from DiffusionSiblingsLib.models.networks.field import FieldConfig
from DiffusionSiblingsLib.models.networks.mode_denoiser import ModeDenoiserConfig
from DiffusionSiblingsLib.models.networks.vae import Autoencoder, AutoencoderConfig
from DiffusionSiblingsLib.training import latents
from DiffusionSiblingsLib.training.autoencoder import AutoencoderLoss, AutoencoderStage, dice_per_class
from DiffusionSiblingsLib.training.config import (
    DeformationConfig,
    StageConfig,
    TrainingConfig,
    load_training_config,
    training_config,
)
from DiffusionSiblingsLib.training.dataset import Cohort
from DiffusionSiblingsLib.training.deformation import (
    identity_coordinates,
    random_rotation,
    smooth_displacement,
    warp_labels,
)
from DiffusionSiblingsLib.training.denoiser import DenoiserStage
from DiffusionSiblingsLib.training.latents import Latents, encode_cohort, prepare_latents
from DiffusionSiblingsLib.training.loop import Hardware, Runner
from DiffusionSiblingsLib.training.train import train

CPU = Hardware(torch.device("cpu"), None)
STAGE = StageConfig(steps=6, batch=2, learning_rate=1e-3, warmup=2, evaluate_every=3)
CONFIG = TrainingConfig(
    "tiny",
    AutoencoderConfig(latent_channels=2, encoder=(8, 8), decoder=(8, 8), field=FieldConfig(8, 1, 8, 1)),
    DenoiserConfig(latent_channels=2, channels=(8, 8), attention=(), condition=8),
    STAGE, STAGE, DeformationConfig(degrees=30, scale=1.2), crop=16, field_points=64,
)


def ball_cohort() -> Cohort:
    z, y, x = np.ogrid[:24, :24, :24]
    balls = [((z - 12) ** 2 + (y - 12) ** 2 + (x - 11 - i) ** 2 < 49).astype(np.uint8) * (1 + i) for i in range(3)]
    return Cohort(("a", "b", "c"), torch.from_numpy(np.stack(balls)), torch.tensor([1.0, 1.0, 2.0]).double())


def autoencoder_runner(out: Path, steps: int) -> Runner:
    torch.manual_seed(0)
    cohort = ball_cohort()
    stage = AutoencoderStage(CONFIG, cohort, cohort, CPU)
    return Runner(stage, dataclasses.replace(STAGE, steps=steps), CPU, out, seed=1, limit_seconds=None)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = autoencoder_runner(tmp_path / "whole", 6)
    whole.run()
    broken = autoencoder_runner(tmp_path / "parts", 6)
    for _ in range(3):  # as far as a kill
        broken.optimise()
        broken.step += 1
    broken.save()
    resumed = autoencoder_runner(tmp_path / "parts", 6)
    assert resumed.step == 3
    resumed.run()
    for a, b in zip(whole.stage.model.parameters(), resumed.stage.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert "held out" in (tmp_path / "parts" / "autoencoder.csv").read_text()


def test_denoiser_stage_learns_a_constant_latent(tmp_path: Path) -> None:
    torch.manual_seed(0)
    latents = Latents(torch.ones(3, 1, 2, 4, 4, 4).half(), torch.zeros(2), torch.ones(2))
    learning = dataclasses.replace(STAGE, steps=60, learning_rate=1e-2, evaluate_every=1000)
    config = dataclasses.replace(CONFIG, denoiser_stage=learning)
    stage = DenoiserStage(config, ball_cohort(), latents, torch.ones(2, 2, 4, 4, 4), CPU)
    runner = Runner(stage, config.denoiser_stage, CPU, tmp_path, seed=0, limit_seconds=None)
    before = runner.evaluate()["loss_5"]
    assert runner.run()["loss_5"] < 0.1 * before  # at high noise the answer is the constant itself


def test_latents_of_a_stopped_run_are_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, cohort = Autoencoder(CONFIG.autoencoder).eval(), ball_cohort()
    monkeypatch.setattr(latents, "BLOCK", 2)
    whole = encode_cohort(net, cohort, 2, CONFIG, CPU, tmp_path / "parts")
    (last,) = sorted((tmp_path / "parts").iterdir())[1:]
    last.unlink()
    encoded: list[int] = []
    plain = latents.encode_variants

    def counted(*arguments: Any) -> torch.Tensor:
        encoded.append(arguments[-1])
        return plain(*arguments)

    monkeypatch.setattr(latents, "encode_variants", counted)
    assert torch.equal(encode_cohort(net, cohort, 2, CONFIG, CPU, tmp_path / "parts"), whole)
    assert encoded == [2]
    found, held = prepare_latents(net, cohort, cohort, CONFIG, CPU, tmp_path / "latents.safetensors")
    assert found.values.shape[:2] == (3, CONFIG.latent_variants) and len(held) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latents.safetensors", "parts"]


def test_a_time_limit_ends_a_run(tmp_path: Path) -> None:
    runner = autoencoder_runner(tmp_path, 10_000)
    runner.limit, runner.seconds = 1.0, 0.999
    runner.run()
    assert runner.step <= 2


def test_warping_by_nothing_changes_nothing() -> None:
    volume = torch.randint(0, 7, (12, 14, 10), dtype=torch.uint8)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n).float() for n in volume.shape), indexing="ij"), dim=-1)
    assert torch.equal(warp_labels(volume, grid, 7), volume)
    assert torch.equal(warp_labels(volume, grid + torch.tensor([1.0, 0, 0]), 7)[:-1], volume[1:])


def test_warping_takes_the_strongest_of_the_eight_corners_and_background_outside() -> None:
    volume = torch.zeros(4, 4, 4, dtype=torch.uint8)
    volume[1, 1, 1], volume[1, 1, 2] = 3, 5
    points = torch.tensor([[1.0, 1.0, 1.4], [1.0, 1.0, 1.6], [-3.0, 0.0, 0.0], [9.0, 9.0, 9.0], [1.4, 1.4, 1.4]])
    assert warp_labels(volume, points, 7).tolist() == [3, 5, 0, 0, 0]


def test_displacements_are_smooth_and_rotations_rigid() -> None:
    generator = torch.Generator().manual_seed(0)
    field = smooth_displacement(32, 4, 2.0, generator)
    assert field.shape == (32, 32, 32, 3)
    assert field.diff(dim=0).abs().max() < 1.5
    rotation = random_rotation(180.0, generator)
    assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-5)
    assert torch.det(rotation).item() == pytest.approx(1.0, abs=1e-5)
    assert identity_coordinates(torch.tensor([1.5, 1.5, 1.5]), 4)[0, 0, 3].tolist() == [0.0, 0.0, 3.0]


def test_a_bare_cuda_machine_can_train() -> None:
    """The training stage needs torch, numpy and safetensors only."""
    code = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'scipy', 'SimpleITK', 'skimage', 'cc3d', 'matplotlib', 'tqdm', 'gudhi'}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import DiffusionSiblingsLib.training.train
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_voxels_between_tissues_that_must_not_touch_count_more() -> None:
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.uint8)
    labels[0, :, :, :6], labels[0, :8, :, 7:10], labels[0, 8:, :, 11:14] = 5, 6, 6  # a wall of one voxel, and of five
    weights = AutoencoderLoss(dataclasses.replace(CONFIG, wall_weight=4.0), [(5, 6)]).weights(labels)
    assert (weights[0, :8, :, 6] == 4).all() and (weights[0, :, :, 10:] == 1).all()
    assert (weights[labels != 0] == 1).all() and (weights[0, 10:] == 1).all()
    assert (AutoencoderLoss(CONFIG, [(5, 6)]).weights(labels) == 1).all()


def test_the_field_learns_at_surfaces() -> None:
    labels = torch.zeros(2, 16, 16, 16, dtype=torch.uint8)
    labels[0, :, :, 8:] = 1
    drawn = AutoencoderLoss(dataclasses.replace(CONFIG, surface_share=0.75)).draw_voxels(labels)
    assert drawn.shape == (2, 64) and int(drawn.max()) < 16**3
    at_surface = torch.isin(drawn[0] % 16, torch.tensor([7, 8]))
    assert at_surface[:48].all() and not at_surface[48:].all()


def test_dice_per_class() -> None:
    a, b = torch.tensor([[1, 1, 2, 0]]), torch.tensor([[1, 0, 2, 2]])
    assert dice_per_class(a, b, 3).tolist() == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.parametrize("name", ["compact", "paper"])
def test_shipped_configurations_load_and_survive_json(name: str) -> None:
    config = load_training_config(name)
    assert training_config(config.to_json()) == config


def test_an_unknown_configuration_or_setting_is_refused() -> None:
    with pytest.raises(InputError, match="compact"):
        load_training_config("huge")
    with pytest.raises(InputError, match="lerning_rate"):
        training_config({**CONFIG.to_json(), "denoiser_stage": {"steps": 1, "batch": 1, "lerning_rate": 1.0}})


def test_training_starts_from_a_model_and_can_keep_its_autoencoder(tmp_path: Path) -> None:
    """The whole of it on a tiny data set: pack, three stages, model folder, and on from there."""
    heart = ellipsoid_heart((128, 128, 128), 1.4)
    start = starting_reference(heart.labels, heart.affine, load_anatomy("heart"))
    cases = [(PackCase(name, name, split), np.roll(heart.labels, shift, axis=2))
             for name, split, shift in (("a", "train", 0), ("b", "validation", 0), ("c", "train", 3))]
    write_pack(tmp_path / "dataset.safetensors", cases, start)
    two = dataclasses.replace(STAGE, steps=2)
    stages = dict.fromkeys(("autoencoder_stage", "denoiser_stage", "decoder_stage"), two)
    config = dataclasses.replace(CONFIG, name="heart-tiny", latent_variants=1, **stages)
    card = read_card(train(tmp_path, config, tmp_path / "one", device="cpu"))
    assert card.id == "heart-tiny"
    assert set(card.card["training"]["figures"]) == {"autoencoder", "denoiser", "decoders"}
    first = load_networks(card.weights_path, sha256=card.sha256)
    folder = train(tmp_path, config, tmp_path / "two", device="cpu", start=first, keep=["autoencoder"])
    second = load_networks(read_card(folder).weights_path)
    before, after = first.autoencoder.state_dict(), second.autoencoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert second.mode_denoiser is None
    along = dataclasses.replace(config, modes=1, mode_denoiser=ModeDenoiserConfig(width=8, blocks=1), mode_stage=two)
    card = read_card(train(tmp_path, along, tmp_path / "three", device="cpu", start=first,
                           keep=["autoencoder", "denoiser"]))
    third = load_networks(card.weights_path)
    assert set(card.card["training"]["figures"]) == {"autoencoder", "modes", "denoiser"}
    before, after = first.denoiser.state_dict(), third.denoiser.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert third.modes is not None and third.mode_denoiser is not None and third.mode_denoiser.config.modes == 1
    with pytest.raises(InputError, match="cannot be kept alone"):
        train(tmp_path, config, tmp_path / "four", device="cpu", start=first, keep=["denoiser"])
    with pytest.raises(InputError, match="another architecture"):
        train(tmp_path, load_training_config("compact"), tmp_path / "three", device="cpu", start=first)
    with pytest.raises(InputError, match="--from"):
        train(tmp_path, config, tmp_path / "three", device="cpu", keep=["autoencoder"])
