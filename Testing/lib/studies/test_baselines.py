"""The baselines: PCA gives its training shapes back and varies about their mean; the VAE learns and is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hearts import ANATOMY

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.overlap import dice
from DiffusionSiblingsLib.studies.baselines.pca import REACH_MM, ShapePCA, enlarged, signed_distances
from DiffusionSiblingsLib.studies.baselines.vae import GlobalConfig, GlobalVAE, load_vae, save_vae, shares_of, train_vae

CENTRES = {"LV": (50, 64, 50), "RV": (50, 64, 84), "LA": (92, 64, 48)}


def balls(scale: float) -> np.ndarray:
    """(128, 128, 128) uint8: three chambers as balls of 14 to 18 voxels' radius times a scale."""
    grid = np.stack(np.indices(ANATOMY.shape)).astype(np.float32)
    labels = np.zeros(ANATOMY.shape, np.uint8)
    for radius, (tissue, centre) in zip((18, 16, 14), CENTRES.items(), strict=True):
        away = np.sqrt(sum((grid[a] - centre[a]) ** 2 for a in range(3)))
        labels[away < radius * scale] = ANATOMY.label_of(tissue)
    return labels


@pytest.fixture(scope="module")
def pca() -> tuple[ShapePCA, list[np.ndarray]]:
    maps = [balls(scale) for scale in (0.85, 0.95, 1.0, 1.1)]
    return ShapePCA.fit(iter(maps), ANATOMY), maps


def test_signed_distances_are_millimetres_from_the_surface() -> None:
    labels = np.zeros(ANATOMY.shape, np.uint8)
    labels[:, :, :64] = ANATOMY.label_of("LV")  # a half space: the surface lies between voxels 63 and 64
    distances = signed_distances(labels, ANATOMY)
    lv = distances[ANATOMY.ids.index("LV"), 16, 16]
    middles = (np.arange(32) * 4 + 1.5 - 63.5) * ANATOMY.spacing_mm  # of the coarse cells
    near = np.abs(middles) < REACH_MM - 6
    assert np.abs(lv - middles)[near].max() < 1.5  # half-resolution voxels, one of them cut in two
    assert (distances[ANATOMY.ids.index("RA")] == REACH_MM).all()


def test_enlarging_keeps_a_plane_a_plane() -> None:
    coarse = np.broadcast_to(np.arange(32, dtype=np.float32), (32, 32, 32))
    fine = enlarged(coarse, (128, 128, 128))
    assert np.allclose(np.diff(fine[5, 7, 4:124]), 0.25, atol=1e-5)


def test_a_training_shape_comes_back_from_its_components(pca: tuple[ShapePCA, list[np.ndarray]]) -> None:
    model, maps = pca
    distances = signed_distances(maps[3], ANATOMY)
    weights = np.tensordot(model.components, distances - model.mean, axes=4)
    decoded = model.decode(model.mean + np.tensordot(weights, model.components, axes=1))
    values = {tissue: ANATOMY.label_of(tissue) for tissue in CENTRES}
    assert min(dice(decoded, maps[3], values).values()) > 0.93


def test_samples_depend_on_seed_and_number_alone_and_vary(pca: tuple[ShapePCA, list[np.ndarray]],
                                                          tmp_path: Path) -> None:
    model, maps = pca
    model.save(tmp_path / "pca.npz")
    again = ShapePCA.load(tmp_path / "pca.npz", ANATOMY)
    assert (model.kept, model.maps) == (again.kept, again.maps) and model.kept > 0.98
    assert np.array_equal(model.sample(3, seed=1), model.sample(3, seed=1))
    sizes = [int((model.sample(k) > 0).sum()) for k in range(6)]
    assert len(set(sizes)) == 6 and min(int((m > 0).sum()) for m in maps) / 2 < np.mean(sizes)
    with pytest.raises(InputError, match="too few"):
        ShapePCA.fit(iter(maps[:2]), ANATOMY)


def test_the_vae_learns_is_stored_and_samples(tmp_path: Path) -> None:
    config = GlobalConfig(latent=4, widths=(8, 8), patch=2, size=32, batch=2, rate=3e-3)
    maps = [balls(scale)[::4, ::4, ::4].copy() for scale in (0.8, 1.0, 1.2)]
    losses: list[float] = []
    vae, steps = train_vae(maps, ANATOMY, minutes=5, most=30, config=config,
                           progress=lambda *now: losses.append(now[2]))
    assert steps == len(losses) == 30 and np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    save_vae(tmp_path / "vae.safetensors", vae, {"steps": steps})
    again, about = load_vae(tmp_path / "vae.safetensors")
    assert about == {"steps": steps}
    assert np.array_equal(vae.sample(2), again.sample(2)) and vae.sample(2).shape == (32, 32, 32)
    with pytest.raises(InputError, match="cannot be read"):
        load_vae(tmp_path / "none.safetensors")


def test_shares_of_cells_are_exact() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    labels[0, :2, :2, 0] = 3
    shares = shares_of(labels, 7, 2)
    assert shares[0, 3, 0, 0].tolist() == [0.5, 0.0] and torch.equal(shares.sum(1), torch.ones(1, 2, 2, 2))


def test_the_full_sized_vae_has_the_papers_vector() -> None:
    vae = GlobalVAE(GlobalConfig())
    with torch.inference_mode():
        assert vae.to_latent.out_features == 2 * 128 and vae.decode(torch.zeros(1, 128)).shape == (1, 7, 64, 64, 64)
    assert vae.sample(0).shape == (128, 128, 128)
