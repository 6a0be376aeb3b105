"""The colours of pictures and charts: one for each tissue, those of the marks drawn over them, and those of series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from DiffusionSiblingsLib.core.anatomy import Anatomy

Rgb = tuple[float, float, float]
Colors = npt.NDArray[np.float32]

# For tissues whose anatomy names no colour for pictures.
FURTHER = (
    (0.84, 0.27, 0.25),
    (0.77, 0.58, 0.47),
    (0.26, 0.47, 0.74),
    (0.90, 0.62, 0.20),
    (0.29, 0.67, 0.55),
    (0.62, 0.49, 0.72),
    (0.67, 0.15, 0.31),
    (0.55, 0.55, 0.55),
)
# Okabe and Ito's colours for series of data: people who cannot tell red from green can tell them apart.
SERIES = ((0.0, 0.45, 0.70), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91),
          (0.90, 0.62, 0.0))
UNSET = (0.5, 0.5, 0.5)  # a tissue's colour where its data file gives none
INK = (0.13, 0.14, 0.17)
MUTED = (0.42, 0.44, 0.48)
CHANGED = (1.0, 0.92, 0.0)
STRIPE = 20.0  # distance of the stripes, in pixels twice as fine as the picture's
REGION = (0.80, 0.0, 0.62)


def tissue_colors(anatomy: Anatomy) -> dict[int, Rgb]:
    """Label value -> RGB in 0..1: the anatomy's colour for pictures, else its plain one, else one of a fixed list."""
    colors: dict[int, Rgb] = {}
    for place, tissue in enumerate(anatomy.tissues):
        given = (tissue.picture_color, tissue.color)
        colors[tissue.label] = next((color for color in given if color != UNSET), FURTHER[place % len(FURTHER)])
    return colors


def color_table(anatomy: Anatomy) -> Colors:
    """(256, 3) float32: RGB in 0..1 by label value; background white, unknown labels light grey."""
    table = np.full((256, 3), 0.82, dtype=np.float32)
    table[0] = 1.0
    for label, rgb in tissue_colors(anatomy).items():
        table[label] = rgb
    return table
