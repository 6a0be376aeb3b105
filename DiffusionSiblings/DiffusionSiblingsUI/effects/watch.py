"""Tells an active effect that something it depends on has changed: many events, one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk

DELAY_MS = 80  # one edit of Slicer sends many events


class Watch:
    """Observes the parameters of a Segment Editor and the segmentation that it edits.

    changed: called soon after any change. closing: called at once, before the scene is emptied. markups: the markups
    nodes that count as well, asked for again when nodes come and go.
    """

    def __init__(self, changed: Callable[[], None], closing: Callable[[], None],
                 markups: Callable[[], list[Any]] = list) -> None:
        self._changed, self._closing, self._markups = changed, closing, markups
        self._marked: list[Any] = []
        self._observed: list[tuple[Any, int]] = []
        self._editor: Any = None
        self._node: Any = None
        self._timer: Any = None

    def start(self, editor_node: Any) -> None:
        """Observes from now on."""
        self.stop()
        self._editor = editor_node
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.connect("timeout()", self._tell)
        self._observe()

    def stop(self) -> None:
        """Observes no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self._tell)
            self._timer = None
        self._release()
        self._editor = self._node = None
        self._marked = []

    def _observe(self) -> None:
        self._release()
        if self._editor is None:
            return
        self._add(self._editor, vtk.vtkCommand.ModifiedEvent)
        self._observed.append((slicer.mrmlScene, slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent,
                                                                              lambda *_event: self._closing())))
        for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent):
            self._add(slicer.mrmlScene, event)
        self._marked = self._markups()
        for node in self._marked:
            for event in (vtk.vtkCommand.ModifiedEvent, node.PointModifiedEvent,
                          slicer.vtkMRMLTransformableNode.TransformModifiedEvent):
                self._add(node, event)
        self._node = self._editor.GetSegmentationNode()
        if self._node is None:
            return
        for event in (slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent,
                      slicer.vtkMRMLTransformableNode.TransformModifiedEvent):
            self._add(self._node, event)
        segmentation = self._node.GetSegmentation()
        kinds = slicer.vtkSegmentation
        for event in (kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified,
                      kinds.SourceRepresentationModified):
            self._add(segmentation, event)

    def _add(self, subject: Any, event: int) -> None:
        self._observed.append((subject, subject.AddObserver(event, self._event)))

    def _release(self) -> None:
        for subject, tag in self._observed:
            subject.RemoveObserver(tag)
        self._observed = []

    def _event(self, _caller: Any, _event: str) -> None:
        if self._timer is not None:
            self._timer.start()

    def _tell(self) -> None:
        if self._editor is not None and (self._editor.GetSegmentationNode() is not self._node
                                         or self._markups() != self._marked):
            self._observe()
        self._changed()
