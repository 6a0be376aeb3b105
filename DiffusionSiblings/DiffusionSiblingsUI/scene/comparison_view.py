"""Twin and sibling over each other in the views: the twin as an outline of one colour, the sibling in its tissues'.

Only display nodes change. How a twin looked before stands in an attribute of its display node, so that it can be given
back after the scene was saved and read again, too.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from DiffusionSiblingsUI.scene import runs, surfaces, tables

if TYPE_CHECKING:
    import slicer

BEFORE = "DiffusionSiblings.Before"  # attribute of a display node: how it was before a comparison, JSON
SURFACES = "DiffusionSiblings.Surfaces"  # attribute of a twin whose surfaces were made for a comparison
PROPERTIES = ("Visibility", "Visibility2D", "Visibility3D", "Visibility2DFill", "Visibility2DOutline", "Opacity2DFill",
              "Opacity2DOutline", "Opacity3D", "SliceIntersectionThickness")


@dataclass(frozen=True)
class Style:
    """How a comparison looks.

    twin_color: RGB 0..1 of the twin's outline: magenta, far from all colours of tissues and previews and from grey.
    twin_width, sibling_width: of outlines, in pixels. fill: opacity of the sibling's tissues in slice views, 0..1.
    twin_opacity_3d: 0..1.
    """

    twin_color: tuple[float, float, float] = (1.0, 0.1, 1.0)
    twin_width: int = 2
    sibling_width: int = 2
    fill: float = 0.25
    twin_opacity_3d: float = 0.35


def compare(run: runs.Run, sibling: slicer.vtkMRMLSegmentationNode, style: Style, *, outline: bool = True,
            in_3d: bool = False) -> None:
    """Shows one sibling of a run, alone among them, with the twin's outline over it.

    outline: False leaves the twin as the user has it. in_3d: in the 3D views as well, where surfaces are there.
    """
    twin = run.twin_node
    for node in run.siblings:
        if node is not sibling:
            hide(node)
    show_sibling(sibling, style, in_3d=in_3d)
    if twin is None:
        return
    if outline:
        outline_twin(twin, style, in_3d=in_3d)
        _hide_unchanged(twin, unchanged(run, sibling))
    else:
        restore(twin)


def show_sibling(node: slicer.vtkMRMLSegmentationNode, style: Style, *, in_3d: bool = False) -> None:
    """A sibling in the colours of its tissues, with a light fill and a clear outline."""
    display = _display(node)
    modifying = display.StartModify()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(in_3d)
    display.SetVisibility2DFill(style.fill > 0)
    display.SetOpacity2DFill(style.fill)
    display.SetVisibility2DOutline(True)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(style.sibling_width)
    display.EndModify(modifying)


def outline_twin(node: slicer.vtkMRMLSegmentationNode, style: Style, *, in_3d: bool = False) -> None:
    """The twin as thin outlines of one colour; `restore` gives its own look back."""
    display = _display(node)
    if not display.GetAttribute(BEFORE):
        display.SetAttribute(BEFORE, json.dumps(_look(node, display)))
    modifying = display.StartModify()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(in_3d)
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetOpacity2DOutline(1.0)
    display.SetOpacity3D(style.twin_opacity_3d)
    display.SetSliceIntersectionThickness(style.twin_width)
    for segment in node.GetSegmentation().GetSegmentIDs():
        display.SetSegmentOverrideColor(segment, *style.twin_color)
    display.EndModify(modifying)


def restore(node: slicer.vtkMRMLSegmentationNode | None) -> None:
    """Gives a twin the look back that it had before a comparison; does nothing if there was none."""
    display = node.GetDisplayNode() if node is not None else None
    text = display.GetAttribute(BEFORE) if display is not None else None
    if node is None or display is None or not text:
        return
    before = json.loads(text)
    modifying = display.StartModify()
    for name in PROPERTIES:
        getattr(display, f"Set{name}")(before[name])
    for segment in node.GetSegmentation().GetSegmentIDs():
        color = before["colors"].get(segment)
        if color is None:
            display.UnsetSegmentOverrideColor(segment)
        else:
            display.SetSegmentOverrideColor(segment, *color)
        display.SetSegmentVisibility3D(segment, before["in_3d"].get(segment, True))
    display.RemoveAttribute(BEFORE)
    display.EndModify(modifying)
    if node.GetAttribute(SURFACES):
        node.RemoveAttribute(SURFACES)
        node.GetSegmentation().RemoveRepresentation(surfaces.SURFACE)


def is_compared(node: slicer.vtkMRMLSegmentationNode | None) -> bool:
    """Whether a twin looks as a comparison made it look."""
    display = node.GetDisplayNode() if node is not None else None
    return display is not None and bool(display.GetAttribute(BEFORE))


def unchanged(run: runs.Run, sibling: slicer.vtkMRMLSegmentationNode) -> set[str]:
    """The twin's segments that the sibling has voxel for voxel, as the record tells."""
    record, name = run.record, sibling.GetAttribute(runs.MAP)
    entry = next((e for e in tables.entries_of(record) if Path(str(e["file"])).name.split(".")[0] == name), {})
    same = {tissue for tissue, value in entry.get("dice_to_twin", {}).items() if value == 1.0}
    ids = run.twin_node.GetSegmentation().GetSegmentIDs() if run.twin_node is not None else ()
    described = (record.get("twin") or {}).get("segments", [])
    return {ids[s["value"] - 1] for s in described if s["tissue"] in same and 0 < s["value"] <= len(ids)}


def _hide_unchanged(twin: slicer.vtkMRMLSegmentationNode, same: set[str]) -> None:
    """Keeps surfaces out of 3D that lie in the sibling's own: drawn twice in one place they flicker in patches."""
    display = twin.GetDisplayNode()
    before = json.loads(display.GetAttribute(BEFORE) or "{}")
    for segment in twin.GetSegmentation().GetSegmentIDs():
        display.SetSegmentVisibility3D(segment, before["in_3d"].get(segment, True) and segment not in same)


def hide(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Takes a sibling out of all views."""
    if node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility(False)


def preparing_3d(run: runs.Run, sibling: slicer.vtkMRMLSegmentationNode, *, with_twin: bool = True) -> Generator[None,
                 None, None]:
    """Makes the surfaces that sibling and twin lack, in short steps. A twin's go again with `restore`."""
    for node in (sibling, run.twin_node if with_twin else None):
        if node is None or node.GetScene() is None:
            continue
        made = yield from surfaces.surfacing(node)
        if made and node is not sibling and is_compared(node):
            node.SetAttribute(SURFACES, "1")


def _display(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationDisplayNode:
    """The display node, made if there is none."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node.GetDisplayNode()


def _look(node: slicer.vtkMRMLSegmentationNode, display: slicer.vtkMRMLSegmentationDisplayNode) -> dict[str, Any]:
    """All that `outline_twin` changes, as plain values."""
    look: dict[str, Any] = {name: getattr(display, f"Get{name}")() for name in PROPERTIES}
    colors = {}
    for segment in node.GetSegmentation().GetSegmentIDs():
        color = [float(part) for part in display.GetSegmentOverrideColor(segment)]
        if min(color) >= 0.0:  # -1: the segment's own colour
            colors[segment] = color
    in_3d = {segment: display.GetSegmentVisibility3D(segment) for segment in node.GetSegmentation().GetSegmentIDs()}
    return {**look, "colors": colors, "in_3d": in_3d}
