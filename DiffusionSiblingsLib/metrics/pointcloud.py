"""Two cohorts compared by their shapes, as point clouds: Chamfer, EMD, MMD, COV, 1-NNA (npj Eqs 6 to 10).

A shape is 1024 random points of one surface, in units of one length for the whole comparison. Every figure has a floor
that comes from the random points alone: the same surface drawn twice does not have distance 0. Show it beside the
figure (`surface_draws`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..core.labelmap import Affine
from .run_lengths import LabelArray, require_labels

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Draw = tuple[IntArray, IntArray]
Distance = Callable[[FloatArray, FloatArray], float]  # two clouds (n, 3), (m, 3) -> at least 0
POINTS = 1024


@dataclass(frozen=True)
class NearestNeighbour:
    """1-NNA in parts of 1. raw: of all shapes. chance: what `raw` is for two samples of one distribution, which is
    above one half where sizes differ. balanced: mean over `draws` draws of equal size from either set; deviation: of
    these draws, nan for one. size: members of either set in a draw.
    """

    raw: float
    chance: float
    balanced: float
    deviation: float
    size: int
    draws: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def unit_length(anatomy: Anatomy) -> float:
    """The longest edge of the anatomy's field of view in mm: the one length that a whole comparison is divided by.

    Trap: scaling every shape to its own size hides that siblings are too small or too large; scaling by a cohort's
    size makes figures of two studies incomparable. The field of view is the same for everybody, and it is the unit that
    the npj tables fit: the floor of two draws of a heart is then a Chamfer distance of 0.001 and an EMD of 0.036, just
    below their MMD of 0.00125 and 0.0406; in units of the heart's own radius it would be 0.004, above it.
    """
    return max(anatomy.shape) * anatomy.spacing_mm


def surface_points(labels: LabelArray, affine: Affine, anatomy: Anatomy, rng: np.random.Generator, *,
                   count: int = POINTS, tissues: Sequence[str] | None = None) -> FloatArray:
    """(count, 3) float64, random points of the surface of a union of tissues, uniform by area, in mm.

    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4), voxel IJK -> mm; for shapes that
    are to be compared, those of one common frame (canonical). tissues: by default those that must be in one piece: the
    four chambers and the myocardium. Needs scikit-image. InputError where there is no such tissue.
    Traps: tissues at the rim of the image are closed there; surfaces of holes inside count as well; faces of marching
    cubes are triangles of very unequal size, so points are drawn by area and never from the vertices.
    """
    return surface_draws(labels, affine, anatomy, rng, count=count, tissues=tissues, draws=1)[0]


def surface_draws(labels: LabelArray, affine: Affine, anatomy: Anatomy, rng: np.random.Generator, *,
                  count: int = POINTS, tissues: Sequence[str] | None = None, draws: int = 2) -> list[FloatArray]:
    """Several independent draws of `surface_points` from one surface, which is found once: two give the floor."""
    labels = require_labels(labels)
    chosen = tuple(anatomy.one_component if tissues is None else tissues)
    mask = np.isin(labels, [anatomy.label_of(tissue) for tissue in chosen])
    box = foreground_box(mask)
    if box is None or count < 1:
        raise InputError("The surface has no points", value=f"{', '.join(chosen)}, {count} points",
                         rule="at least one voxel of these tissues, and at least one point")
    vertices, faces = _marching_cubes(np.pad(mask[box], 1).astype(np.float32))
    index = vertices + [part.start - 1 for part in box]  # KJI of the whole map
    matrix = np.asarray(affine, dtype=np.float64)
    corners = index[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    return [_on_triangles(corners, faces, count, rng) for _ in range(draws)]


def chamfer(a: FloatArray, b: FloatArray) -> float:
    """Chamfer distance, squared: mean over a of the squared distance to b's nearest point, plus the same from b to a.

    a: (n, 3), b: (m, 3); the result has the square of their unit. npj Eq. 6 prints sums, but the values in its tables
    are those of means (PointFlow's convention); a sum also grows with the number of points. The floor of two draws of
    the same n points from an area A is about 2 A / (pi n).
    """
    return chamfer_of_trees(tree(a), tree(b))


def tree(cloud: FloatArray) -> Any:
    """A search tree of a cloud (n, 3): what `chamfer_of_trees` takes, for clouds that are compared many times."""
    from scipy.spatial import cKDTree

    return cKDTree(_cloud(cloud))


def chamfer_of_trees(one: Any, other: Any) -> float:
    """`chamfer` of the clouds of two trees."""
    return sum(float(np.square(to.query(of.data)[0]).mean()) for of, to in ((one, other), (other, one)))


def between(a: Sequence[FloatArray], b: Sequence[FloatArray], distance: Distance = chamfer) -> FloatArray:
    """(len(a), len(b)) distances of every shape of one set to every shape of the other."""
    return np.array([[distance(one, other) for other in b] for one in a], dtype=np.float64).reshape(len(a), len(b))


def within(shapes: Sequence[FloatArray], distance: Distance = chamfer) -> FloatArray:
    """(n, n) distances inside one set, symmetric with a zero diagonal; each pair is measured once."""
    result = np.zeros((len(shapes), len(shapes)), dtype=np.float64)
    for row, one in enumerate(shapes):
        for column in range(row):
            result[row, column] = result[column, row] = distance(one, shapes[column])
    return result


def minimum_matching(to_real: FloatArray) -> float:
    """MMD (npj Eq. 8): mean over real shapes of the distance to the nearest generated one. to_real: (g, r).

    Trap: it hardly sees bad shapes, as long as there are good ones, and falls when more are generated.
    """
    return float(_checked(to_real).min(axis=0).mean())


def coverage(to_real: FloatArray) -> float:
    """COV (npj Eq. 9): share of real shapes that are the nearest real one of some generated shape. to_real: (g, r).

    HIGHER is better, other than the arrow in the paper's tables says. Traps: at most g / r, so sets must be of equal
    size; two samples of one distribution cover each other only in part (0.63 if matches were random). Real shapes at
    exactly the same distance are all covered, so that their order does not matter.
    """
    distances = _checked(to_real)
    return float((distances == distances.min(axis=1, keepdims=True)).any(axis=0).mean())


def balanced_draws(generated: int, real: int, rng: np.random.Generator, draws: int = 100) -> list[Draw]:
    """Draws of equal size from two sets, (chosen generated, chosen real) without doubles: of the larger set as many as
    the smaller one has. None are needed for equal sets, and none are given.
    """
    size = min(generated, real)
    if generated == real:
        return []
    return [(rng.choice(generated, size, replace=False), rng.choice(real, size, replace=False)) for _ in range(draws)]


def nearest_neighbour(to_real: FloatArray, generated: FloatArray, real: FloatArray, rng: np.random.Generator, *,
                      draws: int = 100, chosen: Sequence[Draw] | None = None) -> NearestNeighbour:
    """1-NNA (npj Eq. 10): how often a shape's nearest other shape belongs to its own set. Best is one half.

    to_real: (g, r), generated: (g, g), real: (r, r) distances; g and r at least 2. rng: decides the draws; chosen: the
    draws themselves (`balanced_draws`), for a caller that has to know them.
    Above one half the sets can be told apart; below, generated shapes lie closer to real ones than real ones do to each
    other, as copies would (a set against itself gives 0). Trap: where sizes differ, chance is not one half (140 against
    50: 0.61). So the larger set is drawn down to the smaller one's size, `draws` times; equal sets need no draw.
    A tie between nearest shapes counts by share, so that the order of the shapes does not matter.
    """
    to_real, generated, real = _checked(to_real), _checked(generated), _checked(real)
    g, r = to_real.shape
    if generated.shape != (g, g) or real.shape != (r, r) or min(g, r) < 2 or draws < 1:
        raise InputError("The distances do not fit together", value=f"{to_real.shape}, {generated.shape}, {real.shape}",
                         rule="(g, r), (g, g), (r, r) with g and r at least 2; at least one draw")
    joint = np.block([[generated, to_real], [to_real.T, real]])  # (g + r, g + r)
    own = np.arange(g + r) < g
    raw, size = _accuracy(joint, own), min(g, r)
    chance = (g * (g - 1) + r * (r - 1)) / ((g + r) * (g + r - 1))
    chosen = balanced_draws(g, r, rng, draws) if chosen is None else chosen
    if not chosen:
        return NearestNeighbour(raw, chance, raw, float("nan"), size, 1)
    found = []
    for ours, theirs in chosen:
        both = np.concatenate([ours, g + theirs])
        found.append(_accuracy(joint[np.ix_(both, both)], own[both]))
    deviation = float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")
    return NearestNeighbour(raw, chance, float(np.mean(found)), deviation, size, len(found))


def _accuracy(joint: FloatArray, own: npt.NDArray[np.bool_]) -> float:
    """Share of shapes whose nearest other shape is of their own set. joint: (n, n). own: (n,) bool, the first set."""
    distances = joint.copy()
    np.fill_diagonal(distances, np.inf)
    nearest = distances == distances.min(axis=1, keepdims=True)  # (n, n), more than one in a row where there is a tie
    same = own[:, None] == own[None]
    return float(((nearest & same).sum(axis=1) / nearest.sum(axis=1)).mean())


def _marching_cubes(image: npt.NDArray[np.float32]) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Surface at 0.5 of a (D, H, W) image that is 0 all around -> vertices (v, 3) in array index, faces (f, 3)."""
    try:
        from skimage import measure
    except ImportError as error:
        raise InputError("Point clouds of surfaces need scikit-image", rule="the package scikit-image is installed",
                         hint="pip install scikit-image") from error
    marching_cubes: Any = measure.marching_cubes  # which says nothing of its types
    vertices, faces, *_ = marching_cubes(image, level=0.5)
    return np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)


def _on_triangles(vertices: FloatArray, faces: npt.NDArray[np.int64], count: int,
                  rng: np.random.Generator) -> FloatArray:
    """(count, 3) random points, uniform over the area of the triangles."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))  # (f, 3) each
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    pick = rng.choice(len(faces), size=count, p=area / area.sum())
    u, v = rng.random((2, count))
    fold = u + v > 1  # the other half of the parallelogram, turned back
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    a, b, c = a[pick], b[pick], c[pick]
    return np.asarray(a + u[:, None] * (b - a) + v[:, None] * (c - a), dtype=np.float64)


def _cloud(points: FloatArray) -> FloatArray:
    """(n, 3) float64; InputError for no points or undefined ones."""
    cloud = np.asarray(points, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or not len(cloud) or not np.isfinite(cloud).all():
        raise InputError("This is not a point cloud", value=f"shape {cloud.shape}", rule="(n, 3) finite numbers, n > 0")
    return cloud


def _checked(distances: FloatArray) -> FloatArray:
    """(n, m) float64; InputError unless all of them are numbers and there are some."""
    matrix = np.asarray(distances, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InputError("Distances between shapes cannot be used", value=f"shape {matrix.shape}",
                         rule="a matrix of finite numbers")
    return matrix
