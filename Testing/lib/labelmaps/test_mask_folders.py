"""Folders of masks as people have them: other names, prefixes, meta.json, small overlaps, and no chambers at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from labelmap_cases import HEART, blocks

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.label_options import parse_labels
from DiffusionSiblingsLib.labelmaps.read import is_folder_of_masks, read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

FRENCH = {"Ao": "Aorte", "Myo": "Myocarde VG", "LV": "Ventricule gauche", "RV": "Ventricule droit",
          "LA": "Oreillette gauche", "RA": "Oreillette droite"}


def masks(folder: Path, names: dict[str, str], labels: np.ndarray | None = None) -> Path:
    """A folder with one mask for each tissue under these names."""
    folder.mkdir(exist_ok=True)
    for tissue, name in names.items():
        mask((blocks() if labels is None else labels) == HEART.label_of(tissue), folder, name)
    return folder


def mask(voxels: np.ndarray, folder: Path, name: str) -> None:
    write_labelmap(LabelMap(voxels.astype(np.uint8), np.diag([10.0, 10, 10, 1])), folder / f"{name}.nii.gz")


def test_masks_with_a_prefix_are_read_and_written_under_their_own_names(tmp_path: Path) -> None:
    folder = masks(tmp_path / "masks", {tissue: f"patient07_{tissue}" for tissue in HEART.ids})
    back = read_labelmap(folder, HEART)
    assert np.array_equal(known_labels(back, HEART), blocks())
    again = write_labelmap(back, tmp_path / "again", "folder")
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_masks_with_unknown_names_are_listed_and_the_line_of_the_message_reads_them(tmp_path: Path) -> None:
    folder = masks(tmp_path / "masks", FRENCH)
    assert is_folder_of_masks(folder, HEART)
    with pytest.raises(InputError, match=r"Ventricule gauche \(36.0 ml\)") as caught:
        read_labelmap(folder, HEART)
    option = caught.value.hint.split('"')[1]
    assert "LV=Ventricule gauche" in option and "=7" not in option
    assert np.array_equal(known_labels(read_labelmap(folder, HEART, parse_labels(option)), HEART), blocks())


def test_numbered_masks_are_named_by_meta_json(tmp_path: Path) -> None:
    folder = masks(tmp_path / "dcmqi", {tissue: str(n) for n, tissue in enumerate(HEART.ids, 1)})
    entries = [[{"labelID": n, "SegmentLabel": "", "SegmentedPropertyTypeCodeSequence": {
        "CodingSchemeDesignator": "SCT", "CodeValue": tissue.codes[0].split("^")[1], "CodeMeaning": tissue.name}}]
        for n, tissue in enumerate(HEART.tissues, 1)]
    (folder / "meta.json").write_text(json.dumps({"segmentAttributes": entries}), encoding="utf-8")
    assert np.array_equal(known_labels(read_labelmap(folder, HEART), HEART), blocks())
    (folder / "meta.json").write_text('{"segmentAttributes": [[7]]}', encoding="utf-8")
    with pytest.raises(InputError, match="lacks Ao"):
        read_labelmap(folder, HEART)


def test_a_few_shared_voxels_belong_to_the_later_tissue_and_are_counted(tmp_path: Path) -> None:
    folder = masks(tmp_path / "masks", {tissue.id: tissue.mask_names[0] for tissue in HEART.tissues})
    ventricle = np.argwhere(blocks() == HEART.label_of("LV"))
    wall = blocks() == HEART.label_of("Myo")
    wall[tuple(ventricle[0])] = True
    mask(wall, folder, "heart_myocardium")
    back = read_labelmap(folder, HEART)
    assert np.array_equal(known_labels(back, HEART), blocks())
    assert back.notes == ("heart_myocardium and heart_ventricle_left share 1 voxel (1 ml), which are taken for "
                          "heart_ventricle_left",)
    wall[tuple(ventricle[:9].T)] = True
    mask(wall, folder, "heart_myocardium")
    with pytest.raises(InputError, match="heart_ventricle_left and heart_myocardium share 9 voxels"):
        read_labelmap(folder, HEART)


def test_the_whole_heart_in_one_piece_leads_to_the_task_that_has_chambers(tmp_path: Path) -> None:
    folder = masks(tmp_path / "segmentations", {"Ao": "aorta"})
    mask(blocks() > 1, folder, "heart")
    mask(blocks() > 9, folder, "liver")
    for whole in (True, False):
        with pytest.raises(InputError, match="heartchambers_highres") as caught:
            read_labelmap(folder, HEART, whole=whole)
        assert "heart (169.0 ml)" in caught.value.value and "empty: liver" in caught.value.value


def test_an_empty_tissue_is_measured_without_and_refused_for_siblings(tmp_path: Path) -> None:
    names = {tissue.id: tissue.mask_names[0] for tissue in HEART.tissues}
    folder = masks(tmp_path / "masks", names, np.where(blocks() == HEART.label_of("Ao"), 0, blocks()))
    with pytest.raises(InputError, match="Ao is empty"):
        read_labelmap(folder, HEART)
    back = read_labelmap(folder, HEART, whole=False)
    assert "Ao (Aorta) is empty" in " ".join(back.notes) and back.tissues["LV"]


def test_label_maps_in_a_folder_are_no_masks(tmp_path: Path) -> None:
    for n in range(3):
        write_labelmap(LabelMap(blocks(), np.eye(4)), tmp_path / f"case{n}.nii.gz")
    assert not is_folder_of_masks(tmp_path, HEART)
