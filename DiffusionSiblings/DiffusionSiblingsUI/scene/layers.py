"""The labelmaps of a segmentation node: copied, made from closed surfaces, and laid on one grid. Part of the bridge."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.labelmaps.nearest import nearest_planes
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.grid import Box, Extent, Grid

LABELMAP = "Binary labelmap"
SURFACE = "Closed surface"
MARGIN_MM = 30.0  # room for siblings around a twin whose node says nothing of the image that it was drawn on
MOST_VOXELS = 1 << 27  # beyond this a grid is cut to the segments and the margin
SURFACE_VOXELS = 8e6  # of the grid for closed surfaces that come without one: about 1 mm for a heart


@dataclass(frozen=True)
class Layer:
    """One labelmap of a segmentation.

    labels: (D, H, W), a copy. matrix: (4, 4) float64, IJK -> node's coordinates. extent: of `labels` on that lattice.
    values: segment id -> its value in `labels`. exact: drawn as voxels, not made from a surface.
    """

    labels: np.ndarray
    matrix: np.ndarray
    extent: Extent
    values: dict[str, int]
    exact: bool = True

    def fits(self, grid: Grid) -> bool:
        """The voxels are the user's own and coincide with the grid's: they can be taken as they are."""
        return self.exact and grids.offset(grid.matrix, self.matrix) is not None


def layers_of(node: slicer.vtkMRMLSegmentationNode, ids: Sequence[str]) -> Generator[None, None, list[Layer]]:
    """The labelmaps that hold these segments of a node; segments without voxels are in none of them.

    Labelmaps are copied in one step, so that what the user paints meanwhile does not tear them. Closed surfaces are
    converted on a copy, one segment a step: the node stays as it is.
    """
    segmentation = node.GetSegmentation()
    if segmentation.ContainsRepresentation(LABELMAP):
        return _copied(segmentation, ids)
    geometry = segmentation.GetConversionParameter(grids.REFERENCE_GEOMETRY) or _geometry_around(segmentation, ids)
    layers: list[Layer] = []
    copies = [(identifier, _copy(segmentation.GetSegment(identifier))) for identifier in ids]
    for identifier, copy in copies:
        surface = copy.GetRepresentation(SURFACE)
        if surface is not None and not surface.GetNumberOfPolys():
            continue
        alone = slicer.vtkSegmentation()
        alone.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
        alone.CopyConversionParameters(segmentation)
        alone.SetConversionParameter(grids.REFERENCE_GEOMETRY, geometry)
        alone.AddSegment(copy, identifier)
        if not alone.CreateRepresentation(LABELMAP):
            raise InputError(
                _("{segment} of {name} cannot be converted to voxels").format(segment=copy.GetName(),
                                                                              name=node.GetName()),
                value=segmentation.GetSourceRepresentationName(),
                rule=_("a segment is a closed surface or a labelmap"),
                hint=_("in the Segmentations module, create its binary labelmap representation and check it"),
            )
        layers += [replace(layer, exact=False) for layer in _copied(alone, [identifier])]
        yield
    return layers


def _copy(segment: slicer.vtkSegment) -> slicer.vtkSegment:
    """A vtkSegment of its own, with all its representations."""
    copy = slicer.vtkSegment()
    copy.DeepCopy(segment)
    return copy


def _copied(segmentation: slicer.vtkSegmentation, ids: Sequence[str]) -> list[Layer]:
    """Copies of the labelmaps that hold these segments."""
    images: dict[Any, dict[str, int]] = {}
    for identifier in ids:
        segment = segmentation.GetSegment(identifier)
        image = segment.GetRepresentation(LABELMAP)
        if image is None or image.IsEmpty() or image.GetPointData().GetScalars() is None:
            continue
        images.setdefault(image, {})[identifier] = segment.GetLabelValue()
    return [Layer(_voxels(image).copy(), grids.image_matrix(image), grids.as_extent(image.GetExtent()), values)
            for image, values in images.items()]


def _voxels(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """(D, H, W) view of an image's voxels, not copied: not to be kept while the event loop runs."""
    scalars = image.GetPointData().GetScalars()
    return numpy_support.vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def _geometry_around(segmentation: slicer.vtkSegmentation, ids: Sequence[str]) -> str:
    """A geometry string around closed surfaces that keep none: even voxels, MARGIN_MM on every side."""
    box = vtk.vtkBoundingBox()
    for identifier in ids:
        surface = segmentation.GetSegment(identifier).GetRepresentation(SURFACE)
        if surface is not None and surface.GetNumberOfPoints():
            box.AddBounds(surface.GetBounds())
    if not box.IsValid():
        return ""
    box.Inflate(MARGIN_MM)
    low, sizes = [0.0] * 3, [0.0] * 3
    box.GetMinPoint(low)
    box.GetLengths(sizes)
    spacing = float(np.cbrt(np.prod(sizes) / SURFACE_VOXELS))
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = low
    extent = [end for size in sizes for end in (0, int(np.ceil(size / spacing)))]
    return grids.geometry_text(Grid(matrix, grids.as_extent(extent), np.eye(4)))


