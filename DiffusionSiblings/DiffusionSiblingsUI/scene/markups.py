"""Markups as the guide uses them: which kind one is, whether it is placed, and where it lies in the world.

All coordinates are RAS mm in the world: parent transforms count, as in the views.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import InputError

CLASSES = {"box": "vtkMRMLMarkupsROINode", "plane": "vtkMRMLMarkupsPlaneNode", "line": "vtkMRMLMarkupsLineNode",
           "curve": "vtkMRMLMarkupsCurveNode", "point": "vtkMRMLMarkupsFiducialNode"}
KINDS = {name: kind for kind, name in CLASSES.items()} | {"vtkMRMLMarkupsClosedCurveNode": "curve"}
BOX_MM = 60.0  # edge of a new box: about a ventricle
NEEDED = {"box": 1, "plane": 1, "line": 2, "curve": 2, "point": 1}  # points until it lies somewhere


def kind_of(node: Any) -> str:
    """ "box", "plane", "line", "curve" or "point", "" for a node that can be no domain."""
    return KINDS.get(node.GetClassName(), "") if node is not None else ""


def is_placed(node: Any) -> bool:
    """Whether all points that the domain needs are there."""
    if node.GetNumberOfDefinedControlPoints() < NEEDED[kind_of(node)]:
        return False
    return kind_of(node) != "plane" or bool(node.GetIsPlaneValid())


def new_markup(kind: str, name: str, color: tuple[float, float, float] | None = None) -> Any:
    """A markups node in the scene that has no points yet, drawn without filling, so that the twin stays to be seen."""
    node = slicer.mrmlScene.AddNewNodeByClass(CLASSES[kind], free_name(name))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetFillVisibility(kind == "plane")
    display.SetFillOpacity(0.15)
    display.SetTextScale(2.5)
    display.SetHandlesInteractive(False)  # those of many domains hide the twin; the selected one has them
    if kind == "line":
        node.GetMeasurement("length").SetEnabled(False)  # it would be taken for the tissue's
    if color is not None:
        paint(node, color)
    return node


def place_box(node: Any, twin: Any, segment_id: str = "") -> Any:
    """Puts a ROI around a segment of the twin, or around the twin's middle -> it. node: None for a new one."""
    if node is None:
        node = new_markup("box", _("Edit region"))
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetFillVisibility(False)
    node.GetDisplayNode().SetHandlesInteractive(True)
    if (place := _middle(twin, segment_id)) is not None:
        node.SetCenterWorld(vtk.vtkVector3d(*place))
    node.SetSize(BOX_MM, BOX_MM, BOX_MM)
    return node


def _middle(twin: Any, segment_id: str) -> list[float] | None:
    """The middle of a segment, or of the twin where the segment has no voxels; RAS mm, None where there is neither."""
    if twin is None:
        return None
    if segment_id and (found := twin.GetSegmentCenterRAS(segment_id)):
        return [float(value) for value in found]
    bounds = [0.0] * 6
    twin.GetRASBounds(bounds)
    return [sum(bounds[2 * axis:2 * axis + 2]) / 2 for axis in range(3)] if bounds[0] <= bounds[1] else None


def free_name(name: str) -> str:
    """The name, or with the first free number: the scene's own numbers go on counting after a node is removed."""
    number, found = 2, name
    while slicer.mrmlScene.GetFirstNodeByName(found) is not None:
        found, number = f"{name} {number}", number + 1
    return found


def paint(node: Any, color: tuple[float, float, float]) -> None:
    """Gives a markup a colour, selected or not."""
    display = node.GetDisplayNode()
    display.SetSelectedColor(*color)
    display.SetColor(*color)


def give_handles(nodes: Iterable[Any], chosen: Any) -> None:
    """Gives the handles of one box or plane to it, and takes them from the others; points are dragged without."""
    for node in nodes:
        display, given = node.GetDisplayNode(), node is chosen and kind_of(node) in ("box", "plane")
        if display is not None and bool(display.GetHandlesInteractive()) != given:
            display.SetHandlesInteractive(given)


def start_placing(node: Any) -> None:
    """Has the next clicks in the views place the markup's points; a curve takes them until the user stops it."""
    logic = slicer.modules.markups.logic()
    logic.SetActiveList(node)
    logic.StartPlaceMode(kind_of(node) == "curve")


def remove_markup(node: Any) -> None:
    """Takes a markup out of the scene, with what only it uses."""
    scene, storage = slicer.mrmlScene, node.GetStorageNode()
    helpers = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())] + [storage]
    scene.RemoveNode(node)
    for helper in helpers:
        if helper is not None and scene.IsNodePresent(helper):
            scene.RemoveNode(helper)


# Where markups lie: center (3,), axes (3, 3) rows = unit vectors, size (3,), all world RAS mm


def box(node: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(node.GetObjectToWorldMatrix())  # the node hands out its live matrix
    array = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(3)])
    lengths = np.linalg.norm(array[:, :3], axis=0)  # a parent transform that scales is in its columns
    return array[:, 3], (array[:, :3] / lengths).T, np.array(node.GetSize()) * lengths


def plane(node: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners = vtk.vtkPoints()
    node.GetPlaneCornerPointsWorld(corners)
    points = numpy_support.vtk_to_numpy(corners.GetData()).astype(np.float64)
    axes = [np.zeros(3) for _axis in range(3)]
    node.GetAxesWorld(*axes)
    first, second = axes[0] / np.linalg.norm(axes[0]), axes[1] - axes[0] * (axes[1] @ axes[0]) / (axes[0] @ axes[0])
    second /= np.linalg.norm(second)
    spread = [np.ptp(points @ axis) for axis in (first, second)]
    return points.mean(axis=0), np.stack([first, second, np.cross(first, second)]), np.array([*spread, 0.0])


def line(node: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    start, end = control_points(node)[:2]
    length = float(np.linalg.norm(end - start))
    if length <= 0:
        raise InputError(_("{name} has no length").format(name=node.GetName()), rule=_("its two points are apart"),
                         hint=_("move one of its points"))
    return (start + end) / 2, frame_along((end - start) / length), np.array([length, 0.0, 0.0])


def frame_along(direction: np.ndarray) -> np.ndarray:
    """(3, 3): rows are a right-handed orthonormal frame whose first axis is the direction."""
    first = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    aside = np.eye(3)[int(np.argmin(np.abs(first)))]
    second = np.cross(aside, first)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])


def curve_points(node: Any) -> np.ndarray:
    """(n, 3): the curve as it is drawn, world RAS mm."""
    points = node.GetCurvePointsWorld()
    if points is None or points.GetNumberOfPoints() < 2:
        raise InputError(_("{name} has no length").format(name=node.GetName()),
                         rule=_("a curve has at least two points that are apart"), hint=_("add a point to the curve"))
    return numpy_support.vtk_to_numpy(points.GetData()).astype(np.float64)


def control_points(node: Any) -> np.ndarray:
    """(n, 3): the points that are placed, world RAS mm."""
    placed = [n for n in range(node.GetNumberOfControlPoints())
              if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]
    return np.array([list(node.GetNthControlPointPositionWorld(n)) for n in placed], dtype=np.float64)
