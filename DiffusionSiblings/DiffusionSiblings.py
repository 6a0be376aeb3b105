"""Diffusion Siblings, a module for 3D Slicer: variants of a patient's anatomy, drawn with a generative model.

This file only says what the module is and where its parts are; the work is in DiffusionSiblingsUI (Slicer's side) and
DiffusionSiblingsLib (the library, in a process of its own as soon as torch is needed).
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HERE = Path(__file__).absolute().parent
HOMEPAGE = "https://github.com/DiffusionSiblings/SlicerDiffusionSiblings"


def find_library() -> None:
    """Makes DiffusionSiblingsLib importable: it lies here once installed, in the source tree beside this folder."""
    for folder in (HERE, HERE.parent):
        if (folder / "DiffusionSiblingsLib" / "__init__.py").is_file():
            sys.path[:0] = [path for path in (str(folder), str(HERE)) if path not in sys.path]
            return
    text = _("DiffusionSiblingsLib is neither in {folder} nor next to it; install the extension again")
    raise ImportError(text.format(folder=HERE))


find_library()

from DiffusionSiblingsUI.logic import SiblingsLogic  # noqa: E402, not to be found before


class DiffusionSiblings(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Diffusion Siblings")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Simulation")]
        parent.contributors = ["DiffusionSiblings contributors"]
        parent.helpText = _("""<p>Makes <b>digital siblings</b> of a patient's anatomy with a <b>generative diffusion
model</b> (this is not diffusion MRI). From the segmentation of a heart, the twin, the model draws variants that differ
from it everywhere, at a scale that you choose (Perturb), or only in some tissues or one region (Inpaint); it also draws
new hearts that have no twin (Generate). Each of these edits can be guided to volumes and other measurements that you
set as targets (Guide). Every sibling is checked, measured and recorded, and can be made again from its record.</p>
<p>For research and device engineering, not for the diagnosis or treatment of a patient. The model has limits: the
higher the sampling ratio, the more a sibling resembles the hearts that the model was trained on. Its card, in the
section Model and device, describes them. Everything runs on this computer; nothing is uploaded.</p>
<p>To start, press <i>Sample</i> in the section Twin, then <i>Run</i> in the section Edit. In the Python console:
<tt>slicer.util.getModuleLogic("DiffusionSiblings").perturb(twin, ratio=0.5, count=4, seed=0)</tt></p>""")
        parent.helpText += f'<p><a href="{HOMEPAGE}#readme">{_("Documentation and tutorial")}</a></p>'
        parent.acknowledgementText = _("""The method follows published work on anatomic editing of digital twins with
latent diffusion models (Kadry et al., npj Digital Medicine 2024, and its successors); the code is our own. The
model that comes with the extension was trained on public data; its card lists them with their licences.""")
        slicer.app.connect("startupCompleted()", register_with_slicer)


def register_with_slicer() -> None:
    """Effects and sample data, once Slicer has started; an error in one does not keep the other out."""
    from DiffusionSiblingsUI.effects import registration as effect_registration
    from DiffusionSiblingsUI.scene import sample_data

    for register in (effect_registration.register_effects, sample_data.register):
        try:
            register()
        except Exception:
            logging.exception("DiffusionSiblings: a part could not be registered")


class DiffusionSiblingsLogic(ScriptedLoadableModuleLogic, SiblingsLogic):
    """`SiblingsLogic` as Slicer hands it out, with the parameters of the scene."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)

    def getParameterNode(self) -> Any:  # noqa: N802
        """The scene's SiblingsParameters."""
        from DiffusionSiblingsUI.parameters import SiblingsParameters

        wrap: Any = SiblingsParameters
        return wrap(ScriptedLoadableModuleLogic.getParameterNode(self))


class DiffusionSiblingsWidget(ScriptedLoadableModuleWidget):
    """The place of the panel in Slicer."""

    logic: Any = None
    panel: Any = None

    def setup(self) -> None:
        """Makes the panel when the module is opened first."""
        from DiffusionSiblingsUI.widget import ModulePanel

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = DiffusionSiblingsLogic()
        self.panel = ModulePanel(self.logic, self.resourcePath)
        self.layout.addWidget(self.panel.widget)

    def enter(self) -> None:
        """The user opens the module."""
        self.panel.enter()

    def exit(self) -> None:
        """The user leaves the module."""
        self.panel.exit()

    def cleanup(self) -> None:
        """The module is unloaded."""
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:  # noqa: N802
        """Loads the parts anew with the module, for developers."""
        from DiffusionSiblingsUI.effects.registration import forget_parts

        forget_parts()
        ScriptedLoadableModuleWidget.onReload(self)


class DiffusionSiblingsTest(ScriptedLoadableModuleTest):
    """The module at work through its panel; the test cases lie in a file of their own, which is run with it."""

    def runTest(self) -> None:  # noqa: N802
        """Runs the short test, and all of Testing/slicer where the source tree is there."""
        self.test_sibling_of_the_sample()
        folder = HERE.parent / "Testing" / "slicer"
        if (folder / "DiffusionSiblingsModuleTest.py").is_file():
            sys.path.insert(0, str(folder))
            for cases in ("Module", "Guide", "Cohort", "Mesh"):
                importlib.import_module(f"DiffusionSiblings{cases}Test").run_all()

    def test_sibling_of_the_sample(self) -> None:
        """The sample twin has a sibling that differs from it and lies where it lies."""
        from DiffusionSiblingsUI.scene import bridge, sample_data
        from DiffusionSiblingsUI.setup import environment

        if not environment.status().ready:  # as on the computers that build Slicer's extensions
            self.skipTest(environment.status().summary())

        slicer.mrmlScene.Clear()
        twin = sample_data.load_twin()
        node = DiffusionSiblingsLogic().perturb(twin, ratio=0.5, steps=10)[0]
        before, after = (bridge.read_segmentation(each) for each in (twin, node))
        self.assertEqual(before.segment_ids, after.segment_ids)
        self.assertTrue((before.grid.affine == after.grid.affine).all())
        self.assertTrue((before.labelmap.labels != after.labelmap.labels).any())
