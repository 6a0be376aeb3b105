"""Runs in the scene: siblings, measurements, plots and record of one job, found again after save and reload.

A run is held together by the text node of its record: that node refers to all others, so that a run survives
renaming, moving within the subject hierarchy, and being loaded into a scene that already has other runs.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsUI.scene import bridge, plots, tables

MARK = "DiffusionSiblings.Run"  # attribute of the record's node, and of the folder's item
MAP = "DiffusionSiblings.Map"  # attribute of a sibling: its name in the table and the record
TWIN, SIBLING, TABLE, CHART, PART, REGION, SEQUENCE, BROWSER = (
    f"DiffusionSiblings.{role}"
    for role in ("twin", "sibling", "table", "chart", "part", "region", "sequence", "browser")
)
OWNED = (BROWSER, SEQUENCE, CHART, PART, TABLE, SIBLING, REGION)  # in the order of removal: users before the used
RESULTS = "Metrics and record"
Steps = Generator[None, None, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of the scene: a view on `node`, the text node with its record. What was removed since is left out."""

    node: slicer.vtkMRMLTextNode

    @property
    def id(self) -> str:
        """Names the run within the scene."""
        return str(self.node.GetID())

    @property
    def title(self) -> str:
        """The name of the run's folder, which the user may change."""
        folder = self.folder
        return str(hierarchy().GetItemName(folder) if folder else self.node.GetAttribute(MARK))

    @property
    def record(self) -> dict[str, Any]:
        """The record, as Record.to_json() gives it."""
        return dict(json.loads(self.node.GetText()))

    @property
    def twin_node(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation that was edited; None where hearts were generated, or once it is removed."""
        return self._one(TWIN, slicer.vtkMRMLSegmentationNode)

    @property
    def siblings(self) -> tuple[slicer.vtkMRMLSegmentationNode, ...]:
        """The siblings' segmentation nodes."""
        return self.nodes(SIBLING)

    @property
    def table_node(self) -> slicer.vtkMRMLTableNode | None:
        """The vtkMRMLTableNode with the measurements, or None once it is removed."""
        return self._one(TABLE, slicer.vtkMRMLTableNode)

    @property
    def charts(self) -> tuple[slicer.vtkMRMLPlotChartNode, ...]:
        """The vtkMRMLPlotChartNodes."""
        return self.nodes(CHART)

    @property
    def region_node(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The region that bounded the edit, a segmentation node, or None."""
        return self._one(REGION, slicer.vtkMRMLSegmentationNode)

    @property
    def browser_node(self) -> slicer.vtkMRMLSequenceBrowserNode | None:
        """The sequence browser that flips through the siblings, or None until it is made."""
        return self._one(BROWSER, slicer.vtkMRMLSequenceBrowserNode)

    @property
    def folder(self) -> int:
        """Item of the run's folder in the subject hierarchy, 0 if there is none."""
        tree = hierarchy()
        for item in [tree.GetItemByDataNode(node) for node in (self.node, *self.siblings)]:
            while item and item != tree.GetSceneItemID():
                if tree.HasItemAttribute(item, MARK):
                    return int(item)
                item = tree.GetItemParent(item)
        return 0

    def nodes(self, role: str) -> tuple[Any, ...]:
        """The nodes of a role that are still in the scene."""
        found = [self.node.GetNthNodeReference(role, n) for n in range(self.node.GetNumberOfNodeReferences(role))]
        return tuple(node for node in found if node is not None and node.GetScene() is not None)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Map's name -> its row of metrics.csv; {} once the table is removed."""
        return {str(row.get("map")): row for row in tables.rows_of(self.table_node)} if self.table_node else {}

    def row_of(self, sibling: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
        """A sibling's row of metrics.csv, {} once the table is removed."""
        return self.rows().get(str(sibling.GetAttribute(MAP)), {})

    def _one(self, role: str, _kind: type[T]) -> T | None:
        """The node of a role that has at most one. _kind: its class, which type checkers read."""
        found: tuple[T, ...] = self.nodes(role)
        return found[0] if found else None


def hierarchy() -> slicer.vtkMRMLSubjectHierarchyNode:
    """The scene's subject hierarchy."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def find_runs(scene: slicer.vtkMRMLScene | None = None) -> list[Run]:
    """All runs of the scene, in the order in which they came."""
    nodes = (scene or slicer.mrmlScene).GetNodesByClass("vtkMRMLTextNode")
    nodes.UnRegister(None)
    found = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
    return [Run(node) for node in found if node.GetAttribute(MARK) is not None]


def find_run(run_id: str, scene: slicer.vtkMRMLScene | None = None) -> Run | None:
    """The run of that id, or None."""
    return next((run for run in find_runs(scene) if run.id == run_id), None)


def building(
    results: Sequence[Any], *, twin_node: slicer.vtkMRMLSegmentationNode | None, bridged: Any,
    record: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]], title: str, region_node: slicer.vtkMRMLSegmentationNode | None = None,
) -> Generator[None, None, Run]:
    """Puts a completed job into the scene as one run, in short steps. Closed before its end, it takes all back.

    results: SiblingResults. twin_node: stays as and where it is; None for generated hearts, as `bridged` is then.
    record: Record.to_json(). rows: of metrics.csv. region_node: a segmentation node that becomes the run's.
    """
    made: dict[str, list[Any]] = {role: [] for role in OWNED}
    tree = hierarchy()
    folder = tree.CreateFolderItem(tree.GetSceneItemID(), title)
    tree.SetItemAttribute(folder, MARK, title)
    try:
        for result in results:
            name = map_name(result)  # as in the table, the record and the CSV file
            if twin_node is None:
                node = bridge.new_segmentation(result.labels, _("Generated {name}").format(name=name), visible=False)
            else:
                name = f"{twin_node.GetName()} {name}"
                node = yield from bridge.writing(result.labels, bridged, name=name, twin_node=twin_node, visible=False)
            made[SIBLING].append(node)
            tree.CreateItem(folder, node)
            _mark_sibling(node, result, twin_node)
            yield
        yield from _measurements(made, rows, record, title)
        made[REGION] = [region_node] if region_node is not None else []
        run = _join(made, folder, twin_node, record, title)
    except BaseException:  # GeneratorExit too: a cancelled job leaves nothing
        _remove(tree, folder, [node for role in OWNED if role != REGION for node in made[role]])
        raise
    if run.siblings:
        run.siblings[0].GetDisplayNode().SetVisibility(True)
    return run


def delete_run(run: Run) -> None:
    """Removes a run with all its nodes and its folder, as one step. The twin, and what the user put there, stay."""
    scene, tree, folder = slicer.mrmlScene, hierarchy(), run.folder
    proxies = [browser.GetProxyNode(sequence) for browser in run.nodes(BROWSER) for sequence in run.nodes(SEQUENCE)]
    nodes = [*(node for role in OWNED for node in run.nodes(role)), *(node for node in proxies if node is not None)]
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        _remove(tree, folder, [*nodes, run.node])
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


def keep(run: Run, role: str, node: slicer.vtkMRMLNode) -> None:
    """Makes a node part of a run: found, saved and deleted with it."""
    run.node.AddNodeReferenceID(role, node.GetID())
    if run.folder:
        hierarchy().CreateItem(_results_item(hierarchy(), run.folder), node)


def map_name(result: Any) -> str:
    """What a sibling is called in its row: "sibling_0000"."""
    return str(result.row.get("map") or f"sibling_{result.index:04d}")


def _mark_sibling(node: slicer.vtkMRMLSegmentationNode, result: Any,
                  twin_node: slicer.vtkMRMLSegmentationNode | None) -> None:
    """Says on the node itself what it is, and keeps it out of the 3D views until asked for."""
    node.SetAttribute(MAP, map_name(result))
    node.SetDescription(_("{edit}, seed {seed}, sibling {number}").format(
        edit=result.row.get("edit", ""), seed=result.row.get("seed", ""), number=result.k))
    node.GetDisplayNode().SetVisibility3D(False)
    if twin_node is not None:
        node.SetNodeReferenceID(TWIN, twin_node.GetID())


def _measurements(made: dict[str, list[Any]], rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any],
                  title: str) -> Steps:
    """Table and plots, a step each."""
    made[TABLE].append((yield from tables.tabling(rows, record, _("{title} metrics").format(title=title))))
    yield
    for chart in (plots.volume_chart, plots.drift_chart):
        for node in chart(rows, title):
            made[CHART if node.IsA("vtkMRMLPlotChartNode") else PART].append(node)
        yield


def _join(made: Mapping[str, list[Any]], folder: int, twin_node: slicer.vtkMRMLSegmentationNode | None,
          record: Mapping[str, Any], title: str) -> Run:
    """The record's node, which makes a run of all that was made."""
    tree = hierarchy()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", _("{title} record").format(title=title))
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
    node.SetText(json.dumps(record, indent=1, allow_nan=False))
    node.SetAttribute(MARK, title)
    if twin_node is not None:
        node.SetNodeReferenceID(TWIN, twin_node.GetID())
    for role, nodes in made.items():
        for part in nodes:
            node.AddNodeReferenceID(role, part.GetID())
    results = _results_item(tree, folder)
    for part in [n for role in (TABLE, CHART, REGION, PART) for n in made[role]] + [node]:
        tree.CreateItem(results, part)
    return Run(node)


def _results_item(tree: slicer.vtkMRMLSubjectHierarchyNode, folder: int) -> int:
    """The folder within the run's folder that holds all but the siblings."""
    found = tree.GetItemChildWithName(folder, RESULTS)
    if not found:
        found = tree.CreateFolderItem(folder, RESULTS)
        tree.SetItemExpanded(found, False)
    return int(found)


def remove_nodes(nodes: Sequence[Any]) -> None:
    """Removes nodes with what only they use, and their items in the subject hierarchy."""
    scene, tree = slicer.mrmlScene, hierarchy()
    for node in nodes:
        if not scene.IsNodePresent(node):
            continue
        helpers = [node.GetStorageNode()] if node.IsA("vtkMRMLStorableNode") else []
        if node.IsA("vtkMRMLDisplayableNode"):
            helpers += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
        scene.RemoveNode(node)
        if item := tree.GetItemByDataNode(node):  # the application has removed it by now, a bare scene has not
            tree.RemoveItem(item, False)
        for helper in helpers:
            if helper is not None and scene.IsNodePresent(helper):
                scene.RemoveNode(helper)


def _remove(tree: slicer.vtkMRMLSubjectHierarchyNode, folder: int, nodes: Sequence[Any]) -> None:
    """Removes nodes, then the folder; what the user has put into the folder stays there."""
    remove_nodes(nodes)
    for item in [tree.GetItemChildWithName(folder, RESULTS), folder] if folder else []:
        if item and not tree.GetNumberOfItemChildren(item):
            tree.RemoveItem(item)
