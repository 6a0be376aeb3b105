"""The measures of one heart in the views: rings, lengths and centre line as tubes, and the wall's thickness in colours.

All nodes are models in one folder of the subject hierarchy. They follow from the heart and can be made again at any
time, so they are not saved with the scene, and there is at most one heart's of them.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsUI.scene import runs
from DiffusionSiblingsUI.scene.surfaces import poly_data

if TYPE_CHECKING:
    from DiffusionSiblingsLib.metrics.measures.drawing import Drawing, Line, Wall

MARK = "DiffusionSiblings.Measure"  # attribute of all nodes and of the folder
OPACITY = "DiffusionSiblings.Opacity"  # attribute of a display node: the opacities of its segments before, JSON
# Shares of their opacity that are left meanwhile: to surfaces, as rings lie within them; and to outlines, which Slicer
# draws over the wall: none to the heart's own, which has its fill and the wall, and some to its twin's.
FAINT, HEART_OUTLINE, TWIN_OUTLINE = 0.08, 0.0, 0.25
RING, OTHER = (1.0, 0.85, 0.1), (0.1, 0.9, 0.95)  # colours far from those of tissues and of the twin's outline
RADIUS_MM = 0.6
SIDES = 10  # of a tube
MOST_MM = 16.0  # of wall thickness on the colour scale: the same for all hearts, so that they can be compared
BANDS = 16  # colours of the scale, one a millimetre
SCALE = ((0.267, 0.005, 0.329), (0.283, 0.141, 0.458), (0.254, 0.265, 0.530), (0.207, 0.372, 0.553),
         (0.164, 0.471, 0.558), (0.128, 0.567, 0.551), (0.135, 0.659, 0.518), (0.267, 0.749, 0.441),
         (0.478, 0.821, 0.318), (0.741, 0.873, 0.150), (0.993, 0.906, 0.144))  # viridis
THICKNESS = "WallThickness"  # name of the array of numbers in mm
TEXT_SCALE = 2.2
INTERSECTION = 5  # pixels, so that the wall shows beside the outline of the segment
Steps = Generator[None, None, None]


def showing(drawing: Drawing, node: slicer.vtkMRMLSegmentationNode) -> Steps:
    """Draws the measures of a heart in place of those that are shown, in short steps. node: the heart's, made faint."""
    clear()
    tree = runs.hierarchy()
    folder = tree.CreateFolderItem(tree.GetSceneItemID(), _("Measures of {heart}").format(heart=node.GetName()))
    tree.SetItemAttribute(folder, MARK, node.GetID())
    try:
        for wall in drawing.walls:
            _add(tree, folder, wall.text, _wall_data(wall), OTHER, wall=True)
            yield
        for line in drawing.lines:
            color = RING if line.kind in ("ring", "normal") else OTHER
            _add(tree, folder, line.text or f"{line.name} ({line.kind})", _tube(line), color)
            yield
        if named := [line for line in drawing.lines if line.headline]:
            tree.CreateItem(folder, _labels(named))
        _make_faint(node, HEART_OUTLINE)
        _make_faint(node.GetNodeReference(runs.TWIN), TWIN_OUTLINE)
    except BaseException:  # GeneratorExit too: what was stopped leaves nothing
        clear()
        raise


def clear() -> None:
    """Takes all measures out of the scene, and gives hearts their opacity back."""
    scene, tree = slicer.mrmlScene, runs.hierarchy()
    marked = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    runs.remove_nodes([node for node in marked if node.GetAttribute(MARK) and not node.IsA("vtkMRMLDisplayNode")])
    for folder in [item for item in _children(tree, tree.GetSceneItemID()) if tree.HasItemAttribute(item, MARK)]:
        for item in _children(tree, folder):
            if tree.GetItemDataNode(item) is None:  # of a saved scene: the item was saved, the node was not
                tree.RemoveItem(item, False)
        if not tree.GetNumberOfItemChildren(folder):  # what the user has put there stays
            tree.RemoveItem(folder)
    for display in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode"):
        if before := display.GetAttribute(OPACITY):
            for segment, (surface, line) in json.loads(before).items():
                display.SetSegmentOpacity3D(segment, surface)
                display.SetSegmentOpacity2DOutline(segment, line)
            display.RemoveAttribute(OPACITY)


def _children(tree: slicer.vtkMRMLSubjectHierarchyNode, item: int) -> list[int]:
    """The items right below an item."""
    found = vtk.vtkIdList()
    tree.GetItemChildren(item, found, False)
    return [int(found.GetId(n)) for n in range(found.GetNumberOfIds())]


def _add(tree: Any, folder: int, name: str, data: vtk.vtkPolyData, color: Sequence[float], *,
         wall: bool = False) -> None:
    """A model node in the folder, complete when it enters the scene."""
    display = slicer.vtkMRMLModelDisplayNode()
    display.SetColor(*color)
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(INTERSECTION)
    _keep_out_of_files(display)
    slicer.mrmlScene.AddNode(display)
    node = slicer.vtkMRMLModelNode()
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAndObservePolyData(data)
    node.SetAndObserveDisplayNodeID(display.GetID())
    node.SetSelectable(False)  # nothing of it is to be moved
    _keep_out_of_files(node)
    slicer.mrmlScene.AddNode(node)
    tree.CreateItem(folder, node)
    if wall:
        _color(node, display)
        tree.CreateItem(folder, display.GetColorNode())


