"""A heart of ellipsoids, and a small untrained model in a folder: enough to run everything but to judge pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from labelmap_cases import PARTS

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.geometry.reference import build_reference, starting_reference
from DiffusionSiblingsLib.models.networks.checkpoint import Networks, save_networks
from DiffusionSiblingsLib.models.networks.denoiser import Denoiser, DenoiserConfig
from DiffusionSiblingsLib.models.networks.field import FieldConfig
from DiffusionSiblingsLib.models.networks.vae import Autoencoder, AutoencoderConfig
from DiffusionSiblingsLib.training.train import SAMPLING

ANATOMY = load_anatomy("heart")


def ellipsoid_heart(shape: tuple[int, int, int] = (64, 48, 56), spacing: float = 2.8,
                    direction: np.ndarray | None = None, origin: tuple[float, float, float] = (7.0, -3.0, 12.0),
                    extra: bool = False) -> LabelMap:
    """A heart about `origin` (RAS mm) on a grid of any direction; `extra` adds a tissue that no anatomy knows."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if direction is None else direction) * spacing
    affine[:3, 3] = np.array(origin) - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    k, j, i = np.indices(shape)
    place = np.einsum("ab,bkji->akji", affine[:3, :3], np.stack([i, j, k])) + affine[:3, 3, None, None, None]
    place -= np.array(origin)[:, None, None, None]
    labels = np.zeros(shape, np.uint8)
    for name, (centre, axes) in PARTS.items():
        inside = sum(((place[a] - centre[a]) / axes[a]) ** 2 for a in range(3)) <= 1
        labels[inside & (labels == 0) if name in ("RV", "RA", "Ao") else inside] = ANATOMY.label_of(name)
    segments = [Segment(t.label, t.name, t.id, t.color, tags=t.tags) for t in ANATOMY.tissues]
    if extra:
        labels[(np.abs(place[0] - 50) < 9) & (np.abs(place[1]) < 9) & (np.abs(place[2]) < 25)] = 9
        segments.append(Segment(9, "pacemaker", None, (0.2, 0.9, 0.9)))
    return LabelMap(labels, affine, tuple(segments), format="nii.gz")


def small_model(folder: Path) -> Path:
    """A model folder with random weights: the file formats and frames of a real one, none of its knowledge.

    Its maps are of blocks of 4 x 4 x 4 voxels: single voxels at random take most of a run's time to check and repair.
    """
    torch.manual_seed(0)
    autoencoder = AutoencoderConfig(latent_channels=2, encoder=(8, 8), decoder=(8, 8), decoder_blocks=1,
                                    field=FieldConfig(8, 1, 8, 1))
    denoiser = DenoiserConfig(latent_channels=2, channels=(8, 8), attention=(), condition=8)
    networks = Networks(Autoencoder(autoencoder).eval(), Denoiser(denoiser).eval(), torch.zeros(2), torch.ones(2))
    _in_blocks(networks.autoencoder.decoder.head, autoencoder.classes)
    heart = ellipsoid_heart()
    start = starting_reference(heart.labels, heart.affine, ANATOMY)
    reference = build_reference([(heart.labels, heart.affine)], ANATOMY, start).tensors()
    folder.mkdir(parents=True, exist_ok=True)
    digest = save_networks(folder / "weights.safetensors", networks,
                           {key: torch.from_numpy(value) for key, value in reference.items()}, {})
    card = {"id": "small", "version": "0", "anatomy": "heart", "weights": "weights.safetensors", "sha256": digest,
            "sampling": SAMPLING, "licence": "none"}
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def _in_blocks(head: torch.nn.Conv3d, classes: int) -> None:
    """Gives all voxels that the decoder makes of one cell the same scores."""
    with torch.no_grad():
        for values in (head.weight, head.bias):
            assert values is not None
            each = values.view(classes, -1, *values.shape[1:])
            each[:] = each[:, :1].clone()
