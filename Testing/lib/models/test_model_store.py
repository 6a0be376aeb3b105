"""Models that come and go: what is added is whole and checked, what is not is refused with nothing left behind."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hearts import small_model

from DiffusionSiblingsLib.core.anatomy import resource_folder
from DiffusionSiblingsLib.core.errors import ModelError, OutputError
from DiffusionSiblingsLib.models.card import read_card
from DiffusionSiblingsLib.models.registry import find_model, installed_models, own_model_folder, survey
from DiffusionSiblingsLib.models.store import add_model, adding, check_weight_file, delete_model, verify

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models: not there yet."""
    folder = tmp_path / "my Modèles"
    monkeypatch.setenv("SIBLINGS_MODELS", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model as somebody hands it on: a folder with a card and weights."""
    return small_model(tmp_path / "download" / "small")


def zipped(folder: Path, target: Path, *, below: str = "small/") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, below + path.name)
    return target


def edited(folder: Path, **values: object) -> Path:
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**card, **values}), encoding="utf-8")
    return folder


def nothing_left(own: Path) -> bool:
    return not own.exists() or not list(own.iterdir())


def test_the_shipped_model_is_sound() -> None:
    card = find_model()
    verify(card)
    assert card.licence == "Apache-2.0"
    assert card.size_bytes > 1e6
    assert card.summary


@pytest.mark.parametrize("kind", ["folder", "card", "weights", "zip", "flat zip"])
def test_a_model_is_added_from_whatever_it_comes_in(kind: str, own: Path, source: Path, tmp_path: Path) -> None:
    path = {"folder": source, "card": source / "model.json", "weights": source / "weights.safetensors"}.get(kind)
    if path is None:
        path = zipped(source, tmp_path / "small.zip", below="" if kind == "flat zip" else "a/b/")
    card = add_model(path)
    assert card == read_card(own / "small")
    verify(card)
    assert find_model("small") == card
    (mine,) = [model for model in survey() if model.own]
    assert mine.name == "small"
    assert sorted(item.name for item in own.iterdir()) == ["small"]


def test_a_model_is_not_replaced_unless_asked(own: Path, source: Path) -> None:
    add_model(source)
    edited(source, version="2")
    with pytest.raises(ModelError, match="already"):
        add_model(source)
    assert find_model("small").version != "2"
    assert add_model(source, replace=True).version == "2"


def test_weights_alone_restore_the_model_that_lacks_them(own: Path, source: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "any name.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((source / "weights.safetensors").read_bytes())
    with pytest.raises(ModelError, match="alone"):
        add_model(alone)
    card = add_model(source)
    card.weights_path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="SHA-256"):
        verify(card)
    verify(add_model(alone))


def test_damaged_weights_are_refused(own: Path, source: Path) -> None:
    weights = source / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="do not match"):
        add_model(source)
    assert nothing_left(own)


def test_what_stops_early_leaves_nothing_behind(own: Path, source: Path) -> None:
    steps = adding(source)
    assert 0 < next(steps) <= 1
    assert own.exists()
    steps.close()
    assert nothing_left(own)
    assert not [card for card in installed_models() if card.id == "small"]


def test_programs_and_strangers_are_never_opened(own: Path, source: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "sprung"),))  # type: ignore[return-value]

    weights = source / "weights.safetensors"
    for content in (pickle.dumps(Trap()), b"", b"\xff" * 64, (10).to_bytes(8, "little") + b'{"a":{}}  '):
        weights.write_bytes(content)
        with pytest.raises(ModelError, match="Not a weight file"):
            check_weight_file(weights)
    header = json.dumps({"__metadata__": {"schema": "9"}}).encode()
    weights.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="schema 9"):
        check_weight_file(weights)
    weights.write_bytes((len(header)).to_bytes(8, "little") + header + b"more")
    with pytest.raises(ModelError, match="bytes"):
        check_weight_file(weights)
    with pytest.raises(ModelError, match="no model here"):
        add_model(tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()
    assert nothing_left(own)


@pytest.mark.parametrize("values", [{"weights": "../../weights.safetensors"}, {"id": "../outside"}, {"id": ""},
                                    {"id": ".hidden"}, {"weights": 3}])
def test_a_card_cannot_point_out_of_its_folder(values: dict[str, object], own: Path, source: Path) -> None:
    edited(source, **values)
    with pytest.raises(ModelError, match="model card"):
        add_model(source)
    assert nothing_left(own)


def test_bad_zip_files_are_refused(own: Path, source: Path, tmp_path: Path) -> None:
    good = zipped(source, tmp_path / "good.zip")
    data = bytearray(good.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 200] = bytes(value ^ 255 for value in data[middle:middle + 200])
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(ModelError):
        add_model(tmp_path / "bad.zip")
    (tmp_path / "no.zip").write_text("no zip")
    with pytest.raises(ModelError, match="no model here"):
        add_model(tmp_path / "no.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a/model.json", "{}")
        archive.writestr("b/model.json", "{}")
    with pytest.raises(ModelError, match="2 model cards"):
        add_model(tmp_path / "two.zip")
    assert nothing_left(own)


def test_own_models_can_be_deleted_and_shipped_ones_not(own: Path, source: Path) -> None:
    delete_model(add_model(source))
    assert nothing_left(own)
    with pytest.raises(ModelError, match="small"):
        find_model("small")
    with pytest.raises(ModelError, match="ships"):
        delete_model(find_model())
    assert find_model().weights_path.is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="folders are made read-only otherwise there")
def test_a_full_or_forbidden_disk_is_said(own: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OutputError, match=r"No space left.*SIBLINGS_MODELS"):
        add_model(source)


def test_one_damaged_model_does_not_hide_the_others(own: Path, source: Path) -> None:
    add_model(source)
    (own / "broken").mkdir()
    (own / "broken" / "model.json").write_text("{", encoding="utf-8")
    names = {model.name: model for model in survey()}
    assert names["broken"].card is None
    assert names["broken"].problem is not None
    assert {card.id for card in installed_models()} == {"small", "heart-compact"}
    with pytest.raises(ModelError, match="model card"):
        find_model("broken")


def test_own_models_outlive_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIBLINGS_MODELS", raising=False)
    folder = own_model_folder()
    assert folder.is_absolute()
    assert ROOT not in folder.parents
    assert resource_folder() not in folder.parents


def test_models_are_listed_and_added_with_numpy_alone(own: Path, source: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('safetensors', 'torch', 'scipy', 'SimpleITK', 'cc3d', 'matplotlib', 'tqdm', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from DiffusionSiblingsLib.models import registry, store as model_store\n"
        "model_store.verify(registry.find_model())\n"
        "print(model_store.add_model(Path(sys.argv[1])).id, len(registry.survey()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(source)], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.split() == ["small", "2"]
