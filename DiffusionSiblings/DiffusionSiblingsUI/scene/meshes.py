"""Meshes of hearts in the scene: a model for each patch and for each filled tissue, found again after save and reload.

A mesh is held together by the text node of its report (mesh.json): that node refers to the heart, the models and the
chart. A heart has one mesh at most; the next one takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.palette import FURTHER, UNSET
from DiffusionSiblingsUI.scene import plots, runs
from DiffusionSiblingsUI.scene.mesh_files import Part, parts_of

MARK = "DiffusionSiblings.Mesh"  # attribute of the report's node, and of the folder's item
KIND = "DiffusionSiblings.MeshPart"  # attribute of a model: "patch" or "tissue"
HEART, MODEL, CHART, PART = (f"DiffusionSiblings.mesh.{role}" for role in ("heart", "model", "chart", "part"))
OWNED = (CHART, PART, MODEL)  # in the order of removal: users before the used
PATCH, TISSUE = "patch", "tissue"
VALVES = ((0.95, 0.85, 0.25), (0.95, 0.55, 0.15), (0.35, 0.85, 0.45))  # far from the colours of tissues
END = (0.75, 0.75, 0.75)  # cut ends
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """A heart as it was when it was meshed. world: (4, 4), its coordinates -> RAS mm. colors: tissue ID -> RGB 0..1."""

    heart: slicer.vtkMRMLSegmentationNode
    world: np.ndarray
    colors: Mapping[str, Color]

    @classmethod
    def of(cls, heart: slicer.vtkMRMLSegmentationNode, bridged: Any) -> Place:
        """Of a heart that was read (`bridge.Bridged`)."""
        segments = bridged.labelmap.segments
        return cls(heart, bridged.grid.world, {each.tissue: each.color for each in segments if each.tissue})


@dataclass(frozen=True)
class Mesh:
    """One mesh of the scene: a view on `node`, the text node with its report. What was removed since is left out."""

    node: slicer.vtkMRMLTextNode

    @property
    def report(self) -> dict[str, Any]:
        """What mesh.json says."""
        return dict(json.loads(self.node.GetText()))

    @property
    def heart(self) -> slicer.vtkMRMLSegmentationNode | None:
        """What was meshed, None once it is removed."""
        return next(iter(self._nodes(HEART)), None)

    @property
    def models(self) -> tuple[slicer.vtkMRMLModelNode, ...]:
        """The models of patches, then those of tissues."""
        return self._nodes(MODEL)

    @property
    def chart(self) -> slicer.vtkMRMLPlotChartNode | None:
        """The histogram of the quality, None for a mesh of surfaces."""
        return next(iter(self._nodes(CHART)), None)

    @property
    def folder(self) -> int:
        """Item of the mesh's folder in the subject hierarchy, 0 if there is none."""
        tree = runs.hierarchy()
        for item in [tree.GetItemByDataNode(node) for node in (self.node, *self.models)]:
            while item and item != tree.GetSceneItemID():
                if tree.HasItemAttribute(item, MARK):
                    return int(item)
                item = tree.GetItemParent(item)
        return 0

    @property
    def visible(self) -> bool:
        """Whether something of it is shown in the views."""
        return any(model.GetDisplayNode().GetVisibility() for model in self.models if model.GetDisplayNode())

    def show(self, on: bool) -> None:
        """Shows the mesh in the views, or hides it: its tissues where they are filled, else its patches."""
        models = self.models
        kind = TISSUE if any(model.GetAttribute(KIND) == TISSUE for model in models) else PATCH
        for model in models:
            if model.GetDisplayNode() is not None:
                model.GetDisplayNode().SetVisibility(on and model.GetAttribute(KIND) == kind)

    def nodes(self) -> tuple[Any, ...]:
        """All nodes that are removed with it."""
        return (*(node for role in OWNED for node in self._nodes(role)), self.node)

    def _nodes(self, role: str) -> tuple[Any, ...]:
        found = [self.node.GetNthNodeReference(role, n) for n in range(self.node.GetNumberOfNodeReferences(role))]
        return tuple(node for node in found if node is not None and node.GetScene() is not None)


