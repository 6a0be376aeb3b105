"""The sample hearts: what ships is what its sum says, and surfaces of chambers become a sound heart."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.scene import sample_data, sample_surfaces, terminology
from DiffusionSiblingsUI.scene.bridge import new_segmentation, read_segmentation

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError

CENTRES = {"Ao": (5, 5, 45), "LV": (-30, 10, -25), "RV": (10, 30, -25), "LA": (0, -30, 15), "RA": (35, 0, 5)}  # RAS mm


def write_ball(path: Path, centre: tuple[float, float, float], radius: float = 18.0) -> Path:
    """A ball as an OBJ file in the atlas's axes."""
    sphere = vtk.vtkSphereSource()
    sphere.SetThetaResolution(48)
    sphere.SetPhiResolution(48)
    sphere.SetRadius(radius)
    sphere.SetCenter(*(np.linalg.inv(sample_surfaces.TO_RAS) @ centre))
    writer = vtk.vtkOBJWriter()
    writer.SetInputConnection(sphere.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()
    return path


@pytest.fixture
def surfaces(tmp_path: Path) -> dict[str, Path]:
    return {tissue: write_ball(tmp_path / f"{tissue}.obj", centre) for tissue, centre in CENTRES.items()}


class FakeSampleData(types.ModuleType):
    """Slicer's module, as far as it takes sources and says where a file of its cache is."""

    def __init__(self, cache: Path) -> None:
        super().__init__("SampleData")
        outer = self
        self.sources: list[dict[str, Any]] = []

        class SampleDataLogic:
            @staticmethod
            def registerCustomSampleDataSource(**source: Any) -> None:  # noqa: N802
                made = types.SimpleNamespace(**source)
                slicer.modules.sampleDataSources.setdefault(source["category"], []).append(made)
                outer.sources.append(source)

            def downloadFileIntoCache(self, uri: str, name: str, checksum: str) -> str:  # noqa: N802
                return str(cache / uri.rpartition("/")[2])

        self.SampleDataLogic = SampleDataLogic


@pytest.fixture
def slicers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSampleData:
    module = FakeSampleData(tmp_path)
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {}, raising=False)
    monkeypatch.setitem(sys.modules, "SampleData", module)
    return module


def test_both_are_registered_once_with_sums_and_pictures(slicers: FakeSampleData) -> None:
    sample_data.register()
    sample_data.register()
    twin, toronto = slicer.modules.sampleDataSources[sample_data.CATEGORY]
    assert hashlib.sha256(sample_data.twin_path().read_bytes()).hexdigest() == twin.checksums.removeprefix("SHA256:")
    assert twin.uris.startswith("file:///")
    for source in (twin, toronto):
        assert Path(source.thumbnailFileName).is_file()
    assert len(toronto.uris) == len(toronto.checksums) == len(toronto.nodeNames) == len(sample_data.SURFACES)
    assert all(re.fullmatch("SHA256:[0-9a-f]{64}", text) for text in toronto.checksums)


def test_a_download_that_did_not_come_is_said(slicers: FakeSampleData, scene: Any) -> None:
    with pytest.raises(InputError, match="synthetic heart, which needs neither"):
        sample_data.load_toronto_heart()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_what_was_downloaded_becomes_a_twin(slicers: FakeSampleData, scene: Any, tmp_path: Path) -> None:
    for tissue, centre in CENTRES.items():
        write_ball(tmp_path / sample_data.SURFACES[tissue][0], centre)
    node = sample_data.load_toronto_heart()
    assert node.GetSegmentation().GetNumberOfSegments() == 6


