"""The Mesh section: surfaces or tetrahedra of the twin, a sibling or all of a run, as models and files."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsUI.panels import result_table
from DiffusionSiblingsUI.panels.beside import Beside
from DiffusionSiblingsUI.panels.chosen_run import chosen
from DiffusionSiblingsUI.panels.mesh_cells import ROWS
from DiffusionSiblingsUI.rich_text import literal
from DiffusionSiblingsUI.runs.edit_request import progress_words
from DiffusionSiblingsUI.runs.mesh_request import (
    FILLS,
    FORMATS,
    GRADES,
    OF,
    VALVES,
    mesh_missing,
    mesh_task_of,
    mesh_words,
    needs_tetrahedra,
    shown_heart,
)
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import meshes
from DiffusionSiblingsUI.setup import environment

BAR = 1000
SPACES = ("LPS", "RAS")
MOST_FAILED = 2  # that are named


class MeshPanel:
    """Shows and changes what a mesh is to be, makes it, and shows what the chosen heart's mesh is."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/MeshPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self._beside = Beside()
        self._filling = False
        self._own: Operation | None = None
        self._listed: Any = None
        self._said = ""  # of the latest attempt, above what its mesh is
        for name in ROWS:
            self.ui.rowsCombo.addItem(name)
        self._grown = self._boxes(self._growable(), self.ui.wallsFrame, "mesh_walls")
        self._formats = self._boxes(FORMATS, self.ui.formatsFrame, "mesh_formats")
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Shows the parameters, and the mesh of the chosen heart."""
        parameters = self.context.parameters
        self.widget.enabled = parameters is not None
        if parameters is None:
            self._said, self._listed = "", None
            self.ui.plotButton.checked = False
            return
        self._filling = True
        try:
            self._fill(parameters)
        finally:
            self._filling = False
        self._show_state()

    def progressed(self, operation: Operation) -> None:
        """Shows how far it is with what was begun here."""
        if operation is self._own:
            self.ui.progressBar.value = int(BAR * operation.progress)
            self._say(progress_words(operation))

    def cleanup(self) -> None:
        """Nothing of the panel's outlives it."""
        self.context = None

    def make(self) -> None:
        """Makes the mesh that the panel describes."""
        try:
            task = mesh_task_of(self.context, *chosen(self.context))
            if not environment.ensure():  # asks what may be installed; the user said no
                return
            self._own = self.context.logic.mesh_operation(task, on_finished=self._ended)
            self.context.begin(self._own)
        except SiblingsError as error:
            self.context.show_error(error)

    def delete(self) -> None:
        """Takes the chosen heart's mesh out of the scene."""
        mesh = self.mesh
        if mesh is not None and not self.context.busy:
            self.ui.plotButton.checked = False
            meshes.delete_mesh(mesh)
            self._said = ""
            self.context.changed()

    def show_plot(self, on: bool) -> None:
        """Shows the quality of the tetrahedra beside the views, or gives the layout back."""
        chart = self.mesh.chart if on and self.mesh is not None else None
        if chart is None:
            self._beside.leave()
        else:
            self._beside.show(chart)

    @property
    def mesh(self) -> meshes.Mesh | None:
        """The mesh of the chosen heart."""
        return meshes.find_mesh(shown_heart(self.context, *chosen(self.context)))

    # What the widgets say

    def _connect(self) -> None:
        ui, write = self.ui, self._write
        ui.ofCombo.connect("currentIndexChanged(int)", lambda index: write("mesh_of", OF[index]))
        ui.fillCombo.connect("currentIndexChanged(int)", lambda index: write("mesh_fill", FILLS[index]))
        ui.gradeCombo.connect("currentIndexChanged(int)", lambda index: write("mesh_grade", GRADES[index]))
        ui.edgeBox.connect("valueChanged(double)", lambda value: write("mesh_edge", round(float(value), 1)))
        ui.thicknessBox.connect("valueChanged(double)", lambda value: write("mesh_thickness", round(float(value), 1)))
        ui.folderPath.connect("currentPathChanged(QString)", lambda path: write("mesh_folder", str(path)))
        ui.spaceCombo.connect("currentIndexChanged(int)", lambda index: write("mesh_space", SPACES[index]))
        ui.replaceCheck.connect("toggled(bool)", lambda on: write("mesh_replace", bool(on)))
        ui.makeButton.connect("clicked()", self.make)
        ui.deleteButton.connect("clicked()", self.delete)
        ui.cancelButton.connect("clicked()", lambda: self._own.cancel() if self._own is not None else None)
        ui.showCheck.connect("toggled(bool)", self._show_mesh)
        ui.rowsCombo.connect("currentIndexChanged(int)", lambda _index: self.refresh())
        ui.plotButton.connect("toggled(bool)", self.show_plot)

    def _write(self, name: str, value: Any) -> None:
        """A choice of the user's into the parameters, which brings all panels up to date."""
        if not self._filling and self.context.parameters is not None:
            setattr(self.context.parameters, name, value)
            self.context.changed()

    def _growable(self) -> dict[str, str]:
        """Tissue around which a wall can be grown -> its name, and the valves together."""
        anatomy = self.context.anatomy
        walls = {rule.around: _("Wall of the {tissue}").format(tissue=anatomy.tissue(rule.around).name.lower())
                 for rule in anatomy.mesh.grown if rule.around}
        slabs = any(rule.between for rule in anatomy.mesh.grown)
        return {**walls, VALVES: _("Valves, as slabs")} if slabs else walls

    def _boxes(self, names: dict[str, str], frame: Any, parameter: str) -> dict[str, Any]:
        """A tick box for each name, two in a row; what is ticked goes into a parameter."""
        boxes: dict[str, Any] = {}
        for number, (name, words) in enumerate(names.items()):
            boxes[name] = box = qt.QCheckBox(words)
            box.setObjectName(f"{parameter}_{name}")
            frame.layout().addWidget(box, number // 2, number % 2)
            box.connect("toggled(bool)", lambda _on: self._write(
                parameter, ",".join(each for each, box in boxes.items() if box.checked)))
        return boxes

    def _show_mesh(self, on: bool) -> None:
        if not self._filling and self.mesh is not None:
            self.mesh.show(bool(on))

    # What the widgets show

    def _fill(self, parameters: Any) -> None:
        ui = self.ui
        ui.ofCombo.currentIndex, ui.fillCombo.currentIndex = (OF.index(parameters.mesh_of),
                                                              FILLS.index(parameters.mesh_fill))
        ui.gradeCombo.currentIndex = GRADES.index(parameters.mesh_grade)
        ui.edgeBox.value, ui.thicknessBox.value = parameters.mesh_edge, parameters.mesh_thickness
        if str(ui.folderPath.currentPath) != parameters.mesh_folder:
            ui.folderPath.currentPath = parameters.mesh_folder
        ui.spaceCombo.currentIndex = SPACES.index(parameters.mesh_space)
        ui.replaceCheck.checked = parameters.mesh_replace
        for boxes, ticked in ((self._grown, parameters.mesh_walls), (self._formats, parameters.mesh_formats)):
            for name, box in boxes.items():
                box.checked = name in names_of(ticked)
        mesh = self.mesh
        ui.showCheck.checked = mesh is not None and mesh.visible

    def _show_state(self) -> None:
        """What can be done now, and the chosen heart's mesh."""
        ui, parameters, mesh = self.ui, self.context.parameters, self.mesh
        own = self._own is not None and not self._own.finished
        reason = mesh_missing(self.context, *chosen(self.context))
        ui.reasonLabel.text, ui.reasonLabel.visible = reason, bool(reason)
        ui.makeButton.enabled = not (self.context.busy or reason)
        ui.makeButton.toolTip = literal(reason) or (_("Only one operation runs at a time") if self.context.busy
                                                    else _("Mesh the heart"))
        ui.makeButton.text = _("Make meshes") if parameters.mesh_of == "run" else _("Make mesh")
        for name, box in self._formats.items():
            box.enabled = bool(parameters.mesh_folder) and (parameters.mesh_fill == "tetrahedra"
                                                            or not needs_tetrahedra(name))
            box.toolTip = _("Needs tetrahedra") if needs_tetrahedra(name) else ""
        ui.gradeLabel.visible = ui.gradeCombo.visible = parameters.mesh_fill == "tetrahedra"
        ui.thicknessBox.enabled = bool(names_of(parameters.mesh_walls))
        grown = len(names_of(parameters.mesh_walls))
        ui.growBox.title = (_("Walls and valves to grow ({count})").format(count=grown) if grown
                            else _("Walls and valves to grow"))
        ui.spaceCombo.enabled = ui.replaceCheck.enabled = bool(parameters.mesh_folder)
        ui.progressBar.visible = ui.cancelButton.visible = own
        there = mesh is not None
        for widget in (ui.deleteButton, ui.showCheck, ui.rowsLabel, ui.rowsCombo, ui.meshTable):
            widget.visible = there
        ui.plotButton.visible = mesh is not None and mesh.chart is not None
        ui.deleteButton.enabled = not self.context.busy
        self._list(mesh)
        if not own:
            self._say(self._said)

    def _list(self, mesh: meshes.Mesh | None) -> None:
        """The table, filled anew only if something of it changed."""
        index = max(0, int(self.ui.rowsCombo.currentIndex))
        state = (mesh.node.GetID(), mesh.node.GetMTime(), index) if mesh is not None else None
        if state == self._listed:
            return
        if self._listed is not None and (state is None or state[0] != self._listed[0]):
            self.ui.plotButton.checked = False
            self._said = mesh_words(mesh.report) if mesh is not None else ""
        elif self._listed is None and mesh is not None and not self._said:
            self._said = mesh_words(mesh.report)
        self._listed = state
        if mesh is not None:
            result_table.fill(self.ui.meshTable, *list(ROWS.values())[index](mesh.report))

    def _ended(self, operation: Operation) -> None:
        """The end of a mesh, whatever it is."""
        if self.context is None:
            return
        if operation.state == "done":
            made = operation.result
            self._said = " ".join(part for part in (_made_words(made), *(mesh_words(m.report) for m in made.shown[:1]))
                                  if part)
            self._listed = None
        elif operation.state == "failed" and operation.error is not None:
            self._said = _("The mesh could not be made.")
            self.context.show_error(operation.error, operation.log)
        else:
            self._said = _("Cancelled. The scene is as it was before.")

    def _say(self, text: str) -> None:
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)


def _made_words(made: Any) -> str:
    """How many meshes there are, where their files are, and which hearts have none."""
    said = []
    if made.folders:
        folders = list(made.folders.values())
        text = (_("The files are in {folder}.") if len(folders) == 1
                else _("{count} meshes were made. The files of the first are in {folder}."))
        said.append(text.format(count=len(folders), folder=folders[0]))
    if made.failed:
        said.append(_("{count} hearts could not be meshed: {which}").format(
            count=len(made.failed), which="; ".join(made.failed[:MOST_FAILED])))
    return " ".join(said)
