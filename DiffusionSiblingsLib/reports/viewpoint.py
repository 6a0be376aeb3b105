"""The direction from which the tissues of a map are seen best: chosen once, then used for all maps of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .views import Labels, Vector, View

AZIMUTHS = range(-75, 76, 25)
ELEVATIONS = (-20, 0, 20, 40)
LEAST_SHARE = 0.1  # of the best seen tissue; what never shows more is hidden inside another
WIDE = 4096  # more than the pixels of a coarse picture's side


def best_view(labels: Labels, start: View) -> View:
    """The direction, near that of `start`, from which the worst visible tissue is seen best.

    labels: (D, H, W). start: right and up as the slices have them; the same view comes back for a map without tissue.
    Tissues that no direction shows (a chamber inside its wall) do not count.
    """
    coarse = np.asarray(labels[::3, ::3, ::3])
    points = np.argwhere(coarse > 0).astype(np.int64)
    if not len(points):
        return start
    kinds = coarse[tuple(points.T)]
    candidates = [turned(start, azimuth, elevation) for elevation in ELEVATIONS for azimuth in AZIMUTHS]
    seen = np.array([visible(points, kinds, view) for view in candidates])  # (views, 256)
    most = seen.max(axis=0)
    counted = most > LEAST_SHARE * most.max()
    shares = seen[:, counted] / most[counted]
    return candidates[int((shares.min(axis=1) + 0.3 * shares.mean(axis=1)).argmax())]


def visible(points: npt.NDArray[np.int64], kinds: Labels, view: View) -> Vector:
    """(256,) float64: pixels of each label seen from a direction. points: (n, 3) KJI voxels; kinds: (n,) labels."""
    axes = np.stack([view.right[::-1], view.up[::-1], view.toward[::-1]], axis=1)
    place = points @ axes  # (n, 3): right, up, toward the viewer
    pixels = np.round(place[:, :2]).astype(np.int64)
    pixels -= pixels.min(axis=0)
    keys = pixels[:, 0] * WIDE + pixels[:, 1]
    order = np.lexsort((-place[:, 2], keys))
    _, first = np.unique(keys[order], return_index=True)
    return np.bincount(kinds[order][first], minlength=256).astype(np.float64)


def turned(view: View, azimuth: float, elevation: float) -> View:
    """The view from a viewer who walked `azimuth` degrees to the right and climbed `elevation` degrees."""
    a, e = np.radians(azimuth), np.radians(elevation)
    toward = np.cos(e) * (np.cos(a) * view.toward + np.sin(a) * view.right) + np.sin(e) * view.up
    up = view.up - toward * (toward @ view.up)
    up /= np.linalg.norm(up)
    return replace(view, right=np.cross(up, toward), up=up, toward=toward)
