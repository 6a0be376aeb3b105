"""What can be known of a twin before anything is made of it: read in the background, and again when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.record import hashing_labelmap
from DiffusionSiblingsUI.runs.operation import Operation, Steps
from DiffusionSiblingsUI.runs.scene_edits import recorded_tissues
from DiffusionSiblingsUI.scene import bridge, runs
from DiffusionSiblingsUI.scene.stamps import stamp_of

TissueOf = Mapping[str, str | None]
MOST_KEPT = 8  # checks; the next one removes the oldest


@dataclass(frozen=True)
class TwinState:
    """problem: why it can be no twin, None if it can. apart: names of segments that are no tissue and lie over
    tissues. labels_sha256: of its label map, as records have it; "" with a problem. notes: what was settled in reading,
    such as small overlaps, a sentence each.
    """

    problem: SiblingsError | None
    apart: tuple[str, ...] = ()
    labels_sha256: str = ""
    notes: tuple[str, ...] = ()


def checking(node: slicer.vtkMRMLSegmentationNode, tissue_of: TissueOf) -> Steps[TwinState]:
    """Reads a twin as an edit reads it, in short steps -> what came of it."""
    try:
        bridged = yield from bridge.reading(node, tissue_of)
    except SiblingsError as error:
        return TwinState(error)
    names = {segment.identifier: segment.name for segment in bridged.labelmap.segments}
    digest = yield from hashing_labelmap(bridged.labelmap)
    return TwinState(None, tuple(names[identifier] for identifier in bridged.apart), digest,
                     bridged.labelmap.notes)


class TwinChecks:
    """The states of twins; each is read once for as long as it stays the same.

    changed: called when a state has become known. With background=False (where there is no Qt) it is read at once.
    """

    def __init__(self, changed: Callable[[], None], *, background: bool = True) -> None:
        self._changed, self._background = changed, background
        self._known: dict[Any, TwinState] = {}
        self._work: dict[Any, Operation] = {}
        self._record: tuple[Any, Mapping[str, Any]] = (None, {})  # of which run, and how it describes its twin

    def state_of(self, node: slicer.vtkMRMLSegmentationNode | None, tissue_of: TissueOf) -> TwinState | None:
        """What is known of a twin as it is now; None until it has been read."""
        if node is None or not node.GetSegmentation().GetNumberOfSegments():
            return None
        key = (node.GetID(), stamp_of(node), tuple(sorted((i, tissue or "") for i, tissue in tissue_of.items())))
        if key not in self._known and key not in self._work:
            self._begin(key, node, dict(tissue_of))
        return self._known.get(key)

    def is_changed(self, run: runs.Run | None) -> bool:
        """Whether the twin of a run is known to be another one than when the run was made."""
        node = run.twin_node if run is not None else None
        if run is None or node is None:
            return False
        key = (run.id, run.node.GetMTime())
        if self._record[0] != key:  # it is long, and panels ask often
            self._record = (key, run.record.get("twin") or {})
        described = self._record[1]
        if not described:
            return False
        state = self.state_of(node, recorded_tissues(node, described))
        return state is not None and state.labels_sha256 != described.get("labels_sha256")

    def stop(self) -> None:
        """Reads no more."""
        work, self._work = list(self._work.values()), {}
        for operation in work:
            operation.cancel()

    def _begin(self, key: Any, node: slicer.vtkMRMLSegmentationNode, tissue_of: TissueOf) -> None:
        for old in list(self._work):  # of the same twin as it was
            if old[0] == key[0] and old[2] == key[2]:
                self._work.pop(old).cancel()
        operation = Operation(checking(node, tissue_of), title=_("Checking the twin"),
                              on_finished=lambda done: self._ended(key, done))
        self._work[key] = operation
        if self._background:
            operation.start()
        else:
            operation.wait(lambda: None)

    def _ended(self, key: Any, operation: Operation) -> None:
        if self._work.pop(key, None) is None or operation.state != "done":
            return
        self._known[key] = operation.result
        while len(self._known) > MOST_KEPT:
            self._known.pop(next(iter(self._known)))
        self._changed()
