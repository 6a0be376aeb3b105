"""Drawn coronary bifurcations: stenoses, deposits and calibres are in the voxels as the truth says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import integrate, ndimage

from DiffusionSiblingsLib.core.anatomy import resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.drawing.coronary import draw_coronary
from DiffusionSiblingsLib.drawing.coronary_tree import draw_tree
from DiffusionSiblingsLib.drawing.curves import angle_between
from DiffusionSiblingsLib.drawing.drawn import Drawn
from DiffusionSiblingsLib.drawing.morphometry import Morphometry
from DiffusionSiblingsLib.drawing.plaque import Plaque

LUMEN, WALL, CALCIUM, LIPID = 1, 2, 3, 4
ENTRIES: dict[str, Any] = json.loads(
    (resource_folder() / "Morphometry" / "coronary.json").read_text(encoding="utf-8"))["measurements"]


@pytest.fixture(scope="module", params=(100, 101, 103, 104))
def drawn(request: pytest.FixtureRequest) -> Drawn:
    return draw_coronary(request.param)


def index_of(drawn: Drawn, points: np.ndarray) -> np.ndarray:
    """(..., 3) RAS mm -> voxel positions KJI."""
    inverse = np.linalg.inv(drawn.labelmap.affine)
    return np.asarray((points @ inverse[:3, :3].T + inverse[:3, 3])[..., ::-1])


def lumen_area(drawn: Drawn, line: np.ndarray, place: float) -> float:
    """Mm^2 of the lumen around a place (mm) of a centre line, on a plane across it."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at, before, after = (np.array([np.interp(s, along, line[:, n]) for n in range(3)])
                         for s in (place, place - 0.7, place + 0.7))
    across = np.linalg.svd((after - before)[None])[2][1:]
    steps = np.arange(-4, 4.01, 0.1)
    v, u = np.meshgrid(steps, steps, indexing="ij")
    places = index_of(drawn, at + u[..., None] * across[0] + v[..., None] * across[1])
    inside = ndimage.map_coordinates(drawn.labelmap.labels, np.moveaxis(places, -1, 0), order=0) == LUMEN
    pieces, count = ndimage.label(inside)
    if not count:
        return 0.0
    nearest = min(range(1, count + 1), key=lambda n: (u[pieces == n] ** 2 + v[pieces == n] ** 2).min())
    return 0.01 * float((pieces == nearest).sum())


def test_lumen_and_union_are_one_piece_and_calcium_has_a_piece_for_each_deposit(drawn: Drawn) -> None:
    labels, everywhere = drawn.labelmap.labels, np.ones((3, 3, 3))
    assert ndimage.label(labels > 0, everywhere)[1] == ndimage.label(labels == LUMEN, everywhere)[1] == 1
    deposits = [deposit["tissue"] for plaque in drawn.truth["plaques"] for deposit in plaque["deposits"]]
    for tissue, value in (("calcium", CALCIUM), ("lipid", LIPID)):
        assert ndimage.label(labels == value, everywhere)[1] == deposits.count(tissue)
    assert drawn.truth["betti"]["union"] == drawn.truth["betti"]["lumen"] == (1, 0, 0)


def test_lumen_areas_at_the_plaques_are_those_of_the_truth(drawn: Drawn) -> None:
    """Where no side branch leaves within the plaque."""
    lines = drawn.truth["centre_lines"]
    for plaque in drawn.truth["plaques"]:
        line = np.array(lines[plaque["vessel"]]["points"])
        starts = [np.array(other["points"][0]) for other in lines.values() if other["parent"] == plaque["vessel"]]
        middle = line[np.argmin(np.abs(np.arange(len(line)) * 0.5 - plaque["middle_mm"]))]
        if any(np.linalg.norm(start - middle) < 4.0 for start in starts) or plaque["middle_mm"] < 4.0:
            continue
        found = lumen_area(drawn, line, plaque["middle_mm"])
        exact = plaque["lumen_area_mm2"]
        assert np.sqrt(found) == pytest.approx(np.sqrt(exact), abs=0.3)  # a voxel is 0.35 mm
        healthy = np.pi / 4 * plaque["reference_diameter_mm"] ** 2
        assert exact == pytest.approx(healthy * (1 - plaque["area_stenosis_percent"] / 100), rel=1e-3)


