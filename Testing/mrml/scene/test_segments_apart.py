"""Segments that overlap: tissues are refused by name; what is no tissue lies apart, and every sibling keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from at_once import written
from DiffusionSiblingsUI.effects.commit import changing, commit
from DiffusionSiblingsUI.scene.bridge import masking, read_segmentation
from DiffusionSiblingsUI.scene.terminology import match_tissues
from hearts import ellipsoid_heart
from nodes import add_segment, image_of, segmentation_node
from run_cases import read, save

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust


def refused(node: Any, tissues: dict[str, str | None]) -> str:
    """The message with which the bridge refuses a node."""
    with pytest.raises(InputError) as caught:
        read_segmentation(node, tissues)
    assert caught.value.hint
    return caught.value.message()


def with_segment_over(heart: Any, over: np.ndarray, *, first: bool = False) -> tuple[Any, str]:
    """A segmentation of the heart with a segment that is no tissue where `over` is -> it, and the segment's ID."""
    node = segmentation_node(heart, layers="own")
    add_segment(node, image_of(over.astype(np.uint8), heart.affine), 1, identifier="device", name="device")
    if first:
        node.GetSegmentation().SetSegmentIndex("device", 0)
    return node, "device"


def test_tissues_that_overlap_are_refused_by_name(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node, device = with_segment_over(heart, heart.labels > 2)
    message = refused(node, {**match_tissues(node, load_anatomy()), device: "LA"})
    assert "device and Left ventricle share" in message
    assert f"{np.count_nonzero(heart.labels == 3)} voxels" in message


@pytest.mark.parametrize("first", [False, True])
def test_a_segment_that_is_no_tissue_may_lie_over_tissues_and_siblings_keep_it(scene: Any, first: bool) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    over = np.roll(heart.labels == 3, 5, axis=2)
    node, device = with_segment_over(heart, over, first=first)
    bridged = read_segmentation(node)
    assert bridged.apart == (device,)
    values = [bridged.value_of(i) for i in node.GetSegmentation().GetSegmentIDs() if i != device]
    assert np.array_equal(np.isin(bridged.labelmap.labels, values), heart.labels > 0)
    assert bridged.value_of(device) not in bridged.labelmap.labels
    wanted = np.roll(bridged.labelmap.labels, 2, axis=0)
    sibling = written(wanted, bridged, name="sibling", twin_node=node)
    again = read_segmentation(sibling)
    assert again.apart == (device,) and np.array_equal(again.labelmap.labels, wanted)
    kept = exhaust(masking(again, segment=(sibling, device)))
    assert np.array_equal(kept, exhaust(masking(bridged, segment=(node, device)))) and kept.sum() == over.sum()


def test_what_overlaps_below_such_a_segment_is_still_found(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node, _device = with_segment_over(heart, heart.labels > 0, first=True)
    add_segment(node, image_of((heart.labels == 3).astype(np.uint8), heart.affine), 1, identifier="again", name="again")
    tissues = {**match_tissues(node, load_anatomy()), "again": "LA"}
    assert "again and Left ventricle share" in refused(node, tissues)
    assert read_segmentation(node).apart == ("device", "again")


def voxels_of(node: Any, segment: str) -> np.ndarray:
    """(D, H, W) bool on the node's grid: where a segment is."""
    return exhaust(masking(read_segmentation(node), segment=(node, segment)))


def test_an_apply_leaves_such_a_segment_alone(scene: Any) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node, device = with_segment_over(heart, np.roll(heart.labels == 3, 5, axis=2))
    bridged, before = read_segmentation(node), voxels_of(node, device)
    wanted = np.roll(bridged.labelmap.labels, (2, 1), axis=(0, 1))
    commit(node, exhaust(changing(wanted, bridged)), save=lambda: None, apart=bridged.apart)
    assert np.array_equal(read_segmentation(node).labelmap.labels, wanted)
    assert np.array_equal(voxels_of(node, device), before)


def test_such_a_segment_comes_back_from_a_saved_scene(scene: Any, tmp_path: Path) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4)
    node, device = with_segment_over(heart, np.roll(heart.labels == 3, 5, axis=2))
    bridged = read_segmentation(node)
    sibling = written(bridged.labelmap.labels, bridged, name="sibling", twin_node=node)
    before = voxels_of(sibling, device)
    save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    read(tmp_path / "scene.mrb")
    assert np.array_equal(voxels_of(slicer.util.getNode("sibling"), device), before) and before.any()
