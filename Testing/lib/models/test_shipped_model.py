"""The model and the synthetic twin that ship: complete, sound, and good enough to be worth shipping."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.editing.postprocess import most_probable
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.engine import Encoded, Engine
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.metrics.overlap import dice
from DiffusionSiblingsLib.metrics.topology import check_both
from DiffusionSiblingsLib.models.card_page import page
from DiffusionSiblingsLib.models.registry import find_model

TWIN = resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd"
VALUES = {tissue.id: tissue.label for tissue in load_anatomy("heart").tissues}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.open(device="cpu")


@pytest.fixture(scope="module")
def twin(engine: Engine) -> Encoded:
    return engine.twin(TWIN)


def test_the_model_is_complete_and_small(capsys: pytest.CaptureFixture[str]) -> None:
    card = find_model()
    assert card.weights_path.stat().st_size < 40e6
    assert (card.folder / "README.md").read_text(encoding="utf-8") == page(card.card)
    for key in ("summary", "intended_use", "limits", "data", "architecture", "licence", "training", "measured"):
        assert card.card[key], key
    assert main(["models", "--verify", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["weights"].endswith("verified")


def test_the_synthetic_twin_is_a_sound_heart() -> None:
    anatomy = load_anatomy("heart")
    labelmap = read_labelmap(TWIN, anatomy)
    assert set(labelmap.tissues) == set(anatomy.ids)
    assert all(not report.failed for report in check_both(labelmap.labels, anatomy).values())


def test_either_decoder_reconstructs_the_twin(engine: Engine, twin: Encoded) -> None:
    truth = twin.twin.canonical.labels
    conv, field = (np.mean(list(dice(most_probable(decode(twin.z).numpy()), truth, VALUES).values()))
                   for decode in (engine.decode, engine.decode_field))
    assert conv > 0.96
    assert abs(conv - field) < 0.01


def test_siblings_move_away_from_the_twin_as_the_ratio_grows(engine: Engine, twin: Encoded) -> None:
    near = []
    for ratio in (0.0, 0.25, 1.0):
        (sibling,) = engine.run(Request("perturb", ratio=ratio, steps=12, seed=1), twin)
        near.append(np.mean(list(sibling.dice_to_twin.values())))
        assert sibling.violation_percent <= 8.4
    assert near[0] > near[1] > near[2]


def test_real_hearts_are_reconstructed(engine: Engine, shared_data: Path) -> None:
    heart = engine.twin(shared_data / "hearts" / "real" / "rodero_ct_14.nii.gz")
    scores = dice(most_probable(engine.decode(heart.z).numpy()), heart.twin.canonical.labels, VALUES)
    assert np.mean(list(scores.values())) > 0.965
    assert min(scores.values()) > 0.94
