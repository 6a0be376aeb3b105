"""Follows docs/slicer-tutorial.md step by step, with the real panel, worker and weights, and takes its pictures.

In Slicer:  Slicer --python-script Testing/slicer/pictures.py [FOLDER]
or as a script of a headless harness that has Slicer's `slicer`, `qt` and widgets as `bench_session`. FOLDER: where the
pictures go, docs/images if it is not said. Ends with an AssertionError where a step does not do what the tutorial says.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import slicer

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing" / "slicer"), str(ROOT / "DiffusionSiblings"), str(ROOT)]
from cohort_pictures import cohort  # noqa: E402, not to be found before
from offscreen import save, slice_picture, surface_picture  # noqa: E402
from picture_steps import GAP, WALL, WIDTH, fit, grab, turn, wait  # noqa: E402

TUTORIAL = ROOT / "docs" / "slicer-tutorial.md"
FOLDER = ROOT / "docs" / "images"
SPARE = [None] * 5_000_000  # as in the test cases beside this file


def main(folder: Path, session: Any) -> None:
    """All steps, in the order of the tutorial."""
    open_module(session)
    panel = slicer.modules.diffusionsiblings.widgetRepresentation().self().panel
    panel.enter()
    turn()
    twin = load_sample(panel)
    check_tissues(panel, twin, folder)
    run = perturb(panel, folder)
    compare(panel, run, folder)
    measures(panel, run, folder)
    measure(panel, run, folder)
    console(twin)
    guide(panel, twin, folder)
    panel.panels["siblings"].ui.outlineCheck.setChecked(False)  # the twin in its own colours again
    show_alone(twin)
    effects(session, twin, folder)
    cohort(panel, run, folder)
    mesh(panel, twin, folder)
    print("the tutorial works as written")


# Steps


def open_module(session: Any) -> None:
    """Installed, and the module open."""
    if session is None:
        slicer.util.selectModule("DiffusionSiblings")
    else:
        session.register_builtin_effects()
        session.show_module(session.load_module(str(ROOT / "DiffusionSiblings" / "DiffusionSiblings.py")), width=WIDTH)


def load_sample(panel: Any) -> Any:
    """Twin > Sample: the synthetic heart, which Sample Data has too."""
    assert "Diffusion Siblings" in slicer.modules.sampleDataSources
    panel.panels["twin"].ui.sampleButton.click()
    turn()
    twin = panel.context.twin
    assert twin.GetSegmentation().GetNumberOfSegments() == 6
    return twin


def check_tissues(panel: Any, twin: Any, folder: Path) -> None:
    """The twin is taken and its tissues are found."""
    assert panel.context.twin is twin
    assert panel.panels["edit"].ui.runButton.enabled, panel.panels["edit"].ui.reasonLabel.text
    fit(panel.widget)
    grab(panel.ui.twinSection, folder / "slicer-twin.png")


def perturb(panel: Any, folder: Path) -> Any:
    """Four siblings at ratio 0.5."""
    ui, context = panel.panels["edit"].ui, panel.context
    ui.perturbButton.click()
    ui.ratioSlider.setValue(0.5)
    ui.countBox.setValue(4)
    ui.seedBox.setValue(0)
    turn()
    ui.runButton.click()
    operation = context.operation
    wait(lambda: operation.finished or operation.progress > 0.4)
    fit(panel.widget)
    grab(panel.ui.editSection, folder / "slicer-edit.png")
    wait(lambda: operation.finished)
    assert operation.state == "done", operation.error
    turn()
    assert "4 siblings in" in ui.noticeLabel.text
    print(ui.noticeLabel.text)
    assert len(operation.result.siblings) == 4
    return operation.result


def compare(panel: Any, run: Any, folder: Path) -> None:
    """The second sibling over its twin, in slices and in 3D."""
    siblings = panel.panels["siblings"]
    siblings.ui.nextButton.click()
    turn()
    assert siblings.ui.placeLabel.text == "2 of 4"
    siblings.ui.surfaceCheck.setChecked(True)
    wait(lambda: siblings._work is None)
    save(four_views(run.twin_node), folder / "slicer-compare.png")
    fit(panel.widget)
    grab(panel.widget, folder / "slicer-panel.png")
    overview(panel, run.twin_node, folder / "slicer-overview.png")
    siblings.ui.surfaceCheck.setChecked(False)
    turn()


def measures(panel: Any, run: Any, folder: Path) -> None:
    """Where the measures of the second sibling are, within its surfaces."""
    part, siblings = panel.panels["metrics"].measures, panel.panels["siblings"]
    siblings.ui.surfaceCheck.setChecked(True)
    wait(lambda: siblings._work is None)
    part.check.setChecked(True)
    wait(lambda: part._work is None)
    assert slicer.util.getNodesByClass("vtkMRMLModelNode"), panel.panels["metrics"].ui.messageLabel.text
    save(four_views(run.twin_node), folder / "slicer-measures.png")
    part.check.setChecked(False)
    siblings.ui.surfaceCheck.setChecked(False)
    turn()
    assert not slicer.util.getNodesByClass("vtkMRMLModelNode")


def measure(panel: Any, run: Any, folder: Path) -> None:
    """Table, CSV, record and replay."""
    import tempfile

    metrics, context = panel.panels["metrics"], panel.context
    assert metrics.ui.metricsTable.rowCount == 5
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "metrics.csv"
        metrics._ask_path = lambda *_: str(path)  # in place of the file dialog
        metrics.ui.exportButton.click()
        assert len(path.read_text(encoding="utf-8").splitlines()) == 6
    metrics.ui.replayButton.click()
    wait(lambda: context.operation.finished)
    turn()
    assert metrics.ui.messageLabel.text == "Replayed 4 siblings: 4 identical in every voxel.", \
        metrics.ui.messageLabel.text
    grab(panel.ui.metricsSection, folder / "slicer-metrics.png")


def console(twin: Any) -> None:
    """What the page says to type into the Python console, as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), flags=re.S)
    assert blocks
    names: dict[str, Any] = {}
    nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    for block in blocks:
        exec(compile(block, str(TUTORIAL), "exec"), names)  # noqa: S102, our own page
    assert names["twin"] is twin
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") > nodes
    show_alone(twin)


