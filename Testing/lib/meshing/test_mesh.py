"""Meshes in memory: what they refuse, and what a cube that two tissues share measures."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, VolumeMesh, enclosed_volume, triangle_areas

TETRAHEDRON = np.array([[0, 0, 0], [6, 0, 0], [0, 6, 0], [0, 0, 6], [-6, 0, 0]], dtype=np.float64)
OUTWARDS = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32)


def two_tetrahedra() -> SurfaceMesh:
    """Tissue 1 at x > 0 and tissue 2 at x < 0, each of 36 mm^3, with one triangle between them."""
    triangles = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2], [0, 4, 2], [0, 3, 4], [4, 3, 2]], dtype=np.int32)
    sides = np.array([[1, 0]] * 3 + [[1, 2]] + [[2, 0]] * 3, dtype=np.int16)
    return SurfaceMesh(TETRAHEDRON, triangles, sides)


def test_each_tissue_is_closed_and_holds_its_volume():
    mesh = two_tetrahedra()
    assert mesh.tissues == (1, 2)
    assert mesh.pairs == ((1, 0), (1, 2), (2, 0))
    assert mesh.volume(1) == pytest.approx(36.0)
    assert mesh.volume(2) == pytest.approx(36.0)
    assert mesh.area(mesh.between(2, 1)) == pytest.approx(18.0)


def test_a_volume_far_from_the_origin_keeps_its_digits():
    assert enclosed_volume(TETRAHEDRON + 1e7, OUTWARDS) == pytest.approx(36.0, rel=1e-6)
    assert triangle_areas(TETRAHEDRON, OUTWARDS)[2] == pytest.approx(18.0 * np.sqrt(3))


@pytest.mark.parametrize(("sides", "rule"), [([0, 1], "outside"), ([2, 1], "smaller"), ([1, 1], "smaller")])
def test_sides_in_another_order_are_refused(sides, rule):
    with pytest.raises(InputError, match=rule):
        SurfaceMesh(TETRAHEDRON, OUTWARDS[:1], np.array([sides], dtype=np.int16))


def test_triangles_of_missing_points_and_other_types_are_refused():
    side = np.array([[1, 0]], dtype=np.int16)
    with pytest.raises(InputError, match="rows of the 5 points"):
        SurfaceMesh(TETRAHEDRON, np.array([[0, 1, 5]], dtype=np.int32), side)
    with pytest.raises(InputError, match="float64"):
        SurfaceMesh(TETRAHEDRON.astype(np.float32), OUTWARDS[:1], side)
    with pytest.raises(InputError, match="one pair of sides"):
        SurfaceMesh(TETRAHEDRON, OUTWARDS, side)


def test_a_tetrahedron_turned_inside_out_is_refused():
    surface = two_tetrahedra()
    tissue = np.array([1], dtype=np.int16)
    mesh = VolumeMesh(TETRAHEDRON, np.array([[0, 1, 2, 3]], dtype=np.int32), tissue, surface)
    assert mesh.volumes() == pytest.approx([36.0])
    with pytest.raises(InputError, match="1 of 1 tetrahedra"):
        VolumeMesh(TETRAHEDRON, np.array([[1, 0, 2, 3]], dtype=np.int32), tissue, surface)
    with pytest.raises(InputError, match="share their points"):
        VolumeMesh(TETRAHEDRON.copy(), np.array([[0, 1, 2, 3]], dtype=np.int32), tissue, surface)
