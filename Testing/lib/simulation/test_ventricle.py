"""A drawn heart from label map to numbers and fields, and what a heart without the needed places is told."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np
import pytest

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.simulation.fields_file import write_fields
from DiffusionSiblingsLib.simulation.landmarks import landmarks_of
from DiffusionSiblingsLib.simulation.ventricle import Setup, Solved, solve

ANATOMY = load_anatomy("heart")
TWIN = Path(__file__).resolve().parents[3] / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"


@pytest.fixture(scope="module")
def twin() -> tuple[np.ndarray, np.ndarray]:
    heart = read_labelmap(TWIN, ANATOMY)
    return known_labels(heart, ANATOMY), np.asarray(heart.affine)


@pytest.fixture(scope="module")
def solved(twin: tuple[np.ndarray, np.ndarray]) -> Solved:
    return solve(*twin, ANATOMY, Setup(edge_mm=5.0, pressures=(0.05,)))


def test_the_numbers_are_those_of_the_map_and_of_a_heart(solved: Solved, twin: tuple[np.ndarray, np.ndarray]) -> None:
    labels, affine = twin
    voxel, numbers = abs(np.linalg.det(affine[:3, :3])) / 1000, solved.numbers
    for name, tissue in (("cavity [ml]", "LV"), ("wall [ml]", "Myo")):
        assert numbers[name] == pytest.approx(np.count_nonzero(labels == ANATOMY.label_of(tissue)) * voxel, rel=0.01)
    assert 1 < numbers["filling [ml]"] < 10 and 0 < numbers["peak strain"] < 0.2
    assert numbers["displacement of the rings [mm]"] < 0.2 * numbers["largest displacement [mm]"]
    assert 100 < numbers["activation [ms]"] < 300 and numbers["held wall [ml]"] > 5
    assert solved.inflated.dilatation.min() > 0.97 and solved.inflated.dilatation.max() < 1.03


def test_the_stimulus_is_in_the_septum_and_the_free_wall_is_last(solved: Solved,
                                                                 twin: tuple[np.ndarray, np.ndarray]) -> None:
    marks = landmarks_of(*twin, ANATOMY)
    aside = (solved.wall.points - marks.apex) @ marks.septal
    first, last = np.argmin(solved.activation), np.argmax(solved.activation)
    assert aside[first] > 10 > aside[last]
    assert marks.height(solved.wall.points[[first]])[0] == pytest.approx(0.5, abs=0.15)


def test_paraview_and_others_can_read_the_fields(solved: Solved, tmp_path: Path) -> None:
    write_fields(solved, tmp_path / "fields.vtu")
    read = meshio.read(tmp_path / "fields.vtu")
    turn = (-1, -1, 1)
    assert read.points == pytest.approx(solved.wall.points * turn)
    assert read.point_data["displacement"] == pytest.approx(solved.inflated.moved[:len(read.points)] * turn)
    assert read.point_data["activation"].max() == pytest.approx(solved.numbers["activation [ms]"])
    assert np.linalg.norm(read.cell_data["fibre"][0], axis=1) == pytest.approx(np.ones(len(solved.wall.tetrahedra)))
    assert {"depth", "height", "held"} <= set(read.point_data)
    assert {"peak_strain", "fibre_strain", "volume_ratio"} <= set(read.cell_data)


def test_a_heart_without_a_mitral_valve_is_refused_with_the_reason(twin: tuple[np.ndarray, np.ndarray]) -> None:
    labels, affine = twin
    with pytest.raises(InputError, match="mitral annulus"):
        solve(np.where(labels == ANATOMY.label_of("LA"), 0, labels), affine, ANATOMY, Setup())


def test_pressures_rise() -> None:
    with pytest.raises(InputError, match="rising"):
        Setup(pressures=(0.5, 0.25))
