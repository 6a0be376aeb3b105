"""The siblings of a run as a sequence: one node that flips through them, with Slicer's own player."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsUI.scene import runs


def sequencing(run: runs.Run) -> Generator[None, None, Any]:
    """Makes the sequence of a run in short steps -> its vtkMRMLSequenceBrowserNode, or the one that there is.

    The sequence holds copies: it costs as much memory as the siblings. Closed before its end, it leaves nothing.
    """
    if run.browser_node is not None or not run.siblings:
        return run.browser_node
    scene = slicer.mrmlScene
    made: list[Any] = []
    try:
        sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", _("{run} sequence").format(run=run.title))
        made.append(sequence)
        sequence.SetIndexName(_("sibling"))
        sequence.SetIndexUnit("")
        sequence.SetIndexType(sequence.NumericIndex)
        for number, sibling in enumerate(run.siblings, start=1):
            sequence.SetDataNodeAtValue(sibling, str(number))
            yield
        browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", _("{run} browser").format(run=run.title))
        made.append(browser)
        browser.SetIndexDisplayFormat("%.0f")
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        browser.SetSaveChanges(sequence, False)
        yield
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        proxy = browser.GetProxyNode(sequence)
        made.append(proxy)
        _set_up(proxy, run)
        runs.keep(run, runs.SEQUENCE, sequence)
        runs.keep(run, runs.BROWSER, browser)
    except BaseException:  # GeneratorExit too
        for node in reversed(made):
            if node is not None and scene.IsNodePresent(node):
                scene.RemoveNode(node)
        raise
    return browser


def _set_up(proxy: Any, run: runs.Run) -> None:
    """The node that shows the chosen sibling: named so, in the run's folder, and not itself a sibling."""
    proxy.SetName(slicer.mrmlScene.GenerateUniqueName(_("{run} shown sibling").format(run=run.title)))
    proxy.CreateDefaultDisplayNodes()
    proxy.GetDisplayNode().SetVisibility3D(False)
    if run.folder:
        runs.hierarchy().CreateItem(run.folder, proxy)
