"""The part of the form that all effects have: seed, result, buttons, progress and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.effects.options import Form, Option, put, reveal
from DiffusionSiblingsUI.effects.work import SetUpError
from DiffusionSiblingsUI.rich_text import bold, link, plain, sentence
from DiffusionSiblingsUI.runs.edit_request import progress_words
from DiffusionSiblingsUI.runs.operation import Operation

BUTTONS = {"previewButton": "onPreview", "nextButton": "onNextSeed", "applyButton": "onApply",
           "cancelButton": "onCancel"}
MODULE_LINK, LOG_LINK = "module", "log"


class Actions(Form):
    """Buttons and messages. effect: has the methods that `BUTTONS` names."""

    def __init__(self, scripted_effect: Any, options: Sequence[Option], effect: Any) -> None:
        super().__init__(scripted_effect, "EffectActions.ui", options, effect.onOptions)
        self._log = ""  # what the link in the message shows
        self._in_the_way = False  # whether the message says what keeps the effect from working
        self._slots = [(getattr(self.ui, button), "clicked()", getattr(effect, slot))
                       for button, slot in BUTTONS.items()]
        self._slots += [(self.ui.show3DButton, "toggled(bool)", effect.onShow3D),
                        (self.ui.messageLabel, "linkActivated(QString)", self.onLink)]
        self._open_module = effect.onOpenModule
        for widget, signal, slot in self._slots:
            widget.connect(signal, slot)

    @property
    def wants_3d(self) -> bool:
        """Whether previews are shown in 3D."""
        return bool(self.ui.show3DButton.checked)

    def disconnect(self) -> None:
        """Lets go of the effect."""
        super().disconnect()
        for widget, signal, slot in self._slots:
            widget.disconnect(signal, slot)
        self._slots = []

    def update(self, busy: bool, previewed: bool, obstacle: SiblingsError | None, keep_text: bool) -> None:
        """What can be pressed now, and why the rest cannot.

        keep_text: the message is new and stays, unless something keeps the effect from working.
        """
        free = not busy and obstacle is None
        for name in ("previewButton", "nextButton", "applyButton"):
            put(getattr(self.ui, name), "enabled", free)
        put(self.ui.cancelButton, "enabled", busy or previewed)
        put(self.ui.cancelButton, "text", _("Cancel") if busy or not previewed else _("Discard preview"))
        put(self.ui.optionsFrame, "enabled", not busy)
        put(self.ui.show3DButton, "enabled", not busy)
        reveal(self.ui.progressBar, busy)
        reveal(self.ui.progressLabel, busy)
        if obstacle is not None and not busy and not keep_text:
            self.tell_error(obstacle)
            self._in_the_way = True
        elif self._in_the_way and obstacle is None and not keep_text:
            self.tell("")

    def show_progress(self, operation: Operation) -> None:
        """Where the work stands."""
        put(self.ui.progressBar, "value", round(100 * operation.progress))
        put(self.ui.progressLabel, "text", progress_words(operation))

    def onLink(self, target: str) -> None:  # noqa: N802 - a slot
        """A link in a message: to the module, or to what the worker wrote."""
        if target == MODULE_LINK:
            self._open_module()
        elif target == LOG_LINK:
            slicer.util.infoDisplay(_("The last lines of the worker's log:"), windowTitle=_("Diffusion Siblings log"),
                                    detailedText=self._log)

    def tell(self, text: str) -> None:
        """A message that all is well; it may have several lines."""
        self._in_the_way = False
        put(self.ui.messageLabel, "text", plain(text))
        reveal(self.ui.messageLabel, bool(text))

    def tell_error(self, error: SiblingsError) -> None:
        """What is wrong, and what the user can do."""
        self._in_the_way = False
        value = f": {error.value}" if error.value else ""
        parts = [bold(sentence(error.what.rstrip(".") + value)), plain(sentence(error.hint))]
        if isinstance(error, SetUpError):
            parts.append(link(MODULE_LINK, _("Open the module")))
        elif log := str(getattr(error, "log", "")):
            self._log = log
            parts.append(link(LOG_LINK, _("Open the log")))
        put(self.ui.messageLabel, "text", " ".join(part for part in parts if part))
        reveal(self.ui.messageLabel, True)
