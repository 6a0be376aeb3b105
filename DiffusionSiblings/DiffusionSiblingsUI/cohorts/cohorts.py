"""Cohorts of the panel: opened folders of label maps, and the runs of the scene; and which of their members is shown.

An opened folder is a table node, which is saved with the scene: its rows are those of metrics.csv, with the file of
each member. The members themselves stay on disk until one of them is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.tables import columns_of
from DiffusionSiblingsUI.scene import runs, tables

MARK = "DiffusionSiblings.Cohort"  # attribute of an opened cohort's table: JSON, see `FolderCohort.described`
MEMBER = "DiffusionSiblings.Member"  # attribute of the segmentation of the member that is shown: its file
FILE = "file"
SCENE = "scene"  # id of the cohort of all runs
ITEM = "Cohorts"  # folder of the subject hierarchy
Row = Mapping[str, Any]


@dataclass(frozen=True)
class FolderCohort:
    """A folder that was opened: a view on `node`, the table of its members."""

    node: slicer.vtkMRMLTableNode

    @property
    def id(self) -> str:
        """Names the cohort within the scene."""
        return str(self.node.GetID())

    @property
    def title(self) -> str:
        """The table's name, which the user may change."""
        return str(self.node.GetName())

    @property
    def described(self) -> dict[str, Any]:
        """folder: where it lies. failed: a sentence for each member that could not be read."""
        return dict(json.loads(self.node.GetAttribute(MARK) or "{}"))

    @property
    def folder(self) -> Path:
        """Where its members lie."""
        return Path(self.described["folder"])

    @property
    def state(self) -> tuple[Any, ...]:
        """Changes when its rows do."""
        return self.id, self.title, self.node.GetMTime()

    def rows(self) -> list[dict[str, Any]]:
        """Of metrics.csv, with `file`, in the order of the members."""
        return tables.rows_of(self.node)


@dataclass(frozen=True)
class SceneCohort:
    """The siblings of some runs of the scene."""

    id: str
    title: str
    runs: tuple[runs.Run, ...]

    @property
    def state(self) -> tuple[Any, ...]:
        """Changes when its rows do."""
        nodes = [run.table_node for run in self.runs]
        return (self.id, self.title, tuple(node.GetID() for node in self.nodes),
                tuple(node.GetMTime() if node is not None else 0 for node in nodes))

    @property
    def nodes(self) -> tuple[slicer.vtkMRMLSegmentationNode, ...]:
        """The siblings' segmentation nodes, in the order of the rows."""
        return tuple(node for run in self.runs for node in run.siblings)

    def rows(self) -> list[dict[str, Any]]:
        """Of metrics.csv; where there are several runs the names have the run's before them."""
        several, found = len(self.runs) > 1, []
        for run in self.runs:
            known = run.rows()
            for node in run.siblings:
                name = str(node.GetAttribute(runs.MAP))
                found.append({**known.get(name, {}), "map": f"{run.title}: {name}" if several else name})
        return found


Cohort = FolderCohort | SceneCohort


def find_cohorts(scene: slicer.vtkMRMLScene | None = None) -> list[Cohort]:
    """All cohorts of the scene: the folders as they were opened, then the runs, then all runs together."""
    nodes = (scene or slicer.mrmlScene).GetNodesByClass("vtkMRMLTableNode")
    nodes.UnRegister(None)
    listed = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
    found: list[Cohort] = [FolderCohort(node) for node in listed if node.GetAttribute(MARK) is not None]
    made = [run for run in runs.find_runs(scene) if run.siblings]
    found += [SceneCohort(run.id, _("Run: {title}").format(title=run.title), (run,)) for run in made]
    if len(made) > 1:
        found.append(SceneCohort(SCENE, _("All siblings in the scene"), tuple(made)))
    return found


def find_cohort(cohort_id: str, scene: slicer.vtkMRMLScene | None = None) -> Cohort | None:
    """The cohort of that id, or None."""
    return next((cohort for cohort in find_cohorts(scene) if cohort.id == cohort_id), None)


