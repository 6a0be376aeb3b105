"""What the parts of the module's panel share: logic, parameters, the running operation, and notice of changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, SiblingsError
from DiffusionSiblingsUI.panel_words import in_panel_words
from DiffusionSiblingsUI.rich_text import bold, lines, plain, sentence
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.runs.twin_check import TwinChecks
from DiffusionSiblingsUI.scene.terminology import chosen_tissues

MOST_ROUNDS = 5  # a panel may write parameters while it refreshes, which asks for another round


class Context:
    """logic: DiffusionSiblingsLogic. parameters: SiblingsParameters, None while there is no scene.

    resource_path(name): a file of the module's Resources. panels: those that hear of changes, in the order shown.
    operation: the one on its way or, once it has ended, the last one. twin_checks: what is known of twins.
    """

    def __init__(self, logic: Any, resource_path: Callable[[str], str]) -> None:
        self.logic, self.resource_path = logic, resource_path
        self.parameters: Any = None
        self.panels: list[Any] = []
        self.operation: Operation | None = None
        self.twin_checks = TwinChecks(self.changed)
        self._refreshing = self._again = False
        self._anatomy: Anatomy | None = None

    @property
    def anatomy(self) -> Anatomy:
        """The tissues that the model knows."""
        if self._anatomy is None:
            self._anatomy = load_anatomy()
        return self._anatomy

    @property
    def session(self) -> Any:
        """The worker that module and effects share."""
        return self.logic.session

    @property
    def busy(self) -> bool:
        """Whether an operation of the panel is on its way."""
        return self.operation is not None and not self.operation.finished

    @property
    def twin(self) -> Any:
        """The segmentation that is chosen as twin, or None."""
        return self.parameters.twin if self.parameters is not None else None

    @property
    def tissue_of(self) -> dict[str, str | None]:
        """Segment ID of the twin -> tissue ID or None, as found and corrected; empty without a twin."""
        if self.twin is None:
            return {}
        return chosen_tissues(self.twin, self.parameters.tissue_overrides, self.anatomy)

    def changed(self) -> None:
        """Tells all panels that parameters or the scene changed."""
        self._again = True
        if self._refreshing:
            return
        self._refreshing = True
        try:
            for _round in range(MOST_ROUNDS):
                if not self._again:
                    break
                self._again = False
                for panel in self.panels:
                    self._tell(panel.refresh)
        finally:
            self._refreshing = False

    def begin(self, operation: Operation) -> Operation:
        """Starts an operation; the panel shows its progress. Raises InputError while another one is on its way."""
        if self.operation is not None and self.busy:
            raise InputError(_("Another operation is still running"), value=self.operation.what,
                             rule=_("only one operation runs at a time"),
                             hint=_("wait until it has ended, or cancel it"))
        self.operation = operation
        operation.on_update.append(self._progressed)
        operation.on_finished.append(lambda _operation: self.changed())
        self.changed()
        return operation.start()

    def cancel(self) -> None:
        """Stops the operation that is running, if there is one; nothing of it stays in the scene."""
        if self.operation is not None and not self.operation.finished:
            self.operation.cancel()

    def show_error(self, error: SiblingsError, log: str = "") -> None:
        """One message for one error: what failed, what to do, and the log under Details."""
        import slicer

        details = log or str(getattr(error, "log", "")) or self.log_text()
        slicer.util.errorDisplay(as_html(error), windowTitle=_("Diffusion Siblings"), detailedText=details)

    def log_text(self) -> str:
        """The end of the worker's log."""
        path = self.session.client.log_path
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
        except OSError:
            text = ""
        return text[-20_000:] or _("The worker has written nothing to its log.")

    def _progressed(self, operation: Operation) -> None:
        for panel in self.panels:
            if hasattr(panel, "progressed"):
                self._tell(panel.progressed, operation)

    @staticmethod
    def _tell(function: Callable[..., None], *values: Any) -> None:
        try:
            function(*values)
        except Exception:  # a fault in one panel must not take the others with it
            logging.exception("DiffusionSiblings: a part of the panel could not be brought up to date")


def as_html(error: SiblingsError) -> str:
    """An error as a few short paragraphs: what failed, with what, the rule, and what to do."""
    error = in_panel_words(error)
    return lines([
        bold(sentence(error.what)), plain(error.value),
        plain(_("Required: {rule}").format(rule=sentence(error.rule))) if error.rule else "",
        plain(_("What to do: {hint}").format(hint=sentence(error.hint))) if error.hint else ""])
