"""Patches: every triangle in one of them, each in one piece, with the geometry that a drawn shape has."""

from __future__ import annotations

import numpy as np
import pytest
from small_meshes import ANATOMY, LABELS, SPACING, TISSUES, block_labels, volume_of

from DiffusionSiblingsLib.meshing.edges import pieces, rims
from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, triangle_areas
from DiffusionSiblingsLib.meshing.patches import patches_of

PATCHES = {patch.id: patch for patch in patches_of(volume_of(block_labels()).surface, ANATOMY, TISSUES)}


def patches(surface: SurfaceMesh) -> dict:
    return {patch.id: patch for patch in patches_of(surface, ANATOMY, TISSUES)}


def test_every_triangle_is_in_one_patch_and_every_patch_in_one_piece() -> None:
    labels = block_labels()
    labels[2, 2, 0] = 0  # a hole in the wall, on which the ventricle looks outside
    labels[0, 0, 0] = labels[0, 4, 4] = LABELS["RV"]
    surface = volume_of(labels).surface
    found = patches(surface)
    rows = np.concatenate([patch.triangles for patch in found.values()])
    assert sorted(rows.tolist()) == list(range(len(surface.triangles)))
    for patch in found.values():
        corners = surface.triangles[patch.triangles]
        assert pieces(corners, np.zeros(len(corners), dtype=int)).max() == 0, patch.id
    assert {"rv_endocardium", "rv_endocardium_2", "septum", "septum_2", "lv_outside"} <= set(found)


def test_a_valve_has_the_place_and_size_of_its_opening() -> None:
    valve = PATCHES["mitral_valve"]
    side = 3 * SPACING
    assert valve.kind == "valve" and valve.name == "mitral valve"
    assert valve.area_mm2 == pytest.approx(side**2) and valve.perimeter_mm == pytest.approx(4 * side)
    assert valve.normal == pytest.approx([0, 0, 1]), "out of the ventricle, into the atrium"
    assert valve.centre == pytest.approx([10 + 2.5 * SPACING, -20 + 2.5 * SPACING, 30 + 4 * SPACING])
    assert valve.diameters["of equal area"] == pytest.approx(2 * side / np.sqrt(np.pi))
    assert valve.diameters["of equal perimeter"] == pytest.approx(4 * side / np.pi)
    assert valve.diameters["least"] == pytest.approx(side)
    assert valve.diameters["greatest"] == pytest.approx(side * np.sqrt(2), rel=1e-3)


def test_a_surface_that_is_nearly_closed_has_no_plane_and_no_diameters() -> None:
    assert PATCHES["lv_endocardium"].diameters == {}
    assert PATCHES["lv_endocardium"].perimeter_mm == pytest.approx(12 * SPACING)


def test_a_speck_joins_the_wall_that_it_touches_most() -> None:
    labels = block_labels()
    labels[3, 0, 0] = LABELS["LA"]  # on the corner of the wall, four faces wide: no patch of its own
    small = volume_of(labels, spacing=2.0)
    found = patches(small.surface)
    assert [ident for ident in found if ident.startswith("la_endocardium")] == ["la_endocardium"]
    joined = small.surface.sides[found["lv_epicardium"].triangles]
    assert (joined == LABELS["LA"]).any(), "the speck is part of the wall around it"


def test_a_patch_with_a_hole_has_two_rims_and_its_perimeter_is_the_outer_one() -> None:
    n = 6
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    at = np.arange(n * n).reshape(n, n)
    squares = [(i, j) for i in range(n - 1) for j in range(n - 1) if (i, j) != (2, 2)]
    triangles = np.array([t for i, j in squares for t in ((at[i, j], at[i + 1, j], at[i + 1, j + 1]),
                                                          (at[i, j], at[i + 1, j + 1], at[i, j + 1]))], np.int32)
    lengths = sorted(len(line) for line in rims(triangles))
    assert lengths == [4, 20]
    assert triangle_areas(np.pad(grid, ((0, 0), (0, 1))).astype(float), triangles).sum() == pytest.approx(24)


def tube(radius: float, length: float, *, domed: bool = False, flat: float = 1.0, step: float = 1.0) -> SurfaceMesh:
    """A tube of the aorta's label along z whose ends are flat or domed, pressed together along y."""
    around = max(12, int(2 * np.pi * radius / step))
    rings: list[tuple[float, float]] = []  # radius and height
    inner = [radius * n / 10 for n in range(1, 10)]
    if domed:
        turns = np.linspace(0, np.pi / 2, 12)[1:]
        rings += [(radius * np.sin(turn), -radius * np.cos(turn)) for turn in turns]
        rings += [(radius, z) for z in np.arange(step, length, step)]
        rings += [(radius * np.sin(turn), length + radius * np.cos(turn)) for turn in turns[::-1]]
    else:
        rings += [(r, 0.0) for r in inner] + [(radius, z) for z in np.arange(0, length + step / 2, step)]
        rings += [(r, length) for r in inner[::-1]]
    turn = 2 * np.pi * np.arange(around) / around
    points = [[0.0, 0.0, -radius if domed else 0.0]]
    points += [[r * np.cos(t), flat * r * np.sin(t), z] for r, z in rings for t in turn]
    points += [[0.0, 0.0, length + (radius if domed else 0.0)]]
    last = len(points) - 1
    triangles = []
    for m in range(around):
        other = (m + 1) % around
        triangles.append((0, 1 + other, 1 + m))
        for ring in range(len(rings) - 1):
            a, b = 1 + ring * around + m, 1 + ring * around + other
            triangles += [(a, b, b + around), (a, b + around, a + around)]
        start = 1 + (len(rings) - 1) * around
        triangles.append((start + m, start + other, last))
    corners = np.array(triangles, dtype=np.int32)
    return SurfaceMesh(np.array(points), corners, np.tile(np.array([[LABELS["Ao"], 0]], np.int16), (len(corners), 1)))


@pytest.mark.parametrize(("radius", "flat"), [(6.0, 1.0), (12.0, 1.0), (18.0, 0.8)])
def test_the_flat_ends_of_a_tube_are_found_with_their_area(radius: float, flat: float) -> None:
    found = patches(tube(radius, 60.0, flat=flat))
    assert set(found) == {"aortic_wall", "aortic_end", "aortic_end_2"}
    for ident in ("aortic_end", "aortic_end_2"):
        end = found[ident]
        assert end.kind == "cut" and end.area_mm2 == pytest.approx(np.pi * radius**2 * flat, rel=0.05)
        assert abs(end.normal[2]) == pytest.approx(1) and end.centre[2] == pytest.approx(60 if end.normal[2] > 0 else 0)


def test_domes_and_plates_are_no_ends() -> None:
    assert set(patches(tube(12.0, 60.0, domed=True))) == {"aortic_wall"}
    assert set(patches(tube(25.0, 8.0))) == {"aortic_wall"}, "nothing lies behind the side of a plate"
