"""Names of segments and files of many programs, read alone and together."""

from __future__ import annotations

import pytest

from DiffusionSiblingsLib.core.anatomy import TERMINOLOGY_TAG, load_anatomy

HEART = load_anatomy("heart")
SIX = ("Ao", "Myo", "LV", "RV", "LA", "RA")


def together(*names: str) -> tuple[str | None, ...]:
    return tuple(HEART.identify_all([(name, {}) for name in names]))


def coded(name: str, code: str) -> tuple[str, dict[str, str]]:
    return name, {TERMINOLOGY_TAG: code}


@pytest.mark.parametrize(
    "names",
    [
        ("A_Aorta", "Myocardium", "Ventricle_L", "Ventricle_R", "Atrium_L", "Atrium_R"),
        ("mask_A_Aorta_Asc", "mask_Myocardium", "mask_Ventricle_L", "mask_Ventricle_R", "mask_Atrium_L",
         "mask_Atrium_R"),
        ("Asc_Aorta", "LV_Myocardium", "LT_Ventricle", "RT_Ventricle", "LT_Atrium", "rt atrium"),
        ("Ao_BP_label", "LV_myo_label", "LV_BP_label", "RV_BP_label", "LA_BP_label", "RA_BP_label"),
        ("Aorta (Ao)", "LV myocardium (Myo)", "Left ventricle (LV)", "RV - Right ventricle", "LA: left atrium",
         "RA/Right atrium"),
        ("the ascending aorta (AO)", "the myocardium of the left ventricle (Myo)",
         "the left ventricle blood cavity (LV)", "the right ventricle blood cavity (RV)",
         "the left atrium blood cavity (LA)", "the right atrium blood cavity (RA)"),
        tuple(f"{tissue.name}_1" for tissue in HEART.tissues),
        tuple(f"{tissue.label:02d} {tissue.name}" for tissue in HEART.tissues),
        tuple(f"patient07_{tissue}" for tissue in SIX),
        tuple(f"CTACardio-segmentation_{tissue.name}" for tissue in HEART.tissues),
        tuple(f"s0011_{tissue.mask_names[0]}_2024-01-31" for tissue in HEART.tissues),
    ],
    ids=lambda names: names[2],
)  # fmt: skip
def test_names_of_one_map_are_read_together(names: tuple[str, ...]) -> None:
    assert together(*names) == SIX
    assert together(*names, "ct") == (*SIX, None), "another file has no part in it"


def test_names_that_contradict_themselves_or_are_of_another_organ_stay_unknown() -> None:
    assert together("Left ventricle (RV)", "Aorta", "Myocardium") == (None, "Ao", "Myo")
    assert together("Ventricle_L", "Ventricle_R", "Cerebellum") == (None, None, None), "a brain"
    assert together("Left ventricle 2", "Left ventricle 3") == (None, None), "which of the two?"
    assert together("Left ventricle", "Left ventricle 2", "Aorta") == ("LV", None, "Ao")


def test_the_wall_under_the_code_of_its_ventricle_is_told_by_its_name() -> None:
    ventricle, other = "SCT^87878005^Left ventricle", "SCT^53085002^Right ventricle"
    assert HEART.identify_all([coded("LV Myocardium", ventricle), coded("Left ventricle", ventricle)]) == ["Myo", "LV"]
    assert HEART.identify_all([coded("LV Myocardium", ventricle), ("LV", {})]) == ["Myo", "LV"]
    assert HEART.identify_all([coded("Left ventricle", other)]) == ["RV"], "a code goes before another name"


def test_the_whole_heart_is_known_by_name_and_by_code() -> None:
    assert HEART.is_whole("heart") and HEART.is_whole("Whole_Heart.nii.gz") and not HEART.is_whole("heart_myocardium")
    assert HEART.is_whole(*coded("Segment_1", "SCT^80891009^Heart")) and "heartchambers_highres" in HEART.whole_hint
