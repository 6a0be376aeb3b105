"""The overview picture: what it shows, that poor maps do not break it, that the same input gives the same bytes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.palette import CHANGED, color_table, tissue_colors
from DiffusionSiblingsLib.reports import overview as picture
from DiffusionSiblingsLib.reports import overview_layout as sheet
from DiffusionSiblingsLib.reports.overview import Panel, overview
from DiffusionSiblingsLib.reports.shading import MOVED
from DiffusionSiblingsLib.reports.slices import cut, painted
from DiffusionSiblingsLib.reports.surfaces import first_hit, render
from DiffusionSiblingsLib.reports.tissue_fields import LEVEL, solid_of
from DiffusionSiblingsLib.reports.viewpoint import best_view
from DiffusionSiblingsLib.reports.views import centroids, fitted, four_chamber, frame, short_axis

N = 56
PARTS = {  # tissue: centre and half axes, xyz in voxels; later ones lie over earlier ones
    "Myo": ((24, 28, 22), (13, 13, 17)),
    "LV": ((24, 28, 24), (8, 8, 12)),
    "RV": ((42, 28, 22), (7, 10, 13)),
    "LA": ((22, 28, 45), (8, 7, 6)),
    "RA": ((40, 28, 43), (8, 7, 7)),
    "Ao": ((31, 37, 38), (4, 4, 8)),
}


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 90 pixels: as much of the code, a tenth of the time."""
    monkeypatch.setattr(sheet, "TILE", 90)


def ellipsoid(centre: tuple[float, ...], axes: tuple[float, ...]) -> np.ndarray:
    """(N, N, N) bool, KJI order."""
    z, y, x = np.indices((N, N, N))
    (cx, cy, cz), (a, b, c) = centre, axes
    return ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 <= 1


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy()


@pytest.fixture(scope="module")
def heart(anatomy: Anatomy) -> np.ndarray:
    labels = np.zeros((N, N, N), dtype=np.uint8)
    for name, (centre, axes) in PARTS.items():
        labels[ellipsoid(centre, axes)] = anatomy.label_of(name)
    return labels


@pytest.fixture(scope="module")
def sibling(heart: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """The heart with a right ventricle that grew by four voxels to the right."""
    labels = heart.copy()
    labels[ellipsoid((42, 28, 22), (11, 10, 13)) & (labels == 0)] = anatomy.label_of("RV")
    return labels


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def share(image: np.ndarray, color: tuple[float, float, float], tolerance: int = 6) -> float:
    """Share of the pixels that have a colour given in 0..1."""
    return float((np.abs(image.astype(int) - np.round(np.array(color) * 255)).max(axis=-1) <= tolerance).mean())


def test_overview_shows_every_tissue_and_the_change(tmp_path, heart, sibling, anatomy):
    region = ellipsoid((42, 28, 22), (13, 13, 16))
    path = overview(
        tmp_path / "new" / "overview.png",
        heart,
        [Panel(f"Sibling {k}", sibling, f"seed {k}") for k in range(3)],
        anatomy,
        region=region,
        title="A title with $signs_{and}$ marks",
        notes=("A note.",),
    )
    image = pixels(path)
    assert image.shape[1] == 1600
    assert path.stat().st_size < 1_500_000
    assert (image[0] == 255).all() and (image[-1] == 255).all()
    for tissue, color in ((t, tissue_colors(anatomy)[t.label]) for t in anatomy.tissues):
        assert share(image, color) > 1e-4, tissue.id
    assert share(image, CHANGED, 30) > 1e-4


def test_same_input_gives_same_bytes_whatever_the_users_matplotlib_settings(
    small_tiles, tmp_path, heart, sibling, anatomy
):
    import matplotlib

    first = overview(tmp_path / "a.png", heart, [Panel("Sibling", sibling)], anatomy)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "path.simplify": False}):
        second = overview(tmp_path / "b.png", heart, [Panel("Sibling", sibling)], anatomy)
    assert first.read_bytes() == second.read_bytes()


def test_unchanged_sibling_has_no_stripes(small_tiles, tmp_path, heart, anatomy):
    both = pixels(overview(tmp_path / "a.png", heart, [Panel("Sibling", heart)], anatomy))
    legend = both.shape[0] - 110  # the legend shows the stripes
    assert share(both[:legend], CHANGED, 30) == 0


def test_poor_maps_do_not_fail(small_tiles, tmp_path, heart, anatomy):
    without_aorta = np.where(heart == anatomy.label_of("Ao"), 0, heart)
    without_chamber = np.where(heart == anatomy.label_of("LA"), 0, heart)
    single = np.zeros_like(heart)
    single[0, 0, 0] = anatomy.label_of("LV")
    full = np.full_like(heart, anatomy.label_of("RV"))
    unknown = np.where(heart == 3, 77, heart)
    empty = np.zeros_like(heart)
    poor = [Panel(str(n), labels) for n, labels in enumerate((empty, single, full, unknown, without_chamber))]
    for twin in (without_aorta, empty, single, None):
        assert overview(tmp_path / "overview.png", twin, poor, anatomy).stat().st_size > 5000
    assert overview(tmp_path / "none.png", None, [], anatomy, title="Nothing").exists()


def test_of_many_maps_the_first_are_shown_and_a_note_says_so(small_tiles, monkeypatch, tmp_path, heart, anatomy):
    assert picture.MOST == 16
    monkeypatch.setattr(picture, "MOST", 7)
    few = pixels(overview(tmp_path / "a.png", None, [Panel(str(n), heart) for n in range(7)], anatomy))
    many = pixels(overview(tmp_path / "b.png", None, [Panel(str(n), heart) for n in range(9)], anatomy))
    assert few.shape[1] == many.shape[1] == 1600
    assert many.shape[0] > few.shape[0]  # the note that says so
    top = few.shape[0] - 120
    assert (few[:top] == many[:top]).all()


