"""Draws the picture of docs/measures.md: where the measures of the sample heart are.

    python docs/tools/draw_measures.py [LABEL_MAP] [--out docs/images/measures.png]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from scipy import ndimage

mpl.use("Agg")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.colors import ListedColormap  # noqa: E402

from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.labelmaps.read import read_labelmap  # noqa: E402
from DiffusionSiblingsLib.labelmaps.tissues import known_labels  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.drawing import Drawing, drawing_of  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.kinds import Found  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.measure import Measured, measure  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.planes import Outline, Plane  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.segments import NAMES, segments_of  # noqa: E402

HEART = load_anatomy("heart")
COLORS = ListedColormap([(1, 1, 1), *[tissue.picture_color for tissue in HEART.tissues]])
LINE = "black"
Points = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sample = ROOT / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"
    parser.add_argument("map", type=Path, nargs="?", default=sample)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "measures.png")
    arguments = parser.parse_args()
    labelmap = read_labelmap(arguments.map, HEART)
    found = measure(known_labels(labelmap, HEART), labelmap.affine, HEART)
    drawing = drawing_of(found, HEART)
    figure, axes = plt.subplots(2, 4, figsize=(13, 7))
    openings(found, drawing, axes[0])
    tract(found, axes[1, 0])
    vessel(found, drawing, axes[1, 1])
    lengths(found, drawing, axes[1, 2])
    wall(found, axes[1, 3])
    angle(found, axes[0, 3])
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=72)
    small(arguments.out)


def openings(found: Measured, drawing: Drawing, axes: npt.NDArray[np.object_]) -> None:
    """The three annuli, each in its own plane, looked at from the ventricle."""
    for axis, name in zip(axes, ("mitral annulus", "aortic annulus", "tricuspid annulus"), strict=False):
        ring = found.found.outlines[name]
        side = {"mitral annulus": "LA", "aortic annulus": "Ao", "tricuspid annulus": "RA"}[name]
        show(axis, found.found, ring.plane.shifted(1.5), ring.plane.axes, 38)
        flat = ring.plane.flat(drawing.line(name, "ring").points)
        axis.plot(*np.concatenate([flat, flat[:1]]).T[::-1], color=LINE, linewidth=2)
        area = value(found, name, "area")
        axis.set_title(f"{name}: {area:.0f} mm$^2$\n(plane 1.5 mm inside the {side})", fontsize=9)


def angle(found: Measured, axis: Axes) -> None:
    """Mitral and aortic planes seen along the line that they have in common."""
    first, second = (found.found.outlines[name] for name in ("mitral annulus", "aortic annulus"))
    across = unit(np.cross(first.plane.normal, second.plane.normal))
    middle = (first.centroid + second.centroid) / 2
    up = unit(first.plane.normal + second.plane.normal)
    basis = (up, np.cross(across, up))
    plane = Plane(middle, across)
    show(axis, found.found, plane, basis, 45)
    for ring in (first, second):
        line(axis, plane, basis, ring, 1.0)
    axis.set_title(f"aorto-mitral angle: {value(found, 'aorto-mitral', 'angle'):.0f} degrees", fontsize=9)


def tract(found: Measured, axis: Axes) -> None:
    """The outflow tract: annulus and the two sections below it, seen from the side."""
    ring = found.found.outlines["aortic annulus"]
    basis = (ring.plane.normal, ring.plane.axes[0])
    plane = Plane(ring.centroid, np.cross(*basis))
    show(axis, found.found, plane, basis, 35)
    for name in ("aortic annulus", "LVOT at 3 mm", "LVOT at 5 mm"):
        line(axis, plane, basis, found.found.outlines[name], 1.0)
    axis.set_title(f"LVOT at 3 and 5 mm: {value(found, 'LVOT', 'area diameter at 3 mm'):.1f} and "
                   f"{value(found, 'LVOT', 'area diameter at 5 mm'):.1f} mm", fontsize=9)


def vessel(found: Measured, drawing: Drawing, axis: Axes) -> None:
    """The aorta along its centre line."""
    centers = drawing.line("Ao", "centre line").points
    up = unit(centers[-1] - centers[0])
    bend = centers[len(centers) // 2] - (centers[0] + centers[-1]) / 2
    basis = (up, unit(bend - up * (bend @ up)))
    plane = Plane(centers.mean(axis=0), np.cross(*basis))
    show(axis, found.found, plane, basis, 45)
    flat = np.stack([(centers - plane.center) @ basis[1], (centers - plane.center) @ basis[0]], axis=1)
    axis.plot(*flat.T, color=LINE, linewidth=1)
    for section in found.found.vessels["Ao"].sections[::2]:
        line(axis, plane, basis, section, 0.6)
    names = {key.name: number for key, number in found.values.items() if key.tissue == "Ao"}
    axis.set_title("\n".join(f"{name} {number:.1f} mm" for name, number in names.items()), fontsize=9)


def lengths(found: Measured, drawing: Drawing, axis: Axes) -> None:
    """Long axes and depths in the plane of the left ventricle's axis and the tricuspid annulus."""
    long, ring = found.found.axes["LV"], found.found.outlines["tricuspid annulus"]
    up = long.direction
    aside = ring.centroid - long.base
    basis = (up, unit(aside - up * (aside @ up)))
    plane = Plane((long.base + long.apex) / 2, np.cross(*basis))
    show(axis, found.found, plane, basis, 75)
    for each in (each for each in drawing.lines if each.kind == "length"):
        pair = each.points - plane.center
        axis.plot(pair @ basis[1], pair @ basis[0], color=LINE, linewidth=1.5)
    axis.set_title(f"LV length {value(found, 'LV', 'length'):.0f}, LA {value(found, 'LA', 'length'):.0f}, "
                   f"RA {value(found, 'RA', 'length'):.0f} mm", fontsize=9)


