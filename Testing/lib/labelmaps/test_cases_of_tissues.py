"""The cases of ../shared/cases on which value is which tissue, each as its expected.txt says; skipped without them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.label_options import parse_labels
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels

HEART = load_anatomy("heart")
TRUTH = {"LV": 66.7, "RV": 95.0, "LA": 41.7, "RA": 41.9, "Ao": 27.5, "Myo": 95.9}
MMWHS = "Myo=205,LA={},LV=500,RA=550,RV=600,Ao=820"

READ = [
    ("numbering_1_to_6", "pycemrg.nii.gz", None, "pyCEMRG"),
    ("numbering_1_to_6", "chambers_first.nii.gz", None, "ImageCHD"),
    ("numbering_1_to_6", "slicer_export.nii.gz", None, "slicer_export.labels.csv"),
    ("numbering_1_to_6", "said_to_be_totalsegmentator.nii.gz", None, "left before right"),
    ("numbering_1_to_6", "Dataset500_Heart/labelsTr/heart_001.nii.gz", None, "dataset.json"),
    ("tissue_in_several_values", "mmwhs_421.nii.gz", MMWHS.format("420+421"), ""),
    ("tissue_in_several_values", "mmwhs_421.nii.gz", None, "LA=420+421"),
    ("mask_folder_common_prefix", "case_id", None, ""),
    ("mask_folder_common_prefix", "slicer_node", None, ""),
    ("mask_folder_common_prefix", "patient_short", None, ""),
    ("masks_overlap_a_little", "dataset/s0000/segmentations", None, "share 3 voxels"),
    ("names_tg263", "tg263", None, ""),
    ("names_tg263", "tg263_mask_prefix", None, ""),
    ("names_tg263", "lt_rt", None, ""),
    ("names_tg263", "tg263.seg.nrrd", None, ""),
    ("names_with_abbreviation", "short_in_brackets.seg.nrrd", None, ""),
    ("names_with_abbreviation", "as_mmwhs_writes.seg.nrrd", None, ""),
    ("names_with_abbreviation", "numbered.seg.nrrd", None, ""),
    ("numbered_masks_with_meta_json", "dcmqi", None, ""),
    ("seg_nrrd_overlap_of_unknown", "heart_on_top.seg.nrrd", None, "Heart"),
    ("seg_nrrd_overlap_of_unknown", "papillary.seg.nrrd", None, "Papillary muscles"),
    ("seg_nrrd_overlap_of_unknown", "same_as_folder", None, "heart.nii.gz"),
]


@pytest.fixture(scope="module")
def cases(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, made in folders of their own."""
    source, made = shared_data.parent / "cases", tmp_path_factory.mktemp("cases")
    if not (source / "small_heart.py").is_file():
        pytest.skip(f"no cases in {source}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(source))
        for name in {*(case for case, *_ in READ), "lacks_message_without_values", "whole_heart_only",
                     "empty_aorta_only"}:
            patch.setattr(sys, "argv", ["make.py", str(made / name)])
            runpy.run_path(str(source / name / "make.py"), run_name="__main__")
    return made


def volumes(labelmap: LabelMap) -> dict[str, float]:
    measured = MeasuredMap.of(labelmap, known_labels(labelmap, HEART), HEART)
    return {tissue: round(ml, 1) for tissue, ml in measured.volumes.items()}


@pytest.mark.parametrize(("case", "file", "labels", "said"), READ)
def test_a_file_is_read_with_the_true_volumes_and_says_why(case: str, file: str, labels: str | None, said: str,
                                                           cases: Path) -> None:
    found = read_labelmap(cases / case / file, HEART, parse_labels(labels) if labels else None)
    assert volumes(found) == pytest.approx(TRUTH, abs=1.0)
    assert said in " ".join(found.notes) and bool(said) == bool(found.notes)


def test_a_value_that_is_left_over_is_named(cases: Path) -> None:
    path = cases / "tissue_in_several_values/mmwhs_421.nii.gz"
    found = read_labelmap(path, HEART, parse_labels(MMWHS.format("420")))
    assert volumes(found)["LA"] == 27.1 and "421 (14.6 ml)" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("file", "shown"), [("segment_n.seg.nrrd", "Segment_3 = 31"), ("many.seg.nrrd", "VG = 23"),
                        ("old_layers.seg.nrrd", "Segment_6 = 6"), ("other_words", "Ventricule gauche")])
def test_a_message_shows_the_values_and_a_line_that_works(file: str, shown: str, cases: Path) -> None:
    path = cases / "lacks_message_without_values" / file
    for whole in (True, False):
        with pytest.raises(InputError) as caught:
            read_labelmap(path, HEART, whole=whole)
        assert shown in caught.value.value
    assert volumes(read_labelmap(path, HEART, parse_labels(caught.value.hint.split('"')[1]))) == TRUTH


def test_a_heart_in_one_piece_leads_to_the_task_with_chambers(cases: Path) -> None:
    for file in ("dataset/s0000/segmentations", "total.seg.nrrd"):
        with pytest.raises(InputError, match="heartchambers_highres") as caught:
            read_labelmap(cases / "whole_heart_only" / file, HEART, whole=False)
        assert "=7" not in caught.value.message()


def test_an_empty_aorta_leaves_the_rest_to_be_measured(cases: Path) -> None:
    found = read_labelmap(cases / "empty_aorta_only/no_aorta", HEART, whole=False)
    assert volumes(found) == {**TRUTH, "Ao": 0.0} and "Ao (Aorta)" in " ".join(found.notes)