def test_wrong_maps_are_refused_in_words(small_tiles, tmp_path, heart, anatomy):
    with pytest.raises(InputError, match="different grids"):
        overview(tmp_path / "a.png", heart, [Panel("Sibling", heart[:-1])], anatomy)
    with pytest.raises(InputError, match="cannot be drawn"):
        overview(tmp_path / "a.png", heart[0], [], anatomy)
    with pytest.raises(InputError, match="cannot be drawn"):
        overview(tmp_path / "a.png", heart.astype(np.int16) - 1, [], anatomy)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        overview(tmp_path / "file" / "a.png", heart, [], anatomy)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_planes_pass_through_the_chambers_with_the_atria_above_and_the_right_heart_on_the_left(heart, anatomy):
    view = four_chamber(heart, anatomy)
    points = centroids(heart, [anatomy.label_of(name) for name in anatomy.chambers]) - view.centre
    assert np.abs(points @ view.toward).max() < 1.5
    left_ventricle, right_ventricle, left_atrium, right_atrium = points
    assert min(left_atrium @ view.up, right_atrium @ view.up) > max(left_ventricle @ view.up, right_ventricle @ view.up)
    assert right_ventricle @ view.right < left_ventricle @ view.right
    across = short_axis(heart, anatomy, view)
    assert across.toward @ view.up == pytest.approx(-1)
    slice_ = cut(heart, fitted(across, [heart], slab=1.0), 2.0)
    assert {anatomy.label_of("LV"), anatomy.label_of("RV")} <= set(slice_.values)
    for axis in (view, across):
        basis = np.stack([axis.right, axis.up, axis.toward])
        assert np.allclose(basis @ basis.T, np.eye(3))
        assert np.linalg.det(basis) == pytest.approx(1)


def test_every_outer_tissue_is_seen_from_the_chosen_side(heart, anatomy):
    view = best_view(heart, four_chamber(heart, anatomy))
    image = render(solid_of(heart), fitted(view, [heart], slab=None), 2.0, color_table(anatomy))
    flat = image.reshape(-1, 3) / 255.0
    for name in ("RV", "LA", "RA", "Myo"):
        color = np.array(tissue_colors(anatomy)[anatomy.label_of(name)])
        alike = flat @ color / (np.linalg.norm(flat, axis=1) * np.linalg.norm(color))
        assert (alike > 0.998).mean() > 0.01, name


def test_surface_of_a_ball_lies_where_the_ball_is_and_is_smooth():
    ball = ellipsoid((28, 28, 28), (15, 15, 15)).astype(np.uint8)
    solid = solid_of(ball)
    view = fitted(frame(np.full(3, 28.0), np.array([1.0, 0.2, 0.1]), np.array([0.1, 0.1, 1.0])), [ball], slab=None)
    points = view.grid(3.0) - solid.origin[:, None, None]
    height = first_hit(solid, view, points)
    hits = points + view.toward[::-1, None, None] * height + solid.origin[:, None, None] - 28
    radius = np.linalg.norm(hits, axis=0)[~np.isnan(height)]
    assert abs(radius.mean() - 15) < 0.5
    assert radius.std() < 0.25
    assert radius.size / 9 == pytest.approx(np.pi * 15**2, rel=0.06)


def test_slices_and_surfaces_mark_where_the_sibling_moved(heart, sibling, anatomy):
    view = fitted(four_chamber(heart, anatomy), [heart, sibling], slab=1.0)
    twin, other = cut(heart, view, 2.0), cut(sibling, view, 2.0)
    image = painted(other, color_table(anatomy), twin)
    marked = (image == np.float32(CHANGED)).all(axis=-1)
    assert marked.any()
    assert not marked[twin.labels == other.labels].any()
    moved = solid_of(sibling, heart)
    assert moved.changed.max() > MOVED
    assert solid_of(heart, heart).changed.max() == 0


def test_a_wall_of_two_voxels_stays_on_slice_and_surface(anatomy):
    labels = np.zeros((N, N, N), dtype=np.uint8)
    labels[10:46, 27:29, 10:46] = 2
    assert solid_of(labels).solid.max() > LEVEL
    view = fitted(frame(np.full(3, 28.0), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])), [labels], slab=1.0)
    assert (cut(labels, view, 2.0).labels == 2).mean() > 0.15


def test_colours_come_from_the_anatomy_and_differ_without_one(anatomy):
    assert [tissue_colors(anatomy)[t.label] for t in anatomy.tissues] == [t.picture_color for t in anatomy.tissues]
    plain = dataclasses.replace(
        anatomy,
        tissues=tuple(
            dataclasses.replace(t, color=(0.5, 0.5, 0.5), picture_color=(0.5, 0.5, 0.5)) for t in anatomy.tissues
        ),
    )
    assert len(set(tissue_colors(plain).values())) == len(anatomy.tissues)


def test_drawing_needs_no_graphics_library_and_importing_no_matplotlib():
    code = (
        "import sys, DiffusionSiblingsLib.reports.overview as p; "
        "assert not {'matplotlib', 'vtk', 'pyvista', 'torch'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=120)


def test_a_legend_goes_on_in_a_second_line_where_a_narrow_sheet_ends() -> None:
    words = [f"Left ventricular myocardium ({letter})" for letter in "ABCDEF"]
    lines = sheet._lines([(None, word) for word in words], 940)
    assert [word for line in lines for _, word in line] == words
    assert all(sum(len(word) for _, word in line) <= 120 for line in lines) and len(lines) == 2
