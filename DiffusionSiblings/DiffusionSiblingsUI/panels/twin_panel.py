"""The twin: which segmentation it is, and which tissue each of its segments means."""

from __future__ import annotations

from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.rich_text import literal
from DiffusionSiblingsUI.runs.edit_request import twin_problem
from DiffusionSiblingsUI.scene import painted_image, sample_data, terminology
from DiffusionSiblingsUI.scene.layers import LABELMAP

NO_TISSUE = _("None (unchanged)")
ROWS_SHOWN = 10
INVITATION = _(
    "Choose the segmentation of a heart: left and right ventricle, left and right atrium, myocardium, aorta. "
    "To try the module, press Sample."
)
BY_TEXT = {
    terminology.BY_CODE: (_("code"), _("Found by the code of the segment's terminology.")),
    terminology.BY_NAME: (_("name"), _("Found by the segment's name.")),
    terminology.BY_USER: (_("you"), _("You chose this tissue.")),
    "": ("", _("Neither the terminology nor the name of this segment is known.")),
}


class TwinPanel(VTKObservationMixin):
    """Selector and table; what the user corrects is kept in the parameter node for each segmentation."""

    def __init__(self, context: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/TwinPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self._shown: Any = object()  # unlike all that can be shown
        self._observed: Any = None
        self._suggested_for: Any = None
        self._ids: list[str] = []  # segment ids of the table's rows
        self._set_up_table()
        self.ui.twinSelector.setMRMLScene(slicer.mrmlScene)
        self.ui.twinSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._on_twin_chosen)
        self.ui.sampleButton.connect("clicked()", self._on_sample)
        self.ui.resetButton.connect("clicked()", self._on_reset)
        self.ui.imageButton.connect("clicked()", self._on_image)
        self.refresh()

    def refresh(self) -> None:
        """Shows what the parameter node and the segmentation say now; cheap if nothing changed."""
        self._suggest()
        node = self.context.twin
        self.widget.enabled = self.context.parameters is not None
        self._observe(node)
        if self.ui.twinSelector.currentNode() is not node:
            blocked = self.ui.twinSelector.blockSignals(True)
            self.ui.twinSelector.setCurrentNode(node)
            self.ui.twinSelector.blockSignals(blocked)
        overrides = terminology.read_overrides(self._overrides_text(), node) if node is not None else {}
        state = self._state(node, overrides)
        if state != self._shown:
            self._shown = state
            self._show_table(node, overrides)
            self._show_message(node)
            self.ui.resetButton.visible = bool(overrides)
            self.ui.imageButton.visible = node is not None and self._lacks_image(node)

    def cleanup(self) -> None:
        """Lets go of the scene."""
        self.removeObservers()
        self._observed = None
        self.ui.twinSelector.disconnect("currentNodeChanged(vtkMRMLNode*)", self._on_twin_chosen)

    def _suggest(self) -> None:
        """Takes the first segmentation that comes as twin if it is the only one, once for each set of parameters."""
        parameters = self.context.parameters
        if parameters is None or parameters is self._suggested_for:
            return
        there = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if there or parameters.twin is not None:
            self._suggested_for = parameters
        if parameters.twin is None and len(there) == 1:
            parameters.twin = there[0]

    def _overrides_text(self) -> str:
        return self.context.parameters.tissue_overrides if self.context.parameters is not None else ""

    def _state(self, node: Any, overrides: dict[str, str]) -> Any:
        """All that the panel shows, to see whether it changed."""
        if node is None:
            return None
        segmentation = node.GetSegmentation()
        segments = [(identifier, segmentation.GetSegment(identifier)) for identifier in segmentation.GetSegmentIDs()]
        described = [(i, s.GetName(), s.GetColor(), tuple(terminology.tags_of(s).items())) for i, s in segments]
        reference = node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole())
        images = reference, [volume.GetID() for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
        known = self.context.twin_checks.state_of(node, self.context.tissue_of)
        return node.GetID(), node.GetName(), node.GetTransformNodeID(), described, dict(overrides), images, known

    def _observe(self, node: Any) -> None:
        """Follows segments and transform of the chosen node."""
        if node is self._observed:
            return
        self.removeObservers()
        self._observed = node
        if node is None:
            return
        kinds = slicer.vtkSegmentation
        for event in (kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified, kinds.SegmentsOrderModified):
            self.addObserver(node.GetSegmentation(), event, self._on_node_changed)
        self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._on_node_changed)

    def _on_node_changed(self, caller: Any = None, event: Any = None) -> None:
        before = self._shown
        self.refresh()
        if self._shown != before:
            self.context.changed()

    def _on_twin_chosen(self, node: Any) -> None:
        if self.context.parameters is not None and node is not self.context.parameters.twin:
            self.context.parameters.twin = node
            self.refresh()
            self.context.changed()

    def _on_tissue_chosen(self, identifier: str, tissue: str) -> None:
        node = self.context.twin
        text = self._overrides_text()
        overrides = terminology.read_overrides(text, node)
        found = terminology.match_tissues(node, self.context.anatomy).get(identifier) or ""
        if tissue == found:
            overrides.pop(identifier, None)
        else:
            overrides[identifier] = tissue
        self._keep(overrides)

    def _on_sample(self) -> None:
        """Loads the heart that comes with the extension, and takes it as twin."""
        try:
            with slicer.util.WaitCursor():
                node = sample_data.presented(sample_data.load_twin())
        except SiblingsError as error:
            self.context.show_error(error)
            return
        self._on_twin_chosen(node)

    def _on_reset(self) -> None:
        self._keep({})

    def _on_image(self) -> None:
        """Paints the image that the Segment Editor wants."""
        try:
            with slicer.util.WaitCursor():
                painted_image.paint_image(self.context.twin, self.context.tissue_of)
        except SiblingsError as error:
            self.context.show_error(error)
        self.refresh()

    @staticmethod
    def _lacks_image(node: Any) -> bool:
        """Whether the Segment Editor would be of no use: it edits nothing without an image."""
        return bool(node.GetSegmentation().GetNumberOfSegments()) and not painted_image.has_image(node)

    def _keep(self, overrides: dict[str, str]) -> None:
        """Writes the corrections into the parameter node and tells the other panels."""
        parameters, twin = self.context.parameters, self.context.twin
        parameters.tissue_overrides = terminology.write_overrides(parameters.tissue_overrides, twin, overrides)
        self.refresh()
        self.context.changed()

    def _set_up_table(self) -> None:
        table, header = self.ui.tissueTable, self.ui.tissueTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.Stretch)
        header.setSectionResizeMode(2, qt.QHeaderView.ResizeToContents)
        header.setDefaultAlignment(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)
        table.setIconSize(qt.QSize(14, 14))
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)

    def _show_table(self, node: Any, overrides: dict[str, str]) -> None:
        table = self.ui.tissueTable
        mapping = self.context.tissue_of
        known = terminology.match_tissues(node, self.context.anatomy) if node is not None else {}
        self._ids = sorted(mapping, key=lambda identifier: known[identifier] is None)  # the heart before all else
        for row in range(len(mapping), table.rowCount):
            table.cellWidget(row, 1).hide()  # it is deleted later, and would be drawn until then
        table.setRowCount(len(mapping))
        for row, identifier in enumerate(self._ids):
            tissue = mapping[identifier]
            segment = node.GetSegmentation().GetSegment(identifier)
            said, why = BY_TEXT[terminology.found_by(node, identifier, tissue, overrides, self.context.anatomy)]
            table.setItem(row, 0, _item(segment.GetName() or identifier, swatch(segment.GetColor())))
            box = table.cellWidget(row, 1) or self._add_tissue_box(row)
            box.setCurrentIndex(self.context.anatomy.ids.index(tissue) + 1 if tissue else 0)
            table.setItem(row, 2, _item(said, tip=why))
        table.visible = bool(mapping)
        if mapping:
            rows = min(len(mapping), ROWS_SHOWN) * table.rowHeight(0)
            table.setFixedHeight(rows + table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth)

    def _add_tissue_box(self, row: int) -> Any:
        """The combo box of a row; the mouse wheel scrolls the panel and does not change a tissue in passing."""
        box = ctk.ctkComboBox()
        box.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
        box.elideMode = qt.Qt.ElideRight
        box.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
        box.addItem(NO_TISSUE)
        for known in self.context.anatomy.tissues:
            box.addItem(known.name)
        choices = ("", *self.context.anatomy.ids)
        box.connect("activated(int)", lambda index: self._on_tissue_chosen(self._ids[row], choices[index]))
        height = box.sizeHint.height()
        self.ui.tissueTable.setRowHeight(row, height)
        self.ui.tissueTable.setCellWidget(row, 1, box)
        return box

    def _show_message(self, node: Any) -> None:
        """A warning if the segmentation cannot be a twin, else what is good to know."""
        warning, remarks = self._said(node)
        kind = qt.QStyle.SP_MessageBoxInformation
        if node is not None:
            kind = qt.QStyle.SP_MessageBoxWarning if warning else qt.QStyle.SP_DialogApplyButton
        self.ui.messageIcon.setPixmap(slicer.app.style().standardIcon(kind).pixmap(16, 16))
        self.ui.messageLabel.text = warning or " ".join([_("All tissues were found."), *remarks])

    def _said(self, node: Any) -> tuple[str, list[str]]:
        """The warning, "" if the twin can be used, and remarks."""
        if node is None:
            return INVITATION, []
        mapping = self.context.tissue_of
        warning = terminology.twin_warning(node, mapping, self.context.anatomy) or twin_problem(self.context)
        state = self.context.twin_checks.state_of(node, mapping)
        apart = state.apart if state is not None else ()
        remarks = terminology.twin_remarks(node, mapping, self.context.anatomy, apart)
        remarks += [f"{note}." for note in (state.notes if state is not None else ())]
        if mapping and not node.GetSegmentation().ContainsRepresentation(LABELMAP):
            remarks.append(_("Its surfaces are converted to voxels on a copy each time; to save time, create its "
                             "binary labelmap representation once in the Segmentations module."))
        return warning, remarks


def swatch(color: tuple[float, float, float]) -> Any:
    """A small icon of a segment's colour."""
    pixmap = qt.QPixmap(14, 14)
    pixmap.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(pixmap)


def _item(text: str, icon: Any = None, tip: str = "") -> Any:
    """A cell that cannot be edited; a name that is too long for it is in the tool tip."""
    item = qt.QTableWidgetItem(text)
    item.setFlags(qt.Qt.ItemIsEnabled)
    item.setToolTip(literal(tip or text))
    if icon is not None:
        item.setIcon(icon)
    return item
