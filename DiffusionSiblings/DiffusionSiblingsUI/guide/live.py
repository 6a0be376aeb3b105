"""What the twin has in each control domain, measured again while markups are moved: the plain layer only, no torch.

The twin's voxels are copied once, in short steps, and again when it changes. A domain that moves is measured at the
next turn of a short timer, so that dragging stays smooth however many events it makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import Measurement
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.runs.operation import Operation, Steps
from DiffusionSiblingsUI.scene import bridge
from DiffusionSiblingsUI.scene import grid as grids

SOON_MS = 30  # from the first event of a movement to the measurement; a screen shows a new picture every 16 ms
TWIN_MS = 400  # painting makes many events, and each time all voxels are copied
BUDGET_S = 0.06  # measuring between two turns of the event loop
NO_TWIN, NO_TISSUES = _("No twin is chosen"), _("The twin has no tissues yet")


def placing(bridged: Any, anatomy: Anatomy) -> Steps[Placement]:
    """A `Bridged` twin as controls are placed on it, in short steps; segments that are no tissue become background."""
    table = np.zeros(len(bridged.segment_ids) + 1, dtype=np.uint8)
    for tissue, values in bridged.labelmap.tissues.items():
        table[list(values)] = anatomy.label_of(tissue)
    source = bridged.labelmap.labels
    labels, counts = np.empty(source.shape, dtype=np.uint8), np.zeros(256, dtype=np.int64)
    for slab in grids.slabs(source.shape):
        np.take(table, source[slab], out=labels[slab])
        counts += np.bincount(labels[slab].ravel(), minlength=256)
        yield None
    volumes = {tissue.id: float(counts[tissue.label]) * bridged.labelmap.voxel_volume_ml for tissue in anatomy.tissues}
    return Placement.of_map(labels, bridged.grid.affine, anatomy, volumes)


def reading(node: Any, tissue_of: Mapping[str, str | None], anatomy: Anatomy) -> Steps[Placement]:
    """A segmentation node as controls are placed on it, in short steps; tissues may be missing. Raises InputError."""
    bridged = yield from bridge.reading(node, tissue_of, anatomy=anatomy, complete=False)
    return (yield from placing(bridged, anatomy))


@dataclass(frozen=True)
class LiveValue:
    """A domain of a markups node and what the twin has there. problem: why nothing was measured, else ""."""

    domain: ControlDomain | None
    measurement: Measurement | None
    problem: str = ""
    seconds: float = 0.0


class LiveMeasures(VTKObservationMixin):
    """Keeps the measurements of all domains of the scene up to date.

    on_measured(node) is called when a node's measurements are new, with None when those of all nodes are. found: node
    ID -> one LiveValue for each of the node's domains. With timers=False (where there is no Qt) `settle` does the work.
    """

    def __init__(self, anatomy: Anatomy, on_measured: Callable[[Any], None], timers: bool = True) -> None:
        VTKObservationMixin.__init__(self)
        self.anatomy, self.on_measured = anatomy, on_measured
        self.found: dict[str, tuple[LiveValue, ...]] = {}
        self.twin: Placement | None = None
        self.problem = NO_TWIN  # why the twin cannot be measured, "" while it is read
        self._node: Any = None
        self._tissue_of: dict[str, str | None] = {}
        self._nodes: list[Any] = []
        self._stale: list[Any] = []
        self._reading: Operation | None = None
        self._waiting = False  # whether a measurement is due soon
        self._soon = _timer(SOON_MS, self._measure_stale) if timers else None
        self._later = _timer(TWIN_MS, self._read_twin) if timers else None

    def watch(self, twin: Any, tissue_of: Mapping[str, str | None], nodes: Sequence[Any]) -> None:
        """Follows this twin and these markups from now on; what is known of them already is kept."""
        if twin is not self._node or dict(tissue_of) != self._tissue_of:
            self._watch_twin(twin, dict(tissue_of))
        for node in [node for node in self._nodes if node not in nodes]:
            self._forget(node)
        for node in nodes:
            if node not in self._nodes:
                self._nodes.append(node)
                for event in (node.PointModifiedEvent, node.PointRemovedEvent, node.PointPositionDefinedEvent,
                              vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent):
                    self.addObserver(node, event, self._on_moved)
                self._on_moved(node)

    def settle(self) -> None:
        """Does at once all that is waiting to be done."""
        if self.twin is None and not self.problem:
            self._read_twin(wait=True)
        while self._stale:
            self._measure_stale()

    def measured(self, node: Any) -> tuple[LiveValue, ...]:
        """The last measurements of a node's domains, () before the first."""
        return self.found.get(node.GetID() or "", ())

    def stop(self) -> None:
        """Lets go of all."""
        self.removeObservers()
        for timer in (self._soon, self._later):
            if timer is not None:
                timer.stop()
        if self._reading is not None:
            self._reading.cancel()
        self._nodes, self._stale, self._node, self.twin, self._waiting = [], [], None, None, False
        self._tissue_of, self.found, self._reading, self.problem = {}, {}, None, NO_TWIN

    # The twin

    def _watch_twin(self, twin: Any, tissue_of: dict[str, str | None]) -> None:
        changed = (slicer.vtkMRMLTransformableNode.TransformModifiedEvent,)
        segmentation = slicer.vtkSegmentation
        edited = (segmentation.SourceRepresentationModified, segmentation.SegmentAdded, segmentation.SegmentRemoved)
        if self._node is not None and self._node is not twin:
            self.removeObservers(self._on_twin_changed)
        if twin is not None and twin is not self._node:
            for event in changed:
                self.addObserver(twin, event, self._on_twin_changed)
            for event in edited:
                self.addObserver(twin.GetSegmentation(), event, self._on_twin_changed)
        self._node, self._tissue_of, self.twin, self.problem = twin, tissue_of, None, ""
        self.found = {}
        if self._later is not None:
            self._later.stop()
            self._read_twin()

    def _on_twin_changed(self, caller: Any = None, event: Any = None) -> None:
        if self._later is not None:
            self._later.start()
        else:
            self.twin, self.problem, self._stale = None, "", list(self._nodes)

    def _read_twin(self, wait: bool = False) -> None:
        """Copies the twin's voxels, a few milliseconds at a time."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._node is None or not any(self._tissue_of.values()):
            self.twin, self.problem = None, NO_TWIN if self._node is None else NO_TISSUES
            self._all_stale()
            return
        steps = reading(self._node, self._tissue_of, self.anatomy)
        self._reading = Operation(steps, title=_("Reading the twin"), on_finished=self._twin_read)
        if not wait:
            self._reading.start()
            return
        try:
            self._reading.wait(tick=lambda: None)
        except SiblingsError:
            pass  # kept in `problem`

    def _twin_read(self, operation: Operation) -> None:
        if operation.state == "cancelled":
            return
        self.twin = operation.result if operation.state == "done" else None
        self.problem = "" if operation.error is None else operation.error.message()
        self._all_stale()

    def _all_stale(self) -> None:
        self._stale = list(self._nodes)
        if self._soon is not None:
            self._waiting = True
            self._soon.start()

    # The markups

    def _forget(self, node: Any) -> None:
        self._nodes.remove(node)
        self._stale = [other for other in self._stale if other is not node]
        self.found.pop(node.GetID() or "", None)
        for held in (self._on_moved,):
            for observed, event, method, *_rest in list(self.Observations):
                if observed is node and method == held:
                    self.removeObserver(node, event, held)

    def _on_moved(self, node: Any = None, event: Any = None) -> None:
        if not any(node is other for other in self._stale):
            self._stale.append(node)
        if self._soon is not None and not self._waiting:  # not put off again, or a drag would show nothing
            self._waiting = True
            self._soon.start()

    def _measure_stale(self) -> None:
        """Measures what has moved, as much as fits between two turns of the event loop."""
        self._waiting = False
        if self.twin is None and not self.problem:
            return  # it is being read; all is measured then
        until = time.perf_counter() + BUDGET_S
        while self._stale and time.perf_counter() < until:
            node = self._stale.pop(0)
            if node.GetAttribute(domains.KEY) is None:
                continue
            self.found[node.GetID() or ""] = self._measures(node)
            self.on_measured(node)
        if self._stale and self._soon is not None:
            self._waiting = True
            self._soon.start()

    def _measures(self, node: Any) -> tuple[LiveValue, ...]:
        try:
            settings = domains.read_settings(node)
            betti = any(term.quantity == "betti" for term in settings.terms)
            made = domains.domains_of(node, settings)
        except SiblingsError as error:
            return (LiveValue(None, None, error.message()),)
        return tuple(self._measure(domain, betti) for domain in made)

    def _measure(self, domain: ControlDomain, betti: bool) -> LiveValue:
        began = time.perf_counter()
        if self.twin is None:
            return LiveValue(domain, None, self.problem)
        try:
            found = self.twin.measure(domain, betti=betti)
        except SiblingsError as error:
            return LiveValue(domain, None, error.message())
        except ImportError as error:  # Betti numbers need a package that comes with the first run
            problem = _("{package} is not installed yet").format(package=error.name)
            return LiveValue(domain, self.twin.measure(domain, betti=False), problem)
        return LiveValue(domain, found, "", time.perf_counter() - began)


def _timer(milliseconds: int, slot: Callable[[], None]) -> Any:
    import qt

    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.connect("timeout()", slot)
    return timer
