"""Of the Metrics section: the switch that shows in the views where the measures of the selected heart are."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.runs.scene_edits import recorded_tissues
from DiffusionSiblingsUI.scene import measure_view, runs
from DiffusionSiblingsUI.scene.stamps import stamp_of

MOST_SAID = 3  # measures that were not found, with their reasons


class MeasuresPart:
    """Works on the heart that `panel` (the MetricsPanel) has selected; what it shows follows the selection."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.check = panel, panel.ui.measuresCheck
        self._of: Any = None  # the heart that is shown or in the making, as it was then
        self._work: Operation | None = None
        self.check.connect("toggled(bool)", lambda _on: self.refresh())

    def refresh(self) -> None:
        """Shows the measures of the selected heart, if they are wanted and not there yet; else takes them away."""
        run, node = self.panel.selected()
        self.check.visible = node is not None
        wanted = (node.GetID(), stamp_of(node)) if node is not None and self.check.checked else None
        if wanted == self._of:
            return
        self.stop()
        if wanted is None:
            return
        self._of = wanted
        twin = run.record.get("twin")
        try:
            self._work = self.panel.context.logic.measures_operation(
                node, recorded_tissues(node, twin) if twin else None, on_finished=self._ended)
        except SiblingsError as error:
            self._give_up(error)
            return
        self.panel.say(_("Finding the measures..."))
        self._work.start()

    def stop(self) -> None:
        """Makes nothing more, and takes away what is shown."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            self.panel.say("")
        self._of = None
        measure_view.clear()

    def _ended(self, operation: Operation) -> None:
        if operation is not self._work:
            return
        self._work = None
        if operation.state == "failed" and operation.error is not None:
            self._give_up(operation.error, operation.log)
        elif operation.state == "done":
            self.panel.say(missing_words(operation.result))

    def _give_up(self, error: SiblingsError, log: str = "") -> None:
        """Turns the switch off and says why."""
        self.panel.say("")
        self.check.setChecked(False)
        self.panel.context.show_error(error, log)


def missing_words(missing: dict[str, str]) -> str:
    """Which measures the heart does not have, and why; "" where it has all."""
    if not missing:
        return ""
    said = [f"{measure} ({why})" for measure, why in list(missing.items())[:MOST_SAID]]
    more = _(" and {count} more").format(count=len(missing) - MOST_SAID) if len(missing) > MOST_SAID else ""
    return _("Not in the views, as this heart does not have them: {measures}").format(
        measures=", ".join(said) + more)


def heart_of(run: runs.Run | None, number: int, *, twin: bool) -> Any:
    """The segmentation node of a row of a run's table, None where it is not in the scene."""
    if run is None:
        return None
    if twin:
        return run.twin_node
    return run.siblings[number] if number < len(run.siblings) else None
