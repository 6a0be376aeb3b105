"""Builders put domains where they are meant to be: around tissues, across tubes, out of points, between tissues."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from frames import random_pose, random_rotation

from DiffusionSiblingsLib.control.builders import (
    around_tissue,
    between_tissues,
    field_of_view,
    lines_from,
    planes_along,
)
from DiffusionSiblingsLib.control.curves import at, centre_line, measured_curve, resampled
from DiffusionSiblingsLib.control.measure import measure
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.presets import hold, preset
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.morphology import tissue_volumes

HEART = load_anatomy("heart")


def tube(middle, radius, spacing=(1.5, 1.5, 1.5), turn=None):
    """Ao about a curve (n, 3) mm, on a grid of that spacing, turned by (3, 3): labels, affine."""
    from scipy.spatial import cKDTree

    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) * spacing
    corners = (middle @ np.linalg.inv(affine[:3, :3]).T)
    margin = (radius + 6) / np.array(spacing)
    low, high = corners.min(0) - margin, corners.max(0) + margin
    affine[:3, 3] = affine[:3, :3] @ low
    i, j, k = np.meshgrid(*(np.arange(n) for n in np.ceil(high - low).astype(int)), indexing="ij")
    place = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    dense = resampled(middle, 0.25)
    distance, nearest = cKDTree(dense).query(place.reshape(-1, 3))
    ends = np.stack([dense[0] - dense[1], dense[-1] - dense[-2]]) / 0.25
    flat = place.reshape(-1, 3)
    cut = ((flat - dense[0]) @ ends[0] > 0) & (nearest < 8) | ((flat - dense[-1]) @ ends[1] > 0) & (
        nearest > len(dense) - 9)
    inside = ((distance <= radius) & ~cut).reshape(i.shape)
    return np.moveaxis(inside, (0, 1, 2), (2, 1, 0)).astype(np.uint8) * HEART.label_of("Ao"), affine


def off_course(found, middle):
    """Largest distance (mm) and angle (degrees) of the inner 80 % of a centre line from the true one."""
    from scipy.spatial import cKDTree

    points, along = measured_curve(found)
    where = np.linspace(0.1, 0.9, 33) * along[-1]
    way = at(points, along, where + 2) - at(points, along, where - 2)
    dense = resampled(middle, 0.1)
    distance, nearest = cKDTree(dense).query(at(points, along, where))
    true = np.gradient(dense, axis=0)[nearest]
    cosine = np.abs((way * true).sum(1)) / np.linalg.norm(way, axis=1) / np.linalg.norm(true, axis=1)
    return distance.max(), np.degrees(np.arccos(np.clip(cosine, 0, 1))).max()


def arc(radius, degrees, n=200):
    angle = np.radians(np.linspace(0, degrees, n))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=-1)


def candy_cane():
    """60 mm up, half a turn of 35 mm radius, 90 mm down: an aorta with its arch."""
    up = np.stack([np.full(60, 35.0), np.linspace(-60, -1, 60), np.zeros(60)], axis=-1)
    down = np.stack([np.full(90, -35.0), np.linspace(-1, -90, 90), np.zeros(90)], axis=-1)
    return np.concatenate([up, arc(35.0, 180.0), down])


@pytest.mark.parametrize(
    ("middle", "radius", "spacing", "limits"),
    [
        (np.array([[0, 0, 0], [0, 0, 60.0]]), 17.0, (1.4, 1.4, 1.4), (1.0, 5.0)),
        (np.array([[0, 0, 0], [0, 0, 45.0]]), 16.0, (1.0, 1.5, 2.0), (1.0, 5.0)),
        (np.array([[0, 0, 0], [30, 40, 120.0]]), 10.0, (0.8, 0.8, 3.0), (1.0, 3.0)),
        (arc(50.0, 90.0), 14.0, (1.4, 1.4, 1.4), (2.0, 10.0)),
        (candy_cane(), 12.0, (1.4, 1.4, 1.4), (2.0, 10.0)),
    ],
)
def test_centre_lines_of_tubes_follow_their_course(middle, radius, spacing, limits):
    for turn in (None, random_rotation(np.random.default_rng(3))):
        labels, affine = tube(middle, radius, spacing, turn)
        distance, angle = off_course(centre_line(labels, affine, HEART, "Ao"), middle)
        assert distance < limits[0] and angle < limits[1]


def test_a_centre_line_begins_at_the_tissue_that_is_named_and_passes_branches_by():
    middle = np.array([[0, 0, 0], [0, 0, 80.0]])
    labels, affine = tube(middle, 13.0)
    place = np.argwhere(labels >= 0)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    branch = (np.linalg.norm(place[:, 1:] - (0, 40), axis=1) < 2.5) & (place[:, 0] > 5)  # a thin vessel out of its side
    labels.reshape(-1)[branch] = HEART.label_of("Ao")
    for z, end in ((0.0, 0), (80.0, -1)):
        known = labels.copy()
        known.reshape(-1)[(np.abs(place[:, 2] - z) < 5) & (labels.reshape(-1) == 0) & (
            np.linalg.norm(place[:, :2], axis=1) < 17)] = HEART.label_of("LV")
        line = centre_line(known, affine, HEART, "Ao", start="LV")
        assert line[0] == pytest.approx(middle[end], abs=4) and off_course(line, middle)[0] < 1.0


def test_of_a_tube_in_pieces_the_one_beside_the_named_tissue_counts():
    labels = np.zeros((120, 40, 40), np.uint8)
    j, i = np.mgrid[:40, :40]
    labels[10:60, (j - 20) ** 2 + (i - 20) ** 2 <= 100] = HEART.label_of("Ao")
    labels[63:115, (j - 20) ** 2 + (i - 20) ** 2 <= 144] = HEART.label_of("Ao")
    labels[:8] = HEART.label_of("LV")
    beside, larger = (centre_line(labels, np.eye(4), HEART, "Ao", start=start) for start in ("LV", None))
    assert beside[0] == pytest.approx((20, 20, 10), abs=3) and beside[-1] == pytest.approx((20, 20, 59), abs=3)
    assert larger[:, 2].min() > 60


def test_tissues_too_small_for_a_centre_line_are_refused():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:7, 5:7, 5:7] = HEART.label_of("Ao")
    with pytest.raises(InputError, match="too small"):
        centre_line(labels, np.eye(4), HEART, "Ao")


def test_a_box_holds_its_tissue_whole_with_the_margin(heart):
    labels, affine, pose = heart
    axes = pose[:3, :3].T
    for chosen in (None, axes):
        box = around_tissue(labels, affine, HEART, ["RV"], margin_mm=10, axes=chosen)
        assert np.array(box.axes) == pytest.approx(np.eye(3) if chosen is None else axes)
        found, volume = measure(labels, affine, box, HEART), tissue_volumes(labels, affine, HEART)["RV"]
        assert found.mass == pytest.approx(volume, rel=0.005) and box.spacing == pytest.approx((3, 3, 3))
        narrow = around_tissue(labels, affine, HEART, ["RV"], margin_mm=0, axes=chosen)
        assert (np.array(box.size) >= np.array(narrow.size) + 14).all()
    ellipsoid = 2 * np.array([20, 24, 33])
    assert np.array(around_tissue(labels, affine, HEART, ["RV"], margin_mm=10, axes=axes).size) == pytest.approx(
        ellipsoid + 20, abs=7)
    assert max(around_tissue(labels, affine, HEART, ["RV"], spacing_mm=0.5).template) == 64
    both = around_tissue(labels, affine, HEART, ["LA", "RA"])
    assert (both.name, both.tissues) == ("LA+RA", ("LA", "RA"))


def test_planes_stand_square_on_a_curve_at_even_steps():
    planes = planes_along(arc(40.0, 90.0), 5, ["Ao"], width_mm=30, spacing_mm=1.5)
    assert [p.name for p in planes] == [f"Ao {n}" for n in range(1, 6)]
    for n, plane in enumerate(planes):
        angle = np.radians((n + 0.5) * 18)
        assert plane.centre == pytest.approx((40 * np.cos(angle), 40 * np.sin(angle), 0), abs=0.05)
        assert plane.axes[2] == pytest.approx((-np.sin(angle), np.cos(angle), 0), abs=1e-3)
        assert np.linalg.det(plane.axes) == pytest.approx(1) and plane.template == (20, 20, 1)
    turns = [np.dot(a.axes[0], b.axes[0]) for a, b in pairwise(planes)]
    assert min(turns) > 0.9


def test_lines_radiate_from_their_centre():
    lines = lines_from((1, 2, 3), [(2, 0, 0), (0, -1, 1)], 35.0, ["Myo"])
    for line, way in zip(lines, (np.array([1, 0, 0]), np.array([0, -1, 1]) / np.sqrt(2)), strict=True):
        assert line.axes[0] == pytest.approx(way) and line.template == (50, 1, 1)
        assert line.points()[0, 0, 0] == pytest.approx(np.array([1, 2, 3]) + 0.35 * way)
        assert line.points()[-1, 0, 0] == pytest.approx(np.array([1, 2, 3]) + 34.65 * way)


def test_a_plane_between_two_tissues_lies_at_their_contact():
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[5:20, 8:32, 10:30] = HEART.label_of("LV")
    labels[20:35, 8:32, 10:30] = HEART.label_of("LA")
    turn = random_pose(np.random.default_rng(1))
    affine = turn @ np.diag([1.0, 1.5, 2.0, 1.0])
    plane = between_tissues(labels, affine, HEART, "LV", "LA", ["LV", "LA"], margin_mm=6.0)
    inner = np.linalg.inv(turn)
    assert inner[:3, :3] @ plane.centre + inner[:3, 3] == pytest.approx((19.5, 1.5 * 19.5, 2 * 19.5), abs=1e-6)
    assert inner[:3, :3] @ plane.axes[2] == pytest.approx((0, 0, 1), abs=1e-6)
    assert plane.size == pytest.approx((23 * 1.5 + 12, 19 + 12, 0)) and plane.template[2] == 1
    assert measure(labels, affine, plane, HEART).mass == pytest.approx(20 * 24 * 1.5, rel=0.02)
    box = between_tissues(labels, affine, HEART, "LV", "LA", ["LA"], thickness_mm=12.0, spacing_mm=1.0)
    assert (box.dimension, box.size[2]) == (3, 12.0)
    labels[20:22] = 0  # leaflets in between
    assert between_tissues(labels, affine, HEART, "LV", "LA", ["LV"]).size == pytest.approx((44.5, 29.0, 0))
    labels[20:30] = 0
    with pytest.raises(InputError, match="do not touch"):
        between_tissues(labels, affine, HEART, "LV", "LA", ["LV"])


def test_the_field_of_view_has_a_point_at_every_voxel():
    view = field_of_view(HEART, ["RV"])
    assert view.template == (128, 128, 128) and view.points()[0, 0, 0] == pytest.approx([-88.9] * 3)
    assert field_of_view(HEART, ["RV"], (32, 32, 32)).size == view.size


@pytest.mark.parametrize("build", [
    lambda labels, affine: around_tissue(labels, affine, HEART, ["RV"]),
    lambda labels, affine: centre_line(labels, affine, HEART, "RV"),
    lambda labels, affine: between_tissues(labels, affine, HEART, "LV", "RV", ["RV"]),
    lambda labels, affine: preset("enlarge-rv", Placement.of_map(labels, affine, HEART)),
    lambda labels, affine: preset("myo-wall-fixed", Placement.of_map(labels, affine, HEART)),
    lambda labels, affine: hold(["LV", "RV"], Placement.of_map(labels, affine, HEART)),
])
def test_a_tissue_that_is_not_there_is_said_by_name(heart, build):
    labels, affine, _ = heart
    with pytest.raises(InputError, match=r"Right ventricle \(RV\)"):
        build(np.where(labels == HEART.label_of("RV"), 0, labels), affine)


def test_bad_settings_of_builders_are_refused(heart):
    labels, affine, _ = heart
    for bad in ({"margin_mm": -1}, {"spacing_mm": 0}, {"spacing_mm": float("nan")}, {"axes": 2 * np.eye(3)}):
        with pytest.raises(InputError):
            around_tissue(labels, affine, HEART, ["RV"], **bad)
    with pytest.raises(InputError, match="no such tissue"):
        around_tissue(labels, affine, HEART, ["PV"])
    for curve in ([(0, 0, 0)], [(0, 0, 0), (0, 0, 0)], [(0, 0), (1, 1)], [(0, 0, 0), (0, 0, np.nan)], "abc"):
        with pytest.raises(InputError, match="curve"):
            planes_along(curve, 3, ["Ao"], width_mm=30)
    with pytest.raises(InputError, match="planes"):
        planes_along([(0, 0, 0), (0, 0, 9)], 0, ["Ao"], width_mm=30)
    with pytest.raises(InputError, match="direction"):
        lines_from((0, 0, 0), [(0, 0, 0)], 30, ["Myo"])
