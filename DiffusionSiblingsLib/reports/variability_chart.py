"""The spread of replicates as a picture: where they differ, on three planes, and by how many mm each surface moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.palette import tissue_colors
from ..labelmaps.geometry.frame import CanonicalFrame
from .chart_style import FAINT, INK, MUTED, Format, Picture, bare_slice, drawn, scale_bar
from .views import View, three_planes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..cohorts.variability import Variability
    from ..core.anatomy import Anatomy

SCALE = 2.5  # pixels of a slice per voxel
WIDTH, HEIGHT = 900, 560
MOST = 0.5  # end of the colour scale: half of the siblings have something else; and where outlines are drawn
SMOOTHING = 0.8  # voxels
TITLES = ("Through the chambers", "Across the long axis", "Along the long axis")
Matrix = npt.NDArray[np.float64]


def variability_picture(variability: Variability, anatomy: Anatomy, *, place: npt.ArrayLike | None = None,
                        name: str = "", format: Format = "png") -> Picture:
    """Share of the replicates that differ from the majority, with its outlines, and the spread of every surface.

    place: (4, 4), canonical mm -> RAS mm of the maps' grid (the record of their twin has it); without it the planes lie
    as the chambers do. name: of what was replicated, for the title.
    """
    grid = _grid(variability, anatomy, place)
    labels = _on(variability.consensus, grid, anatomy, order=0)
    differing = _on(variability.differing, grid, anatomy, order=1)
    views = three_planes(labels, anatomy, slab=None, margin=6.0)
    outlines = {label: ndimage.gaussian_filter((labels == label).astype(np.float32), SMOOTHING)
                for label in tissue_colors(anatomy)}

    def paint(figure: Figure) -> None:
        rows = figure.add_gridspec(2, 3, height_ratios=(3.0, 1.0))
        slices = [figure.add_subplot(rows[0, n]) for n in range(3)]
        image: Any = None
        for axes, view, title in zip(slices, views, TITLES, strict=True):
            image = _slice(axes, differing, outlines, view, anatomy)
            axes.set_title(title, pad=4)
        scale_bar(slices[0], SCALE / anatomy.spacing_mm, MUTED)
        bar = figure.colorbar(image, ax=slices, location="right", shrink=0.8, aspect=30, pad=0.01, extend="max")
        bar.set_label("siblings that differ from the majority")
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        _bars(figure.add_subplot(rows[1, :]), variability, anatomy)
        figure.suptitle(f"Spread of {variability.maps} siblings" + (f": {name}" if name else ""), fontsize=11)

    shown = ", ".join(f"{tissue} {value:.1f}" for tissue, value in variability.surfaces.items() if np.isfinite(value))
    alt = f"Where {variability.maps} siblings differ, on three planes. Spread of the surfaces in mm: {shown}."
    caption = ("Lines: the tissue that most siblings have. Dark: another sibling may have something else there. Bars: "
               "standard deviation of each surface's position, a mean over the surface.")
    return Picture("spread", drawn(WIDTH, HEIGHT, paint, format), WIDTH, HEIGHT, alt, caption, format)


def _grid(variability: Variability, anatomy: Anatomy, place: npt.ArrayLike | None) -> Matrix:
    """(4, 4): voxel IJK of the canonical grid, or of one about the heart -> voxel IJK of the maps."""
    canonical = CanonicalFrame.of(anatomy).affine
    if place is not None:
        world = np.asarray(place, dtype=np.float64) @ canonical
    else:
        inside = np.argwhere(variability.consensus)[:, ::-1]
        matrix, origin = variability.affine[:3, :3], variability.affine[:3, 3]
        centre = matrix @ inside.mean(axis=0) + origin if len(inside) else np.zeros(3)
        world = canonical.copy()
        world[:3, 3] += centre
    return np.asarray(np.linalg.inv(variability.affine) @ world, dtype=np.float64)


def _on(values: npt.NDArray[Any], grid: Matrix, anatomy: Anatomy, *, order: int) -> npt.NDArray[Any]:
    """The values on the grid of the anatomy's field of view, KJI."""
    if values.shape == tuple(anatomy.shape) and np.allclose(grid, np.eye(4), atol=1e-6):
        return values
    turned = grid[[2, 1, 0, 3]][:, [2, 1, 0, 3]]  # IJK -> KJI
    found: npt.NDArray[Any] = ndimage.affine_transform(values, turned[:3, :3], turned[:3, 3], order=order,
                                                       output_shape=tuple(anatomy.shape), output=values.dtype)
    return found


def _slice(axes: Axes, differing: npt.NDArray[Any], outlines: dict[int, npt.NDArray[Any]], view: View,
           anatomy: Anatomy) -> Any:
    """One plane. outlines: label -> (D, H, W) share, slightly smoothed: a majority has steps of a voxel."""
    points = view.grid(SCALE)
    share = ndimage.map_coordinates(differing, points, order=1, output=np.float32)
    image = axes.imshow(share, cmap="Greys", vmin=0, vmax=MOST, interpolation="bilinear")
    for label, color in tissue_colors(anatomy).items():
        mask = ndimage.map_coordinates(outlines[label], points, order=1)
        if mask.min() < MOST < mask.max():
            axes.contour(mask, levels=[MOST], colors=[color], linewidths=1.5)
    bare_slice(axes)
    return image


def _bars(axes: Axes, variability: Variability, anatomy: Anatomy) -> None:
    """One bar for each tissue, in its colour, with its number."""
    colors = tissue_colors(anatomy)
    values = [variability.surfaces.get(tissue.id, float("nan")) for tissue in anatomy.tissues]
    known = [0.0 if np.isnan(value) else value for value in values]
    places = [float(place) for place in range(len(values))]
    axes.bar(places, known, color=[colors[tissue.label] for tissue in anatomy.tissues], width=0.6)
    for at, value in zip(places, values, strict=True):
        axes.text(at, 0.0 if np.isnan(value) else value, "none" if np.isnan(value) else f"{value:.2f}", ha="center",
                  va="bottom", fontsize=8.5, color=INK)
    axes.set_xticks(places, [tissue.id for tissue in anatomy.tissues])
    axes.set_ylim(0, max([*known, 0.1]) * 1.25)
    axes.set_ylabel("surface, sd [mm]")
    axes.grid(axis="y", color=FAINT)
