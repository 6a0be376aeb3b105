"""Edits that change nothing, or do not get their room: said in millilitres and by the name of the segment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.labelmap import Segment
from DiffusionSiblingsLib.editing.composite import compose, edit_scope, told_withheld
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.twin import Twin, open_twin
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.runs.views import Tally

ANATOMY = load_anatomy("heart")


@pytest.fixture(scope="module")
def twin(models: Path) -> Twin:
    """A heart with fat around it in two values, and air around that."""
    heart = ellipsoid_heart((48, 40, 44), 3.4)
    labels = heart.labels.copy()
    around = np.zeros(labels.shape, dtype=bool)
    around[6:-6, 6:-6, 6:-6] = True
    labels[around & (labels == 0)] = 20
    labels[:24][(labels == 20)[:24]] = 21
    segments = (*heart.segments, Segment(20, "fat"), Segment(21, ""))
    return open_twin(dataclasses.replace(heart, labels=labels, segments=segments), ANATOMY,
                     find_model("small").reference())


@pytest.fixture(scope="module")
def all_of_it() -> np.ndarray:
    """Probabilities of a model that wants the left ventricle everywhere."""
    wanted = np.zeros((1 + len(ANATOMY.tissues), 128, 128, 128), dtype=np.float16)
    wanted[ANATOMY.label_of("LV")] = 1
    return wanted


def test_room_that_unknown_tissue_keeps_is_told_by_its_name(twin: Twin, all_of_it: np.ndarray) -> None:
    scope = edit_scope(Request("perturb"), twin, ANATOMY)
    found = compose(all_of_it, twin, scope, ANATOMY).withheld_ml
    labels, ml = twin.labelmap.labels, twin.labelmap.voxel_volume_ml
    assert found == pytest.approx({"fat": (twin.in_view & (labels == 20)).sum() * ml,
                                   "label 21": (twin.in_view & (labels == 21)).sum() * ml})
    assert compose(all_of_it, twin, edit_scope(Request("perturb", overwrite=True), twin, ANATOMY),
                   ANATOMY).withheld_ml == {}


def test_an_inpainting_tells_of_its_own_region_alone(twin: Twin, all_of_it: np.ndarray) -> None:
    box = (-33.0, 47.0, -43.0, 37.0, 12.0, 52.0)
    scope = edit_scope(Request("inpaint", box=box), twin, ANATOMY)
    found = compose(all_of_it, twin, scope, ANATOMY).withheld_ml
    inside = np.argwhere(twin.unknown)[:, ::-1] @ twin.labelmap.affine[:3, :3].T + twin.labelmap.affine[:3, 3]
    inside_box = ((inside >= box[::2]) & (inside <= box[1::2])).all(axis=1).sum() * twin.labelmap.voxel_volume_ml
    assert 0 < sum(found.values()) == pytest.approx(inside_box, rel=0.1)


def test_a_little_is_not_told() -> None:
    assert told_withheld({"fat": 4.9}, {"LV": 60.0, "RV": 40.0}) == {}
    assert told_withheld({"fat": 4.0, "device": 1.234567}, {"LV": 60.0, "RV": 40.0}) == {"fat": 4.0, "device": 1.23}


def test_a_region_that_only_holds_background_is_warned_of_before_the_run(twin: Twin) -> None:
    heart = np.argwhere(twin.known > 0)[:, ::-1] @ twin.labelmap.affine[:3, :3].T + twin.labelmap.affine[:3, 3]
    far = float(heart[:, 0].max()) + 15
    box = (far, far + 40, -40.0, 40.0, -40.0, 60.0)
    (words,) = edit_scope(Request("inpaint", box=box, overwrite=True), twin, ANATOMY).warnings
    assert "in the background" in words and any(f"{mm} mm from the heart" in words for mm in range(14, 20))
    near = (far - 40, *box[1:])
    assert edit_scope(Request("inpaint", box=near, overwrite=True), twin, ANATOMY).warnings == ()


def test_an_inpainting_that_draws_nothing_anew_is_warned_of(twin: Twin) -> None:
    (words,) = edit_scope(Request("inpaint", tissues=("LV",), ratio=0.0), twin, ANATOMY).warnings
    assert "ratio 0" in words
    assert edit_scope(Request("perturb", ratio=0.0), twin, ANATOMY).warnings == ()


def test_siblings_that_equal_their_twin_or_did_not_get_their_room_are_counted_where_doubts_are_told() -> None:
    tally = Tally()
    for inside, withheld in ((0, {}), (7, {"fat": 3.0}), (0, {"fat": 158.04, "vest": 2.0})):
        tally.add("sibling", {"voxels_changed": {"inside": inside, "outside": 0},
                              "withheld_by_unknown_tissue_ml": withheld})
    equal, room = tally.doubts()
    assert equal.startswith("2 of 3 siblings equal their twin")
    assert room.startswith("2 of 3") and "fat (up to 158.0 ml), vest (up to 2.0 ml)" in room and "--overwrite" in room
    tally = Tally()
    tally.add("generated", {})
    assert tally.doubts() == ()
