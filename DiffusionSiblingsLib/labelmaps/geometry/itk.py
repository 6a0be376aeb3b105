"""The only place that calls SimpleITK and scipy for geometry: one thread, linear interpolation, no randomness."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from .frame import Matrix

Array = npt.NDArray[Any]
Slices = tuple[slice, slice, slice]
UNIT_MM = 40.0  # lengths are given to the optimiser in units of a heart's radius, so that 1 rad and 1 unit weigh alike


def _simpleitk() -> Any:
    """SimpleITK, loaded at first use; its functions carry no types."""
    return import_module("SimpleITK")


def resampled(values: Array, matrix: Matrix, target: Slices, *, nearest: bool = False) -> Array:
    """Trilinear (or nearest) values of an image at the voxels of a box of another grid; 0 outside the image.

    values: (d, h, w) numbers, or uint8 for nearest, KJI order. matrix: (4, 4) IJK of the target grid -> IJK of
    `values`. target: KJI slices. Returns an array of the box's shape. Both grids are handed over in index units, so
    that any affine works, left-handed and sheared ones too.
    """
    sitk = _simpleitk()
    image = np.ascontiguousarray(values, dtype=np.uint8 if nearest else np.float32)
    grid = sitk.ResampleImageFilter()
    grid.SetNumberOfThreads(1)
    grid.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    grid.SetDefaultPixelValue(0.0)
    grid.SetSize([s.stop - s.start for s in reversed(target)])
    grid.SetOutputOrigin([float(s.start) for s in reversed(target)])
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    grid.SetTransform(transform)
    result: Array = sitk.GetArrayFromImage(grid.Execute(sitk.GetImageFromArray(image)))
    return result


def smooth(image: Array, sigma_voxels: Matrix) -> npt.NDArray[np.float32]:
    """Gaussian smoothing; zeros beyond the border. image: (d, h, w). sigma_voxels: (3,) along I, J, K."""
    from scipy import ndimage

    result: npt.NDArray[np.float32] = ndimage.gaussian_filter(
        image.astype(np.float32, copy=False), sigma_voxels[::-1], mode="constant", truncate=3.0
    )
    return result


def boxes_of_labels(labels: Array, highest: int) -> dict[int, Slices]:
    """Label value -> the smallest KJI box around its voxels, for the values 1 to `highest` that occur."""
    from scipy import ndimage

    found = ndimage.find_objects(labels, max_label=highest)
    return {value: box for value, box in enumerate(found, start=1) if box is not None}


def rigid_fit(fixed: Array, moving: Array, spacing: float, margin: int) -> Matrix:
    """The rigid motion that best lays `moving` over `fixed` (least mean squared difference).

    fixed: (d, h, w), moving: (d + 2 margin, ...): the same grid with `margin` more voxels on every side, KJI order.
    spacing: mm. Returns (4, 4): mm of `fixed` (0 at the centre of the grid) -> mm of `moving`.
    """
    sitk = _simpleitk()
    step = spacing / UNIT_MM
    images = []
    for values in (fixed, moving):
        image = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=np.float32))
        image.SetSpacing([step] * 3)
        image.SetOrigin([-step * (n - 1) / 2 for n in reversed(values.shape)])
        images.append(image)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    # First step 3 degrees or 2 mm, last about 0.02 of that; quasi-Newton line searches stall on the metric's rounding.
    method.SetOptimizerAsRegularStepGradientDescent(0.05, 5e-4, 60, 0.5, 1e-5)
    transform = sitk.Euler3DTransform()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(*images)
    result = np.eye(4)
    result[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    result[:3, 3] = np.array(transform.GetTranslation()) * UNIT_MM
    return result
