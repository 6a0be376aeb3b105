"""Grids that end where the heart ends: made wider within what their file notes or by a margin, and told otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from labelmap_cases import HEART, heart

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.editing.record_entries import EXTENDED, extension_in
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame, inside
from DiffusionSiblingsLib.labelmaps.geometry.room import (
    CLEAR_MM,
    NONE,
    cut_at_faces,
    extended,
    extension_of,
    ml_beyond,
)
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.runs.views import Tally

TURNED = np.array([[0, -2.0, 0, 10], [2.0, 0, 0, -20], [0, 0, 3.0, 30], [0, 0, 0, 1]])


def slabs() -> np.ndarray:
    """(8, 10, 12) uint8: a slab of each tissue, with room on four sides."""
    labels = np.zeros((8, 10, 12), np.uint8)
    for place, label in enumerate((6, 4, 2, 3, 5, 1)):
        labels[2:-2, 2:-2, 2 * place : 2 * place + 2] = label
    return labels


def cropped(tmp_path: Path, affine: np.ndarray = TURNED, world: np.ndarray | None = None,
            extent: tuple[int, ...] = (0, 11, 0, 9, 0, 7)) -> LabelMap:
    """Slabs cut down to their voxels, as Slicer saves them, and read again. extent: of the grid before."""
    whole = heart(slabs(), affine)
    tight = replace(whole, labels=whole.labels[2:6, 2:8, :], affine=affine.copy())
    tight.affine[:3, 3] += affine[:3, :3] @ [0, 2, 2]
    matrix = (np.eye(4) if world is None else world) @ affine
    geometry = "".join(f"{float(value)!r};" for value in (*matrix.ravel(), *extent))
    pairs = {"Segmentation_ConversionParameters": f"Conversion|0|x&Reference image geometry|{geometry}|words&",
             "Segmentation_ReferenceImageExtentOffset": "0 2 2"}
    return read_labelmap(write_labelmap(replace(tight, header={"metadata": pairs}), tmp_path / "a.seg.nrrd"), HEART)


def grown(labelmap: LabelMap, margin: float | None) -> LabelMap:
    return extended(labelmap, extension_of(labelmap, labelmap.labels > 0, margin))


@pytest.mark.parametrize("world", [np.eye(4), np.diag([-1.0, -1, 1, 1])], ids=["RAS", "LPS"])
def test_a_grid_that_was_cropped_gets_back_what_its_file_notes(world: np.ndarray, tmp_path: Path) -> None:
    found = grown(cropped(tmp_path, world=world), None)
    assert np.array_equal(found.labels, slabs()) and np.allclose(found.affine, TURNED)
    again = write_labelmap(found, tmp_path / "again.seg.nrrd")
    assert sitk.ReadImage(str(again)).GetMetaData("Segmentation_ReferenceImageExtentOffset") == "0 0 0"
    assert extension_of(found, found.labels > 0, None) == NONE, "there is no more room"


def test_no_more_is_added_than_siblings_need(tmp_path: Path) -> None:
    tight = cropped(tmp_path, extent=(-500, 500, -500, 500, -500, 500))
    (i, j, k) = extension_of(tight, tight.labels > 0, None)
    assert i == j == (13, 13) and k == (9, 9), f"{CLEAR_MM} mm in voxels of 2 and 3 mm"


@pytest.mark.parametrize("change", [
    lambda pairs: {}, lambda pairs: {**pairs, "Segmentation_ConversionParameters": "Reference image geometry|1;2|&"},
    lambda pairs: {**pairs, "Segmentation_ConversionParameters": "Reference image geometry|" + "nan;" * 22 + "|&"},
    lambda pairs: {**pairs, "Segmentation_ConversionParameters": "Reference image geometry|" + "0;" * 22 + "|&"},
    lambda pairs: {**pairs, "Segmentation_ConversionParameters": "&|" * 100_000},
])
def test_a_file_that_notes_no_other_grid_keeps_its_own(change: object, tmp_path: Path) -> None:
    tight = cropped(tmp_path)
    other = replace(tight, header={**tight.header, "metadata": change(tight.header["metadata"])})
    assert extension_of(other, other.labels > 0, None) == NONE
    elsewhere = replace(tight, affine=tight.affine + np.array([[0, 0, 0, 500.0]] * 3 + [[0.0] * 4]))
    assert extension_of(elsewhere, elsewhere.labels > 0, None) == NONE, "it does not lie in its reference"


def test_a_margin_is_kept_on_every_side_and_moves_no_voxel() -> None:
    whole = heart(slabs(), TURNED)
    found = grown(whole, 10.0)
    where = np.argwhere(found.labels > 0)
    assert (where.min(0) >= [4, 5, 5]).all(), "10 mm in voxels of 3, 2 and 2 mm"
    assert (np.array(found.labels.shape) - 1 - where.max(0) >= [4, 5, 5]).all()
    for labelmap in (whole, found):
        at = np.argwhere(labelmap.labels == 5)[:, ::-1] @ labelmap.affine[:3, :3].T + labelmap.affine[:3, 3]
        assert np.allclose(at.mean(0), (np.argwhere(slabs() == 5)[:, ::-1] @ TURNED[:3, :3].T + TURNED[:3, 3]).mean(0))
    assert grown(whole, 0.0).labels.shape == whole.labels.shape
    for wrong in (-1.0, 1e9, float("nan")):
        with pytest.raises(InputError, match="margin cannot be used"):
            grown(whole, wrong)
    with pytest.raises(InputError, match="grid too large"):
        grown(heart(affine=np.diag([0.1, 0.1, 0.1, 1.0])), 200.0)


def test_only_faces_that_the_twin_does_not_reach_itself_are_cuts() -> None:
    twin = np.zeros((9, 9, 9), np.uint8)
    twin[:, 2:7, 2:7] = 1  # reaches two faces, as a vessel that the scan cut
    sibling = twin.copy()
    sibling[0, 1, 2:6] = 1
    assert cut_at_faces(sibling, twin) == set(), "about as much as in the twin"
    sibling[3:7, 0, 3:7] = 2
    assert cut_at_faces(sibling, twin) == {2}


def test_what_lies_beyond_the_grid_is_counted_in_ml() -> None:
    frame = CanonicalFrame((8, 8, 8), 2.0)
    reached = inside(np.eye(4), frame.shape, (8, 8, 5))
    assert reached.sum() == 8 * 8 * 5
    probabilities = np.zeros((3, 8, 8, 8), np.float16)
    probabilities[0] = 1.0
    probabilities[:, 2:4, 2:4, 3:8] = np.array([0.2, 0.1, 0.7], np.float16)[:, None, None, None]
    assert ml_beyond(probabilities, ~reached, 2.0) == {2: 2 * 2 * 3 * 8 / 1000}


def test_a_run_says_how_many_siblings_were_cut_and_of_which_tissues() -> None:
    tally = Tally()
    for cut in ({"RV": 1.5}, {}, {"RV": 2.0, "Myo": 0.4}):
        tally.add("sibling", {"cut_off_at_the_edge_of_the_grid_ml": cut})
    (words,) = tally.doubts()
    assert words.startswith("2 of 3 siblings reach the edge of the grid and are cut off there: RV (up to 2.0 ml), Myo")


def test_a_record_tells_the_grid_of_its_twin() -> None:
    assert extension_in({}) == NONE and extension_in({EXTENDED: [[1, 2], [0, 0], [3, 4]]}) == ((1, 2), (0, 0), (3, 4))
    for wrong in ([[1, 2]], [[1, 2], [0, 0], [3, -4]], [[1, 2], [0, 0], [3, 10**9]], "abc", 7, None, [["a", 1]] * 3):
        with pytest.raises(InputError, match="does not tell the grid"):
            extension_in({EXTENDED: wrong})
