"""Bars of a training: the shipped model clears them, a bad one is marked in its card and stopped unless forced."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from DiffusionSiblingsLib.apps.cli import running
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.errors import InputError, ModelError
from DiffusionSiblingsLib.core.record import Record
from DiffusionSiblingsLib.models.bars import BARS, bars_words, missed_bars, require_bars
from DiffusionSiblingsLib.models.card import CARD_NAME, read_card
from DiffusionSiblingsLib.models.card_page import page
from DiffusionSiblingsLib.models.registry import find_model, require_free_name, survey
from DiffusionSiblingsLib.runs.replay import installed
from DiffusionSiblingsLib.training import train


def with_figure(stage: str, figure: str, value: float) -> dict[str, Any]:
    card = copy.deepcopy(find_model("heart-compact").card)
    card["training"]["figures"][stage][figure] = value
    return card


@pytest.fixture
def bad(tmp_path: Path, models: Path) -> Path:
    """The folder of a model that hardly learned anything."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for path in find_model("small").folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    card |= {"id": "bad", "training": {"figures": {"autoencoder": {"dice_conv": 0.61, "dice_conv_min": 0.1}}}}
    (folder / CARD_NAME).write_text(json.dumps(card), encoding="utf-8")
    return folder


def test_the_shipped_model_clears_every_bar_and_has_every_figure() -> None:
    card = find_model("heart-compact").card
    assert missed_bars(card) == () and bars_words(find_model("heart-compact")) == ()
    for bar in BARS:
        assert any(bar.figure in card["training"]["figures"].get(stage, {}) for stage in bar.stages)


@pytest.mark.parametrize(("stage", "figure", "value", "words"), [
    ("decoders", "dice_conv", 0.61, "mean Dice of held-out hearts through the autoencoder 0.61, at least 0.9"),
    ("decoders", "dice_conv_min", math.nan, "least Dice of a tissue in them nan, at least 0.75"),
    ("decoders", "violations_percent", 25.0, "25, at most 10"), ("denoiser", "loss", 0.9, "0.9, at most 0.5"),
])
def test_each_bar_can_be_missed_and_says_by_how_much(stage: str, figure: str, value: float, words: str) -> None:
    (missed,) = missed_bars(with_figure(stage, figure, value))
    assert words in missed
    assert missed in page(with_figure(stage, figure, value)).split("##")[0]


def test_a_card_without_figures_is_not_judged() -> None:
    for training in ({}, {"training": {}}, {"training": {"figures": []}}, {"training": None}):
        assert missed_bars(training) == ()


def test_a_model_below_the_bars_stops_a_command_which_says_why(bad: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"0\.61, at least 0\.9.*--force"):
        require_bars(read_card(bad))
    for words in (["generate"], ["perturb", "heart.nii.gz"], ["inpaint", "heart.nii.gz", "--edit", "LV"],
                  ["guide", "heart.nii.gz", "--hold", "all"], ["design", "heart.nii.gz"]):
        assert main([*words, "--model", str(bad), "--out", str(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        assert "0.61, at least 0.9" in said and "--force" in said, words
    assert not (tmp_path / "out").exists()


def test_it_can_be_used_by_force_and_is_warned_of(bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(requests: Any, *rest: Any, **more: Any) -> Any:
        asked.extend(requests)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", run)
    assert main(["generate", "--model", str(bad), "--force", "--out", str(tmp_path / "out")]) == 130
    assert main(["reconstruct", "heart.nii.gz", "--model", str(bad), "--out", str(tmp_path / "out")]) == 130
    assert [request.edit for request in asked] == ["generate", "reconstruct"]
    assert "0.61" in bars_words(read_card(bad))[0]


def test_models_and_every_way_to_name_them_agree(bad: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "several" / "some-folder"
    other.parent.mkdir()
    bad.rename(other)
    for chosen in (other.parent, other):  # a folder of models, or the folder of one
        monkeypatch.setenv("SIBLINGS_MODELS", str(chosen))
        assert [model.name for model in survey()] == ["bad", "heart-compact"]
        assert find_model("bad").folder == other == find_model(str(other)).folder
        main(["models", "--json"])
        listed = json.loads(capsys.readouterr().out)
        assert [(row["model"], row["training bars"]) for row in listed] == [
            ("bad", "2 MISSED"), ("heart-compact", "cleared")]
    with pytest.raises(ModelError, match="bad, heart-compact"):
        find_model("some-folder")


def test_a_taken_name_is_refused_and_a_models_own_is_not(bad: Path, monkeypatch: pytest.MonkeyPatch,
                                                         tmp_path: Path) -> None:
    monkeypatch.setenv("SIBLINGS_MODELS", str(bad.parent))
    with pytest.raises(ModelError, match=r"shipped model .* has it.*--name"):
        require_free_name("heart-compact", tmp_path / "new")
    with pytest.raises(ModelError, match=r"your model .* has it"):
        require_free_name("bad", tmp_path / "new")
    require_free_name("bad", bad)
    require_free_name("another", tmp_path / "new")
    with pytest.raises(ModelError, match="cannot be the name"):
        require_free_name("my model", tmp_path / "new")


@pytest.mark.parametrize(("words", "name"), [([], "my-hearts"), (["--name", "other"], "other")])
def test_training_names_a_model_after_its_folder_or_as_it_is_told(words: list[str], name: str, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []
    monkeypatch.setattr(train, "train", lambda dataset, config, out, **settings: named.append(config.name))
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "my-hearts"), *words]) == 0
    assert named == [name]


def test_training_refuses_the_name_of_a_shipped_model_before_it_begins(tmp_path: Path,
                                                                       capsys: pytest.CaptureFixture[str]) -> None:
    dataset = tmp_path / "dataset.safetensors"
    dataset.write_bytes(b"")
    assert main(["train", str(dataset), "--out", str(tmp_path / "heart-compact")]) == 2
    assert "The name of the model is taken: heart-compact" in capsys.readouterr().err
    assert not (tmp_path / "heart-compact").exists()


def test_a_record_is_replayed_with_its_model_where_that_lies_now(bad: Path) -> None:
    record = Record.new({**read_card(bad).identity, "id": "gone"}, {})
    with pytest.raises(ModelError, match="no such model"):
        installed(record)
    assert installed(record, str(bad)).card.folder == bad
    with pytest.raises(InputError, match="not the model of the record"):
        installed(record, "heart-compact")
