"""Wall thickness of phantoms whose thickness is known."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.walls import surface_area, wall_thickness

HEART = load_anatomy("heart")
MYO, LV, LA = (HEART.label_of(tissue) for tissue in ("Myo", "LV", "LA"))
RADIUS = 22.0


def on_grid(spacing: tuple[float, float, float], reach: float, turned: bool = False):
    """(3, D, H, W) RAS mm of the voxels about 0, and the affine; turned: oblique and left-handed."""
    matrix = np.diag(spacing)
    if turned:
        angle = np.radians(31)
        c, s = np.cos(angle), np.sin(angle)
        matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]]) @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) @ matrix
    size = [int(2 * reach / step) + 1 for step in spacing]
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = -matrix @ (np.array(size) - 1) / 2 + [0.3, -0.2, 0.1]
    k, j, i = np.indices(size[::-1])
    return np.einsum("ab,bkji->akji", matrix, np.stack([i, j, k])) + affine[:3, 3, None, None, None], affine


def shell(thickness: float, spacing: tuple[float, float, float] = (1.4, 1.4, 1.4), turned: bool = False):
    """A ball of LV in a shell of myocardium, and its affine."""
    place, affine = on_grid(spacing, RADIUS + thickness + 5, turned)
    radius = np.linalg.norm(place, axis=0)
    labels = np.where(radius <= RADIUS, LV, np.where(radius <= RADIUS + thickness, MYO, 0)).astype(np.uint8)
    return labels, affine, place


@pytest.mark.parametrize("thickness", [1.5, 2.0, 3.0, 5.0, 9.0])
def test_a_shell_has_its_thickness_to_a_fraction_of_a_voxel(thickness: float) -> None:
    labels, affine, _ = shell(thickness)
    found = wall_thickness(labels, affine, HEART)
    assert found.quantile(0.5) == pytest.approx(thickness, abs=0.15)
    assert found.share_below(thickness - 0.9) <= 0.005 and found.share_below(thickness + 0.9) >= 0.995
    assert found.area.sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.03)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 2.5), (0.8, 0.8, 0.8)])
def test_the_grid_does_not_matter(spacing: tuple[float, float, float]) -> None:
    straight, turned = (wall_thickness(*shell(4.0, spacing, oblique)[:2], HEART) for oblique in (False, True))
    for found in (straight, turned):
        assert found.quantile(0.5) == pytest.approx(4.0, abs=0.15)
        assert found.area.sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.05)
        assert np.linalg.norm(found.points, axis=1) == pytest.approx(RADIUS, abs=0.6 * max(spacing))


def test_a_hole_in_the_wall_has_its_area_but_for_its_rim() -> None:
    labels, affine, place = shell(6.0)
    hole = np.linalg.norm(place[:2], axis=0) < 6.0
    labels[(labels == MYO) & hole & (place[2] > 0)] = 0
    found = wall_thickness(labels, affine, HEART)
    assert np.pi * 4.6**2 <= found.area_below(0.5) <= np.pi * 6.0**2
    assert found.quantile(0.5) == pytest.approx(6.0, abs=0.15)


def test_one_thin_spot_in_a_thick_wall_is_found_by_its_share() -> None:
    labels, affine, place = shell(8.0)
    radius = np.linalg.norm(place, axis=0)
    spot = (place[2] > 0) & (np.linalg.norm(place[:2], axis=0) < 8.0)
    labels[spot & (radius > RADIUS + 2.0)] = 0
    found = wall_thickness(labels, affine, HEART)
    assert found.area_below(3.0) == pytest.approx(np.pi * 8.0**2, rel=0.3)
    assert found.share_below(1.0) == 0.0


@pytest.mark.parametrize("leaflet", [0.0, 1.5])
def test_a_valve_is_no_wall_drawn_open_or_closed(leaflet: float) -> None:
    labels, affine, place = shell(6.0)
    radius = np.linalg.norm(place, axis=0)
    above = place[2] > RADIUS - 6 + leaflet
    labels[(place[2] > RADIUS - 6) & (radius < RADIUS + 6)] = MYO if leaflet else LA
    labels[above & (radius < RADIUS + 6)] = LA
    found = wall_thickness(labels, affine, HEART)
    assert found.share_below(4.5) == 0.0 and found.quantile(0.5) == pytest.approx(6.0, abs=0.15)
    assert found.points[:, 2].max() < RADIUS - 6


def test_far_from_the_heart_and_at_the_rim_nothing_changes() -> None:
    labels, affine, _ = shell(4.0)
    moved = affine.copy()
    moved[:3, 3] += [1000, -200, 30]
    padded = np.pad(labels, 20)
    shifted = affine.copy()
    shifted[:3, 3] -= affine[:3, :3] @ [20, 20, 20]
    first = wall_thickness(labels, affine, HEART)
    for found in (wall_thickness(labels, moved, HEART), wall_thickness(padded, shifted, HEART)):
        assert found.thickness == pytest.approx(first.thickness, abs=1e-6)


@pytest.mark.parametrize("gone", [LV, MYO])
def test_a_missing_tissue_is_said(gone: int) -> None:
    labels, affine, _ = shell(4.0)
    with pytest.raises(InputError, match="wall cannot be measured"):
        wall_thickness(np.where(labels == gone, 0, labels), affine, HEART)


def test_the_area_of_a_surface() -> None:
    place, affine = on_grid((1.0, 1.3, 1.6), 28)
    inside = (np.linalg.norm(place, axis=0) <= 20).astype(np.float32)
    assert surface_area(inside, affine) == pytest.approx(4 * np.pi * 400, rel=0.03)
    assert surface_area(np.zeros_like(inside), affine) == 0.0