def test_the_wall_lies_between_lumen_and_background_but_at_the_ends_of_vessels(drawn: Drawn) -> None:
    labels = drawn.labelmap.labels
    bare = (labels == LUMEN) & ndimage.binary_dilation(labels == 0)
    ends = [points[-1] for points in (np.array(line["points"]) for line in drawn.truth["centre_lines"].values())]
    ends.append(np.array(drawn.truth["centre_lines"]["LM"]["points"][0]))
    places = np.argwhere(bare)[:, ::-1] @ drawn.labelmap.affine[:3, :3].T + drawn.labelmap.affine[:3, 3]
    away = np.linalg.norm(places[:, None] - np.array(ends)[None], axis=2).min(1) if len(places) else np.zeros(0)
    assert (away < 3.2).all()


def test_deposits_lie_in_the_wall_and_never_touch_the_background(drawn: Drawn) -> None:
    labels = drawn.labelmap.labels
    for value in (CALCIUM, LIPID):
        inside = labels == value
        if inside.any():
            rim = ndimage.binary_dilation(inside) & ~inside
            assert (labels[rim] == 0).mean() < 0.005


@pytest.mark.parametrize("stenosis", [0.25, 0.5, 0.75])
def test_the_lost_area_is_the_integral_of_the_plaques_thickness(stenosis: float) -> None:
    plaque = Plaque("LAD", 10.0, 8.0, 0.7, stenosis, "lipid", ())
    for s in (10.0, 11.5):
        def radius(theta: float, s: float = s) -> float:
            narrowed = plaque.thickness(np.array([s]), np.array([theta]), np.array([1.8]))
            return 1.8 - float(narrowed[0])

        exact = integrate.quad(lambda theta: radius(theta) ** 2 / 2, -np.pi, np.pi, points=[0.7 - np.pi])[0]
        assert plaque.area(s, 1.8) == pytest.approx(exact, rel=1e-6)
        assert min(map(radius, np.linspace(-np.pi, np.pi, 50))) > 0
    assert plaque.area(10.0, 1.8) == pytest.approx((1 - stenosis) * np.pi * 1.8**2)
    assert plaque.area(14.1, 1.8) == pytest.approx(np.pi * 1.8**2)


def test_calibres_and_angles_have_the_published_means() -> None:
    found = []
    for seed in range(60):
        morphometry = Morphometry(ENTRIES, np.random.default_rng(seed))
        vessels = {vessel.name: vessel.tube for vessel in draw_tree(morphometry)}
        lad, lcx, main = (2 * float(vessels[name].radii[0]) for name in ("LAD", "LCx", "LM"))
        angle = angle_between(vessels["LAD"].curve.tangent(0.5), vessels["LCx"].curve.tangent(0.5))
        asked = morphometry.drawn.get("angle", morphometry.drawn.get("angle with ramus"))
        assert angle == pytest.approx(float(asked or 0), abs=3)
        found.append((main, lad, main / (lad + lcx)))
    main, lad, ratio = np.array(found).mean(0)
    assert main == pytest.approx(4.5, abs=0.25) and lad == pytest.approx(3.7, abs=0.25)
    assert ratio == pytest.approx(0.678, abs=0.03)


def test_a_seed_gives_the_same_bifurcation() -> None:
    one, again = draw_coronary(103), draw_coronary(103)
    assert np.array_equal(one.labelmap.labels, again.labelmap.labels) and one.truth == again.truth
    json.dumps(one.truth, allow_nan=False)
    with pytest.raises(InputError):
        draw_coronary(-1)


def test_every_number_has_a_source() -> None:
    assert all(entry["source"] for entry in ENTRIES.values())
