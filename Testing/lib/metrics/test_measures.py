"""Measures of drawn shapes, whose true values are formulas: within 1 % in any pose, on any grid."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_shapes import ANATOMY, ball, below, both, draw, tube

from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.metrics.measures.fields import TissueFields
from DiffusionSiblingsLib.metrics.measures.measure import Measured, measure
from DiffusionSiblingsLib.metrics.measures.opening import opening
from DiffusionSiblingsLib.metrics.measures.planes import Outline
from DiffusionSiblingsLib.metrics.measures.vessel import follow

GRIDS = [(1.0, 0, False), (1.0, 3, True), (0.8, 7, False), (1.5, 5, False), (2.0, 11, True)]


def titled(found: Measured) -> dict[str, float]:
    return {key.title: value for key, value in found.values.items()}


def ring(spacing: float, pose: int, mirrored: bool, first: float, second: float) -> Outline:
    shapes = {"LV": tube(-30, 0, first, second), "Ao": tube(0, 30, first, second)}
    labels, affine = draw(shapes, spacing=spacing, pose=pose, mirrored=mirrored)
    found = opening(TissueFields(labels, affine, ANATOMY), "LV", "Ao")
    assert found is not None
    return found


@pytest.mark.parametrize(("spacing", "pose", "mirrored"), GRIDS)
def test_an_elliptic_annulus_has_its_area_perimeter_and_diameters(spacing: float, pose: int, mirrored: bool) -> None:
    found = ring(spacing, pose, mirrored, 14, 11)
    h = ((14 - 11) / (14 + 11)) ** 2
    perimeter = np.pi * (14 + 11) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))  # Ramanujan
    coarse = 2 if spacing > 1.5 else 1  # 2 mm voxels: within 2 %
    assert found.area == pytest.approx(np.pi * 14 * 11, rel=0.01 * coarse)
    assert found.perimeter == pytest.approx(perimeter, rel=0.01 * coarse)
    assert found.diameters == pytest.approx((22, 28), rel=0.01 * coarse)


@pytest.mark.parametrize(("spacing", "pose", "mirrored"), GRIDS)
def test_the_plane_of_an_annulus_looks_out_of_the_first_tissue(spacing: float, pose: int, mirrored: bool) -> None:
    found = ring(spacing, pose, mirrored, 13, 13)
    assert np.degrees(np.arccos(found.plane.normal[2])) < 1.5
    assert np.abs(found.centroid).max() < 0.5 * spacing


@pytest.mark.parametrize(("lower", "upper"), [(22, 11), (11, 22), (13, 11), (11, 11)])
@pytest.mark.parametrize(("spacing", "pose"), [(0.7, 3), (1.0, 0), (1.4, 5), (2.0, 2)])
def test_an_annulus_is_as_wide_as_the_narrower_of_its_tissues(lower: float, upper: float, spacing: float,
                                                              pose: int) -> None:
    labels, affine = draw({"LV": tube(-25, 0, lower), "LA": tube(0, 25, upper)}, spacing=spacing, pose=pose)
    found = opening(TissueFields(labels, affine, ANATOMY), "LV", "LA")
    assert found is not None
    assert found.area == pytest.approx(np.pi * 11**2, rel=0.0125 if spacing < 2 else 0.025)


def test_a_valve_drawn_as_a_dome_has_the_plane_and_area_of_its_ring() -> None:
    column = tube(-30, 30, 13)
    dome = both(column, ball(18, (0, 0, -12)))  # meets the column's wall at one height all around
    labels, affine = draw({"Ao": column, "LV": dome}, pose=4)
    found = opening(TissueFields(labels, affine, ANATOMY), "LV", "Ao")
    assert found is not None
    assert found.area == pytest.approx(np.pi * 13**2, rel=0.015)
    assert np.degrees(np.arccos(found.plane.normal[2])) < 1.5


@pytest.mark.parametrize(("spacing", "pose", "mirrored"), GRIDS)
def test_a_vessel_that_bends_is_measured_across_its_own_centre_line(spacing: float, pose: int, mirrored: bool) -> None:
    def arch(p: np.ndarray) -> np.ndarray:  # a quarter of a ring of radius 25 around (25, 0, 0), thickness 9
        around = np.hypot(p[..., 0] - 25, p[..., 2])
        return (np.hypot(around - 25, p[..., 1]) <= 9) & (p[..., 2] >= 0) & (p[..., 0] < 25)

    labels, affine = draw({"LV": tube(-15, 0, 9), "Ao": arch}, spacing=spacing, pose=pose, mirrored=mirrored)
    fields = TissueFields(labels, affine, ANATOMY)
    vessel = follow(fields, "Ao", opening(fields, "LV", "Ao"))
    assert np.median(vessel.diameters(5, 30)) == pytest.approx(18, rel=0.015)
    assert 35 < vessel.length < 43  # of a quarter of 2 pi 25 = 39 mm


def heart(**grid: object) -> Measured:
    """A left ventricle of semi-axes 22, 22, 44 mm in a wall of 10 mm, cut at its base; atrium and aorta on top."""
    wall, cavity = both(ball(32, stretch=54 / 32), below(15)), both(ball(22, stretch=2), below(15))
    shapes = {"Myo": wall, "LV": cavity, "RV": both(ball(20, (38, 0, -5)), lambda p: ~ball(33, stretch=55 / 33)(p)),
              "LA": both(tube(15, 40, 11), lambda p: p[..., 0] < 4.0), "Ao": both(tube(15, 60, 8),
                                                                                  lambda p: p[..., 0] > 6.0)}
    return measure(*draw(shapes, half_mm=62, **grid), ANATOMY)  # type: ignore[arg-type]


def test_a_drawn_ventricle_has_its_length_and_wall() -> None:
    found = titled(heart(spacing=1.4, pose=2))
    assert found["LV length [mm]"] == pytest.approx(15 + 44, rel=0.015)
    assert found["LV wall median thickness [mm]"] == pytest.approx(10, rel=0.03)


def test_measures_do_not_depend_on_the_grid() -> None:
    one, other = titled(heart(spacing=1.4, pose=0)), titled(heart(spacing=1.0, pose=9, mirrored=True))
    for title in ("mitral annulus area [mm^2]", "LV length [mm]", "LV wall median thickness [mm]", "LA length [mm]",
                  "LV wall septal thickness [mm]"):
        assert other[title] == pytest.approx(one[title], rel=0.03), title


def test_what_is_not_there_is_named_and_has_no_number() -> None:
    found = measure(*draw({"LV": ball(20), "Myo": lambda p: ball(28)(p) & ~ball(20)(p)}), ANATOMY)
    assert "no LA" in found.missing["mitral annulus"]
    assert "mitral annulus was not found" in found.missing["LV"]
    assert "LV wall median thickness [mm]" in titled(found)
    assert not any(key.tissue == "mitral annulus" for key in found.values)
    assert all(np.isfinite(value) and value > 0 for value in found.values.values())


def test_a_leak_between_two_chambers_is_no_valve() -> None:
    found = measure(*draw({"LV": tube(-30, 0, 20), "LA": tube(0, 20, 5)}), ANATOMY)
    assert "less than a valve" in found.missing["mitral annulus"]


def test_tissues_in_crumbs_touch_everywhere_and_have_no_valve() -> None:
    labels, affine = draw({"LV": tube(-30, 0, 20), "Ao": tube(0, 30, 20)})
    crumbs = np.random.default_rng(0).permuted(labels[labels > 0])
    labels[labels > 0] = crumbs
    found = measure(labels, affine, ANATOMY)
    assert "LV and Ao do not touch in one opening" in found.missing["aortic annulus"]


def test_without_scikit_image_there_are_no_numbers_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = measure(*draw({"LV": ball(20)}), ANATOMY)
    assert not found.values and set(found.missing.values()) == {"scikit-image is not installed"}


def test_every_definition_of_the_heart_is_used(anatomy: Anatomy = ANATOMY) -> None:
    found = heart(spacing=1.4)
    known = {key.tissue for key in found.values} | set(found.missing)
    assert {entry["id"] for entry in anatomy.measures} <= known