def guide(panel: Any, twin: Any, folder: Path) -> None:
    """The section Guide as docs/guided-edits.md describes it: domains over the twin, and a guided run."""
    from DiffusionSiblingsUI.guide import domains
    from DiffusionSiblingsUI.scene import markups

    part, edit, context = panel.panels["guide"], panel.panels["edit"], panel.context
    cells, siblings = part.ui.guideTable, panel.panels["siblings"]
    panel.ui.guideSection.collapsed = False
    siblings.ui.outlineCheck.setChecked(False)
    for node in siblings._shown.siblings if siblings._shown else ():
        node.GetDisplayNode().SetVisibility(False)
    for name in ("mitral-valve-fixed", "myo-wall-fixed"):
        part.add_preset(name)
    part.add_tissue(("RV",))
    wait(lambda: cells.rowCount == 6 and all(cells.item(row, 4).text() not in ("...", "?") for row in range(6)))
    save(four_views(twin), folder / "slicer-guide-domains.png")
    for node in domains.find_domains()[:-1]:
        markups.remove_markup(node)
    turn()
    cells.item(0, 5).setText("+20 %")
    part.ui.holdAllCheck.click()
    edit.ui.ratioSlider.setValue(0.6)
    edit.ui.countBox.setValue(1)
    turn()
    edit.ui.runButton.click()
    operation = context.operation
    wait(lambda: operation.finished)
    assert operation.state == "done", operation.error
    turn()
    assert "All targets were reached" in edit.ui.noticeLabel.text, edit.ui.noticeLabel.text
    fit(panel.widget)
    grab(panel.ui.guideSection, folder / "slicer-guide.png")
    markups.remove_markup(domains.find_domains()[0])
    context.parameters.guide, context.parameters.hold = False, ""
    panel.ui.guideSection.collapsed = True
    turn()