def wall(found: Measured, axis: Axes) -> None:
    """The 17 segments on the wall across the long axis, seen from the apex, with their thickness."""
    long = found.found.axes["LV"]
    thick = found.found.walls["LV wall"]
    fields = found.found.fields
    septum = fields.to_mm(np.argwhere(fields.mask(["RV"])).astype(float)).mean(axis=0)
    number = segments_of(thick.points, long.base, long.apex, septum)
    toward = septum - long.base
    toward = unit(toward - long.direction * (toward @ long.direction))
    basis = (np.cross(long.direction, toward), -toward)  # anterior up, septum to the left
    share = (long.base - thick.points) @ long.direction / long.length
    flat = np.stack([(thick.points - long.base) @ basis[1], (thick.points - long.base) @ basis[0]], axis=1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True) * (1 - np.clip(share, 0, 1))[:, None]
    dots = axis.scatter(*flat[number > 0].T, c=thick.thickness[number > 0], s=3, cmap="viridis")
    for segment in range(1, len(NAMES) + 1):
        here = flat[number == segment]
        if len(here):
            center = here.mean(axis=0) if segment < 17 else np.zeros(2)
            axis.text(*center, str(segment), color="white", fontsize=9, ha="center", va="center", weight="bold")
    axis.set_aspect("equal")
    axis.set_axis_off()
    plt.colorbar(dots, ax=axis, fraction=0.046, label="mm")
    axis.set_title(f"LV wall by segments; median {value(found, 'LV wall', 'median thickness'):.1f} mm", fontsize=9)


def show(axis: Axes, found: Found, plane: Plane, basis: tuple[Points, Points], reach: float) -> None:
    """The label map in a plane. basis: unit vectors that point up and to the right."""
    side = np.arange(-reach, reach, 0.3)
    points = plane.center + side[:, None, None] * basis[0] + side[None, :, None] * basis[1]
    index = (points - found.fields.affine[:3, 3]) @ np.linalg.inv(found.fields.affine[:3, :3]).T
    picture = ndimage.map_coordinates(found.fields.labels, index[..., ::-1].transpose(2, 0, 1), order=0)
    axis.imshow(picture, origin="lower", extent=(-reach, reach, -reach, reach), cmap=COLORS, vmin=0, vmax=6)
    axis.set_axis_off()


def line(axis: Axes, plane: Plane, basis: tuple[Points, Points], ring: Outline, width: float) -> None:
    """Where the plane of an outline crosses the picture, as long as the outline is wide there."""
    points = ring.points - plane.center
    height = points @ plane.normal
    crossing = np.flatnonzero((height >= 0) != (np.roll(height, -1) >= 0))
    if len(crossing) < 2:
        return
    ends = points[crossing[[0, -1]]]
    axis.plot(ends @ basis[1], ends @ basis[0], color=LINE, linewidth=2 * width)


def value(found: Measured, of: str, name: str) -> float:
    return next(number for key, number in found.values.items() if (key.tissue, key.name) == (of, name))


def unit(vector: Points) -> Points:
    return np.asarray(vector / np.linalg.norm(vector))


def small(path: Path) -> None:
    """The same picture with 128 colours, a third of the bytes."""
    from PIL import Image

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main()
