"""The results of comparing two cohorts, in the scene: figures, the place of the report, and occupancy differences.

It stays when a cohort gains, loses or changes hearts, and is outdated then. The differences are a volume with a
diverging colour map, over the slices of what is shown. It holds one tissue's at a time; the others lie in files of the
session and are gone when Slicer ends, the comparison and the volume are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.palette import SERIES
from DiffusionSiblingsLib.metrics.occupancy import chance_of
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.scene import grid as grids

MARK = "DiffusionSiblings.Comparison"  # attribute of the text node: what was compared
TISSUE = "DiffusionSiblings.Tissue"  # attribute of the volume: whose difference it holds
REAL, SYNTHETIC, VOLUME = (f"DiffusionSiblings.{role}" for role in ("real", "synthetic", "difference"))
COLORS = "DiffusionSiblings.colors"  # reference of the volume: its colour map
ANY = "any"  # all tissues together, as the worker names it
# Blue where the reference has tissue more often, orange where the cohort has, as the report draws it.
LESS, SAME, MORE = SERIES[0], (0.97, 0.97, 0.97), SERIES[1]
STEPS = 255  # of the colour map; an odd number has a middle
FAINT = 0.25  # share of its colour that the least difference has
OPACITY = 0.85
LEGEND = _("Cohort minus reference")


@dataclass(frozen=True)
class Results:
    """One comparison: a view on `node`, the text node with its figures as `Comparison.to_json` gives them."""

    node: slicer.vtkMRMLTextNode

    @property
    def comparison(self) -> dict[str, Any]:
        """real, synthetic (name, size), figures, per_feature, checks, notes."""
        return dict(json.loads(self.node.GetText()))

    @property
    def described(self) -> dict[str, Any]:
        """report: its page. tissues: ID or "any" -> file of the difference. affine: of the differences.

        members: fingerprints of the two cohorts as they were compared, the real one first. question: of the report.
        """
        return dict(json.loads(self.node.GetAttribute(MARK) or "{}"))

    @property
    def report(self) -> Path:
        """The page of the report."""
        return Path(self.described["report"])

    @property
    def volume(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The vtkMRMLScalarVolumeNode of the difference, or None until it is made."""
        volume: slicer.vtkMRMLScalarVolumeNode | None = self.node.GetNodeReference(VOLUME)
        return volume

    def tissues(self) -> list[str]:
        """The tissues whose differences can be shown: all, after loading a scene the one that was shown."""
        there = [tissue for tissue, file in self.described["tissues"].items() if Path(file).is_file()]
        kept = [str(self.volume.GetAttribute(TISSUE))] if self.volume is not None else []
        return there or kept

    def is_of(self, real: cohorts.Cohort, synthetic: cohorts.Cohort) -> bool:
        """Whether it compares these two cohorts."""
        ids = (self.node.GetAttribute(REAL), self.node.GetAttribute(SYNTHETIC))
        return real is not None and synthetic is not None and ids == (real.id, synthetic.id)

    def outdated(self, members: Sequence[str], question: str) -> str:
        """In a sentence why comparing again would give something else; "" where it would not.

        members: fingerprints of the two cohorts as they are now, the real one first.
        """
        before, asked = self.described.get("members"), self.described.get("question", "")
        if before == list(members):
            return "" if asked == question else _("The report answers another question. Compare again to update it.")
        text = _("Outdated: {size} hearts were compared with {reference}, and the cohorts have changed since. Compare "
                 "again to update the results.")
        if not before:  # of an earlier version, which did not note what it had compared
            text = _("Possibly outdated: {size} hearts were compared with {reference}, and the cohorts may have "
                     "changed since. Compare again to update the results.")
        sizes = self.comparison
        return text.format(size=sizes["synthetic"]["size"], reference=sizes["real"]["size"])