def cohort_of(given: Any) -> Cohort:
    """A cohort of the scene: itself, that of a run, or for None all siblings. Raises InputError."""
    if isinstance(given, FolderCohort | SceneCohort):
        return given
    found = find_cohort(SCENE if given is None else given.id)
    if found is None and given is None:  # a single run is all that there is
        found = next((cohort for cohort in find_cohorts() if isinstance(cohort, SceneCohort)), None)
    if found is None:
        what = _("There are no siblings in the scene") if given is None else _("The run has no siblings")
        raise InputError(what, rule=_("a cohort is a folder, an opened cohort, a run, or the siblings in the scene"),
                         hint=_("open a folder"))
    return found


def mark_folder(node: slicer.vtkMRMLTableNode, folder: str, failed: Sequence[str]) -> FolderCohort:
    """Makes a table of members a cohort of the scene."""
    node.SetAttribute(MARK, json.dumps({"folder": folder, "failed": list(failed)}))
    node.SetColumnDescription(FILE, _("The file of the member's label map"))
    file_away(node)
    return FolderCohort(node)


def file_away(node: slicer.vtkMRMLNode) -> None:
    """Puts a node that belongs to a cohort into the folder of cohorts."""
    tree = runs.hierarchy()
    item = tree.GetItemChildWithName(tree.GetSceneItemID(), ITEM)
    if not item:
        item = tree.CreateFolderItem(tree.GetSceneItemID(), ITEM)
        tree.SetItemExpanded(item, False)
    tree.CreateItem(item, node)


def remove_nodes(nodes: Sequence[Any]) -> None:
    """Removes nodes with what only they use, and the folder of cohorts when it is empty."""
    tree = runs.hierarchy()
    runs.remove_nodes(nodes)
    item = tree.GetItemChildWithName(tree.GetSceneItemID(), ITEM)
    if item and not tree.GetNumberOfItemChildren(item):
        tree.RemoveItem(item)


def measurements(rows: Sequence[Row]) -> list[str]:
    """Columns that can be drawn against each other: those with a unit, and other numbers that differ."""
    first = [column for column in columns_of(rows) if column not in (*tables.IDENTIFIERS, "map", FILE)]
    return [column for column in first if _varies(row.get(column) for row in rows)]


def sorted_order(values: Sequence[Any], *, descending: bool = False) -> list[int]:
    """Positions of the values of a column in order: numbers before words, and the other way round where descending;
    what is missing (None, no text, not a number) last in either.
    """
    known = {at: (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, str(value))
             for at, value in enumerate(values) if value not in (None, "") and value == value}
    missing = [at for at in range(len(values)) if at not in known]
    return [*sorted(known, key=known.__getitem__, reverse=descending), *missing]


def _varies(values: Iterable[Any]) -> bool:
    """Whether there are two different numbers; looks no further than needed."""
    numbers = (value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool))
    first = next(numbers, None)
    return any(value != first for value in numbers)


def shown_node(file: str) -> slicer.vtkMRMLSegmentationNode | None:
    """The segmentation of a member that is in the scene, or None."""
    return next((node for node in members_shown() if node.GetAttribute(MEMBER) == file), None)


def forget_shown(but: slicer.vtkMRMLSegmentationNode | None = None) -> None:
    """Removes the members that are in the scene only to be looked at."""
    remove_nodes([node for node in members_shown() if node is not but])


def keep_shown(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Makes a member that is shown a segmentation like any other."""
    node.RemoveAttribute(MEMBER)
    tree = runs.hierarchy()
    tree.SetItemParent(tree.GetItemByDataNode(node), tree.GetSceneItemID())


def members_shown() -> list[slicer.vtkMRMLSegmentationNode]:
    """The segmentations that are in the scene only to be looked at."""
    found = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in found if node.GetAttribute(MEMBER)]