def _keep_out_of_files(node: Any) -> None:
    node.SetAttribute(MARK, "1")
    node.SetSaveWithScene(False)


def _tube(line: Line) -> vtk.vtkPolyData:
    """A line as a tube; a normal with the head of an arrow."""
    points = np.vstack([line.points, line.points[:1]]) if line.closed else line.points
    places, cells = vtk.vtkPoints(), vtk.vtkCellArray()
    places.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float32), deep=True))
    cells.InsertNextCell(len(points))
    for n in range(len(points)):
        cells.InsertCellPoint(n)
    path = vtk.vtkPolyData()
    path.SetPoints(places)
    path.SetLines(cells)
    tube = vtk.vtkTubeFilter()
    tube.SetInputData(path)
    tube.SetRadius(RADIUS_MM if line.kind != "normal" else RADIUS_MM / 2)
    tube.SetNumberOfSides(SIDES)
    tube.CappingOn()
    tube.Update()
    both = vtk.vtkAppendPolyData()
    both.AddInputData(tube.GetOutput())
    if line.kind == "normal":
        both.AddInputData(_head(line.points))
    both.Update()
    return both.GetOutput()


def _head(points: np.ndarray) -> vtk.vtkPolyData:
    """The head of an arrow at the end of a line of two points."""
    cone, along = vtk.vtkConeSource(), points[1] - points[0]
    cone.SetHeight(5 * RADIUS_MM)
    cone.SetRadius(2 * RADIUS_MM)
    cone.SetResolution(2 * SIDES)
    cone.SetCenter(*points[1])
    cone.SetDirection(*along)
    cone.Update()
    return cone.GetOutput()


def _wall_data(wall: Wall) -> vtk.vtkPolyData:
    """The wall as a surface with its thickness at each point."""
    data = poly_data(wall.points, wall.triangles)
    thickness = numpy_support.numpy_to_vtk(np.ascontiguousarray(wall.thickness, dtype=np.float32), deep=True)
    thickness.SetName(THICKNESS)
    data.GetPointData().SetScalars(thickness)
    return data


def _color(node: slicer.vtkMRMLModelNode, display: slicer.vtkMRMLModelDisplayNode) -> None:
    """Colours by thickness, and their legend."""
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetName(slicer.mrmlScene.GenerateUniqueName(_("Wall thickness colors")))
    colors.SetTypeToUser()
    colors.SetNumberOfColors(BANDS)
    along = np.linspace(0, 1, len(SCALE))
    for band in range(BANDS):
        red, green, blue = (np.interp(band / (BANDS - 1), along, part) for part in zip(*SCALE, strict=True))
        colors.SetColor(band, f"{band * MOST_MM / BANDS:g} mm", float(red), float(green), float(blue), 1.0)
    _keep_out_of_files(colors)
    slicer.mrmlScene.AddNode(colors)
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetActiveScalarName(THICKNESS)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(0.0, MOST_MM)
    display.SetScalarVisibility(True)
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    if legend is not None:
        legend.SetTitleText(_("Wall thickness [mm]"))
        legend.SetUseColorNamesForLabels(False)
        legend.SetMaxNumberOfColors(BANDS)
        legend.SetNumberOfLabels(5)
        legend.SetLabelFormat("%.0f")
        _keep_out_of_files(legend)


def _labels(lines: Sequence[Line]) -> Any:
    """The names and numbers as points with labels, on what they name."""
    node = slicer.vtkMRMLMarkupsFiducialNode()
    node.SetName(slicer.mrmlScene.GenerateUniqueName(_("Names of measures")))
    _keep_out_of_files(node)
    slicer.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    _keep_out_of_files(display)
    display.SetSelectedColor(*RING)
    display.SetGlyphScale(0.8)
    display.SetTextScale(TEXT_SCALE)
    display.SetPointLabelsVisibility(True)
    display.SetOccludedVisibility(True)
    taken = [np.vstack([line.points for line in lines]).mean(axis=0)]
    for line in lines:
        away = np.min([np.linalg.norm(line.points - place, axis=1) for place in taken], axis=0)
        taken.append(line.points[int(np.argmax(away))])  # at its end that is farthest from the other names
        node.AddControlPoint(vtk.vtkVector3d(*taken[-1]), line.headline)
    node.SetLocked(True)
    return node


def _make_faint(node: slicer.vtkMRMLSegmentationNode | None, outline: float) -> None:
    """Lets what lies within a heart's surfaces be seen. Segment by segment, as comparisons set the whole's opacity.

    outline: share of their opacity that is left to outlines in slices.
    """
    display = node.GetDisplayNode() if node is not None else None
    if node is None or display is None or display.GetAttribute(OPACITY):
        return
    before = {segment: (display.GetSegmentOpacity3D(segment), display.GetSegmentOpacity2DOutline(segment))
              for segment in node.GetSegmentation().GetSegmentIDs()}
    display.SetAttribute(OPACITY, json.dumps(before))
    for segment, (surface, line) in before.items():
        display.SetSegmentOpacity3D(segment, FAINT * surface)
        display.SetSegmentOpacity2DOutline(segment, outline * line)
