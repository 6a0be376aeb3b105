"""The Guide section: control domains as markups, their targets, and what the twin and the siblings have there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.control import Control, read_control, write_control
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import QUANTITIES, Quantity
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.wants import control_of_wants, parse_want
from DiffusionSiblingsUI.guide import domain_makers, domains, targets
from DiffusionSiblingsUI.guide import rows as guide_rows
from DiffusionSiblingsUI.guide import training_range as guide_support
from DiffusionSiblingsUI.guide.live import LiveMeasures
from DiffusionSiblingsUI.guide.rows import Row
from DiffusionSiblingsUI.panels.chosen_run import chosen
from DiffusionSiblingsUI.panels.domain_form import DomainForm, tissue_boxes
from DiffusionSiblingsUI.panels.guide_table import GuideTable
from DiffusionSiblingsUI.rich_text import sentence
from DiffusionSiblingsUI.runs.edit_request import held_tissues, wanted
from DiffusionSiblingsUI.scene import markups

JSON = _("Control (*.json)")
FILE = "control.json"
ALL = "all"
INVITATION = _("Make a control domain from a segment or a preset, or draw one. Its row then shows what the twin has "
               "there; double-click the target to change it.")


class GuidePanel:
    """Domains live in the scene; this shows them, follows them as they move, and changes what they ask."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/GuidePanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._filling = False
        self._notice = ""
        self._node: Any = None  # the domain whose settings are shown
        self._achieved: tuple[Any, list[dict[str, Any]]] = (None, [])  # of which run and sibling, and what
        self.live = LiveMeasures(context.anatomy, self._on_measured)
        self.table = GuideTable(
            self.ui.guideTable, on_switch=lambda row, on: self._do(lambda: guide_rows.switch(row, on)),
            on_target=lambda row, text: self._do(lambda: guide_rows.retarget(row, text, self.live.measured(row.node))),
            on_tolerance=lambda row, text: self._do(lambda: guide_rows.retolerate(row, text)),
            on_select=self._on_selected)
        self.form = DomainForm(self.ui, context.anatomy, self._set)
        self._hold_boxes = tissue_boxes(self.ui.holdFrame, context.anatomy, "hold", self._hold_chosen)
        self._make_menus()
        self._connect()

    def cleanup(self) -> None:
        """Follows nothing any more."""
        self.live.stop()

    def refresh(self) -> None:
        """Shows the domains of the scene, their targets, and what came of them in the sibling that is shown."""
        parameters = self.context.parameters
        self.widget.enabled = parameters is not None
        if parameters is None:
            self._notice, self._node = "", None
            self.live.stop()
            self.table.show([])
            return
        nodes = domains.find_domains()
        self.live.watch(self.context.twin if nodes else None, self.context.tissue_of if nodes else {}, nodes)
        self._filling = True
        try:
            self.ui.guideCheck.checked = parameters.guide
            self.ui.amountBox.value = parameters.amount
            if self.ui.wantsEdit.text != parameters.wants:
                self.ui.wantsEdit.text = parameters.wants
            held = held_tissues(parameters)
            self.ui.holdAllCheck.checked = ALL in held
            for tissue, box in self._hold_boxes.items():
                box.checked, box.enabled = tissue in held, ALL not in held
        finally:
            self._filling = False
        self._show_rows(nodes)
        self._show_state()

    # What the widgets say

    def add_tissue(self, tissues: tuple[str, ...]) -> None:
        """A box around tissues of the twin, which stays where it is."""
        self._do(lambda: self._made([domain_makers.around(self._placed_twin(), tissues, self._color(tissues))]))

    def add_contact(self, first: str, second: str) -> None:
        """A plane where two tissues of the twin meet, which stays where it is."""
        self._do(lambda: self._made([domain_makers.between(self._placed_twin(), first, second, self._color((first,)))]))

    def add_measure(self, want: str) -> None:
        """What is measured in each heart anew; it is kept until something else is asked."""
        self._do(lambda: self._made([], [want]))
        self.ui.wantsEdit.setFocus()

    def add_preset(self, name: str) -> None:
        """The targets of a preset: measures by name, or domains."""
        amount = float(self.ui.amountBox.value) / 100
        if wants := domain_makers.wants_of_preset(name, amount, self.context.anatomy):
            self._do(lambda: self._made([], wants))
        else:
            self._do(lambda: self._made(domain_makers.from_preset(self._placed_twin(), name, amount, self._color)))

    def draw(self, kind: str) -> None:
        """A domain that the user places in the views."""
        def begin() -> None:
            node = domain_makers.to_draw(self.live.twin, kind, self._first_tissue(), self._color)
            self._made([node])
            markups.start_placing(node)
            self._notice = _("Click in the views to place {name}.").format(name=node.GetName())

        self._do(begin)

    def open(self, path: str = "") -> None:
        """Adds the domains and measures of a file; asks for it unless it is given."""
        path = path or str(qt.QFileDialog.getOpenFileName(self.widget, _("Open control"), "", JSON) or "")

        def read() -> None:
            control = read_control(path, self.context.anatomy)
            self._made(domain_makers.colored(domains.markups_of(control), self._color),
                       [targets.want_words(term) for term in control.active_measures])
            if any(term.tolerance is not None for term in control.active_measures):
                self._notice = _("Measures are taken with the usual tolerances, not with those of the file.")

        if path:
            self._do(read)

    def save(self, path: str = "") -> None:
        """Writes all domains into a file; asks for it unless it is given."""
        path = path or str(qt.QFileDialog.getSaveFileName(self.widget, _("Save control"), FILE, JSON) or "")

        def write() -> None:
            asked = [parse_want(text, self.context.anatomy) for text in wanted(self.context.parameters)]
            parts = [domains.control_of()] if domains.find_domains() else []
            parts += [control_of_wants(asked, self._placed_twin())] if asked else []
            write_control(path, replace(reduce(Control.merged, parts), name=Path(path).stem))
            self._notice = _("Saved {path}").format(path=path)

        if path:
            self._do(write)

    def remove(self) -> None:
        """Removes the selected target; with the last one of a domain, its markup."""
        row = self.table.selected
        if row is not None and row.node is not None:
            self._do(lambda: guide_rows.remove(row))

    def show(self) -> None:
        """Brings the selected domain into the slice views."""
        row = self.table.selected
        if row is None or row.node is None:
            return

        def jump() -> None:
            domain = domains.domains_of(row.node)[row.part]
            slicer.modules.markups.logic().JumpSlicesToLocation(*domain.centre, True)

        self._do(jump)

    def ask(self, quantity: Quantity) -> None:
        """Asks for one more quantity in the selected domain."""
        node = self._node
        if node is not None:
            self._do(lambda: guide_rows.ask(node, quantity, self.live.measured(node)))

    def _do(self, work: Callable[[], None]) -> None:
        """Does what the user asked for, or says why not; then shows how things are."""
        self._notice = ""
        try:
            work()
        except SiblingsError as error:
            self._notice = error.message()
        self.context.changed()

    def _made(self, nodes: list[Any], wants: Sequence[str] = ()) -> None:
        """New domains and targets of measures: guided from now on, the first domain selected."""
        parameters = self.context.parameters
        parameters.guide = True
        if wants:
            parameters.wants = targets.with_wants(names_of(parameters.wants), wants)
        self.refresh()
        if nodes:
            self.table.select(nodes[0])

    def _connect(self) -> None:
        ui = self.ui
        ui.guideCheck.connect("toggled(bool)", lambda on: self._write("guide", bool(on)))
        ui.amountBox.connect("valueChanged(double)", lambda value: self._write("amount", float(value)))
        ui.wantsEdit.connect("editingFinished()", self._wanted)
        ui.holdAllCheck.connect("toggled(bool)", lambda on: self._hold_all(bool(on)))
        for button, slot in ((ui.showButton, self.show), (ui.removeButton, self.remove), (ui.openButton, self.open),
                             (ui.saveButton, self.save)):
            button.connect("clicked()", lambda slot=slot: slot())

    def _make_menus(self) -> None:
        anatomy = self.context.anatomy
        self._fill_segment_menu(self._menu(self.ui.segmentButton))
        menu = self._menu(self.ui.drawButton)
        for kind, words in domain_makers.KIND_WORDS.items():
            _add(menu, words, partial(self.draw, kind))
        menu = self._menu(self.ui.presetButton)
        for name, words in domain_makers.presets(anatomy).items():
            title = name.replace("-", " ").capitalize()
            _add(menu, _("{preset}: {words}").format(preset=title, words=words), partial(self.add_preset, name))
        menu = self._menu(self.ui.askButton)
        for quantity in QUANTITIES:
            words = _("Volume, area or length") if quantity == "mass" else targets.WORDS[quantity]
            _add(menu, words, partial(self.ask, quantity), targets.MEANINGS[quantity])

    def _fill_segment_menu(self, menu: Any) -> None:
        """First what follows each heart, then the domains that stay in place."""
        anatomy = self.context.anatomy
        for words, want in domain_makers.of_segments(anatomy).items():
            _add(menu, words, partial(self.add_measure, want), _("Measured in each sibling anew, where it is there"))
        fixed = menu.addMenu(_("Fixed in place"))
        for tissue in anatomy.tissues:
            _add(fixed, _("Box around {name}").format(name=tissue.name), partial(self.add_tissue, (tissue.id,)))
        for first, second in anatomy.required_contacts:
            _add(fixed, _("Plane between {first} and {second}").format(first=first, second=second),
                 partial(self.add_contact, first, second))

    @staticmethod
    def _menu(button: Any) -> Any:
        menu = qt.QMenu(button)
        menu.setToolTipsVisible(True)
        button.setMenu(menu)
        return menu

    def _write(self, name: str, value: Any) -> None:
        if not self._filling and self.context.parameters is not None:
            setattr(self.context.parameters, name, value)
            self.context.changed()

    def _wanted(self) -> None:
        """Takes what was typed; what cannot be read is told at once."""
        text = str(self.ui.wantsEdit.text).strip()

        def read() -> None:
            for want in names_of(text):
                parse_want(want, self.context.anatomy)
            if text and self.context.parameters is not None:
                self.context.parameters.guide = True
            self._write("wants", text)

        if not self._filling:
            self._do(read)

    def _hold_chosen(self) -> None:
        if not self._filling:
            self._hold(",".join(tissue for tissue, box in self._hold_boxes.items() if box.checked))

    def _hold_all(self, on: bool) -> None:
        if not self._filling:
            self._hold(ALL if on else "")

    def _hold(self, hold: str) -> None:
        if hold and self.context.parameters is not None:
            self.context.parameters.guide = True
        self._write("hold", hold)

    def _set(self, node: Any, **values: Any) -> None:
        """A setting of a domain."""
        self._do(lambda: domains.write_settings(node, replace(domains.read_settings(node), **values)))

    def _on_selected(self, row: Row | None) -> None:
        self._node = row.node if row is not None else None
        markups.give_handles(domains.find_domains(), self._node)
        self._show_state()

    # What the widgets show

    def _on_measured(self, node: Any) -> None:
        if self.context.parameters is not None:
            self._show_rows(domains.find_domains())
            self._show_state()

    def _show_rows(self, nodes: list[Any]) -> None:
        run, number = chosen(self.context)
        key = (run.id, run.node.GetMTime(), number) if run is not None else None
        if self._achieved[0] != key:  # the record is long, and markups are moved often
            self._achieved = (key, guide_rows.achieved_by(run, number))
        self.table.show(guide_rows.rows_of(nodes, self.live.found, self._achieved[1]))
        self._node = self.table.selected.node if self.table.selected is not None else None

    def _show_state(self) -> None:
        """What belongs to the selected domain, and what can be done now."""
        ui, node = self.ui, self._node
        has_twin = self.context.twin is not None
        for button in (ui.segmentButton, ui.presetButton):
            button.enabled = has_twin
        for button in (ui.askButton, ui.removeButton, ui.showButton):
            button.enabled = node is not None
        wants = self.context.parameters is not None and bool(wanted(self.context.parameters))
        ui.saveButton.enabled = wants or any(row.node is not None for row in self.table.rows)
        ui.guideTable.visible = bool(self.table.rows)
        self.form.show(node)
        text = self._notice or self._advice()
        ui.messageLabel.text, ui.messageLabel.visible = text, bool(text)

    def _advice(self) -> str:
        """What the user should know before the edit is run."""
        parameters, nodes = self.context.parameters, [row.node for row in self.table.rows if row.node is not None]
        if parameters is None:
            return ""
        if not nodes and not held_tissues(parameters) and not wanted(parameters):
            return INVITATION
        if not parameters.guide:
            return _("The guide is off: targets are shown but do not influence edits.")
        said = guide_support.warnings(dict.fromkeys(nodes), self.live.found, self.live.twin, held_tissues(parameters),
                                      parameters.model)
        return " ".join(sentence(text) for text in said)

    def _placed_twin(self) -> Placement:
        """The twin's voxels, to place domains on. Raises InputError."""
        if self.live.twin is not None:
            return self.live.twin
        with slicer.util.WaitCursor():
            return domain_makers.placed_twin(self.context.twin, self.context.tissue_of, self.context.anatomy)

    def _first_tissue(self) -> tuple[str, ...]:
        """What a drawn domain measures to begin with: as the selected one, else the first tissue to draw anew."""
        if self._node is not None:
            return domains.read_settings(self._node).tissues
        chosen_ids = names_of(self.context.parameters.tissues)
        return (chosen_ids[0] if chosen_ids else self.context.anatomy.ids[0],)

    def _color(self, tissues: tuple[str, ...]) -> tuple[float, float, float]:
        """A colour that tells the tissue and stands out from it."""
        red, green, blue = self.context.anatomy.tissue(tissues[0]).picture_color
        return red, green, blue


def _add(menu: Any, words: str, slot: Callable[[], None], tip: str = "") -> None:
    action = menu.addAction(words)
    action.setToolTip(tip[:1].upper() + tip[1:] if tip else words)
    action.connect("triggered()", slot)
