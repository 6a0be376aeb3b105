"""The module's panel: its eight parts under one roof, kept in step with the scene and the parameter node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from DiffusionSiblingsUI.context import Context
from DiffusionSiblingsUI.panels.chosen_run import chosen
from DiffusionSiblingsUI.panels.cohort_panel import CohortPanel
from DiffusionSiblingsUI.panels.edit_panel import EditPanel
from DiffusionSiblingsUI.panels.guide_panel import GuidePanel
from DiffusionSiblingsUI.panels.mesh_panel import MeshPanel
from DiffusionSiblingsUI.panels.metrics_panel import MetricsPanel
from DiffusionSiblingsUI.panels.model_panel import ModelPanel
from DiffusionSiblingsUI.panels.siblings_panel import SiblingsPanel
from DiffusionSiblingsUI.panels.twin_panel import TwinPanel

# Section of the .ui file -> what is in it, from top to bottom.
SECTIONS = {"twin": TwinPanel, "edit": EditPanel, "guide": GuidePanel, "siblings": SiblingsPanel,
            "metrics": MetricsPanel, "mesh": MeshPanel, "cohort": CohortPanel, "model": ModelPanel}
RESULTS = ("siblings", "metrics")  # sections that are of use once there is a run


class ModulePanel(VTKObservationMixin):
    """widget: all of it. panels: by the names of SECTIONS. context: what they share."""

    def __init__(self, logic: Any, resource_path: Callable[[str], str]) -> None:
        VTKObservationMixin.__init__(self)
        self.widget = slicer.util.loadUI(resource_path("UI/DiffusionSiblings.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.context = Context(logic, resource_path)
        self.panels: dict[str, Any] = {}
        self.entered = False
        self._soon = qt.QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.connect("timeout()", self.context.changed)
        for name, panel in SECTIONS.items():
            self._add(name, panel)
        self.context.panels.append(Unfolding(self.context, self.panels["model"],
                                             [getattr(self.ui, f"{name}Section") for name in RESULTS],
                                             self.ui.modelSection))
        self.widget.setMRMLScene(slicer.mrmlScene)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_start_close)
        for event in (scene.EndCloseEvent, scene.EndImportEvent, scene.EndRestoreEvent):
            self.addObserver(scene, event, self._on_scene_replaced)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self.addObserver(scene, event, self._on_changed)
        self.use_parameters(logic.getParameterNode())

    def enter(self) -> None:
        """The user has opened the module."""
        self.entered = True
        self.use_parameters(self.context.logic.getParameterNode())

    def exit(self) -> None:
        """The user has gone to another module; an operation on its way goes on."""
        self.entered = False

    def cleanup(self) -> None:
        """Lets go of all, before the module is unloaded or loaded anew."""
        self._soon.stop()
        self.context.cancel()
        self.removeObservers()
        self.context.parameters = None
        self.context.twin_checks.stop()
        for panel in self.context.panels:
            panel.cleanup()
        self.context.panels.clear()

    def use_parameters(self, parameters: Any) -> None:
        """Shows these parameters from now on (None: there is no scene)."""
        before = self.context.parameters
        if parameters is not None and before is not None and before.parameterNode is parameters.parameterNode:
            self.context.parameters = parameters  # an older wrapper has None cached for nodes that an import brought
            self.context.changed()
            return
        if before is not None:
            self.removeObserver(before.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_changed)
        self.context.parameters = parameters
        if parameters is not None:
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_changed)
        self.context.changed()

    def _add(self, name: str, panel: Any) -> None:
        """Makes a part and puts it into its section."""
        made = panel(self.context)
        getattr(self.ui, f"{name}Section").layout().addWidget(made.widget)
        self.panels[name] = made
        self.context.panels.append(made)

    def _on_changed(self, caller: Any = None, event: Any = None) -> None:
        """Many changes at once bring the panel up to date once; those of an operation of its own, at its end."""
        if not self.context.busy:
            self._soon.start()

    def _on_start_close(self, caller: Any = None, event: Any = None) -> None:
        self.context.cancel()  # its twin goes with the scene
        self.context.twin_checks.stop()
        self.use_parameters(None)

    def _on_scene_replaced(self, caller: Any = None, event: Any = None) -> None:
        if self.entered:
            self.use_parameters(self.context.logic.getParameterNode())


class Unfolding:
    """Opens sections when they become of use, once for each scene; what the user folds stays folded.

    results: with the first run. model: when the chosen model is not there, or is damaged.
    """

    def __init__(self, context: Any, models: ModelPanel, results: list[Any], model: Any) -> None:
        self._context, self._models = context, models
        self._results, self._model = results, model
        self._scene: Any = None  # the parameter node of the scene that was looked at
        self._opened = self._lacking = False

    def refresh(self) -> None:
        """Looks whether something has become of use."""
        parameters = self._context.parameters
        scene = parameters.parameterNode if parameters is not None else None
        if scene is not self._scene:
            self._scene, self._opened = scene, False
        if not self._opened and chosen(self._context)[0] is not None:
            self._opened = True
            for section in self._results:
                section.collapsed = False
        lacking = scene is not None and not self._models.is_sound
        if lacking and not self._lacking:
            self._model.collapsed = False
        self._lacking = lacking

    def cleanup(self) -> None:
        """Nothing is held."""