def mesh(panel: Any, twin: Any, folder: Path) -> None:
    """Surfaces of the twin, then tetrahedra with edges of 3 mm."""
    part = panel.panels["mesh"]
    show_alone(twin)
    for name in ("twin", "edit", "guide", "siblings", "metrics", "cohort", "model"):
        getattr(panel.ui, f"{name}Section").collapsed = True
    panel.ui.meshSection.collapsed = False
    make_mesh(panel)
    assert part.ui.meshTable.rowCount == 6
    part.ui.fillCombo.setCurrentIndex(1)
    part.ui.edgeBox.setValue(3.0)
    make_mesh(panel)
    part.ui.rowsCombo.setCurrentIndex(2)
    fit(panel.widget)
    grab(panel.ui.meshSection, folder / "slicer-mesh.png")
    twin.GetDisplayNode().SetVisibility(False)
    save(four_views(twin), folder / "slicer-mesh-views.png")
    twin.GetDisplayNode().SetVisibility(True)


def make_mesh(panel: Any) -> None:
    """Make mesh, until it is there."""
    panel.panels["mesh"].ui.makeButton.click()
    operation = panel.context.operation
    wait(lambda: operation.finished)
    assert operation.state == "done", operation.error
    turn()
    print(panel.panels["mesh"].ui.messageLabel.text)


def effects(session: Any, twin: Any, folder: Path) -> None:
    """Inpaint, Perturb and Guide in the Segment Editor."""
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.setMRMLSegmentEditorNode(node)
    editor.setSegmentationNode(twin)
    editor.setMaximumNumberOfUndoStates(10)
    editor.resize(WIDTH, 1000)
    editor.show()
    turn()
    assert node.GetSourceVolumeNode() is not None, "the sample has no image to edit over"
    inpaint_effect(editor, twin, folder)
    masked_effect(editor, node, twin, folder)
    guide_effect(editor, twin, folder)
    editor.setActiveEffectByName("")
    editor.hide()


def inpaint_effect(editor: Any, twin: Any, folder: Path) -> None:
    """Preview, next seed, Apply, Undo on the left ventricle."""
    ids = {twin.GetSegmentation().GetSegment(i).GetName(): i for i in twin.GetSegmentation().GetSegmentIDs()}
    editor.setCurrentSegmentID(ids["Left ventricle"])
    effect = activate(editor, "DiffusionSiblingsInpaint")
    before = labels(twin)
    press(effect, "previewButton")
    assert np.array_equal(labels(twin), before)
    press(effect, "nextButton")
    assert "Sibling of seed 1" in effect.actions.ui.messageLabel.text, effect.actions.ui.messageLabel.text
    print(effect.actions.ui.messageLabel.text)
    grab(effect.scriptedEffect.optionsFrame(), folder / "slicer-effect-inpaint.png")
    effect.actions.ui.show3DButton.setChecked(True)
    wait(lambda: not effect.busy)
    save(four_views(twin), folder / "slicer-preview.png")
    effect.actions.ui.show3DButton.setChecked(False)
    press(effect, "applyButton")
    assert not np.array_equal(labels(twin), before)
    assert "One Undo" in effect.actions.ui.messageLabel.text
    editor.undo()
    turn()
    assert np.array_equal(labels(twin), before)


def masked_effect(editor: Any, node: Any, twin: Any, folder: Path) -> None:
    """Perturb with Editable area: inside all segments. The outer surface of the heart stays."""
    effect = activate(editor, "DiffusionSiblingsPerturb")
    before = labels(twin)
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    turn()
    press(effect, "previewButton")
    grab(effect.scriptedEffect.optionsFrame(), folder / "slicer-effect-perturb.png")
    press(effect, "applyButton")
    after = labels(twin)
    assert not np.array_equal(after, before)
    assert not ((after > 0) & (before == 0)).any(), "the sibling left the editable area"
    editor.undo()
    turn()
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    assert np.array_equal(labels(twin), before)


