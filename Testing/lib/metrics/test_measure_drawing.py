"""Lines and surfaces that show measures: where the drawn shapes are, and with the numbers of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_shapes import ANATOMY, ball, below, both, draw, tube

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measures.drawing import Drawing, drawing_of
from DiffusionSiblingsLib.metrics.measures.drawing_file import read_drawing, write_drawing
from DiffusionSiblingsLib.metrics.measures.measure import Measured, measure

WALL_MM, RADIUS = 8.0, 20.0


def polygon(points: np.ndarray) -> float:
    """Area of a closed outline in mm^2, by its vectors."""
    middle = points - points.mean(axis=0)
    return float(np.linalg.norm(np.cross(middle, np.roll(middle, -1, axis=0)).sum(axis=0)) / 2)


@pytest.fixture(scope="module")
def measured() -> Measured:
    """A left ventricle in a wall, an atrium of radius 11 on top, and an aorta of radius 9 beside it."""
    wall, cavity = both(ball(32, stretch=54 / 32), below(15)), both(ball(24, stretch=2), below(15))
    shapes = {"Myo": wall, "LV": cavity, "LA": lambda p: tube(15, 45, 11)(p - (-9, 0, 0)),
              "Ao": lambda p: tube(15, 60, 9)(p - (13, 0, 0))}
    return measure(*draw(shapes, half_mm=62, spacing=1.4, pose=2, mirrored=True), ANATOMY)


@pytest.fixture(scope="module")
def drawing(measured: Measured) -> Drawing:
    return drawing_of(measured, ANATOMY)


@pytest.mark.parametrize(("name", "center", "radius"), [("mitral annulus", (-9, 0, 15), 11),
                                                        ("aortic annulus", (13, 0, 15), 9)])
def test_a_ring_lies_around_the_opening(drawing: Drawing, name: str, center: tuple[float, ...], radius: float) -> None:
    ring = drawing.line(name, "ring")
    assert ring.closed and np.linalg.norm(ring.points.mean(axis=0) - center) < 1.0
    assert np.abs(ring.points[:, 2] - 15).max() < 0.7  # half a voxel
    assert np.linalg.norm(ring.points[:, :2] - center[:2], axis=1) == pytest.approx(radius, abs=0.7)


def test_a_normal_looks_out_of_the_ventricle(drawing: Drawing) -> None:
    start, end = drawing.line("mitral annulus", "normal").points
    assert (end - start) / np.linalg.norm(end - start) == pytest.approx((0, 0, 1), abs=0.05)


def test_rings_have_the_numbers_of_the_table(drawing: Drawing, measured: Measured) -> None:
    areas = {key.tissue: value for key, value in measured.values.items() if key.name == "area"}
    for name, area in areas.items():
        ring = drawing.line(name, "ring")
        assert polygon(ring.points) == pytest.approx(area, rel=1e-6)
        assert ring.text == f"{name} {area:.0f} mm², {2 * np.sqrt(area / np.pi):.1f} mm"
        assert ring.headline == f"{name} {2 * np.sqrt(area / np.pi):.1f} mm"
    sinus = next(value for key, value in measured.values.items() if key.label == "Ao sinus diameter")
    ring = drawing.line("Ao sinus diameter", "ring")
    assert 2 * np.sqrt(polygon(ring.points) / np.pi) == pytest.approx(sinus, rel=1e-6)
    assert ring.text == f"Ao sinus diameter {sinus:.1f} mm"


def test_lengths_and_the_centre_line_lie_in_their_tissue(drawing: Drawing) -> None:
    base, apex = drawing.line("LV length", "length").points
    assert base == pytest.approx((-9, 0, 15), abs=1.0) and apex[2] == pytest.approx(-48, abs=1.5)
    way = drawing.line("Ao", "centre line").points
    assert np.abs(way[:, :2] - (13, 0)).max() < 0.5 and np.all(np.diff(way[:, 2]) > 0)


def test_the_wall_is_on_the_cavity_and_as_thick_as_it_was_drawn() -> None:
    shapes = {"Myo": ball(RADIUS + WALL_MM), "LV": ball(RADIUS)}
    (wall,) = drawing_of(measure(*draw(shapes, spacing=1.2, pose=5), ANATOMY), ANATOMY).walls
    assert np.linalg.norm(wall.points, axis=1) == pytest.approx(RADIUS, abs=0.6)  # half a voxel
    assert np.median(wall.thickness) == pytest.approx(WALL_MM, abs=0.2)
    a, b, c = (wall.points[wall.triangles[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    assert np.all((across * a).sum(axis=1) > 0), "a triangle looks inwards"
    assert np.linalg.norm(across, axis=1).sum() / 2 == pytest.approx(4 * np.pi * RADIUS**2, rel=0.03)


def test_the_wall_leaves_out_what_lies_next_to_a_valve(drawing: Drawing) -> None:
    (wall,) = drawing.walls
    mitral = drawing.line("mitral annulus", "ring").points
    nearest = np.linalg.norm(wall.points[:, None] - mitral[None], axis=2).min()
    assert 6 < nearest < 12 and wall.triangles.max() == len(wall.points) - 1


def test_what_was_not_found_is_not_drawn_and_named() -> None:
    drawing = drawing_of(measure(*draw({"LV": ball(RADIUS)}), ANATOMY), ANATOMY)
    assert not drawing.lines and not drawing.walls and "no LA" in drawing.missing["mitral annulus"]


def test_measures_of_a_record_have_no_places(measured: Measured) -> None:
    read = Measured.from_json(measured.to_json())
    assert drawing_of(read, ANATOMY) == Drawing(missing=measured.missing)


def test_a_drawing_comes_out_of_its_file_as_it_went_in(drawing: Drawing, tmp_path: Path) -> None:
    read = read_drawing(write_drawing(drawing, tmp_path / "é" / "drawing.npz"))
    assert [(line.name, line.kind, line.text, line.headline) for line in read.lines] == [
        (line.name, line.kind, line.text, line.headline) for line in drawing.lines]
    assert all(np.array_equal(one.points, two.points) for one, two in zip(read.lines, drawing.lines, strict=True))
    for part in ("name", "text", "points", "triangles", "thickness"):
        assert np.array_equal(getattr(read.walls[0], part), getattr(drawing.walls[0], part))
    assert read.missing == drawing.missing


@pytest.mark.parametrize("damage", [b"", b"PK no zip", None])
def test_a_damaged_file_is_refused(drawing: Drawing, tmp_path: Path, damage: bytes | None) -> None:
    path = write_drawing(drawing, tmp_path / "drawing.npz")
    path.write_bytes(path.read_bytes()[:5000] if damage is None else damage)
    with pytest.raises(InputError, match="cannot be read"):
        read_drawing(path)
