"""The Cohort section: many hearts at once, as table and scatter plot, against a reference, with a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.cohorts.cohorts import Cohort, FolderCohort, SceneCohort
from DiffusionSiblingsUI.cohorts.plot import CohortPlot, training_rows
from DiffusionSiblingsUI.guide import training_range as guide_support
from DiffusionSiblingsUI.panels.beside import Beside
from DiffusionSiblingsUI.panels.chosen_run import choose, chosen
from DiffusionSiblingsUI.panels.comparison_part import ComparisonPart
from DiffusionSiblingsUI.panels.member_table import MemberTable
from DiffusionSiblingsUI.runs.edit_request import progress_words
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import comparison_view as comparison
from DiffusionSiblingsUI.setup import environment

NO_REFERENCE = _("(none)")
BAR = 1000
PLOT_VIEWS = 8  # of a layout at most
Row = dict[str, Any]


class CohortPanel:
    """Shows a cohort; a row, or a point of the plot, brings that heart into the views."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/CohortPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.table = MemberTable(self.ui.memberTable, lambda number: self.show_member("cohort", number))
        self.plot, self._beside = CohortPlot(), Beside()
        self.comparison = ComparisonPart(self)
        self._rows: dict[str, list[Row]] = {}  # of the cohort and the reference that are listed
        self._names: list[str] = []  # what can be drawn of the cohort
        self._cohorts: dict[str, Cohort | None] = {"cohort": None, "reference": None}
        self._listed: Any = None
        self._filled: Any = None
        self._drawn: Any = None
        self._work: Operation | None = None  # a member on its way into the views
        self._own: Operation | None = None  # what was begun here for all to see
        self.filling = False
        self._views: list[Any] = []  # plot views whose clicks are heard
        self._soon = qt.QTimer()  # the plot of thousands takes its time: not in the same turn as their table
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.connect("timeout()", self._draw)
        self._connect()
        self.refresh()

    # What the scene has

    def refresh(self) -> None:
        """Shows what the scene has now; cheap if nothing of it changed."""
        found = cohorts.find_cohorts() if self.context.parameters is not None else []
        self._choose_from(found)
        self._fill_lists(found)
        self._fill_table()
        if self.ui.plotButton.checked:
            self._soon.start()
        self._follow()
        self._show_state()

    def progressed(self, operation: Operation) -> None:
        """Shows how far that is what was begun here."""
        if operation is self._own:
            self.ui.progressBar.value = int(BAR * operation.progress)
            self.say(progress_words(operation))

    def cleanup(self) -> None:
        """Stops what is being done, and listens no more."""
        self._soon.stop()
        self._stop_work()
        self.table.stop()
        for view in self._views:
            view.disconnect("dataSelected(vtkStringArray*, vtkCollection*)", self._on_points)
        self._views = []
        self.context = None

    @property
    def cohort(self) -> Cohort | None:
        """What is looked at."""
        return self._cohorts["cohort"]

    @property
    def reference(self) -> Cohort | None:
        """What it is compared with."""
        return self._cohorts["reference"]

    # What the user does

    def open_folder(self, side: str = "cohort") -> None:
        """Asks for a folder and opens it as cohort or reference."""
        folder = self._ask_folder(_("Open a cohort") if side == "cohort" else _("Open the reference"))
        if folder:
            model = self.context.parameters.model
            self.begin(lambda finished: self.context.logic.cohort_operation(folder, model=model, on_finished=finished),
                       lambda cohort: self._opened(side, cohort))

    def show_member(self, side: str, number: int) -> None:
        """Brings a member into the views; one that lies in a file is read in the background."""
        cohort = self._cohorts[side]
        if cohort is None:
            return
        if side == "cohort":
            self.table.choose(number)
            self.plot.mark(number)
        if isinstance(cohort, SceneCohort):
            run, within = _within(cohort, number)
            choose(self.context, run, within)
            return
        self._stop_work()
        self.say(_("Reading the heart..."))
        try:
            self._work = self.context.logic.member_operation(cohort, number, in_3d=bool(self.ui.surfaceCheck.checked),
                                                             on_finished=self._member_there).start()
        except SiblingsError as error:
            self.context.show_error(error)

    def show_plot(self, on: bool) -> None:
        """Shows the plot beside the views, or gives the layout back."""
        if not on:
            self._beside.leave()
            return
        self._drawn = None
        self._draw()

    def keep(self) -> None:
        """Makes the heart that is shown a segmentation that stays."""
        for node in cohorts.members_shown():
            cohorts.keep_shown(node)
        self._show_state()

    def cancel(self) -> None:
        """Stops what was begun here."""
        if self._own is not None:
            self._own.cancel()

    # What the widgets say

    def _connect(self) -> None:
        ui = self.ui
        ui.cohortCombo.connect("currentIndexChanged(int)", lambda _index: self._chosen("cohort", ui.cohortCombo))
        ui.referenceCombo.connect("currentIndexChanged(int)",
                                  lambda _index: self._chosen("reference", ui.referenceCombo))
        ui.acrossCombo.connect("currentIndexChanged(int)", lambda _index: self._chosen("across", ui.acrossCombo))
        ui.upCombo.connect("currentIndexChanged(int)", lambda _index: self._chosen("up", ui.upCombo))
        ui.openButton.connect("clicked()", lambda: self.open_folder("cohort"))
        ui.openReferenceButton.connect("clicked()", lambda: self.open_folder("reference"))
        ui.plotButton.connect("toggled(bool)", self.show_plot)
        ui.trainingCheck.connect("toggled(bool)", lambda _on: self.refresh())
        ui.keepButton.connect("clicked()", self.keep)
        ui.cancelButton.connect("clicked()", self.cancel)

    def _chosen(self, name: str, combo: Any) -> None:
        if self.filling or self.context.parameters is None or int(combo.currentIndex) < 0:
            return
        setattr(self.context.parameters, name, str(combo.currentData))
        self.context.changed()

    def _on_points(self, series: Any, selections: Any) -> None:
        """A click in a plot view, as qMRMLPlotView::dataSelected tells it."""
        ids = [series.GetValue(n) for n in range(series.GetNumberOfValues())]
        arrays = [selections.GetItemAsObject(n) for n in range(selections.GetNumberOfItems())]
        points = [[array.GetValue(n) for n in range(array.GetNumberOfValues())] for array in arrays]
        point = self.plot.point_of(ids, points)
        if point is not None:
            self.show_member(*point)

    # What the widgets show

    def _choose_from(self, found: list[Cohort]) -> None:
        parameters = self.context.parameters
        by_id = {cohort.id: cohort for cohort in found}
        wanted = by_id.get(parameters.cohort) if parameters is not None else None
        self._cohorts["cohort"] = wanted or (found[0] if found else None)
        other = by_id.get(parameters.reference) if parameters is not None else None
        here = self.cohort.id if self.cohort is not None else ""
        self._cohorts["reference"] = other if other is not None and other.id != here else None
        if parameters is None:  # another scene comes: its slices and its plot are its own
            self.plot = CohortPlot()
            self.comparison.forget()

    def _fill_lists(self, found: list[Cohort]) -> None:
        """Cohorts to choose from."""
        here, other = self.cohort, self.reference
        listed = [(cohort.title, cohort.id) for cohort in found]
        state = (listed, here.id if here is not None else "", other.id if other is not None else "")
        if state == self._listed:
            return
        self._listed = state
        ui = self.ui
        self.fill_combo(ui.cohortCombo, listed, here.id if here is not None else "")
        rest = [(title, identifier) for title, identifier in listed if here is None or identifier != here.id]
        self.fill_combo(ui.referenceCombo, [(NO_REFERENCE, ""), *rest], other.id if other is not None else "")

    def _fill_table(self) -> None:
        """Measurements and members, filled anew only if something of them changed."""
        parameters = self.context.parameters
        states = [cohort.state if cohort is not None else None for cohort in (self.cohort, self.reference)]
        axes = (parameters.across, parameters.up) if parameters is not None else ("", "")
        if (states, axes) == self._filled:
            return
        before = self._filled[0] if self._filled is not None else [None, None]
        self._filled = states, axes
        for side, state, old in zip(("cohort", "reference"), states, before, strict=True):
            if state != old or side not in self._rows:
                cohort = self._cohorts[side]
                self._rows[side] = self.context.session.memory.rows(cohort) if cohort is not None else []
                if side == "cohort":
                    self._names = cohorts.measurements(self._rows[side])
        for combo, name in ((self.ui.acrossCombo, axes[0]), (self.ui.upCombo, axes[1])):
            self.fill_combo(combo, [(each, each) for each in self._names], name)
        self.table.fill(self._rows["cohort"], axes)

    def fill_combo(self, combo: Any, items: Sequence[tuple[str, str]], chosen: str) -> None:
        """Offers texts, each with what it stands for."""
        self.filling = True
        try:
            combo.clear()
            for text, data in items:
                combo.addItem(text, data)
            values = [data for _text, data in items]
            combo.setCurrentIndex(values.index(chosen) if chosen in values else min(0, len(values) - 1))
        finally:
            self.filling = False

    def _draw(self) -> None:
        """The plot, drawn anew if something of it changed, and shown."""
        state = (self._filled, bool(self.ui.trainingCheck.checked))
        if self.cohort is None or state == self._drawn or not self.ui.plotButton.checked:
            return
        self._drawn = state
        support = guide_support.support_of(self.context.parameters.model) if self.ui.trainingCheck.checked else None
        reference = (self.reference.title, self._rows["reference"]) if self.reference is not None else None
        axes = self._filled[1]
        chart = self.plot.draw((self.cohort.title, self._rows["cohort"]), reference, training_rows(support), axes)
        if chart is not None:
            self._beside.show(chart)
            self._listen()
            self.plot.mark(self.table.chosen)

    def _listen(self) -> None:
        """Hears clicks in the plot views of the layout."""
        manager = slicer.app.layoutManager()
        for number in range(PLOT_VIEWS if manager is not None else 0):
            widget = manager.plotWidget(number)
            view = widget.plotView() if widget is not None else None
            if view is not None and view not in self._views:
                view.connect("dataSelected(vtkStringArray*, vtkCollection*)", self._on_points)
                self._views.append(view)

    def _follow(self) -> None:
        """Marks the sibling of the scene that the other sections show, if it is one of these."""
        if not isinstance(self.cohort, SceneCohort):
            return
        run, number = chosen(self.context)
        before, found = 0, -1
        for each in self.cohort.runs:
            if run is not None and each.id == run.id:
                found = before + number
            before += len(each.siblings)
        self.table.choose(found)
        self.plot.mark(found if found >= 0 else None)

    def _show_state(self) -> None:
        """What can be done now."""
        ui, there = self.ui, self.cohort is not None
        own = self._own is not None and not self._own.finished
        for widget in (ui.cohortCombo, ui.referenceLabel, ui.referenceCombo, ui.openReferenceButton, ui.summaryLabel,
                       ui.acrossLabel, ui.acrossCombo, ui.upLabel, ui.upCombo, ui.memberTable, ui.plotButton,
                       ui.trainingCheck, ui.surfaceCheck, ui.keepButton):
            widget.visible = there
        ui.emptyLabel.visible = not there
        ui.summaryLabel.text = _summary(self.cohort, self._rows.get("cohort", []))
        ui.openButton.enabled = ui.openReferenceButton.enabled = not self.context.busy
        ui.keepButton.enabled = bool(cohorts.members_shown())
        ui.messageLabel.visible = bool(ui.messageLabel.text)
        ui.progressBar.visible = ui.cancelButton.visible = own
        self.comparison.refresh()

    # What comes back

    def begin(self, make: Callable[[Callable[[Operation], None]], Operation], done: Callable[[Any], None]) -> None:
        """Begins what takes its time; only one such thing at a time. make(on_finished) -> it. done: for its result."""
        try:
            if not environment.ensure():  # asks what may be installed; the user said no
                return
            self._own = make(lambda operation: self._ended(operation, done))
            self.context.begin(self._own)
            self._show_state()
        except SiblingsError as error:
            self.context.show_error(error)

    def _ended(self, operation: Operation, done: Callable[[Any], None]) -> None:
        """The end of an operation that was begun here, whatever it is."""
        if self.context is None:
            return
        if operation.state == "done":
            self.say("")
            done(operation.result)
        elif operation.state == "failed" and operation.error is not None:
            self.say(_("{operation} failed.").format(operation=operation.title))
            self.context.show_error(operation.error, operation.log)
        else:
            self.say(_("Cancelled. The scene is as it was before."))

    def _opened(self, side: str, cohort: FolderCohort) -> None:
        if self.context.parameters is not None:
            setattr(self.context.parameters, side, cohort.id)
        failed = cohort.described["failed"]
        if failed:
            self.say(_("{count} hearts could not be read. {first}").format(count=len(failed), first=failed[0]))

    def _member_there(self, operation: Operation) -> None:
        if operation is not self._work or self.context is None:
            return
        self._work = None
        self.say("")
        if operation.state == "done":
            comparison.show_sibling(operation.result, comparison.Style(), in_3d=bool(self.ui.surfaceCheck.checked))
            _center_on(operation.result)
        elif operation.state == "failed" and operation.error is not None:
            self.context.show_error(operation.error, operation.log)
        self._show_state()

    def _stop_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def _ask_folder(self, title: str) -> str:
        return str(qt.QFileDialog.getExistingDirectory(self.widget, title) or "")

    def say(self, text: str) -> None:
        """A sentence below all the rest."""
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)


