"""The section Mesh with its real widgets and the real worker: models in the heart's place, tables, files.

Run by slicer_add_python_unittest in Slicer, with the module's other test cases, and by a headless harness.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from module_case import ModuleCase
from vtk.util import numpy_support

LONGEST_BLOCK_S = 0.25  # of this thread's own time; the bar is 0.1 s in Slicer
NEAR_MM, VOXEL_MM = 0.1, 1.4


class DiffusionSiblingsMeshTest(ModuleCase):
    """Presses what a user presses."""

    def setUp(self) -> None:
        """The module open, with the section Mesh unfolded, and a folder."""
        super().setUp()
        self.part = self.panel.panels["mesh"]
        self.form = self.part.ui
        self.panel.ui.meshSection.collapsed = False
        self.folder = Path(tempfile.mkdtemp())
        self.turn()

    def tearDown(self) -> None:
        """Nothing on disk."""
        self.form.plotButton.checked = False
        super().tearDown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self) -> Any:
        """Presses Make mesh and waits -> the operation, which must end well."""
        self.turn()
        self.assertTrue(self.form.makeButton.enabled, self.form.reasonLabel.text)
        self.form.makeButton.click()
        operation = self.context.operation
        longest = 0.0
        while not operation.finished:
            began = time.thread_time()
            slicer.app.processEvents()
            longest = max(longest, time.thread_time() - began)
            time.sleep(0.01)
        self.assertEqual(operation.state, "done", getattr(operation.error, "message", str)())
        self.assertLess(longest, LONGEST_BLOCK_S)
        self.turn()
        return operation

    def cells(self) -> list[list[str]]:
        """What the table shows."""
        table = self.form.meshTable
        return [[table.item(row, column).text() for column in range(table.columnCount)]
                for row in range(table.rowCount)]

    def test_patches_come_as_models_where_the_segmentation_is_and_the_next_mesh_takes_their_place(self) -> None:
        from DiffusionSiblingsUI.scene import meshes

        before = self.labels(self.twin)
        self.make()
        (mesh,) = meshes.find_meshes()
        self.assertIs(mesh.heart, self.twin)
        names = [model.GetName() for model in mesh.models]
        self.assertIn(f"{self.twin.GetName()} mitral valve", names)
        self.assertTrue(all(model.GetDisplayNode().GetVisibility() for model in mesh.models))
        self.check_places(mesh.models)
        self.assertTrue((self.labels(self.twin) == before).all())
        self.assertEqual([row[0] for row in self.cells()], [row["name"] for row in mesh.report["tissues"]])
        self.form.rowsCombo.setCurrentIndex(1)
        self.turn()
        self.assertEqual(self.cells()[0][0], "mitral valve")
        self.assertIn("triangles in", self.form.messageLabel.text)
        self.assertFalse(self.form.plotButton.visible)
        triangles = mesh.report["counts"]["triangles"]
        self.form.edgeBox.setValue(4.0)
        self.make()
        (again,) = meshes.find_meshes()
        self.assertLess(again.report["counts"]["triangles"], triangles / 2)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLModelNode")), len(again.models))
        self.form.showCheck.click()
        self.turn()
        self.assertFalse(any(model.GetDisplayNode().GetVisibility() for model in again.models))
        self.form.deleteButton.click()
        self.turn()
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLModelNode"), [])
        self.assertFalse(self.form.meshTable.visible)

    def check_places(self, models: Any) -> None:
        """The models reach as far as the segmentation does, to a voxel, and lie to no side of it."""
        ends, bounds = np.array([bounds_of(model) for model in models]), np.array(bounds_of(self.twin))
        off = np.stack([ends[:, ::2].min(axis=0) - bounds[::2], ends[:, 1::2].max(axis=0) - bounds[1::2]])
        self.assertLess(np.abs(off).max(), VOXEL_MM)
        self.assertLess(np.abs(off.sum(axis=0)).max() / 2, VOXEL_MM / 2)

    def check_middles(self, models: Any, but: str) -> None:
        """What fills a tissue has its middle where the segment has it. but: the tissue around which a wall was grown,
        which is narrower than the edges and pulls at it.
        """
        from DiffusionSiblingsUI.scene import bridge

        bridged = bridge.read_segmentation(self.twin)
        for segment in [segment for segment in bridged.labelmap.segments if segment.tissue != but]:
            model = next(model for model in models if model.GetName().endswith(f" {segment.name}"))
            kji = np.argwhere(bridged.labelmap.labels == segment.value).mean(axis=0)
            middle = bridged.grid.affine[:3, :3] @ kji[::-1] + bridged.grid.affine[:3, 3]
            self.assertLess(np.abs(middle_of(model) - middle).max(), NEAR_MM, segment.name)

    def test_tetrahedra_show_their_quality_and_what_was_grown(self) -> None:
        from DiffusionSiblingsUI.scene import meshes

        self.form.fillCombo.setCurrentIndex(1)
        self.form.edgeBox.setValue(3.0)
        self.part._grown["Ao"].setChecked(True)
        self.make()
        (mesh,) = meshes.find_meshes()
        self.check_middles(mesh.models, but="Ao")
        filled = [model for model in mesh.models if model.GetMesh().IsA("vtkUnstructuredGrid")]
        self.assertEqual(len(filled), 7)
        self.assertTrue(all(model.GetDisplayNode().GetVisibility() == (model in filled) for model in mesh.models))
        self.assertIn("Grown, not imaged: Ao wall", self.form.messageLabel.text)
        self.assertTrue(any("grown, not imaged" in model.GetName() for model in filled))
        self.form.rowsCombo.setCurrentIndex(2)
        self.turn()
        self.assertGreaterEqual(float(self.cells()[0][1]), 0.05)
        self.assertEqual(mesh.chart.GetNumberOfPlotSeriesNodes(), 1)
        self.form.plotButton.click()
        self.turn()
        self.assertTrue(self.form.plotButton.checked)

    def test_all_siblings_go_into_a_folder_and_the_one_that_is_shown_into_the_scene(self) -> None:
        from DiffusionSiblingsUI.scene import meshes

        self.form.ofCombo.setCurrentIndex(1)
        self.turn()
        self.assertFalse(self.form.makeButton.enabled)
        self.assertIn("siblings", self.form.reasonLabel.text)
        self.context.parameters.count = 2
        run = self.run_to_end()
        self.form.ofCombo.setCurrentIndex(2)
        self.turn()
        self.assertFalse(self.form.makeButton.enabled)
        self.form.folderPath.setCurrentPath(str(self.folder))
        self.form.edgeBox.setValue(4.0)
        self.part._formats["gmsh"].setChecked(True)
        self.make()
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["sibling-0000", "sibling-0001"])
        report = json.loads((self.folder / "sibling-0001" / "mesh.json").read_text(encoding="utf-8"))
        self.assertEqual(sorted({file.split("/")[0] for file in report["files"]}), ["gmsh", "stl", "vtk"])
        (mesh,) = meshes.find_meshes()
        self.assertIs(mesh.heart, run.siblings[0])
        self.assertIn(str(self.folder), self.form.messageLabel.text)
        self.panel.panels["siblings"].ui.nextButton.click()
        self.turn()
        self.assertFalse(self.form.meshTable.visible)

    def test_what_is_cancelled_leaves_nothing(self) -> None:
        from DiffusionSiblingsUI.scene import meshes

        self.form.fillCombo.setCurrentIndex(1)
        self.turn()
        self.form.makeButton.click()
        operation = self.context.operation
        self.turn(lambda: operation.progress > 0.06 or operation.finished)
        self.form.cancelButton.click()
        self.turn(lambda: operation.finished)
        self.assertEqual(operation.state, "cancelled")
        self.turn()
        self.assertEqual(meshes.find_meshes(), [])
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLModelNode"), [])
        self.assertIn("as it was", self.form.messageLabel.text)

    def test_a_moved_heart_takes_its_mesh_along(self) -> None:
        from DiffusionSiblingsUI.scene import meshes

        moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 40.0)
        moved.SetMatrixTransformToParent(matrix)
        self.twin.SetAndObserveTransformNodeID(moved.GetID())
        self.make()
        (mesh,) = meshes.find_meshes()
        self.check_places(mesh.models)
        matrix.SetElement(1, 3, -25.0)
        moved.SetMatrixTransformToParent(matrix)
        self.check_places(mesh.models)


def bounds_of(node: Any) -> list[float]:
    """Ends of a node in the world, RAS mm."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return bounds


def middle_of(model: Any) -> np.ndarray:
    """(3,) RAS mm: the middle of the volume of tetrahedra."""
    grid = model.GetMesh()
    points = numpy_support.vtk_to_numpy(grid.GetPoints().GetData()).astype(float)
    corners = points[numpy_support.vtk_to_numpy(grid.GetCells().GetConnectivityArray()).reshape(-1, 4)]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    return np.asarray((corners.mean(axis=1) * volumes[:, None]).sum(axis=0) / volumes.sum())


def run_all() -> None:
    """All test cases of this file. Raises AssertionError if one fails."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(DiffusionSiblingsMeshTest)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        failed = ", ".join(str(case).split()[0] for case, _ in (*result.failures, *result.errors))
        raise AssertionError(f"failed: {failed}")
