"""Walls and valves that are grown: as thick as asked, beside what they belong to, with open ends."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_shapes import ANATOMY, ball, below, both, draw, tube

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.meshing.grown import OpenEnd, grow, wanted_rules
from DiffusionSiblingsLib.meshing.mesh import Patch

LABELS = {tissue.id: tissue.label for tissue in ANATOMY.tissues}
GROWN = {rule.id: rule.label for rule in ANATOMY.mesh.grown}


@pytest.mark.parametrize("pose", [0, 3])
@pytest.mark.parametrize("mm", [2.0, 4.0])
def test_a_wall_around_a_ball_is_as_thick_as_asked(pose: int, mm: float) -> None:
    labels, affine = draw({"RV": ball(20.0)}, spacing=1.0, pose=pose, half_mm=27)
    found = grow(labels, affine, ANATOMY, wanted_rules(ANATOMY, {"RV": mm}, None))
    index = np.argwhere(found.labels == GROWN["RV wall"])
    radius = np.linalg.norm(index[:, ::-1] @ found.affine[:3, :3].T + found.affine[:3, 3], axis=1)
    assert radius.min() > 19.5 and radius.max() == pytest.approx(20 + mm, abs=0.6)
    shell = 4 / 3 * np.pi * ((20 + mm)**3 - 20**3) / 1000
    assert found.added[0][2] == pytest.approx(shell, rel=0.08)
    assert found.to_json()[0]["name"] == "Right ventricular wall (grown, not imaged)"
    assert (found.labels == LABELS["RV"]).sum() == (labels == LABELS["RV"]).sum(), "the tissue itself stays"


def test_a_wall_grows_into_the_background_alone_and_needs_no_room_at_the_edge_of_the_grid() -> None:
    labels, affine = draw({"LA": ball(12.0), "Myo": both(ball(20.0), below(0))}, half_mm=12)
    found = grow(labels, affine, ANATOMY, wanted_rules(ANATOMY, {"LA": 3.0}, None))
    inner = tuple(slice(4, -4) for _ in range(3))
    assert np.array_equal(found.labels[inner][labels > 0], labels[labels > 0])
    assert found.added[0][2] > 2


def test_two_walls_share_the_background_between_them() -> None:
    labels, affine = draw({"LA": ball(10.0, (-12, 0, 0)), "RA": ball(10.0, (12, 0, 0))}, half_mm=30)
    found = grow(labels, affine, ANATOMY, wanted_rules(ANATOMY, {"LA": 4.0, "RA": 4.0}, None))
    left, right = ((found.labels == GROWN[name]).sum() for name in ("LA wall", "RA wall"))
    assert left == pytest.approx(right, rel=0.06)


def test_a_wall_leaves_the_cut_end_of_a_vessel_open() -> None:
    labels, affine = draw({"Ao": tube(-20, 20, 10)}, half_mm=30)
    end = Patch("end", "aortic_end", "cut", np.zeros(1, np.int32), np.array([0.0, 0.0, 19.9]),
                np.array([0.0, 0.0, 1.0]), 314.0, 63.0, {"greatest": 20.0})
    wanted = wanted_rules(ANATOMY, {"Ao": 3.0}, None)
    turn, side = np.linspace(0, 2 * np.pi, 60), np.arange(-19.5, 19.5, 1.0)
    on = np.array([(r * np.cos(t), r * np.sin(t), 20.0) for r in range(10) for t in turn])
    off = np.array([(10 * np.cos(t), 10 * np.sin(t), z) for z in side for t in turn])
    closed, opened = (grow(labels, affine, ANATOMY, wanted, ends) for ends in ([], [OpenEnd("Ao", end, on, off)]))

    def highest(found) -> float:
        index = np.argwhere(found.labels == GROWN["Ao wall"])
        return float((index[:, ::-1] @ found.affine[:3, :3].T + found.affine[:3, 3])[:, 2].max())

    assert highest(closed) > 22 and highest(opened) < 20.5
    index = np.argwhere(opened.labels == GROWN["Ao wall"])
    points = index[:, ::-1] @ opened.affine[:3, :3].T + opened.affine[:3, 3]
    assert np.linalg.norm(points[points[:, 2] > 0, :2], axis=1).min() > 9.5, "nothing lies over the end"


def test_a_valve_is_a_slab_of_the_second_tissue() -> None:
    labels, affine = draw({"LV": tube(-20, 0, 12), "LA": tube(0, 20, 12)}, half_mm=30)
    found = grow(labels, affine, ANATOMY, {"MV": 4.0})
    slab = found.labels == GROWN["MV"]
    assert slab.sum() / 1000 == pytest.approx(np.pi * 12**2 * 4 / 1000, rel=0.05)
    index = np.argwhere(slab)
    heights = (index[:, ::-1] @ found.affine[:3, :3].T + found.affine[:3, 3])[:, 2]
    assert heights.min() >= 0 and heights.max() < 4.5


def test_what_would_vanish_or_has_no_place_is_refused() -> None:
    labels, affine = draw({"RV": ball(10.0), "LV": ball(5.0, (20, 0, 0))}, spacing=2.0)
    with pytest.raises(InputError, match=r"would vanish.*2 mm in voxels of 2 mm.*at least 1.5 voxels, 3 mm"):
        grow(labels, affine, ANATOMY, wanted_rules(ANATOMY, {"RV": 2.0}, None))
    with pytest.raises(InputError, match=r"Mitral valve slab.*cannot be grown"):
        grow(labels, affine, ANATOMY, wanted_rules(ANATOMY, {}, 4.0))
    with pytest.raises(InputError, match=r"no wall to grow.*LV.*takes RV, LA, RA, Ao"):
        wanted_rules(ANATOMY, {"LV": 3.0}, None)
