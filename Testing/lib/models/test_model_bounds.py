"""Models of absurd sizes: refused before anything of that size is made, unpacked or written."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest
from hearts import small_model

from DiffusionSiblingsLib.core.errors import ModelError
from DiffusionSiblingsLib.models.card import read_card
from DiffusionSiblingsLib.models.networks.bounds import check_sizes, check_weights
from DiffusionSiblingsLib.models.networks.checkpoint import load_networks
from DiffusionSiblingsLib.models.store import add_model


def with_header(path: Path, part: str, **values: object) -> Path:
    """The weight file with other values in the configuration of one of its networks."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header["__metadata__"][part] = json.dumps({**json.loads(header["__metadata__"][part]), **values})
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    return path


@pytest.mark.parametrize(("part", "values"), [
    ("denoiser", {"channels": [10**9, 10**9]}), ("denoiser", {"blocks": 10**9}), ("denoiser", {"channels": [8] * 1000}),
    ("denoiser", {"channels": [8192, 8192, 8192], "blocks": 64}), ("denoiser", {"channels": []}),
    ("autoencoder", {"patch": 10**6}), ("autoencoder", {"classes": -1}), ("autoencoder", {"encoder": [0, 8]}),
    ("autoencoder", {"field": {"depth": 10**9}}), ("denoiser", {"heads": 0}),
    ("autoencoder", {"latent_channels": 10**400}),
])
def test_a_network_of_absurd_size_is_refused_at_once(part: str, values: dict[str, object], tmp_path: Path) -> None:
    path = with_header(small_model(tmp_path / "small") / "weights.safetensors", part, **values)
    start = time.process_time()
    with pytest.raises(ModelError, match="weight file cannot be read"):
        load_networks(path)
    assert time.process_time() - start < 10, "a bound on work, far above what a slow machine needs"


def test_networks_that_are_trained_today_are_within_the_bounds() -> None:
    check_sizes({"channels": [64, 128, 128], "attention": [0, 1], "dropout": 0, "above": 0, "heads": 4, "norm": "group",
                 "field": {"channels": 96, "factor": 2}, "patch": 4, "repair": True}, "x")
    check_weights(10**9)
    with pytest.raises(ValueError, match="at most"):
        check_weights(10**11)


@pytest.mark.parametrize("name", ["weights.safetensors", "cohort.json", "other.bin"])
def test_a_zip_file_that_unpacks_without_end_is_refused_before_it_is_unpacked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIBLINGS_MODELS", str(tmp_path / "models"))
    folder = small_model(tmp_path / "small")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            if path.name != name:
                archive.write(path, f"small/{path.name}")
        with archive.open(f"small/{name}", "w", force_zip64=True) as out:
            for _ in range(64):
                out.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="unpacks to more"):
        add_model(tmp_path / "bomb.zip")
    assert not list((tmp_path / "models").glob("**/*.safetensors"))


@pytest.mark.parametrize("values", [
    {"sampling": {"sigma_min": "x"}}, {"sampling": {"sigma_min": 10**299}}, {"sampling": {"rho": -1}}, {"sampling": 3},
    {"sampling": None}, {"version": 3}, {"anatomy": ["heart"]}, {"sha256": None}, {"id": "a" * 300},
    {"weights": "../w"},
])
def test_a_card_with_values_of_wrong_types_is_refused(values: dict[str, object], tmp_path: Path) -> None:
    folder = small_model(tmp_path / "small")
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, **values}))
    with pytest.raises(ModelError, match="model card cannot be read"):
        read_card(folder)
