"""Of the Cohort section: comparing the cohort with its reference, the report, and where the two differ."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.cohorts import results as cohort_results
from DiffusionSiblingsUI.cohorts.cohorts import Cohort, FolderCohort
from DiffusionSiblingsUI.cohorts.members import Fingerprints
from DiffusionSiblingsUI.cohorts.results import Results
from DiffusionSiblingsUI.panels import result_table
from DiffusionSiblingsUI.panels.figure_rows import FIGURE_HEADS, figure_cells

FIGURES = 11  # rows that are seen without scrolling: all of a comparison


class ComparisonPart:
    """Works on what `panel` (the CohortPanel) has chosen, in widgets of its own among the panel's."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._suggested = ""
        self._listed: Any = None
        self._of = ""  # the results that are listed, by their node
        self._slices: dict[str, Any] = {}  # what the slice views showed before the difference
        ui = self.ui
        ui.compareButton.connect("clicked()", self.compare)
        ui.reportButton.connect("clicked()", self.open_report)
        ui.questionEdit.connect("editingFinished()", self._write_words)
        ui.useEdit.connect("editingFinished()", self._write_words)
        ui.tissueCombo.connect("currentIndexChanged(int)", self._on_tissue)
        ui.differenceButton.connect("toggled(bool)", self.show_difference)

    @property
    def results(self) -> Results | None:
        """What comparing the two has found."""
        real, synthetic = self.panel.reference, self.panel.cohort
        there = real is not None and synthetic is not None
        return cohort_results.find_results(real, synthetic) if there else None

    @property
    def outdated(self) -> str:
        """Why those results are not those of now, "" where they are or there are none."""
        results = self.results
        if results is None or self.panel.context.parameters is None:
            return ""
        now = [self._fingerprints.of(cohort) for cohort in (self.panel.reference, self.panel.cohort)]
        return results.outdated(now, self.panel.context.parameters.question)

    @property
    def _fingerprints(self) -> Fingerprints:
        fingerprints: Fingerprints = self.panel.context.session.memory.fingerprints
        return fingerprints

    def refresh(self) -> None:
        """Figures and tissues of the comparison, if there is one, and what can be done now."""
        ui, there, both = self.ui, self.panel.cohort is not None, self.panel.reference is not None
        busy, results = self.panel.context.busy, self.results
        for widget in (ui.questionLabel, ui.questionEdit, ui.outLabel, ui.outPath, ui.compareButton, ui.emdCheck,
                       ui.reportButton):
            widget.visible = there
        ui.useLabel.visible = ui.useEdit.visible = there and not both  # a comparison's report has none
        for widget in (ui.figureTable, ui.differenceLabel, ui.tissueCombo, ui.differenceButton):
            widget.visible = results is not None
        ui.outdatedLabel.text = outdated = self.outdated
        ui.outdatedLabel.visible = bool(outdated)
        ui.compareButton.text = _("Compare again") if outdated else _("Compare")
        ui.compareButton.enabled = ui.emdCheck.enabled = both and not busy
        ui.reportButton.enabled = there and not busy
        self._suggest_folder()
        self._read_words()
        of = results.node.GetID() if results is not None else ""
        if of != self._of:
            self._of = of
            ui.differenceButton.checked = False  # the slices show that of the other results, or of none any more
        if results is not None and (state := (of, results.node.GetMTime(), results.tissues())) != self._listed:
            self._listed = state
            self._list(results)

    def forget(self) -> None:
        """The scene goes, and its slice views with it."""
        self._slices = {}

    def compare(self, *, then_open: bool = False) -> None:
        """Compares the cohort with the reference in the background. then_open: the report, when it is there."""
        real, synthetic = self.panel.reference, self.panel.cohort
        if real is None or synthetic is None:
            return
        self._write_words()
        out, emd = str(self.ui.outPath.currentPath), bool(self.ui.emdCheck.checked)
        context = self.panel.context
        self.ui.differenceButton.checked = False

        def done(results: Results) -> None:
            self.panel.say(_("The report is in {folder}").format(folder=results.report.parent))
            if then_open:
                self.open_page(results.report)

        self.panel.begin(lambda finished: context.logic.compare_operation(
            real, synthetic, out, emd=emd, question=context.parameters.question, model=context.parameters.model,
            on_finished=finished), done)

    def open_report(self) -> None:
        """Opens the report; it is written first if it is not there or outdated."""
        results, cohort = self.results, self.panel.cohort
        self._fingerprints.forget_folders()
        self._write_words()
        if results is not None and results.report.is_file() and not self.outdated:
            self.open_page(results.report)
        elif self.panel.reference is not None:
            self.compare(then_open=True)
        elif cohort is not None:
            self._open_report_of(cohort)

    def _open_report_of(self, cohort: Cohort) -> None:
        """The report of a cohort alone."""
        context, out = self.panel.context, str(self.ui.outPath.currentPath)
        words = {name: str(getattr(context.parameters, name)) for name in ("question", "use", "model")}
        page = context.session.memory.report(cohort, Path(out), list(words.values()))
        if page is not None:
            self.open_page(page)
            return
        self.panel.begin(lambda finished: context.logic.report_operation(cohort, out, **words, on_finished=finished),
                         self.open_page)

    def open_page(self, path: Path) -> None:
        """Shows a page in the user's browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def show_difference(self, on: bool) -> None:
        """Lays the difference of the chosen tissue over the slices, or takes it away."""
        results = self.results
        if not on or results is None:
            cohort_results.take_away(self._slices)
            self._slices = {}
            return
        try:
            volume = cohort_results.difference_volume(results, str(self.ui.tissueCombo.currentData))
        except SiblingsError as error:
            self.panel.context.show_error(error)
            return
        before = cohort_results.lay_over(volume)
        self._slices = self._slices or before

    def _on_tissue(self, _index: int) -> None:
        if not self.panel.filling and self.ui.differenceButton.checked:
            self.show_difference(True)

    def _write_words(self) -> None:
        """Keeps question and context of use; also before a button acts, which takes no focus on a Mac."""
        parameters, words = self.panel.context.parameters, [self._words(edit) for edit in self._edits()]
        if parameters is not None and words != [parameters.question, parameters.use]:
            parameters.question, parameters.use = words
            self.panel.context.changed()

    def _read_words(self) -> None:
        """Shows question and context of use, but not over what the user is writing."""
        parameters = self.panel.context.parameters
        words = (parameters.question, parameters.use) if parameters is not None else ("", "")
        for edit, text in zip(self._edits(), words, strict=True):
            if self._words(edit) != text and not edit.hasFocus():
                edit.setText(text)

    def _edits(self) -> tuple[Any, Any]:
        return self.ui.questionEdit, self.ui.useEdit

    @staticmethod
    def _words(edit: Any) -> str:
        return str(edit.text).strip()

    def _list(self, results: Results) -> None:
        ui = self.ui
        result_table.fill(ui.figureTable, FIGURE_HEADS, figure_cells(results.comparison), most=FIGURES)
        names = {tissue.id: tissue.name for tissue in self.panel.context.anatomy.tissues}
        tissues = [(names.get(tissue, _("Any tissue")), tissue) for tissue in results.tissues()]
        self.panel.fill_combo(ui.tissueCombo, tissues, str(ui.tissueCombo.currentData or ""))

    def _suggest_folder(self) -> None:
        """Where results go, unless the user has said."""
        path, cohort = self.ui.outPath, self.panel.cohort
        if cohort is None or str(path.currentPath) not in ("", self._suggested):
            return
        suggested = str(suggested_folder(cohort, self.panel.reference))
        if suggested != self._suggested:
            self._suggested = suggested
            path.setCurrentPath(suggested)


def suggested_folder(cohort: Cohort, reference: Cohort | None) -> Path:
    """Where the results of a cohort go: beside its folder, never in it; for siblings of the scene the user's own."""
    folder = cohort.folder if isinstance(cohort, FolderCohort) else Path.home() / "DiffusionSiblings" / cohort.title
    name = f"{folder.name} report" if reference is None else f"{folder.name} against {reference.title}"
    return folder.parent / re.sub(r"[^\w .-]+", "", name).strip()
