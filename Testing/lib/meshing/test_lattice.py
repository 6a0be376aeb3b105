"""The lattice of tetrahedra: it fits together for whatever labels and sizes of cubes."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.meshing.lattice import Lattice, lattice_of, levels_of

SIZE, RIM = 24, 4


def some_labels(seed: int, labels: int) -> np.ndarray:
    """Blobs in a rim of background, or pure noise for an odd seed."""
    generator = np.random.default_rng(seed)
    found = np.zeros((SIZE,) * 3, dtype=np.int16)
    inside = (slice(RIM, -RIM),) * 3
    size = SIZE - 2 * RIM
    if seed % 2:
        found[inside] = generator.integers(0, labels + 1, (size,) * 3)
    else:
        found[inside] = generator.integers(0, labels + 1, (size // 4,) * 3).repeat(4, 0).repeat(4, 1).repeat(4, 2)
    return found


def some_levels(labels: np.ndarray, seed: int) -> np.ndarray:
    wanted = np.random.default_rng(seed).integers(0, 4, (SIZE // 8,) * 3).repeat(8, 0).repeat(8, 1).repeat(8, 2)
    return levels_of(labels, wanted)


def faces_of(lattice: Lattice) -> dict[tuple[int, ...], list[int]]:
    """Each face with the tissues on its sides, one tetrahedron after the other."""
    found: dict[tuple[int, ...], list[int]] = {}
    for corners, tissue in zip(lattice.tetrahedra.tolist(), lattice.tissue.tolist(), strict=True):
        for left_out in range(4):
            face = tuple(sorted(corners[:left_out] + corners[left_out + 1:]))
            found.setdefault(face, []).append(tissue)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_it_fills_every_tissue_exactly_and_no_face_lies_open_inside(seed: int) -> None:
    labels = some_labels(seed, 3)
    lattice = lattice_of(labels, some_levels(labels, seed))

    corners = lattice.points[lattice.tetrahedra].astype(float)
    volumes = np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6.0
    assert volumes.min() > 0.1
    for label in range(1, 4):
        assert volumes[lattice.tissue == label].sum() == pytest.approx(np.count_nonzero(labels == label))

    faces = faces_of(lattice)
    assert max(map(len, faces.values())) == 2
    for one, other in [(first, second) for first in range(4) for second in range(first)]:
        found = [face for face, sides in faces.items() if sorted([*sides, 0][:2]) == sorted((one, other))]
        points = lattice.points[np.array(found, dtype=int).reshape(-1, 3)].astype(float)
        area = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1).sum() / 2.0
        assert area == pytest.approx(contact(labels, one, other))


def contact(labels: np.ndarray, one: int, other: int) -> int:
    """How many voxel faces lie between two labels."""
    found = 0
    for axis in range(3):
        low, high = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        found += np.count_nonzero((low == one) & (high == other)) + np.count_nonzero((low == other) & (high == one))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_cubes_have_one_label_and_neighbours_of_almost_their_size(seed: int) -> None:
    labels = some_labels(seed, 2)
    levels = some_levels(labels, seed)
    assert levels.max() >= 2 or seed % 2
    for level in range(1, int(levels.max()) + 1):
        size = 1 << level
        for origin in np.argwhere(levels[::size, ::size, ::size] == level) * size:
            cube = tuple(slice(start, start + size) for start in origin)
            around = tuple(slice(max(start - 1, 0), start + size + 1) for start in origin)
            assert len(np.unique(labels[cube])) == 1
            assert (levels[cube] == level).all()
            assert levels[around].min() >= level - 1


def test_cubes_of_one_size_become_five_tetrahedra_each() -> None:
    labels = some_labels(2, 2)
    lattice = lattice_of(labels, np.zeros(labels.shape, dtype=np.int8))
    assert len(lattice.tetrahedra) == 5 * np.count_nonzero(labels)
