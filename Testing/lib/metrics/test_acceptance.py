"""The gate: what can be written, what passes, and what a person is told of what does not."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.read import read
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.metrics.acceptance import RULES, Acceptance
from DiffusionSiblingsLib.metrics.acceptance_help import gate_help
from DiffusionSiblingsLib.metrics.walls import wall_thickness

HEART = load_anatomy("heart")
LABEL = {tissue.id: tissue.label for tissue in HEART.tissues}


@pytest.fixture(scope="module")
def sound():
    """Labels and affine of a heart in which each tissue is one piece without holes."""
    heart = ellipsoid_heart()
    return heart.labels, heart.affine


def numbers_in(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def judged(text: str, labels, affine):
    return Acceptance.parse(text).check(labels, affine, HEART)


@pytest.mark.parametrize(("text", "told"), [
    ("components", "components"), (" contacts , components ", "contacts,components"),
    ("thin-walls:2", "thin-walls:2"), ("thin-walls:2:1", "thin-walls:2"), ("thin-walls : 1.5 : 5", "thin-walls:1.5:5"),
    ("components:0", "components"), ("components:0.1", "components:0.1"),
    ("components,loops,hollows", "components,loops,hollows"),
])
def test_gates_are_read_and_written(text: str, told: str) -> None:
    gate = Acceptance.parse(text)
    assert str(gate) == told and Acceptance.parse(told) == gate


@pytest.mark.parametrize(("text", "words"), [
    ("", "No acceptance check"), (" , ", "No acceptance check"), ("walls", "unknown"), ("thin-walls", "from 0.1 to 50"),
    ("thin-walls:x", "from 0.1 to 50"), ("thin-walls:nan", "from 0.1 to 50"), ("thin-walls:2:101", "from 0 to 100"),
    ("thin-walls:2:1:1", "2 numbers"), ("contacts:3", "no numbers"), ("components,components", "twice"),
    ("components:-1", "from 0 to 100"), ("components:1:1", "1 number "),
])
def test_gates_that_cannot_be_meant_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Acceptance.parse(text)


def test_every_check_is_explained() -> None:
    assert set(gate_help()) == set(RULES) and all(gate_help().values())


def test_a_tissue_in_pieces_is_named(sound) -> None:
    labels, affine = sound
    broken = labels.copy()
    broken[1, 1, 1:3] = LABEL["LA"]
    verdict = judged("components", broken, affine)
    assert judged("components", labels, affine).accepted
    assert not verdict.accepted and verdict.failed == ("components",)
    (reason,) = verdict.reasons
    words, _, place = reason.partition(" at ")
    assert words == "components: LA in 2 pieces, the smallest of 0.044 ml"  # two voxels of 2.8 mm
    assert numbers_in(place) in [pytest.approx((affine @ [i, 1, 1, 1])[:3], abs=0.06) for i in (1, 2)]
    assert verdict.figures["tissues in pieces"] == 1
    assert judged("components:0.05", broken, affine).accepted and not judged("components:0.04", broken, affine).accepted


def test_contacts_are_told_in_words(sound) -> None:
    labels, affine = sound
    apart = np.where(labels == LABEL["Ao"], 0, labels)
    reasons = judged("contacts", apart, affine).reasons
    assert len(reasons) == 1 and "no LV-Ao contact" in reasons[0]
    joined = labels.copy()
    joined[labels == LABEL["Myo"]] = LABEL["LV"]
    touched = judged("contacts", joined, affine).reasons[0].split("LV touches RV at ")[1]
    voxel = np.rint(np.linalg.inv(affine) @ [*numbers_in(touched)[:3], 1])[2::-1].astype(int)
    around = joined[tuple(slice(at - 1, at + 2) for at in voxel)]
    assert joined[tuple(voxel)] == LABEL["RV"] and (around == LABEL["LV"]).any()


def test_thin_walls_are_told_with_share_and_area(sound) -> None:
    labels, affine = sound
    least = judged("thin-walls:2:1", labels, affine).figures["Myo thickness above 1 % of the wall [mm]"]
    assert judged(f"thin-walls:{least - 1:.1f}", labels, affine).accepted
    verdict = judged(f"thin-walls:{least + 3:.1f}", labels, affine)
    assert not verdict.accepted and "of the wall of LV" in verdict.reasons[0] and "mm^2" in verdict.reasons[0]
    found = wall_thickness(labels, affine, HEART)
    place = numbers_in(verdict.reasons[0].split("thinnest at ")[1])[:3]
    assert place == pytest.approx(found.points[np.argmin(found.thickness)], abs=0.06)
    assert judged(f"thin-walls:{least + 3:.1f}:100", labels, affine).accepted


def test_a_heart_without_a_ventricle_fails_and_does_not_stop_the_run(sound) -> None:
    labels, affine = sound
    verdict = judged("thin-walls:2,components", np.where(labels == LABEL["LV"], 0, labels), affine)
    assert verdict.failed == ("thin-walls", "components")
    assert verdict.reasons[0] == "thin-walls: no wall of LV to measure" and "no LV" in verdict.reasons[1]


def test_a_wall_that_is_all_near_a_valve_cannot_be_measured_and_does_not_pass() -> None:
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[4:12, 4:12, 4:12] = LABEL["Myo"]
    labels[6:10, 6:10, 6:10] = LABEL["LV"]
    labels[10:13, 5:11, 5:11] = LABEL["LA"]
    verdict = judged("thin-walls:2", labels, np.eye(4))
    assert verdict.failed == ("thin-walls",)
    assert verdict.reasons == ("thin-walls: no wall of LV to measure: all of it is within 8 mm of a valve",)
    assert all(np.isfinite(value) for value in verdict.figures.values())


def test_loops_and_hollows_are_of_chambers(sound) -> None:
    labels, affine = sound
    k, j, i = (int(part.mean()) for part in np.nonzero(labels == LABEL["LV"]))
    hollow, loop = labels.copy(), labels.copy()
    hollow[k, j, i] = LABEL["Myo"]
    loop[:, j, i] = np.where(labels[:, j, i] == LABEL["LV"], LABEL["Myo"], labels[:, j, i])
    assert judged("loops,hollows", labels, affine).accepted
    assert judged("loops,hollows", hollow, affine).reasons == ("hollows: LV has 1 hollow",)
    assert judged("loops,hollows", loop, affine).reasons == ("loops: LV has 1 loop",)


def test_a_verdict_is_plain_json(sound) -> None:
    labels, affine = sound
    verdict = judged("components,contacts,thin-walls:2,loops,hollows", labels, affine)
    assert json.loads(json.dumps(verdict.to_json())) == verdict.to_json()


@pytest.fixture(scope="module")
def sample():
    """Labels and affine of the shipped twin, in which required contacts are areas."""
    labelmap = read(resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd")
    return known_labels(labelmap, HEART), labelmap.affine


def test_a_map_is_meshable_where_it_needs_little_repair(sample) -> None:
    labels, affine = sample
    found = judged("meshable", labels, affine)
    cubes = found.to_json()["figures"]["ill-composed cubes"]
    assert found.accepted and cubes > 10
    assert judged(f"meshable:{cubes:.0f}", labels, affine).accepted
    strict = judged(f"meshable:{cubes - 1:.0f}", labels, affine)
    assert not strict.accepted and f"{cubes:.0f} cubes in which" in strict.reasons[0]
    touching = labels.copy()
    assert not labels[2:6, 2:6, 2:6].any()
    touching[4, 3, 3] = touching[4, 4, 4] = LABEL["RA"]  # share an edge: two cubes for the tissue
    assert judged("meshable", touching, affine).to_json()["figures"]["ill-composed cubes"] == cubes + 2


def test_a_gap_in_tissue_is_named_with_its_place(sample) -> None:
    labels, affine = sample
    k, j, i = np.round(np.argwhere(labels == LABEL["LV"]).mean(axis=0)).astype(int)
    hollow = labels.copy()
    hollow[k - 2:k + 3, j - 2:j + 3, i - 2:i + 3] = 0
    found = judged("meshable", hollow, affine)
    place = affine[:3, :3] @ np.array([i, j, k]) + affine[:3, 3]
    assert not found.accepted and "a gap of 0.34 ml in tissue" in found.reasons[0]
    assert np.abs(np.array(numbers_in(found.reasons[0])[1:4]) - place).max() < 2 * 1.4 + 0.1
    assert judged("meshable:300:0.35", hollow, affine).accepted


def test_a_required_contact_without_area_is_named(sample) -> None:
    labels, affine = sample
    apart = labels.copy()
    one, other = apart == LABEL["LV"], apart == LABEL["LA"]
    for axis in range(3):
        for step in (1, -1):
            apart[one & np.roll(other, step, axis)] = LABEL["Myo"]
    assert "LV-LA touch in less than 20 mm^2" in "".join(judged("meshable", apart, affine).reasons)
    assert not any("LV-LA" in reason for reason in judged("meshable", labels, affine).reasons)
