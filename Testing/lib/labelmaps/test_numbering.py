"""Label maps without names: which numbering they follow, judged by shapes alone."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from labelmap_cases import HEART, OWN, blocks

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.formats.volume import label_counts
from DiffusionSiblingsLib.labelmaps.label_options import parse_labels
from DiffusionSiblingsLib.labelmaps.numbering import OWN as OURS
from DiffusionSiblingsLib.labelmaps.numbering import known_fits
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.labelmaps.value_shapes import value_shapes
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

CASES = ("rodero_ct_01", "rodero_ct_09", "toronto_normal", "toronto_case001pre")


def numbered(order: dict[str, int], labels: np.ndarray | None = None) -> np.ndarray:
    """The small heart, or another in the anatomy's labels, with other values."""
    table = np.zeros(256, np.int16)
    for tissue, value in order.items():
        table[OWN[tissue]] = value
    return table[blocks() if labels is None else labels]


def written(path: Path, order: dict[str, int]) -> Path:
    return write_labelmap(LabelMap(numbered(order), np.eye(4)), path)


def is_right(path: Path, **options: object) -> bool:
    return np.array_equal(known_labels(read_labelmap(path, HEART, **options), HEART), blocks())


@pytest.mark.parametrize("numbering", HEART.numberings, ids=lambda numbering: numbering.name)
def test_a_known_numbering_is_read_and_said(numbering: object, tmp_path: Path) -> None:
    order = {tissue: values[0] for tissue, values in numbering.labels.items()}
    if set(order) != set(HEART.ids):
        return
    found = read_labelmap(written(tmp_path / "heart.nii.gz", order), HEART)
    assert np.array_equal(known_labels(found, HEART), blocks())
    assert found.header["assumed_numbering"] == numbering.name and numbering.name in " ".join(found.notes)
    assert numbering.source, "every numbering says where it comes from"


def test_no_order_of_six_values_is_read_wrongly_and_the_line_of_a_refusal_works(tmp_path: Path) -> None:
    rng, orders = np.random.default_rng(3), list(permutations(range(1, 7)))
    for number in rng.choice(len(orders), 25, replace=False):
        path = written(tmp_path / f"{number}.nrrd", dict(zip(HEART.ids, orders[number], strict=True)))
        try:
            assert is_right(path)
        except InputError as error:
            assert "ml)" in error.value
            assert is_right(path, labels=parse_labels(error.hint.split('"')[1]))