def find_results(real: cohorts.Cohort, synthetic: cohorts.Cohort) -> Results | None:
    """The latest comparison of two cohorts in the scene, or None."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTextNode")
    found = [Results(node) for node in nodes if node.GetAttribute(MARK)]
    return next((results for results in reversed(found) if results.is_of(real, synthetic)), None)


def keep_results(real: cohorts.Cohort, synthetic: cohorts.Cohort, found: Mapping[str, Any], members: Sequence[str],
                 question: str = "") -> Results:
    """Puts what the worker has found into the scene, in place of an earlier comparison of the same two.

    members: fingerprints of the two as they were compared. question: what the report says that it answers.
    """
    while (before := find_results(real, synthetic)) is not None:
        volume = before.volume
        colors = volume.GetNodeReference(COLORS) if volume is not None else None
        cohorts.remove_nodes([node for node in (volume, colors, before.node) if node is not None])
    name = _("{cohort} against {reference}").format(cohort=synthetic.title, reference=real.title)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
    node.SetText(json.dumps(found["comparison"], indent=1))
    described = {key: found[key] for key in ("report", "tissues", "affine")}
    node.SetAttribute(MARK, json.dumps({**described, "members": list(members), "question": question}))
    node.SetAttribute(REAL, real.id)
    node.SetAttribute(SYNTHETIC, synthetic.id)
    cohorts.file_away(node)
    return Results(node)


def difference_volume(results: Results, tissue: str = ANY) -> slicer.vtkMRMLScalarVolumeNode:
    """The difference of a tissue as a volume node: one for each comparison, filled anew for another tissue."""
    volume = results.volume
    if volume is not None and volume.GetAttribute(TISSUE) == tissue:
        return volume
    described = results.described
    try:
        values = np.load(described["tissues"][tissue], allow_pickle=False)
    except (KeyError, OSError, ValueError) as error:
        raise InputError(_("The difference is no longer available"), value=f"{tissue}: {error}",
                         rule=_("the files of a comparison last until Slicer ends"),
                         hint=_("compare the cohorts again")) from error
    if volume is None:
        name = _("{comparison} difference").format(comparison=results.node.GetName())
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        volume.SetIJKToRASMatrix(grids.as_matrix(np.array(described["affine"])))
        results.node.SetNodeReferenceID(VOLUME, volume.GetID())
        cohorts.file_away(volume)
    volume.SetAttribute(TISSUE, tissue)
    slicer.util.updateVolumeFromArray(volume, values)
    _look(volume, float(np.abs(values).max(initial=0.0)) or 1.0, chance(results.comparison))
    return volume


def chance(comparison: Mapping[str, Any]) -> float:
    """The difference that chance makes where half of the hearts have tissue, one standard deviation: 0..1."""
    real, synthetic = (int(comparison[side]["size"]) for side in ("real", "synthetic"))
    return chance_of(real, synthetic, deviations=1.0)


def _look(volume: slicer.vtkMRMLScalarVolumeNode, most: float, clear: float) -> None:
    """Diverging colours, symmetrical about 0 and see-through within what chance makes, and a legend."""
    volume.CreateDefaultDisplayNodes()
    display, before = volume.GetDisplayNode(), volume.GetNodeReference(COLORS)
    colors = _colors(_("{volume} colors").format(volume=volume.GetName()), min(clear / most, 0.9))
    volume.SetNodeReferenceID(COLORS, colors.GetID())
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(-most, most)
    cohorts.remove_nodes([before] if before is not None else [])
    legends = slicer.modules.colors.logic()
    if legends.GetColorLegendDisplayNode(volume) is None:
        legend = legends.AddDefaultColorLegendDisplayNode(volume)
        legend.SetTitleText(LEGEND)
        legend.SetLabelFormat("%+.2f")


def _colors(name: str, clear: float) -> slicer.vtkMRMLColorTableNode:
    """A colour map. clear: share of the scale about 0 that is see-through: Slicer knows no half-way."""
    node = slicer.vtkMRMLColorTableNode()
    node.SetName(name)
    node.SetTypeToUser()
    node.SetNumberOfColors(STEPS)
    for index in range(STEPS):
        along = 2.0 * index / (STEPS - 1) - 1.0
        end, depth = MORE if along > 0 else LESS, FAINT + (1.0 - FAINT) * abs(along)
        color = [same + depth * (far - same) for same, far in zip(SAME, end, strict=True)]
        red, green, blue = color
        node.SetColor(index, f"{along:+.2f}", red, green, blue, float(abs(along) >= clear))
    slicer.mrmlScene.AddNode(node)
    return node


def lay_over(volume: slicer.vtkMRMLScalarVolumeNode) -> dict[str, Any]:
    """Shows a volume over all slice views -> what they showed before, for `take_away`."""
    before = {}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        before[composite.GetID()] = (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity())
        composite.SetForegroundVolumeID(volume.GetID())
        composite.SetForegroundOpacity(OPACITY)
    return before


def take_away(before: Mapping[str, Any]) -> None:
    """Gives the slice views back what they showed before `lay_over`."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetID() in before:
            identifier, opacity = before[composite.GetID()]
            composite.SetForegroundVolumeID(identifier)
            composite.SetForegroundOpacity(opacity)
