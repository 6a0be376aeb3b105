"""Where the voxels of an NRRD file lie: http://teem.sourceforge.net/nrrd/format.html, sections on axes and on space.

What the standard leaves open is settled as ITK settles it, and with it Slicer; a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.labelmap import Affine
from ...core.limits import MOST_AXES
from .volume import NO_SPACING

_NAMED = {"ras": "right-anterior-superior", "las": "left-anterior-superior", "lps": "left-posterior-superior"}
_NAMED |= {f"{short}t": f"{words}-time" for short, words in _NAMED.items()}
_UNNAMED = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
_SIGNS = {"right": (0, 1.0), "left": (0, -1.0), "anterior": (1, 1.0), "posterior": (1, -1.0), "superior": (2, 1.0),
          "inferior": (2, -1.0)}  # fmt: skip
_VALUES = ("list", "vector", "scalar", "point", "rgb-color", "rgba-color", "none")  # kinds of axes out of space
_AS_ITK = "read as LPS, as ITK and Slicer read it"


@dataclass(frozen=True)
class Space:
    """spatial: the axes that lie in space, in the order of the file. affine: (4, 4), voxel IJK of these -> RAS mm,
    where they are three. temporal: whether the other axis counts points in time. notes: what was assumed.
    """

    spatial: tuple[int, ...]
    affine: Affine
    temporal: bool = False
    notes: tuple[str, ...] = ()


def space_of(fields: Mapping[str, str], sizes: tuple[int, ...], layers: int) -> Space:
    """The space of a file, from the fields of its header. layers: how many its segments lie in, 0 without segments.

    Raises ValueError or InputError.
    """
    vectors = _directions(fields, len(sizes))
    spacings = _numbers(fields, "spacings", len(sizes)) if vectors is None else None
    kinds = fields.get("kinds", "").lower().split()
    spatial = [axis for axis in range(len(sizes)) if not (axis < len(kinds) and kinds[axis] in _VALUES)]
    if vectors is not None:
        spatial = [axis for axis, vector in enumerate(vectors) if vector is not None]
    elif spacings is not None:
        spatial = [axis for axis in spatial if not np.isnan(spacings[axis])]
    timed = [axis for axis in spatial if axis < len(kinds) and kinds[axis] == "time"]
    temporal = False
    if len(spatial) == 4:
        other = timed[0] if timed else _fourth(sizes, spatial, layers)
        spatial.remove(other)
        temporal = sizes[other] != layers
    signs, notes = _orientation(fields.get("space", ""))
    affine = np.eye(4)
    if len(spatial) != 3:
        return Space(tuple(spatial), affine)
    if vectors is not None:
        affine[:3, :3] = np.stack([_in_space(vectors[axis]) for axis in spatial], axis=1)
        affine[:3, 3] = _in_space(_vector(fields["space origin"])) if "space origin" in fields else 0.0
    else:
        placed, more = _without_directions(fields, sizes, spatial, spacings)
        affine, notes = affine @ placed, (*notes, *more)
    affine[:3] *= signs[:, None]
    return Space(tuple(spatial), affine, temporal, notes)


def _fourth(sizes: tuple[int, ...], spatial: list[int], layers: int) -> int:
    """Of four axes that all could lie in space, the one that does not: that of layers, else the slowest one."""
    return next((axis for axis in (spatial[0], spatial[3]) if sizes[axis] == layers), spatial[3])


def _without_directions(
    fields: Mapping[str, str], sizes: tuple[int, ...], spatial: list[int], spacings: list[float] | None
) -> tuple[Affine, tuple[str, ...]]:
    """The affine of axes that have a spacing at most, voxel -> mm of the file's space, and notes."""
    affine, notes = np.eye(4), tuple[str, ...]()
    edges = [spacings[axis] if spacings else 1.0 for axis in spatial]
    affine[:3, :3] = np.diag(edges)
    if spacings is None:
        notes += (NO_SPACING,)
    mins = _numbers(fields, "axis mins", len(sizes)) or _numbers(fields, "axismins", len(sizes))
    if "space origin" in fields:
        affine[:3, 3] = _in_space(_vector(fields["space origin"]))
    elif mins is not None and np.isfinite([mins[axis] for axis in spatial]).all():
        centers = (fields.get("centerings") or fields.get("centers") or "").lower().split()
        node = [axis < len(centers) and centers[axis] == "node" for axis in spatial]
        affine[:3, 3] = [mins[axis] + (0.0 if on else edge / 2)
                         for axis, on, edge in zip(spatial, node, edges, strict=True)]
        shift = float(np.linalg.norm(affine[:3, 3]))
        notes += (f"The file places its grid by axis mins; they are used, as ITK and Slicer use them, and move the map "
                  f"by {shift:.0f} mm",)
    return affine, notes


def _directions(fields: Mapping[str, str], rank: int) -> list[npt.NDArray[np.float64] | None] | None:
    """The vector of each axis, None for one that does not lie in space; None without the field. In one pass."""
    text = fields.get("space directions", "")
    found: list[npt.NDArray[np.float64] | None] = []
    *closed, rest = text.split(")", MOST_AXES)
    for piece in closed:
        before, opened, inside = piece.partition("(")
        if not opened:
            raise ValueError(f"space directions {text[:60]!r}")
        vector = _vector(inside)
        found += [*_nones(before), None if np.isnan(vector).all() else vector]
    found += _nones(rest)
    if text and len(found) != rank:
        raise ValueError("space directions and dimension contradict each other")
    return found or None


def _nones(text: str) -> list[None]:
    """None for each word "none". Raises ValueError for another word."""
    words = text.split(None, MOST_AXES)
    if any(word.lower() != "none" for word in words):
        raise ValueError(f"space directions {text[:60]!r}")
    return [None for _ in words]


def _numbers(fields: Mapping[str, str], name: str, rank: int) -> list[float] | None:
    """One number for each axis, None without the field. Raises ValueError."""
    if name not in fields:
        return None
    found = [float(value) for value in fields[name].split(None, MOST_AXES + 1)]
    if len(found) != rank:
        raise ValueError(f"{name} and dimension contradict each other")
    return found


def _vector(text: str) -> npt.NDArray[np.float64]:
    """ "(1,0,0)" -> (3,) float64; four numbers where the space has an axis of time."""
    values = [float(value) for value in text.strip("() ").split(",", 4)]
    if len(values) not in (3, 4):
        raise ValueError(f"a vector of {len(values)} numbers")
    return np.array(values)


def _in_space(vector: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    """(3,) the part of a vector that lies in space. Raises ValueError for a spatial axis that also moves in time."""
    if vector is None:
        raise ValueError("an axis in space without a direction")
    return vector[:3]


def _orientation(space: str) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """(3,) signs that turn the world of the file into RAS, and a note where the file names no patient axes."""
    name = space.lower().strip()
    words = _NAMED.get(name, name).removesuffix("-time").split("-")
    if not name or "-".join(words) in _UNNAMED:
        said = f'its space is "{space.strip()}"' if name else "it has no space"
        return np.array([-1.0, -1.0, 1.0]), (
            f"The file does not say where the patient's left and right are ({said}); it is {_AS_ITK}",)
    if len(words) != 3 or [_SIGNS.get(word, (-1, 0.0))[0] for word in words] != [0, 1, 2]:
        raise InputError("The space of the NRRD file is not supported", value=space[:60],
                         rule="the space names the patient's axes, such as left-posterior-superior",
                         hint="save it in Slicer again")
    return np.array([_SIGNS[word][1] for word in words]), ()
