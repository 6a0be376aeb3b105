"""Draws the icons of the Slicer module and of its effects, and the thumbnails of the sample hearts.

    python docs/tools/draw_icons.py [FOLDER]

FOLDER: the surfaces that Sample Data downloads (the atlas's RegularHeart/HighRes); without it the thumbnail of the
Toronto heart stays as it is. Its surfaces: Toronto Heart Atlas, CC BY 4.0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "DiffusionSiblings"
SIZE, FINE = 128, 8  # pixels of an icon; drawn this much larger, then reduced
RED, BLUE, TEAL, EDGE = (201, 62, 58), (38, 104, 178), (46, 160, 140), (255, 255, 255)
THUMBNAIL = (288, 192)
Points = np.ndarray


def heart(angles: Points) -> Points:
    """The heart curve, (n, 2), x to the right and y downwards, about the origin, two units wide."""
    x = 16 * np.sin(angles) ** 3
    y = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    return np.stack([x, -(y + 2.5)], axis=1) / 16


def wavy(angles: Points, scale: float, depth: float, waves: int) -> Points:
    """The heart, larger, its outline in waves."""
    points = heart(angles) * scale
    return points * (1 + depth * np.sin(waves * np.arctan2(points[:, 1], points[:, 0])))[:, None]


class Canvas:
    """An icon in the making; lengths are shares of half its side, the origin is its middle."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (SIZE * FINE, SIZE * FINE), (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.image)

    def fill(self, points: Points, color: tuple[int, int, int]) -> None:
        """A filled outline."""
        self.draw.polygon(self._pixels(points), fill=color)

    def edge(self, points: Points, width: float, color: tuple[int, int, int]) -> None:
        """A border of this width about an outline."""
        if width:
            corners = self._pixels(np.concatenate([points, points[:2]]))
            self.draw.line(corners, fill=color, width=round(width * SIZE * FINE), joint="curve")

    def save(self, path: Path) -> None:
        """The icon as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)

    @staticmethod
    def _pixels(points: Points) -> list[tuple[float, float]]:
        return [tuple(point) for point in (np.asarray(points) + 1) * SIZE * FINE / 2]


def grown(points: Points, by: float) -> Points:
    """An outline about its middle, larger (or smaller) by this length on each side."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    return middle + (points - middle) * (1 + 2 * by / (high - low).max())


def module_icon() -> Canvas:
    """A twin in front of two siblings, which are like it and not the same."""
    canvas, angles = Canvas(), np.linspace(0, 2 * np.pi, 400, endpoint=False)
    for points, middle, color in (
        (wavy(angles, 0.54, 0.05, 3), (-0.40, -0.33), BLUE),
        (wavy(angles, 0.54, 0.05, 4) * (0.9, 1.08), (0.42, -0.33), TEAL),
        (heart(angles) * 0.68, (0.0, 0.22), RED),
    ):
        placed = np.add(points, middle)
        canvas.fill(grown(placed, 0.06), EDGE)
        canvas.fill(placed, color)
    return canvas


def perturb_icon() -> Canvas:
    """A twin, and about it the outline of a sibling that differs everywhere."""
    canvas, angles = Canvas(), np.linspace(0, 2 * np.pi, 600, endpoint=False)
    outline = wavy(angles, 0.86, 0.085, 8)
    for by, color in ((0.06, EDGE), (0.0, BLUE), (-0.18, EDGE)):
        canvas.fill(grown(outline, by), color)
    canvas.fill(heart(angles) * 0.54, RED)
    return canvas


def inpaint_icon() -> Canvas:
    """A twin of which one part is drawn anew."""
    canvas, angles = Canvas(), np.linspace(0, 2 * np.pi, 600, endpoint=False)
    whole = heart(angles) * 0.86
    canvas.fill(grown(whole, 0.06), EDGE)
    canvas.fill(whole, RED)
    circle = np.add(0.48 * np.stack([np.cos(angles), np.sin(angles)], axis=1), (0.36, 0.10))
    canvas.fill(grown(circle, 0.09), EDGE)
    canvas.fill(circle, BLUE)
    return canvas


def guide_icon() -> Canvas:
    """A twin with the line of a measurement across it, as in a technical drawing."""
    canvas, angles = Canvas(), np.linspace(0, 2 * np.pi, 400, endpoint=False)
    whole = heart(angles) * 0.80
    canvas.fill(grown(whole, 0.06), EDGE)
    canvas.fill(whole, RED)
    across = np.array([(-0.78, 0.0), (-0.40, -0.30), (-0.40, -0.10), (0.40, -0.10), (0.40, -0.30),
                       (0.78, 0.0), (0.40, 0.30), (0.40, 0.10), (-0.40, 0.10), (-0.40, 0.30)])
    bars = [np.array([(x - 0.07, -0.6), (x + 0.07, -0.6), (x + 0.07, 0.6), (x - 0.07, 0.6)]) for x in (-0.86, 0.86)]
    lines = [across, *bars]
    for width, color in ((0.1, EDGE), (0.0, BLUE)):
        for line in lines:
            canvas.fill(line, color)
            canvas.edge(line, width, color)
    return canvas


def thumbnail(labels: Points, path: Path) -> None:
    """A heart from its best side, (D, H, W) with axes to right, front and up, on transparent ground."""
    from DiffusionSiblingsLib.core.anatomy import load_anatomy
    from DiffusionSiblingsLib.core.palette import color_table
    from DiffusionSiblingsLib.reports.surfaces import render
    from DiffusionSiblingsLib.reports.tissue_fields import solid_of
    from DiffusionSiblingsLib.reports.viewpoint import best_view
    from DiffusionSiblingsLib.reports.views import fitted, four_chamber

    anatomy = load_anatomy()
    view = fitted(best_view(labels, four_chamber(labels, anatomy)), [labels], slab=None)
    rows, columns = view.pixels(1.0)
    scale = min(THUMBNAIL[1] / rows, THUMBNAIL[0] / columns)
    drawn = Image.fromarray(render(solid_of(labels), view, scale, color_table(anatomy)))
    picture = Image.new("RGB", THUMBNAIL, (255, 255, 255))
    picture.paste(drawn, ((THUMBNAIL[0] - drawn.width) // 2, (THUMBNAIL[1] - drawn.height) // 2))
    picture.save(path, optimize=True)


def main() -> None:
    """Draws all."""
    sys.path[:0] = [str(ROOT), str(MODULE)]
    from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
    from DiffusionSiblingsLib.labelmaps.read import read_labelmap

    icons = MODULE / "Resources" / "Icons"
    module_icon().save(icons / "DiffusionSiblings.png")
    perturb_icon().save(MODULE / "DiffusionSiblingsPerturb" / "SegmentEditorEffect.png")
    inpaint_icon().save(MODULE / "DiffusionSiblingsInpaint" / "SegmentEditorEffect.png")
    guide_icon().save(MODULE / "DiffusionSiblingsGuide" / "SegmentEditorEffect.png")
    twin = read_labelmap(resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd", load_anatomy())
    thumbnail(twin.labels, icons / "DiffusionSiblingsTwin.png")
    if len(sys.argv) > 1:
        from DiffusionSiblingsUI.scene.sample_data import SURFACES
        from DiffusionSiblingsUI.scene.sample_surfaces import heart_of_surfaces

        paths = {tissue: Path(sys.argv[1]) / file for tissue, (file, _) in SURFACES.items()}
        thumbnail(heart_of_surfaces(paths).labels, icons / "DiffusionSiblingsTorontoHeart.png")


if __name__ == "__main__":
    main()