def _summary(cohort: Cohort | None, rows: list[Row]) -> str:
    """How many hearts there are, how many fail checks, and how many are outside the range of the training hearts."""
    if cohort is None:
        return ""
    failed, beyond = (sum(bool(row.get(name)) for row in rows)
                      for name in ("failed checks", "outside the training range"))
    words = [_("1 heart") if len(rows) == 1 else _("{count} hearts").format(count=len(rows)),
             _("{count} with failed checks").format(count=failed),
             _("{count} outside the training range").format(count=beyond)]
    if isinstance(cohort, FolderCohort) and (unread := cohort.described["failed"]):
        words.append(_("{count} could not be read").format(count=len(unread)))
    return f"{', '.join(words)}."


def _within(cohort: SceneCohort, number: int) -> tuple[Any, int]:
    """The run of a member, and its number there."""
    for run in cohort.runs:
        if number < len(run.siblings):
            return run, number
        number -= len(run.siblings)
    return cohort.runs[-1], 0


def _center_on(node: Any) -> None:
    """Slices through the middle of a heart."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    if bounds[0] <= bounds[1]:
        middle = [sum(bounds[2 * axis : 2 * axis + 2]) / 2 for axis in range(3)]
        slicer.modules.markups.logic().JumpSlicesToLocation(*middle, True)