def find_meshes() -> list[Mesh]:
    """All meshes of the scene, in the order in which they came."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTextNode")
    return [Mesh(node) for node in nodes if node.GetAttribute(MARK) is not None]


def find_mesh(heart: Any) -> Mesh | None:
    """The mesh of a heart, or None."""
    if heart is None:
        return None
    return next((mesh for mesh in reversed(find_meshes()) if mesh.heart is heart), None)


def building(folder: Path, place: Place) -> Generator[None, None, Mesh]:
    """Puts the mesh in a folder that `siblings mesh` wrote into the scene, in place of the heart's earlier one.

    In short steps. Closed before its end, it takes all back, and the earlier mesh stays. Raises InputError for files
    that cannot be read.
    """
    report = json.loads((folder / "mesh.json").read_text(encoding="utf-8"))
    before, tree = find_mesh(place.heart), runs.hierarchy()
    title = _("{heart} mesh").format(heart=place.heart.GetName())
    item = tree.CreateFolderItem(tree.GetSceneItemID(), title)
    tree.SetItemAttribute(item, MARK, title)
    made: dict[str, list[Any]] = {role: [] for role in OWNED}
    try:
        colors, shown = _colors(report, place), any(row.get("tetrahedra") for row in report["tissues"])
        patches = _folder(tree, item, _("Patches")) if shown else item
        for part in parts_of(folder, report, place.world):
            if part is None:
                yield
                continue
            model = _model(part, place, colors[part.kind, part.id], visible=(part.kind == TISSUE) == shown)
            made[MODEL].append(model)
            tree.CreateItem(patches if part.kind == PATCH else item, model)
            yield
        _chart(made, report, title)
        mesh = _join(made, item, place, report, title)
    except BaseException:  # GeneratorExit too: what was stopped leaves nothing
        runs.remove_nodes([node for role in OWNED for node in made[role]])
        _remove_folder(tree, item)
        raise
    if before is not None:
        delete_mesh(before)
    return mesh


def delete_mesh(mesh: Mesh) -> None:
    """Removes a mesh with all its nodes and its folder, as one step. The heart, and what the user put there, stay."""
    scene, item = slicer.mrmlScene, mesh.folder
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        runs.remove_nodes(mesh.nodes())
        _remove_folder(runs.hierarchy(), item)
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


def _model(part: Part, place: Place, color: Color, *, visible: bool) -> slicer.vtkMRMLModelNode:
    """A model node in the heart's place, complete when it enters the scene."""
    display = slicer.mrmlScene.CreateNodeByClass("vtkMRMLModelDisplayNode")  # with the user's defaults
    display.UnRegister(None)
    display.SetColor(*color)
    display.SetVisibility(visible)
    display.SetVisibility2D(True)
    display.SetEdgeVisibility(part.kind == TISSUE)
    display.SetClipping(part.kind == TISSUE)  # so that Slicer's clipping shows the tetrahedra within
    display.SetScalarVisibility(False)
    display.SetBackfaceCulling(False)
    display.SetBackfaceColorHSVOffset(0.0, 0.0, 0.0)  # patches are seen from both sides
    slicer.mrmlScene.AddNode(display)
    node = slicer.vtkMRMLModelNode()
    node.SetName(f"{place.heart.GetName()} {part.name}")  # as before, where it takes the place of an earlier one
    node.SetAttribute(KIND, part.kind)
    node.SetDescription(part.about)
    node.SetAndObserveMesh(part.data)
    node.SetAndObserveDisplayNodeID(display.GetID())
    node.SetAndObserveTransformNodeID(place.heart.GetTransformNodeID())
    slicer.mrmlScene.AddNode(node)
    return node


def _colors(report: Mapping[str, Any], place: Place) -> dict[tuple[str, str], Color]:
    """(kind, id) of each part -> its colour: a tissue's own, for walls that of the tissue whose wall it is."""
    anatomy = load_anatomy()
    tissues = {row["id"]: place.colors.get(row["id"], FURTHER[number % len(FURTHER)])
               for number, row in enumerate(report["tissues"])}
    found: dict[tuple[str, str], Color] = {(TISSUE, name): color for name, color in tissues.items()}
    valves = 0
    for row in report["patches"]:
        color = tissues.get(_owner(row, anatomy), UNSET)
        if row["kind"] == "valve":
            color, valves = VALVES[valves % len(VALVES)], valves + 1
        found[PATCH, row["id"]] = END if row["kind"] == "cut" else color
    return found


def _owner(row: Mapping[str, Any], anatomy: Anatomy) -> str:
    """The tissue that a patch belongs to most: the first that its rule names, else the first that it touches."""
    stem = str(row["id"]).rstrip("0123456789").rstrip("_")
    for rule in anatomy.mesh.patches:
        if rule.id in (row["id"], stem):
            return rule.between[0][0].replace(" ", "_")
    return str(row["tissues"][0])


def _chart(made: dict[str, list[Any]], report: Mapping[str, Any], title: str) -> None:
    """The histogram of the tetrahedra's quality, where there are any."""
    counts = report.get("tetrahedra", {}).get("scaled_jacobian", {}).get("histogram", ())
    for node in plots.share_chart(counts, title, _("{title}: quality").format(title=title),
                                  _("Scaled Jacobian (1: regular, 0: flat)"), _("Tetrahedra [%]")):
        made[CHART if node.IsA("vtkMRMLPlotChartNode") else PART].append(node)


def _join(made: Mapping[str, list[Any]], item: int, place: Place, report: Mapping[str, Any], title: str) -> Mesh:
    """The report's node, which makes a mesh of all that was made."""
    node, tree = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", _("{title} report").format(title=title)), \
        runs.hierarchy()
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
    node.SetText(json.dumps(report, indent=1, allow_nan=False))
    node.SetAttribute(MARK, title)
    node.SetNodeReferenceID(HEART, place.heart.GetID())
    for role, nodes in made.items():
        for part in nodes:
            node.AddNodeReferenceID(role, part.GetID())
    rest = _folder(tree, item, _("Quality and report"))
    for part in (*made[CHART], *made[PART], node):
        tree.CreateItem(rest, part)
    return Mesh(node)


def _folder(tree: Any, item: int, name: str) -> int:
    """A folder within the mesh's folder, folded."""
    made = int(tree.CreateFolderItem(item, name))
    tree.SetItemAttribute(made, f"{MARK}.folder", "1")
    tree.SetItemExpanded(made, False)
    return made


def _remove_folder(tree: Any, item: int) -> None:
    """Removes a mesh's folder and those within; what the user has put there stays."""
    if not item:
        return
    children = vtk.vtkIdList()
    tree.GetItemChildren(item, children, False)
    own: Sequence[int] = [children.GetId(n) for n in range(children.GetNumberOfIds())]
    for child in [child for child in own if tree.HasItemAttribute(child, f"{MARK}.folder")]:
        if not tree.GetNumberOfItemChildren(child):
            tree.RemoveItem(child)
    if not tree.GetNumberOfItemChildren(item):
        tree.RemoveItem(item)