@pytest.mark.parametrize("case", CASES)
def test_of_all_orders_of_a_real_heart_none_is_taken_wrongly(case: str, shared_data: Path) -> None:
    labelmap = read_labelmap(shared_data / f"hearts/real/{case}.nii.gz", HEART)
    assert labelmap.header["assumed_numbering"] == OURS
    truth = dict(zip(range(1, 7), HEART.ids, strict=True))
    for order in list(permutations(range(1, 7)))[::31]:
        labels = numbered(dict(zip(HEART.ids, order, strict=True)), labelmap.labels)
        fits = known_fits(value_shapes(labels, labelmap.affine, label_counts(labels)), HEART)
        said = {tissue: value for value, tissue in fits[0].tissue_of.items()}
        assert not fits[0].clear or said == {truth[n]: value for n, value in enumerate(order, 1)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", [OWN, {tissue: values[0] for tissue, values in HEART.numberings[0].labels.items()}])
def test_a_real_heart_without_an_aorta_keeps_its_numbering(case: str, order: dict[str, int], shared_data: Path,
                                                           tmp_path: Path) -> None:
    whole = read_labelmap(shared_data / f"hearts/real/{case}.nii.gz", HEART)
    labels = np.where(whole.labels == OWN["Ao"], 0, whole.labels)
    path = write_labelmap(LabelMap(numbered(order, labels), whole.affine), tmp_path / "heart.nii.gz")
    back = read_labelmap(path, HEART, whole=False)
    assert np.array_equal(known_labels(back, HEART), labels) and "Ao (Aorta) is missing" in back.notes[-1]
    with pytest.raises(InputError, match="lacks Ao"):
        read_labelmap(path, HEART)


def test_a_mirrored_heart_keeps_its_numbering(tmp_path: Path) -> None:
    path = write_labelmap(LabelMap(blocks(), np.diag([-1.0, 1, 1, 1])), tmp_path / "mirrored.nii.gz")
    assert is_right(path), "its header is wrong, and not its numbers"


def test_a_lone_mask_or_slabs_are_no_heart(tmp_path: Path) -> None:
    slabs = (np.arange(24, dtype=np.uint8) // 4 + 1)[:, None, None] * np.ones((1, 6, 6), np.uint8)
    for name, labels in {"mask": (blocks() == 1).astype(np.uint8), "slabs": slabs}.items():
        with pytest.raises(InputError, match="does not say which label"):
            read_labelmap(write_labelmap(LabelMap(labels, np.eye(4)), tmp_path / f"{name}.mha"), HEART)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("heart.labels.csv", "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n{rows}"),
        ("heart.tsv", "index\tname\tcolor\n{tabs}"),
        ("heart_ColorTable.ctbl", "# Color table file\n0 background 0 0 0 0\n{colours}"),
        ("heart.txt", "# ITK-SnAP Label Description File\n0 0 0 0 0 0 0 \"Clear Label\"\n{snap}"),
        ("labels.txt", "{snap}"),
        ("dataset.json", "{nnunet}"),
        ("../dataset.json", "{nnunet_of_old}"),
    ],
)
def test_names_beside_the_file_are_read(name: str, text: str, tmp_path: Path) -> None:
    order = dict(zip(HEART.ids, (4, 2, 6, 1, 5, 3), strict=True))
    names = {value: HEART.tissue(tissue).name for tissue, value in order.items()}
    parts = {
        "rows": "\n".join(f"{value},{words},1,2,3,255" for value, words in names.items()),
        "tabs": "\n".join(f"{value}\t{words}\t#ff0000" for value, words in names.items()),
        "colours": "\n".join(f"{value} {words.replace(' ', '_')} 1 2 3 255" for value, words in names.items()),
        "snap": "\n".join(f'{value} 1 2 3 1 1 1 "{words}"' for value, words in names.items()),
        "nnunet": json.dumps({"labels": {"background": 0, **order}}),
        "nnunet_of_old": json.dumps({"labels": {"0": "background", **{str(v): t for t, v in order.items()}}}),
    }
    folder = tmp_path / "labelsTr"
    folder.mkdir()
    path = written(folder / "heart.nii.gz", order)
    with pytest.raises(InputError, match="does not say which label"):
        read_labelmap(path, HEART)
    (folder / name).write_text(text.format(**parts), encoding="utf-8")
    assert is_right(path) and Path(name).name in " ".join(read_labelmap(path, HEART).notes)


def test_a_table_of_another_map_is_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "heart.nii.gz", OWN)
    wrong = {**OWN, "LV": OWN["RV"], "RV": OWN["LV"]}
    rows = [f"{value},{tissue}" for tissue, value in wrong.items()]
    (tmp_path / "heart.labels.csv").write_text("\n".join(["LabelValue,Name", *rows]), encoding="utf-8")
    assert is_right(path) and "do not fit" in " ".join(read_labelmap(path, HEART).notes)


def test_values_that_are_left_over_are_said_with_their_volumes(tmp_path: Path) -> None:
    order = dict(zip(HEART.ids, (10, 20, 30, 40, 50, 60), strict=True))
    labels = numbered(order)
    split = np.argwhere(labels == 50)[::2]
    labels[tuple(split.T)] = 51
    path = write_labelmap(LabelMap(labels, np.diag([10.0, 10, 10, 1])), tmp_path / "heart.mha")
    some = read_labelmap(path, HEART, order)
    assert some.tissues["LA"] == (50,) and f"51 ({len(split)}.0 ml)" in " ".join(some.notes)
    whole = read_labelmap(path, HEART, {**order, "LA": (50, 51)})
    assert whole.tissues["LA"] == (50, 51) and not whole.notes
    assert np.array_equal(known_labels(whole, HEART), blocks())


def test_labels_that_hardly_fit_are_said(tmp_path: Path) -> None:
    path = written(tmp_path / "heart.nii.gz", OWN)
    swapped = {**OWN, "LV": OWN["RV"], "RV": OWN["LV"]}
    assert "much less well" in " ".join(read_labelmap(path, HEART, swapped).notes)
    assert not read_labelmap(path, HEART, OWN).notes
