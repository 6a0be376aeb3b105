"""Harmonic fields, fibres, activation and attachment of walls against what is known of them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
from shells import shell

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.simulation.attachment import Attachment, require_held
from DiffusionSiblingsLib.simulation.eikonal import Speed, activation
from DiffusionSiblingsLib.simulation.fibres import fibres_of
from DiffusionSiblingsLib.simulation.laplace import harmonic
from DiffusionSiblingsLib.simulation.packages import elements
from DiffusionSiblingsLib.simulation.wall import closed_volume


def bar(cells: tuple[int, int, int], size: float) -> tuple[np.ndarray, np.ndarray]:
    """A block of cubes in six tetrahedra each."""
    grid = np.stack(np.meshgrid(*(np.arange(n + 1) for n in cells), indexing="ij"), axis=-1)
    number = np.arange(grid[..., 0].size).reshape(grid.shape[:3])
    found = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        corner, corners = np.zeros(3, dtype=int), []
        for axis in (None, *order):
            if axis is not None:
                corner[axis] += 1
            corners.append(number[tuple(slice(c, c + n) for c, n in zip(corner, cells, strict=True))].ravel())
        found.append(np.stack(corners, axis=1))
    return grid.reshape(-1, 3) * size, np.concatenate(found)


def test_the_field_between_two_spheres_is_that_of_a_charge() -> None:
    wall = shell(5, 4, 20.0, 30.0)
    found = harmonic(wall, np.unique(wall.inner), np.unique(wall.outer))
    radius = np.linalg.norm(wall.points, axis=1)
    assert found == pytest.approx((1 / 20 - 1 / radius) / (1 / 20 - 1 / 30), abs=0.02)


def test_a_field_needs_two_ends_apart() -> None:
    wall = shell(1, 1, 20.0, 30.0)
    with pytest.raises(InputError, match="two parts"):
        harmonic(wall, np.unique(wall.inner), np.unique(wall.inner))


def test_fibres_turn_from_a_right_handed_helix_inside_to_a_left_handed_one_outside() -> None:
    wall = shell(6, 3, 20.0, 30.0)
    z = wall.points[:, 2]
    fibres = fibres_of(wall, np.flatnonzero(z < z.min() + 1), np.flatnonzero(z > 25))
    assert np.swapaxes(fibres.axes, 1, 2) @ fibres.axes == pytest.approx(np.broadcast_to(np.eye(3), fibres.axes.shape))
    assert np.linalg.det(fibres.axes) == pytest.approx(np.ones(len(fibres.axes)))
    centres = wall.centres()
    waist = np.abs(centres[:, 2]) < 8
    outwards = centres[waist] / np.linalg.norm(centres[waist], axis=1, keepdims=True)
    around = np.cross((0.0, 0.0, 1.0), outwards)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    along = fibres.axes[waist, :, 0]
    pitch = np.degrees(np.arctan2(along[:, 2], np.einsum("ti,ti->t", along, around)))
    depth = fibres.depth[wall.tetrahedra].mean(axis=1)[waist]
    assert pitch == pytest.approx(60 - 120 * depth, abs=12)
    assert np.einsum("ti,ti->t", fibres.axes[waist, :, 1], outwards).min() > 0.97


def test_activation_along_a_bar_takes_its_length_over_the_speed() -> None:
    points, cells = bar((20, 2, 2), 2.0)
    slowness = Speed(0.6, 0.3).slowness(np.tile((1.0, 0.0, 0.0), (len(cells), 1)))
    start = np.where(points[:, 0] == 0, 0.0, np.inf)
    assert activation(points, cells, slowness, start) == pytest.approx(points[:, 0] / 0.6)


def test_activation_from_a_point_is_the_anisotropic_distance() -> None:
    errors = []
    for count in (8, 16):
        points, cells = bar((count, count, count), 40.0 / count)
        slowness = Speed(0.6, 0.3).slowness(np.tile((0.6, 0.8, 0.0), (len(cells), 1)))
        away = points - 20.0
        exact = np.sqrt(np.einsum("ni,ij,nj->n", away, slowness[0], away))
        start = np.where(np.linalg.norm(away, axis=1) <= 8.0, exact, np.inf)
        found = activation(points, cells, slowness, start)
        errors.append(float(np.abs(found - exact).max() / exact.max()))
        assert (found > exact - 1e-9).all()
    assert errors[1] < 0.04 and errors[1] < 0.7 * errors[0]


def test_activation_that_starts_nowhere_or_misses_a_piece_is_refused() -> None:
    points, cells = bar((2, 1, 1), 2.0)
    slowness = Speed().slowness(np.tile((1.0, 0.0, 0.0), (len(cells), 1)))
    with pytest.raises(InputError, match="starts nowhere"):
        activation(points, cells, slowness, np.full(len(points), np.inf))
    two, twice = np.concatenate([points, points + 100]), np.concatenate([cells, cells + len(points)])
    with pytest.raises(InputError, match="does not reach"):
        activation(two, twice, np.concatenate([slowness, slowness]), np.where(np.arange(len(two)) == 0, 0.0, np.inf))
    with pytest.raises(InputError, match="speed"):
        Speed(across=0.0)


def test_an_open_cavity_is_closed_by_a_fan_over_its_opening() -> None:
    wall = shell(24, 1, 20.0, 25.0, upper=False)
    assert closed_volume(wall.points + 7.0, wall.inner) == pytest.approx(2 / 3 * np.pi * 20**3, rel=0.01)


def test_the_hold_fades_with_the_distance_from_the_rings() -> None:
    ring = np.stack([30 * np.cos(np.linspace(0, 6.28, 300)), 30 * np.sin(np.linspace(0, 6.28, 300)),
                     np.zeros(300)], axis=1)
    height = np.linspace(0, 15, 61)
    share = Attachment().share(np.stack([np.full(61, 30.0), np.zeros(61), height], axis=1), [ring])
    assert (share[height <= 4] == 1).all() and (share[height >= 10] == 0).all()
    assert (np.diff(share) <= 0).all() and np.abs(np.diff(share)).max() < 0.08
    with pytest.raises(InputError, match="not held"):
        require_held(0.2)


def test_without_scikit_fem_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **more: Any) -> Any:
        if name == "skfem":
            raise ImportError("No module named 'skfem'")
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install \"diffusion-siblings\[simulate\]\""):
        elements()