def guide_effect(editor: Any, twin: Any, folder: Path) -> None:
    """Guide: the right ventricle 20 % larger, all other volumes held."""
    ids = {twin.GetSegmentation().GetSegment(i).GetName(): i for i in twin.GetSegmentation().GetSegmentIDs()}
    editor.setCurrentSegmentID(ids["Right ventricle"])
    effect = activate(editor, "DiffusionSiblingsGuide")
    wait(lambda: "now" in effect.form.ui.nowLabel.text)
    before = labels(twin)
    effect.form.ui.changeSlider.setValue(20.0)
    press(effect, "previewButton")
    text = effect.actions.ui.messageLabel.text
    print(text)
    assert text.count("reached") == 1 and "not reached" not in text, text
    assert "Held: 5 of 5" in text, text
    grab(effect.scriptedEffect.optionsFrame(), folder / "slicer-effect-guide.png")
    press(effect, "applyButton")
    after = labels(twin)
    assert not np.array_equal(after, before)
    editor.undo()
    turn()
    assert np.array_equal(labels(twin), before)


# Helpers


def show_alone(twin: Any) -> None:
    """The twin without any sibling, whichever run it is of."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        node.GetDisplayNode().SetVisibility(node is twin)
    turn()


def activate(editor: Any, name: str) -> Any:
    """The Python side of an effect that is chosen."""
    editor.setActiveEffectByName(name)
    turn()
    return editor.activeEffect().self()


def press(effect: Any, button: str) -> None:
    """Clicks a button of an effect and waits for what it began."""
    assert getattr(effect.actions.ui, button).enabled, effect.actions.ui.messageLabel.text
    getattr(effect.actions.ui, button).click()
    wait(lambda: not effect.busy)
    assert effect.operation.state == "done", effect.operation.error


def labels(node: Any) -> np.ndarray:
    """(D, H, W): the voxels of a segmentation on its own grid."""
    from DiffusionSiblingsUI.scene import bridge

    return bridge.read_segmentation(node).labelmap.labels


def overview(panel: Any, twin: Any, path: Path) -> None:
    """The panel's lower sections beside the views, as they stand in Slicer's window."""
    from PIL import Image

    panel.ui.twinSection.collapsed = True
    fit(panel.widget)
    grab(panel.widget, path)
    panel.ui.twinSection.collapsed = False
    fit(panel.widget)
    with Image.open(path) as image:
        left = np.asarray(image.convert("RGB"))
    views = four_views(twin, (len(left) - GAP) // 2)
    save(np.hstack([left[:len(views)], np.full((len(views), GAP, 3), WALL, np.uint8), views]), path)


def four_views(twin: Any, side: int = 420) -> np.ndarray:
    """Three slices through the left ventricle and the 3D view, as in Slicer's four-up layout. side: pixels of one."""
    ids = {twin.GetSegmentation().GetSegment(i).GetName(): i for i in twin.GetSegmentation().GetSegmentIDs()}
    ventricle, bounds = twin.GetSegmentCenterRAS(ids["Left ventricle"]), [0.0] * 6
    twin.GetRASBounds(bounds)
    middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    sagittal, coronal, axial = (
        slice_picture(name, tuple(ventricle[axis] if axis == normal else middle[axis] for axis in range(3)),
                      size=(side, side), volume=volume)
        for normal, name in enumerate(("Sagittal", "Coronal", "Axial")))
    wall = np.full((side, GAP, 3), WALL, np.uint8)
    top = np.hstack([axial, wall, surface_picture(size=(side, side))])
    bottom = np.hstack([coronal, wall, sagittal])
    return np.vstack([top, np.full((GAP, top.shape[1], 3), WALL, np.uint8), bottom])


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    target.mkdir(parents=True, exist_ok=True)
    main(target, globals().get("bench_session"))
