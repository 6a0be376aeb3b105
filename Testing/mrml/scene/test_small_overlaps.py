"""Tissues that share a few voxels: the later one has them, in Slicer as on the command line, and both say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from at_once import written
from DiffusionSiblingsUI.effects.commit import changing, commit
from DiffusionSiblingsUI.effects.work import Made
from DiffusionSiblingsUI.runs.operation import Outcome
from DiffusionSiblingsUI.runs.twin_check import TwinChecks
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from DiffusionSiblingsUI.scene.terminology import match_tissues
from hearts import ellipsoid_heart
from nodes import add_segment, image_of, segmentation_node, set_reference

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.record import hash_labelmap
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.labelmaps.read import read_labelmap

ANATOMY = load_anatomy("heart")
MYO, LV = 2, 3
BOTH = "Left ventricular myocardium and Left ventricle share 5 voxels"


@pytest.fixture
def heart(scene: Any) -> Any:
    return ellipsoid_heart((40, 34, 44), 3.4)


def voxels(mask: np.ndarray, count: int) -> np.ndarray:
    """(D, H, W) bool: the first of the voxels of a mask."""
    chosen = np.zeros(mask.shape, dtype=bool)
    chosen.flat[np.flatnonzero(mask)[:count]] = True
    return chosen


def overlapping(heart: Any, count: int, *, reverse: bool = False) -> Any:
    """A node of a layer a segment in which the myocardium covers voxels of the left ventricle, too."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "twin")
    node.CreateDefaultDisplayNodes()
    for segment in reversed(heart.segments) if reverse else heart.segments:
        mask = heart.labels == segment.value
        if segment.value == MYO:
            mask |= voxels(heart.labels == LV, count)
        add_segment(node, image_of(mask.astype(np.uint8), heart.affine), 1, identifier=segment.name, name=segment.name,
                    tags=segment.tags)
    set_reference(node, heart.labels.shape, heart.affine)
    return node


def read_from_file(node: Any, folder: Path) -> Any:
    """What the command line reads where Slicer has saved a segmentation."""
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(str(folder / "twin.seg.nrrd"))
    assert storage.WriteData(node)
    return read_labelmap(folder / "twin.seg.nrrd", ANATOMY)


def of_tissues(labelmap: Any) -> np.ndarray:
    """The labels in the anatomy's values."""
    known = np.zeros(labelmap.labels.shape, np.uint8)
    for segment in labelmap.segments:
        if segment.tissue:
            known[labelmap.labels == segment.value] = ANATOMY.label_of(segment.tissue)
    return known


def volumes(labelmap: Any) -> dict[int, int]:
    """Voxels of each tissue by its label."""
    return dict(zip(*(part.tolist() for part in np.unique(of_tissues(labelmap), return_counts=True)), strict=True))


@pytest.mark.parametrize("reverse", [False, True])
def test_the_later_tissue_has_them_in_whatever_order_the_segments_stand(heart: Any, reverse: bool) -> None:
    labelmap = read_segmentation(overlapping(heart, 5, reverse=reverse)).labelmap
    assert len(labelmap.notes) == 1 and labelmap.notes[0].startswith(BOTH)
    assert labelmap.notes[0].endswith("which are taken for Left ventricle")
    plain = ellipsoid_heart((40, 34, 44), 3.4)
    for segment in plain.segments:
        assert volumes(labelmap)[ANATOMY.label_of(segment.tissue)] == np.count_nonzero(plain.labels == segment.value)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_saved_file_is_read_as_the_scene_is(heart: Any, tmp_path: Path, reverse: bool) -> None:
    node = overlapping(heart, 5, reverse=reverse)
    device = voxels(heart.labels == LV, 2) | voxels(heart.labels == 0, 200)  # no tissue, and gives way
    add_segment(node, image_of(device.astype(np.uint8), heart.affine), 1, identifier="device", name="device")
    bridged, file = read_segmentation(node), read_from_file(node, tmp_path)
    assert sorted(bridged.labelmap.notes) == sorted(file.notes) and len(file.notes) >= 2
    assert bridged.apart == ()
    assert volumes(bridged.labelmap) == volumes(file)
    cut = read_segmentation(written(bridged.labelmap.labels, bridged, name="sibling", twin_node=node)).labelmap
    assert np.array_equal(cut.labels, bridged.labelmap.labels) and not cut.notes


def test_the_twin_of_a_record_is_the_file_that_slicer_saves(heart: Any, tmp_path: Path) -> None:
    node = overlapping(heart, 5)
    assert hash_labelmap(read_segmentation(node).labelmap) == hash_labelmap(read_from_file(node, tmp_path))


def test_more_than_a_few_are_refused_in_the_words_of_the_command_line(heart: Any, tmp_path: Path) -> None:
    node = overlapping(heart, np.count_nonzero(heart.labels == LV))
    with pytest.raises(InputError) as here:
        read_segmentation(node)
    with pytest.raises(InputError) as there:
        read_from_file(node, tmp_path)
    assert (here.value.value, here.value.rule) == (there.value.value, there.value.rule)
    assert "Left ventricle and Left ventricular myocardium share" in here.value.message()


@pytest.mark.parametrize("shift", [(0, 0, 1), (2, 0, 0)])
def test_an_apply_leaves_what_it_showed(heart: Any, shift: tuple[int, int, int]) -> None:
    node = overlapping(heart, 5)
    bridged = read_segmentation(node)
    wanted = np.roll(bridged.labelmap.labels, shift, axis=(0, 1, 2))
    wanted[voxels(bridged.labelmap.labels == LV, 5)] = 0  # where the myocardium lies below the ventricle
    commit(node, exhaust(changing(wanted, bridged)), save=lambda: None)
    assert np.array_equal(read_segmentation(node).labelmap.labels, wanted)


def test_the_panel_hears_of_them(heart: Any) -> None:
    node = overlapping(heart, 5)
    state = TwinChecks(lambda: None, background=False).state_of(node, match_tissues(node, ANATOMY))
    assert state is not None and state.problem is None and state.notes[0].startswith(BOTH)


def test_a_preview_tells_of_them(heart: Any) -> None:
    plan: Any = None
    made = Made(plan, (), Outcome([], {}, [], read_segmentation(overlapping(heart, 5))))
    assert len(made.warnings) == 1 and made.warnings[0].startswith(BOTH)


def test_a_segment_beside_the_twin_stays_beside_a_sibling_that_it_hardly_touches(heart: Any) -> None:
    node = segmentation_node(heart, layers="own")
    device = np.roll(heart.labels == LV, 5, axis=2)
    add_segment(node, image_of(device.astype(np.uint8), heart.affine), 1, identifier="device", name="device")
    bridged = read_segmentation(node)
    assert bridged.apart == ("device",)
    labels = np.where(device, 0, bridged.labelmap.labels)
    labels[voxels(device & (bridged.labelmap.labels == LV), 1)] = LV
    sibling = written(labels, bridged, name="sibling", twin_node=node)
    again = read_segmentation(sibling)
    assert again.apart == ("device",) and np.array_equal(again.labelmap.labels, labels)
