"""The bridge where segmentations are awkward: no reference, other grids, overlaps, surfaces, transforms, odd values."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from at_once import written
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.bridge import (
    new_segmentation,
    read_segmentation,
    reading,
    writing,
)
from DiffusionSiblingsUI.scene.layers import MARGIN_MM, _voxels
from hearts import ellipsoid_heart
from nodes import add_segment, empty_node, image_of, linear_transform, rotation, segmentation_node, set_reference

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap


def write_to(node: Any, path: Path) -> None:
    """Saves a segmentation node as Slicer does."""
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.WriteData(node)


def read_from(path: Path) -> Any:
    """Loads a segmentation file as Slicer does."""
    node = empty_node(path.name)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def timed(steps: Any) -> tuple[float, float, Any]:
    """Runs a generator: seconds of this thread in all and in the longest step, and what it returns."""
    lengths = []
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration as end:
            lengths.append(time.thread_time() - began)
            return sum(lengths), max(lengths), end.value
        lengths.append(time.thread_time() - began)


def refused(node: Any, **options: Any) -> str:
    """The message with which the bridge refuses a node."""
    with pytest.raises(InputError) as caught:
        read_segmentation(node, **options)
    assert caught.value.hint
    return caught.value.message()


def test_without_a_reference_there_is_room_around_the_twin(sample_node: Any) -> None:
    sample_node.GetSegmentation().SetConversionParameter("Reference image geometry", "")
    bridged = read_segmentation(sample_node)
    where = np.nonzero(bridged.labelmap.labels)
    for axis, spacing in zip(range(3), bridged.labelmap.spacing[::-1], strict=True):
        low = where[axis].min() * spacing
        high = (bridged.labelmap.labels.shape[axis] - 1 - where[axis].max()) * spacing
        assert MARGIN_MM <= min(low, high) <= max(low, high) < MARGIN_MM + 2 * spacing
    sibling = written(bridged.labelmap.labels, bridged, name="sibling", twin_node=sample_node)
    again = read_segmentation(sibling)
    np.testing.assert_array_equal(again.labelmap.labels, bridged.labelmap.labels)
    np.testing.assert_array_equal(again.labelmap.affine, bridged.labelmap.affine)


def test_the_embedded_twin_is_what_the_library_reads(sample_node: Any) -> None:
    path = Path(__file__).resolve().parents[3] / "Resources/SampleData/synthetic_twin.seg.nrrd"
    own = read_labelmap(path, load_anatomy())
    bridged = read_segmentation(sample_node)
    assert [s.tissue for s in bridged.labelmap.segments] == [s.tissue for s in own.segments]
    np.testing.assert_array_equal(bridged.labelmap.labels, own.labels)
    np.testing.assert_allclose(bridged.labelmap.affine, own.affine, atol=1e-9)


def test_a_reference_larger_than_the_segments_is_the_grid(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart, layers="cropped")
    shape, affine = (60, 50, 70), grids.moved(heart.affine, (-9, -8, -10))
    set_reference(node, shape, affine)
    bridged = read_segmentation(node)
    assert bridged.labelmap.labels.shape == shape
    np.testing.assert_allclose(bridged.labelmap.affine, affine, atol=1e-9)
    np.testing.assert_array_equal(bridged.labelmap.labels[10:50, 8:42, 9:53], heart.labels)


def test_segments_outside_of_the_reference_are_kept(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart)
    set_reference(node, (20, 34, 44), grids.moved(heart.affine, (0, 0, 10)))
    np.testing.assert_array_equal(read_segmentation(node).labelmap.labels, heart.labels)


def test_a_finer_labelmap_than_the_reference_is_not_resampled(scene: Any) -> None:
    fine = ellipsoid_heart((80, 68, 88), 1.7)
    node = segmentation_node(fine)
    coarse = fine.affine @ np.diag([2, 2, 2, 1.0])
    coarse[:3, 3] += fine.affine[:3, :3] @ [0.5, 0.5, 0.5]
    set_reference(node, (40, 34, 44), coarse)
    labels = read_segmentation(node).labelmap.labels
    assert np.count_nonzero(labels) == np.count_nonzero(fine.labels)
    sibling = written(labels, read_segmentation(node), name="sibling", twin_node=node)
    np.testing.assert_array_equal(read_segmentation(sibling).labelmap.labels, labels)


def with_surfaces_only(heart: LabelMap, reference: bool) -> Any:
    """A segmentation node of closed surfaces, its labelmaps gone."""
    node = segmentation_node(heart)
    segmentation = node.GetSegmentation()
    assert node.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveRepresentation("Binary labelmap")
    if not reference:
        segmentation.SetConversionParameter(grids.REFERENCE_GEOMETRY, "")
    return node


def test_layers_on_different_grids_are_brought_onto_one(scene: Any) -> None:
    heart = ellipsoid_heart((60, 56, 62), 2.6)
    turned = ellipsoid_heart((62, 60, 64), 2.6, direction=rotation((1, 1, 0), 0.3))
    node = empty_node()
    set_reference(node, heart.labels.shape, heart.affine)
    for segment in heart.segments:
        other = turned if segment.tissue == "Ao" else heart
        mask = (other.labels == segment.value).astype(np.uint8)
        add_segment(node, image_of(mask, other.affine), 1, identifier=str(segment.tissue), name=segment.name)
    labels = read_segmentation(node).labelmap.labels
    assert labels.shape[0] >= heart.labels.shape[0]
    for segment in heart.segments:
        expected = np.count_nonzero(heart.labels == segment.value)
        assert np.count_nonzero(labels == segment.value) == pytest.approx(expected, rel=0.03), segment.name


@pytest.mark.parametrize("reference", [True, False])
def test_closed_surfaces_are_converted_on_a_copy(scene: Any, reference: bool) -> None:
    heart = ellipsoid_heart((56, 52, 60), 2.5)
    node = with_surfaces_only(heart, reference)
    segmentation = node.GetSegmentation()
    before = segmentation.GetMTime(), node.GetMTime(), scene.GetNumberOfNodes()
    parameters = segmentation.SerializeAllConversionParameters()
    labelmap = read_segmentation(node).labelmap
    assert (segmentation.GetMTime(), node.GetMTime(), scene.GetNumberOfNodes()) == before
    assert segmentation.SerializeAllConversionParameters() == parameters
    assert not segmentation.ContainsRepresentation("Binary labelmap")
    assert (labelmap.labels.shape == heart.labels.shape) == reference
    for segment in heart.segments:
        expected = np.count_nonzero(heart.labels == segment.value) * heart.voxel_volume_ml
        volume = np.count_nonzero(labelmap.labels == segment.value) * labelmap.voxel_volume_ml
        assert volume == pytest.approx(expected, rel=0.1), segment.name


def test_surfaces_one_inside_the_other_are_refused(scene: Any) -> None:
    heart = ellipsoid_heart((56, 52, 60), 2.5)
    filled = np.where(heart.labels == 3, 2, heart.labels)
    node = empty_node()
    set_reference(node, heart.labels.shape, heart.affine)
    for segment in heart.segments:
        mask = (filled if segment.tissue == "Myo" else heart.labels) == segment.value
        add_segment(node, image_of(mask.astype(np.uint8), heart.affine), 1, identifier=segment.name, name=segment.name)
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.GetSegmentation().RemoveRepresentation("Binary labelmap")
    assert "Left ventricle and Left ventricular myocardium share" in refused(node)


def test_two_segments_of_one_value_in_one_layer_overlap(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart)
    image = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    add_segment(node, image, 3, identifier="again", name="LV again")
    assert "Left ventricle and LV again" in refused(node)


def test_missing_and_empty_tissues_are_refused_by_name(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart)
    found = dict(zip(node.GetSegmentation().GetSegmentIDs(), ["Ao", "Myo", "LV", None, "LA", "RA"], strict=True))
    assert "missing: right ventricle" in refused(node, tissues=found)
    assert read_segmentation(node, found, complete=False).labelmap.segments[3].tissue is None
    emptied = heart.with_labels(np.where(heart.labels == 5, 0, heart.labels))
    assert "Left atrium (Left atrium) is empty" in refused(segmentation_node(emptied))


def test_empty_segments_of_no_tissue_are_kept(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart)
    node.GetSegmentation().AddEmptySegment("todo", "to do")
    bridged = read_segmentation(node)
    assert bridged.labelmap.segments[6].identifier == "todo"
    sibling = written(bridged.labelmap.labels, bridged, name="sibling", twin_node=node)
    assert sibling.GetSegmentation().GetSegmentIDs() == node.GetSegmentation().GetSegmentIDs()


def test_without_segments_there_is_a_message(scene: Any) -> None:
    refused(empty_node())
    refused(None)
    node = empty_node()
    for name in ("LV", "RV", "LA", "RA", "Ao", "Myo"):
        node.GetSegmentation().AddEmptySegment(name, name)
    assert "has no voxels" in refused(node)


def test_values_of_any_size_and_of_no_segment(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    values = heart.labels.astype(np.int16) * 1000
    values[0, :5] = 77  # left behind by a deleted segment
    node = empty_node()
    set_reference(node, heart.labels.shape, heart.affine)
    image = image_of(values, heart.affine)
    for segment in reversed(heart.segments):
        add_segment(node, image, segment.value * 1000, identifier=str(segment.tissue), name=segment.name)
    labelmap = read_segmentation(node).labelmap
    assert [segment.value for segment in labelmap.segments] == [1, 2, 3, 4, 5, 6]
    assert [segment.tissue for segment in labelmap.segments] == ["RA", "LA", "RV", "LV", "Myo", "Ao"]
    np.testing.assert_array_equal(labelmap.labels, np.where(heart.labels > 0, 7 - heart.labels.astype(int), 0))


def test_a_parent_that_turns_scales_and_shears_moves_the_label_map(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    inner = np.eye(4)
    inner[:3] = np.hstack([rotation((1, 0, 2), 0.7) @ [[1, 0.2, 0], [0, 1.3, 0], [0, 0, -0.8]], [[3], [4], [5]]])
    outer = np.eye(4)
    outer[:3, 3] = (100, -50, 20)
    child, parent = linear_transform(inner), linear_transform(outer)
    child.SetAndObserveTransformNodeID(parent.GetID())
    node = segmentation_node(heart, transform=child)
    bridged = read_segmentation(node)
    np.testing.assert_allclose(bridged.labelmap.affine, outer @ inner @ heart.affine, atol=1e-9)
    np.testing.assert_allclose(bridged.grid.world, outer @ inner, atol=1e-12)
    sibling = written(bridged.labelmap.labels, bridged, name="sibling", twin_node=node)
    assert sibling.GetTransformNodeID() == child.GetID()
    again = read_segmentation(sibling).labelmap
    np.testing.assert_allclose(again.affine, bridged.labelmap.affine, atol=1e-9)
    np.testing.assert_array_equal(again.labels, heart.labels)


def test_a_parent_that_bends_space_is_refused_with_what_to_do(scene: Any) -> None:
    bent = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
    grid = slicer.vtkOrientedBSplineTransform()
    coefficients = vtk.vtkImageData()
    coefficients.SetDimensions(6, 6, 6)
    coefficients.SetOrigin(-100, -100, -100)
    coefficients.SetSpacing(40, 40, 40)
    coefficients.AllocateScalars(vtk.VTK_DOUBLE, 3)
    coefficients.GetPointData().GetScalars().Fill(3.0)
    grid.SetCoefficientData(coefficients)
    bent.SetAndObserveTransformToParent(grid)
    node = segmentation_node(ellipsoid_heart((40, 34, 44), 3.4), transform=bent)
    message = refused(node)
    assert "warp" in message and "harden the transform" in message


def test_a_sibling_is_the_twin_in_all_but_voxels(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, extra=True)
    twin = segmentation_node(heart, layers="cropped")
    segment = twin.GetSegmentation().GetSegment("LV_id")
    segment.SetTag("Segmentation.Status", "completed")
    segment.SetTag("DICOM.Own", "kept")
    volume = slicer.util.addVolumeFromArray(np.zeros(heart.labels.shape, np.int16), ijkToRAS=heart.affine, name="CT")
    twin.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    bridged = read_segmentation(twin)
    labels = np.where(bridged.labelmap.labels == 4, 0, bridged.labelmap.labels)
    sibling = written(labels, bridged, name="sibling", twin_node=twin)
    own, made = twin.GetSegmentation(), sibling.GetSegmentation()
    assert made.GetSegmentIDs() == own.GetSegmentIDs()
    assert made.GetNumberOfLayers() == 1
    for identifier in own.GetSegmentIDs():
        first, second = own.GetSegment(identifier), made.GetSegment(identifier)
        assert (first.GetName(), first.GetColor()) == (second.GetName(), second.GetColor())
        text = vtk.reference("")
        for tag in ("TerminologyEntry", "Segmentation.Status", "DICOM.Own"):
            assert first.HasTag(tag) == second.HasTag(tag)
            if first.GetTag(tag, text):
                expected = str(text)
                assert second.GetTag(tag, text) and str(text) == expected
    assert made.GetConversionParameter(grids.REFERENCE_GEOMETRY) == own.GetConversionParameter(grids.REFERENCE_GEOMETRY)
    role = twin.GetReferenceImageGeometryReferenceRole()
    assert sibling.GetNodeReferenceID(role) == volume.GetID()


def test_a_siblings_file_is_what_the_library_reads(scene: Any, tmp_path: Path) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, direction=rotation((1, 2, 3), 0.5))
    bridged = read_segmentation(segmentation_node(heart))
    sibling = written(heart.labels, bridged, name="sibling")
    write_to(sibling, tmp_path / "sibling.seg.nrrd")
    read = read_labelmap(tmp_path / "sibling.seg.nrrd", load_anatomy())
    by = grids.offset(heart.affine, read.affine)
    assert by is not None
    i, j, k = by
    depth, height, width = read.labels.shape
    np.testing.assert_array_equal(heart.labels[k : k + depth, j : j + height, i : i + width], read.labels)
    assert np.count_nonzero(read.labels) == np.count_nonzero(heart.labels)


def test_a_file_of_the_librarys_keeps_its_grid_in_slicer(scene: Any, tmp_path: Path) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, direction=rotation((1, 2, 3), 0.5) @ np.diag([1, -1, 1.0]))
    write_labelmap(heart, tmp_path / "heart.seg.nrrd")
    node = read_from(tmp_path / "heart.seg.nrrd")
    labelmap = read_segmentation(node).labelmap
    np.testing.assert_allclose(labelmap.affine, heart.affine, atol=1e-9)
    np.testing.assert_array_equal(labelmap.labels, heart.labels)


def test_a_generated_heart_becomes_a_node(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, direction=rotation((1, 2, 3), 0.5))
    node = new_segmentation(heart, "generated")
    labelmap = read_segmentation(node).labelmap
    np.testing.assert_array_equal(labelmap.labels, heart.labels)
    np.testing.assert_allclose(labelmap.affine, heart.affine, atol=1e-9)
    assert [s.tissue for s in labelmap.segments] == [s.tissue for s in heart.segments]
    assert [s.color for s in labelmap.segments] == [pytest.approx(s.color) for s in heart.segments]


def test_a_sibling_of_another_shape_is_refused(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    bridged = read_segmentation(segmentation_node(heart))
    with pytest.raises(InputError, match="does not fit"):
        written(heart.labels[1:], bridged, name="sibling")
    with pytest.raises(InputError, match="labels that the twin does not have"):
        written(heart.labels + 1, bridged, name="sibling")


@pytest.mark.parametrize("layers", ["shared", "own"])
def test_a_large_twin_is_read_and_written_in_short_steps(scene: Any, layers: str) -> None:
    heart = ellipsoid_heart((200, 256, 256), 0.8)
    node = segmentation_node(heart, layers=layers)
    total, longest, bridged = timed(reading(node))
    assert total < 2.0 and longest < 0.3, (total, longest)  # measured: 0.05 s and 10 ms; a busy machine is slower
    total, longest, _ = timed(writing(bridged.labelmap.labels, bridged, name="sibling", twin_node=node))
    assert total < 1.0 and longest < 0.3, (total, longest)


def test_what_is_painted_while_reading_does_not_tear_the_twin(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node = segmentation_node(heart)
    steps = reading(node)
    next(steps)
    _voxels(node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap"))[...] = 0
    np.testing.assert_array_equal(exhaust(steps).labelmap.labels, heart.labels)
