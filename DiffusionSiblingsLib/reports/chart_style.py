"""How figures are drawn: one look for all of them, no window, none of the user's matplotlib settings, bytes out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from ..metrics.feature_space import constant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]
Values = npt.NDArray[np.float64]
# Okabe and Ito's colours: told apart with any colour vision, and by their lightness in grey. The reference comes first.
REFERENCE, COHORT = "#0072B2", "#D55E00"
SERIES = (COHORT, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("^", "s", "D", "v", "P", "X")
INK, MUTED, FAINT = "#21242B", "#5F646E", "#D5D8DE"
DPI = 96  # CSS pixels of an inch
BAR_MM = 20  # of a slice's scale bar
SHARP = 2  # image pixels of a CSS pixel: sharp on paper and on fine screens
RULES: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.0, "text.color": INK, "text.parse_math": False,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.titlecolor": INK, "axes.titlesize": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "grid.color": FAINT, "grid.linewidth": 0.6, "legend.frameon": False, "svg.hashsalt": "siblings",
}


@dataclass(frozen=True)
class Picture:
    """A figure as it is shown and kept. name: file name without its ending. data: PNG or SVG bytes. width, height: on a
    page, CSS pixels. alt: what it shows, for who cannot see it. caption: how to read it.
    """

    name: str
    data: bytes
    width: int
    height: int
    alt: str
    caption: str = ""
    format: Format = "png"

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.format}"


def drawn(width: int, height: int, paint: Callable[[Figure], None], format: Format = "png") -> bytes:
    """PNG (twice as many pixels) or SVG of a figure of width x height CSS pixels that `paint` fills.

    The same input gives the same bytes: no date, no user's settings.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, RULES))  # its type lists every name of one version of matplotlib
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * SHARP, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
        return stream.getvalue()


def bare_slice(axes: Axes) -> None:
    """Axes of a slice: nothing around it."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def scale_bar(axes: Axes, pixels_per_mm: float, color: str = INK) -> None:
    """A bar in the lower left corner of a slice; the slices of a row have one scale."""
    rows = axes.get_ylim()[0]
    axes.plot([6, 6 + BAR_MM * pixels_per_mm], [rows - 8, rows - 8], color=color, linewidth=2.0,
              solid_capstyle="butt")
    axes.text(6, rows - 13, f"{BAR_MM} mm", fontsize=7.5, va="bottom")


def small_png(data: bytes) -> bytes:
    """The PNG with at most 256 colours: a third of the bytes, and no difference that a reader of a chart sees."""
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(stream, format="PNG", optimize=True)
    return min(stream.getvalue(), data, key=len)


def smooth_density(values: Values, at: Values) -> Values | None:
    """(m,) density of (n,) values at (m,) places, Gaussian kernels of Scott's width; None where there is no spread."""
    return kernel_density(values[None], at[None])


def kernel_density(points: Values, at: Values) -> Values | None:
    """(m,) density of (d, n) points at (d, m) places; None for fewer than d + 2 points or points without spread."""
    from scipy.stats import gaussian_kde

    if points.shape[1] < len(points) + 2 or not np.isfinite(points).all():
        return None
    spread = np.atleast_2d(np.cov(points))
    if constant(points.T).any() or np.linalg.eigvalsh(spread)[0] <= 1e-9 * float(np.trace(spread)):
        return None
    return np.asarray(gaussian_kde(points)(at), dtype=np.float64)


def key(axes: Axes, *entries: Any, **options: Any) -> None:
    """A legend of what is labelled on the axes, or of handles and labels given."""
    axes.legend(*entries, **{"fontsize": 8.5, "handlelength": 1.4, "borderaxespad": 0.3, **options})
