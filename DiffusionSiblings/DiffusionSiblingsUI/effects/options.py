"""Options of an effect: which parameter of the Segment Editor stands in which widget of a form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMS = Path(__file__).resolve().parents[2] / "Resources" / "UI"
_SIGNALS = {"number": "valueChanged(double)", "whole": "valueChanged(int)", "check": "toggled(bool)",
            "choice": "currentIndexChanged(int)"}


@dataclass(frozen=True)
class Option:
    """A parameter and its widget.

    kind: "number" (slider, 6 digits are kept), "whole" (spin box), "check" ("1" or "0") or "choice" (combo box, one of
    `choices` by its row).
    """

    parameter: str
    widget: str
    default: str
    kind: str
    choices: tuple[str, ...] = ()

    def read(self, widget: Any) -> str:
        """What the widget says, as the parameter is kept."""
        if self.kind == "check":
            return "1" if widget.checked else "0"
        if self.kind == "choice":
            return self.choices[max(0, min(int(widget.currentIndex), len(self.choices) - 1))]
        return f"{widget.value:g}" if self.kind == "number" else str(int(widget.value))

    def show(self, widget: Any, text: str) -> None:
        """Puts the parameter into the widget without telling anybody."""
        if self.read(widget) == text:
            return
        blocked = widget.blockSignals(True)
        try:
            if self.kind == "check":
                widget.checked = text == "1"
            elif self.kind == "choice":
                widget.currentIndex = self.choices.index(text) if text in self.choices else 0
            elif self.kind == "number":
                widget.value = float(text or self.default)
            else:
                widget.value = int(float(text or self.default))
        finally:
            widget.blockSignals(blocked)


class Form:
    """A form from Resources/UI, in an effect's frame of options, with its options connected.

    root: the form. ui: its widgets by name.
    """

    def __init__(self, scripted_effect: Any, file: str, options: Sequence[Option],
                 changed: Callable[..., None]) -> None:
        import slicer

        self.root = slicer.util.loadUI(str(FORMS / file))
        self.ui = slicer.util.childWidgetVariables(self.root)
        self._effect, self._options = scripted_effect, tuple(options)
        self._changed = changed
        scripted_effect.addOptionsWidget(self.root)
        for option in self._options:
            self.widget(option).connect(_SIGNALS[option.kind], changed)

    def widget(self, option: Option) -> Any:
        """The option's widget."""
        return getattr(self.ui, option.widget)

    def show(self) -> None:
        """The parameters into the widgets."""
        for option in self._options:
            option.show(self.widget(option), self._effect.parameter(option.parameter))

    def read(self) -> dict[str, str]:
        """What the widgets say, by parameter."""
        return {option.parameter: option.read(self.widget(option)) for option in self._options}

    def disconnect(self) -> None:
        """Lets go of the effect, so that it can be freed."""
        for option in self._options:
            self.widget(option).disconnect(_SIGNALS[option.kind], self._changed)


def put(widget: Any, name: str, value: Any) -> None:
    """Sets a property only where it changes: forms are brought up to date far more often than they change."""
    if getattr(widget, name) != value:
        setattr(widget, name, value)


def reveal(widget: Any, on: bool) -> None:
    """Shows or hides a widget; `visible` would say what its parents are, too."""
    if widget.isHidden() == on:
        widget.setVisible(on)
