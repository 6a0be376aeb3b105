"""What the selected domain of the guide measures, and how finely: the form below the guide's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.scene import markups

# Kinds that stand for several domains.
PARTS = {"curve": (_("Planes:"), _("Width:")), "point": (_("Lines:"), _("Length:"))}


class DomainForm:
    """ui: of the guide's panel. on_change(node, **settings): a setting of the markup that the user chose."""

    def __init__(self, ui: Any, anatomy: Anatomy, on_change: Callable[..., None]) -> None:
        self.ui, self._on_change = ui, on_change
        self._node: Any = None
        self._filling = False
        self._boxes = tissue_boxes(ui.tissueFrame, anatomy, "guideTissue", self._tissues_chosen)
        ui.countBox.connect("valueChanged(int)", lambda value: self._set(count=int(value)))
        ui.extentBox.connect("valueChanged(double)", lambda value: self._set(extent=float(value)))
        ui.spacingBox.connect("valueChanged(double)", lambda value: self._set(spacing=(float(value),)))

    def show(self, node: Any) -> None:
        """Shows the settings of a markup, None for none."""
        self._node, ui = node, self.ui
        try:
            settings = domains.read_settings(node) if node is not None else None
        except InputError:
            settings = None
        ui.domainFrame.visible = settings is not None
        if settings is None:
            return
        kind = markups.kind_of(node)
        self._filling = True
        try:
            for tissue, box in self._boxes.items():
                box.checked = tissue in settings.tissues
            ui.partsLabel.text, ui.extentLabel.text = PARTS.get(kind, (_("Points every:"), ""))
            for widget in (ui.countBox, ui.extentLabel, ui.extentBox, ui.spacingLabel):
                widget.visible = kind in PARTS
            ui.countBox.value, ui.extentBox.value = settings.count, settings.extent
            ui.spacingBox.value = max(settings.spacing or (domains.SPACING_MM[kind],))
        finally:
            self._filling = False

    def _tissues_chosen(self) -> None:
        chosen = tuple(tissue for tissue, box in self._boxes.items() if box.checked)
        if chosen:
            self._set(tissues=chosen)
        elif not self._filling:
            self.show(self._node)  # the last one stays

    def _set(self, **values: Any) -> None:
        if not self._filling and self._node is not None:
            self._on_change(self._node, **values)


def tissue_boxes(frame: Any, anatomy: Anatomy, name: str, slot: Callable[[], None]) -> dict[str, Any]:
    """A tick box in the frame for each tissue, by its ID."""
    boxes = {}
    for tissue in anatomy.tissues:
        box = qt.QCheckBox(tissue.id)
        box.setObjectName(f"{name}{tissue.id}")
        box.setToolTip(tissue.name)
        frame.layout().addWidget(box)
        box.connect("toggled(bool)", lambda _on: slot())
        boxes[tissue.id] = box
    return boxes