def grid_of(segmentation: slicer.vtkSegmentation, layers: Sequence[Layer], world: np.ndarray) -> Grid:
    """The one grid for all layers: that of the image they were drawn on, as far as the segmentation says.

    The lattice is the layers' own where they share one, so that nothing is resampled; else Slicer's common geometry.
    Where no reference geometry is kept, MARGIN_MM around the segments is added, as a sibling may be larger.
    """
    reference = grids.reference_of(segmentation)
    matrix = layers[0].matrix
    offsets = [grids.offset(matrix, layer.matrix) for layer in layers]
    if any(by is None for by in offsets):
        mode = slicer.vtkSegmentation.EXTENT_UNION_OF_SEGMENTS
        common = grids.parse_geometry(segmentation.DetermineCommonLabelmapGeometry(mode, None))
        matrix = common[0] if common else matrix
        extents = [grids.carried(layer.extent, layer.matrix, matrix) for layer in layers]
    else:
        extents = [grids.shifted(layer.extent, by) for layer, by in zip(layers, offsets, strict=True) if by is not None]
    if reference is None:
        return Grid(matrix, grids.union([*extents, _padded(layers, matrix)]), world)
    kept = [extent for extent, layer in zip(extents, layers, strict=True) if layer.exact]  # conversion adds a border
    extent = grids.union([*kept, grids.carried(reference[1], reference[0], matrix)])
    if grids.voxels(extent) > MOST_VOXELS:
        extent = grids.cut(_padded(layers, matrix), extent)
    return Grid(matrix, extent, world)


def _padded(layers: Sequence[Layer], matrix: np.ndarray) -> Extent:
    """The extent, on the lattice of `matrix`, of what the layers hold and MARGIN_MM around it."""
    found = [(_occupied(layer), layer) for layer in layers]
    boxes = [grids.carried(extent, layer.matrix, matrix) for extent, layer in found if extent is not None]
    boxes = boxes or [grids.carried(layer.extent, layer.matrix, matrix) for layer in layers]
    room = np.ceil(MARGIN_MM / np.linalg.norm(matrix[:3, :3], axis=0)).astype(int)
    return grids.as_extent(end + (int(room[n // 2]) if n % 2 else -int(room[n // 2]))
                           for n, end in enumerate(grids.union(boxes)))


def _occupied(layer: Layer) -> Extent | None:
    """The extent of a layer's non-zero voxels, None if there are none."""
    box = exhaust(grids.bounding(layer.labels.shape, lambda slab: layer.labels[slab]))
    if box is None:
        return None
    sides = zip(layer.extent[::2], reversed(box), strict=True)
    return grids.as_extent(end for start, side in sides for end in (start + side.start, start + side.stop - 1))


def placed(layer: Layer, grid: Grid) -> Generator[None, None, tuple[Box, np.ndarray]]:
    """Where a layer lies in an array of the grid, and its values there; resampled if its voxels do not coincide."""
    by = grids.offset(grid.matrix, layer.matrix)
    if by is None:
        values = yield from _resampled(layer, grid)
        return (slice(None), slice(None), slice(None)), values
    extent = grids.shifted(layer.extent, by)
    box, inner = [], []
    for axis in (2, 1, 0):
        low = max(extent[2 * axis], grid.extent[2 * axis])
        high = max(low, min(extent[2 * axis + 1], grid.extent[2 * axis + 1]) + 1)
        box.append(slice(low - grid.extent[2 * axis], high - grid.extent[2 * axis]))
        inner.append(slice(low - extent[2 * axis], high - extent[2 * axis]))
    return (box[0], box[1], box[2]), layer.labels[inner[0], inner[1], inner[2]]


def _resampled(layer: Layer, grid: Grid) -> Generator[None, None, np.ndarray]:
    """(D, H, W) labels on the grid, by nearest neighbour and 0 outside of the layer; a few slices a step."""
    start = grids.moved(layer.matrix, layer.extent[::2])
    to_layer = np.linalg.inv(start) @ grids.moved(grid.matrix, grid.extent[::2])
    result = np.empty(grid.shape, dtype=layer.labels.dtype)
    done = 0
    for k, plane in enumerate(nearest_planes(layer.labels, to_layer, grid.shape)):
        result[k] = plane
        done += plane.size
        if done >= grids.SLAB // 8:
            done = 0
            yield
    return result