def test_a_sample_has_clear_colours_and_an_image_that_the_segment_editor_takes(
    slicers: FakeSampleData, scene: Any, surfaces: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer, "app", MagicMock(), raising=False)
    node = new_segmentation(sample_surfaces.heart_of_surfaces(surfaces), "Toronto heart")
    before = read_segmentation(node)
    assert sample_data.presented(node) is node
    after = read_segmentation(node)
    np.testing.assert_array_equal(after.labelmap.labels, before.labelmap.labels)
    np.testing.assert_allclose(after.grid.affine, before.grid.affine)
    image = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    grey = slicer.util.arrayFromVolume(image)
    heart = after.labelmap
    assert grey[heart.labels == heart.tissues["LV"][0]].mean() > 250 > 0 > grey[heart.labels == 0].mean()
    colors = [node.GetSegmentation().GetSegment(i).GetColor() for i in node.GetSegmentation().GetSegmentIDs()]
    assert min(max(abs(a - b) for a, b in zip(one, two, strict=True))
               for n, one in enumerate(colors) for two in colors[:n]) > 0.15


def test_surfaces_become_a_heart_where_they_lie(scene: Any, surfaces: dict[str, Path]) -> None:
    heart = sample_surfaces.heart_of_surfaces(surfaces)
    assert set(heart.tissues) == set(load_anatomy().ids)
    for tissue, centre in CENTRES.items():
        mask = heart.labels == heart.tissues[tissue][0]
        ijk = np.argwhere(mask)[:, ::-1].mean(axis=0)
        np.testing.assert_allclose(heart.affine[:3, :3] @ ijk + heart.affine[:3, 3], centre, atol=0.1)
        volume = mask.sum() * heart.voxel_volume_ml
        assert volume == pytest.approx(4 / 3 * np.pi * 18**3 / 1000, rel=0.02)
    node = new_segmentation(heart, "Toronto heart")
    assert not terminology.missing_tissues(terminology.match_tissues(node, load_anatomy()), load_anatomy())
    np.testing.assert_array_equal(np.sort(np.unique(read_segmentation(node).labelmap.labels)), range(7))


def test_the_wall_is_a_shell_that_takes_nothing_from_others(surfaces: dict[str, Path], tmp_path: Path) -> None:
    write_ball(tmp_path / "RV.obj", (-5, 10, -25))  # 25 mm from the LV's centre: within its wall
    heart = sample_surfaces.heart_of_surfaces(surfaces)
    for tissue in ("LV", "RV"):
        volume = (heart.labels == heart.tissues[tissue][0]).sum() * heart.voxel_volume_ml
        assert volume > 0.8 * 4 / 3 * np.pi * 18**3 / 1000
    assert (heart.labels == heart.tissues["Myo"][0]).any()


def test_a_file_without_a_surface_is_said(tmp_path: Path) -> None:
    (tmp_path / "LV.obj").write_text("<html>blocked by the proxy</html>", encoding="utf-8")
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        with pytest.raises(InputError, match="no surface"):
            sample_surfaces.heart_of_surfaces({"LV": tmp_path / "LV.obj"})
    finally:
        vtk.vtkObject.GlobalWarningDisplayOn()


def test_the_atlas_where_a_copy_of_it_is_at_hand(scene: Any) -> None:
    folder = os.environ.get("SIBLINGS_TORONTO_ATLAS")  # the atlas's folder RegularHeart/HighRes
    if not folder:
        pytest.skip("SIBLINGS_TORONTO_ATLAS does not name a copy of the atlas")
    paths = {tissue: Path(folder) / file for tissue, (file, _) in sample_data.SURFACES.items()}
    for tissue, (_, digest) in sample_data.SURFACES.items():
        assert hashlib.sha256(paths[tissue].read_bytes()).hexdigest() == digest
    heart = sample_surfaces.heart_of_surfaces(paths)
    volumes = {tissue: (np.isin(heart.labels, values)).sum() * heart.voxel_volume_ml
               for tissue, values in heart.tissues.items()}
    assert volumes["LV"] == pytest.approx(103.5, abs=1)
    assert volumes["RA"] == pytest.approx(102.1, abs=1)
    assert slicer.mrmlScene is scene
