"""Where a cohort has tissue more often, or less often, than another one: differences of occupancy on slices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..metrics.occupancy import Field, Probabilities
from .chart_style import COHORT, INK, REFERENCE, Format, Picture, bare_slice, drawn, scale_bar
from .views import View, alike, fitted, three_planes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..core.anatomy import Anatomy

HALF = 0.5  # where a tissue's outline is drawn: half of the cohort has it there
SCALE = 2.0  # pixels of a slice per voxel
WIDTH, TOP_ROW, TISSUE_ROW = 900, 340, 170
NOWHERE = "#F1F2F4"  # where neither cohort has tissue: not the white of no difference
NEVER = 0.004  # less is the blur of a mean, or one map in several hundred


def occupancy_slices(reference: Probabilities, cohort: Probabilities, anatomy: Anatomy, *,
                     format: Format = "png") -> Picture:
    """P of the cohort minus P of the reference: any tissue on three planes, then each tissue on the plane of chambers.

    Orange: the cohort has tissue there more often; blue: the reference has. Black lines: where half of the reference
    has the tissue. One colour scale for all, symmetrical about 0, which is white.
    """
    majority = _majority(reference, anatomy)
    planes = three_planes(majority, anatomy, slab=2.0, margin=7.0)
    whole = [_on_plane(reference, cohort, None, view) for view in planes]
    own_planes = alike([_through(majority == tissue.label, planes[0]) for tissue in anatomy.tissues])
    parts = [_on_plane(reference, cohort, tissue, view) for tissue, view in zip(anatomy.ids, own_planes, strict=True)]
    most = _bound([difference for difference, _ in [*whole, *parts]])
    titles = ("Any tissue, through the chambers", "Any tissue, across the long axis", "Any tissue, along the long axis")
    columns = len(anatomy.ids)

    def paint(figure: Figure) -> None:
        grid = figure.add_gridspec(2, 3 * columns, height_ratios=(TOP_ROW, TISSUE_ROW))
        axes_of = [figure.add_subplot(grid[0, columns * n : columns * (n + 1)]) for n in range(3)]
        axes_of += [figure.add_subplot(grid[1, 3 * n : 3 * (n + 1)]) for n in range(columns)]
        image: Any = None
        for axes, (difference, outline), title in zip(axes_of, [*whole, *parts], [*titles, *anatomy.ids], strict=True):
            image = _slice(axes, difference, outline, most)
            axes.set_title(title, fontsize=9, pad=4)
        for axes in (axes_of[0], axes_of[3]):
            scale_bar(axes, SCALE / anatomy.spacing_mm)
        bar = figure.colorbar(image, ax=axes_of, location="bottom", shrink=0.62, aspect=42, pad=0.02)
        bar.set_label("difference of occupancy: blue, the reference has tissue more often; orange, the cohort")
        bar.outline.set_visible(False)

    height = TOP_ROW + TISSUE_ROW + 90
    alt = (f"Slices with the difference of occupancy between {cohort.maps} and {reference.maps} maps, on a scale of "
           f"plus or minus {most:.2f}.")
    return Picture("occupancy-difference", drawn(WIDTH, height, paint, format), WIDTH, height, alt, format=format)


def _majority(cohort: Probabilities, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8: the tissue that most maps have in each voxel, background where most have none."""
    best = 1.0 - cohort.probability(None)
    labels = np.zeros(best.shape, dtype=np.uint8)
    for tissue in anatomy.tissues:
        share = cohort.probability(tissue.id)
        more = share > best
        labels[more] = tissue.label
        best = np.maximum(best, share)
    return labels


def _through(mask: npt.NDArray[np.bool_], view: View) -> View:
    """The plane parallel to `view` through the middle of a tissue, as wide as the tissue is there."""
    points = np.argwhere(mask)[:, ::-1]  # xyz
    if not len(points):
        return view
    return fitted(replace(view, centre=points.mean(axis=0)), [mask.view(np.uint8)], slab=2.0, margin=7.0)


def _on_plane(reference: Probabilities, cohort: Probabilities, tissue: str | None, view: View) -> tuple[Any, Field]:
    """(rows, columns) on a plane: the difference, masked where neither has the tissue, and the reference's share."""
    points = view.grid(SCALE)
    shares = [ndimage.map_coordinates(part.probability(tissue), points, order=1, cval=0.0, output=np.float32)
              for part in (reference, cohort)]
    nowhere = (shares[0] < NEVER) & (shares[1] < NEVER)
    return np.ma.masked_where(nowhere, shares[1] - shares[0]), shares[0]


def _bound(differences: list[Any]) -> float:
    """End of the colour scale: nearly the largest difference, in steps of 0.05, at least 0.1."""
    largest = [float(np.quantile(np.abs(part.compressed()), 0.998)) for part in differences if part.count()]
    return float(np.ceil(max([*largest, 0.1]) / 0.05 - 1e-6) * 0.05)


def _slice(axes: Axes, difference: Any, outline: Field, most: float) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("less-more", [REFERENCE, "#FFFFFF", COHORT])
    axes.set_facecolor(NOWHERE)
    image = axes.imshow(difference, cmap=colors, vmin=-most, vmax=most, interpolation="bilinear")
    if outline.min() < HALF < outline.max():
        axes.contour(outline, levels=[HALF], colors=[INK], linewidths=0.9)
    bare_slice(axes)
    return image
