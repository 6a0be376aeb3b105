"""The anatomy's data file: sound, complete, and able to tell tissues by code and name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from DiffusionSiblingsLib.core.anatomy import TERMINOLOGY_TAG, ForbiddenContact, load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.numberings import Numbering
from DiffusionSiblingsLib.core.patch_rules import MeshRules
from DiffusionSiblingsLib.core.tissue_names import name_key

HEART = load_anatomy("heart")
GENERAL = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
REGION = "Anatomic codes - DICOM master list~^^~^^"


def entry(kind: str, modifier: str = "^^") -> dict[str, str]:
    return {"Segmentation.Status": "inprogress", TERMINOLOGY_TAG: f"{GENERAL}~{kind}~{modifier}~{REGION}|"}


def test_the_heart_is_as_the_methods_define_it() -> None:
    assert HEART.ids == ("Ao", "Myo", "LV", "RV", "LA", "RA")
    assert [tissue.label for tissue in HEART.tissues] == [1, 2, 3, 4, 5, 6]
    assert (HEART.shape, HEART.spacing_mm, HEART.axis_from, HEART.axis_to) == ((128, 128, 128), 1.4, "LV", "LA")
    checks = len(HEART.one_component) + len(HEART.required_contacts) + len(HEART.forbidden_contacts)
    assert checks == 12
    assert HEART.forbidden_contacts == (ForbiddenContact(("LV", "RV"), "Myo"), ForbiddenContact(("LA", "RA"), None))
    assert HEART.follows == {"LV": ("Myo",), "RV": ("Myo",)}


def test_no_two_tissues_share_a_name_or_a_code() -> None:
    names = [{name_key(n) for n in (t.id, t.name, *t.aliases, *t.mask_names)} for t in HEART.tissues]
    assert sum(map(len, names)) == len(set().union(*names))
    codes = [code.split("^")[1] + code.partition("~")[2] for tissue in HEART.tissues for code in tissue.codes]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("tissue", HEART.tissues, ids=HEART.ids)
def test_every_tissue_is_found_by_its_own_tags_names_and_masks(tissue) -> None:
    assert HEART.identify("", tissue.tags) == tissue.id
    assert HEART.identify("Liver", tissue.tags) == tissue.id, "the code goes before the name"
    for name in (tissue.id, tissue.name, *tissue.aliases, *tissue.mask_names):
        for written in (name, name.upper(), name.replace(" ", "_"), f" {name} ", f"{name}.nii.gz", f"{name} of heart"):
            assert HEART.identify(written) == tissue.id, written


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("heart_ventricle_left", "LV"), ("heart_atrium_right.nii.gz", "RA"), ("heart_myocardium", "Myo"),
        ("Left ventricle of heart", "LV"), ("right ventricle of heart", "RV"), ("LeftAtrium", "LA"), ("aorta", "Ao"),
        ("Left ventricle blood cavity", "LV"), ("left ventricular myocardium", "Myo"), ("Ascending Aorta", "Ao"),
        ("heart", None), ("ventricle", None), ("pulmonary_artery", None), ("atrial_appendage_left", None),
        ("right ventricular myocardium", None), ("descending aorta", None), ("LV_1", None), ("", None),
        ("Ünknown", None),
    ],
)  # fmt: skip
def test_names_of_other_programs(name: str, tissue: str | None) -> None:
    assert HEART.identify(name) == tissue


@pytest.mark.parametrize(
    ("tags", "tissue"),
    [
        (entry("SCT^87878005^Left Ventricle"), "LV"),
        (entry("SCT^21814001^Ventricle", "SCT^24028007^Right"), "RV"),
        (entry("SCT^59652004^Atrium", "SCT^7771000^Left"), "LA"),
        (entry("SCT^21814001^Ventricle"), None),
        (entry("SCT^74281007^Muscle structure of the myocardium"), "Myo"),
        (entry("SCT^74281007^Myocardium", "SCT^24028007^Right"), None),
        (entry("SRT^T-42000^Aorta"), "Ao"),
        (entry("SCT^85756007^Tissue"), None),
        ({TERMINOLOGY_TAG: "broken"}, None),
        ({TERMINOLOGY_TAG: "~~~~~~"}, None),
        ({}, None),
    ],
)
def test_codes_of_other_programs(tags: dict[str, str], tissue: str | None) -> None:
    assert HEART.identify("Segment_1", tags) == tissue


def test_a_code_that_says_nothing_leaves_it_to_the_name() -> None:
    assert HEART.identify("Right atrium", entry("SCT^85756007^Tissue")) == "RA"


@pytest.mark.parametrize("name", ["", "brain", "../heart", "heart.json"])
def test_an_unknown_anatomy_names_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="heart"):
        load_anatomy(name)


def test_an_unknown_tissue_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="Ao, Myo, LV, RV, LA, RA"):
        HEART.label_of("PA")


@pytest.mark.parametrize(
    "change",
    [
        {"axis_from": "PA"}, {"follows": {"LV": ("PA",)}}, {"shape": (0, 1, 1)}, {"spacing_mm": 0.0},
        {"tissues": (*HEART.tissues, HEART.tissues[0])}, {"tissues": (replace(HEART.tissues[0], label=0),)},
        {"numberings": (Numbering("x", {"PA": (7,)}),)},
    ],
)  # fmt: skip
def test_an_anatomy_checks_itself(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="contradicts itself"):
        replace(HEART, **change)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 99}'])
def test_a_broken_data_file_is_one_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Anatomies").mkdir()
    (tmp_path / "Anatomies" / "heart.json").write_text(text)
    monkeypatch.setenv("SIBLINGS_RESOURCES", str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        load_anatomy()


def test_resources_can_be_elsewhere_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads((resource_folder() / "Anatomies" / "heart.json").read_text())
    monkeypatch.setenv("SIBLINGS_RESOURCES", str(tmp_path))
    with pytest.raises(InputError, match="SIBLINGS_RESOURCES"):
        load_anatomy()
    (tmp_path / "Anatomies").mkdir()
    data["id"], data["tissues"][0]["aliases"] = "other", ["Hauptschlagader"]
    (tmp_path / "Anatomies" / "other.json").write_text(json.dumps(data))
    assert load_anatomy("other").identify("hauptschlagader") == "Ao"


@pytest.mark.parametrize(("part", "change", "words"), [
    ("patches", {"between": [["LV", "spleen"]]}, "spleen"),
    ("patches", {"id": "Mitral Valve"}, "Mitral Valve"),
    ("patches", {"kind": "leaflet"}, "mitral_valve"),
    ("cut_ends", {"tissue": "PA"}, "PA"),
    ("cut_ends", {"id": "mitral_valve"}, "mitral_valve"),
    ("grown", {"label": 3}, "3"),
    ("grown", {"around": "", "between": []}, "RV wall"),
])
def test_mesh_rules_that_name_what_is_not_there_are_refused(part: str, change: dict, words: str) -> None:
    data = json.loads((resource_folder() / "Anatomies" / "heart.json").read_text(encoding="utf-8"))
    data["mesh"][part][0] |= change
    with pytest.raises(InputError, match=words):
        replace(HEART, mesh=MeshRules.from_data(data["mesh"]))
