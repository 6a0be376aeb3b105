"""The Model and device section: packages to install, models to choose, check, add and delete, and where they run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.models import store as model_store
from DiffusionSiblingsLib.models.registry import Installed, find_model, survey
from DiffusionSiblingsUI.panels.device_row import DeviceRow
from DiffusionSiblingsUI.rich_text import literal, plain, sentence
from DiffusionSiblingsUI.runs.operation import Operation, Status, Steps
from DiffusionSiblingsUI.setup import environment, installation
from DiffusionSiblingsUI.setup.model_choice import describe

T = TypeVar("T")
FILES = _("Models (*.zip model.json *.safetensors);;All files (*)")


class ModelPanel:
    """`widget` is the form; model and device are kept in the parameter node."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/ModelPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.status = environment.status()
        self._models: list[Installed] = []
        self._work: Operation | None = None  # a model that is verified or added
        self._filling = False
        self.devices = DeviceRow(context, self.ui)
        self._connect()
        self._say("")
        self.look()

    def look(self) -> None:
        """Looks at packages and models anew, and shows them."""
        self.status = environment.status()
        self._models = survey()
        self.refresh()

    def refresh(self) -> None:
        """Shows what is known; cheap."""
        if self.context is None:
            return
        self._filling = True
        try:
            self._show_packages()
            self._show_models()
        finally:
            self._filling = False
        self.devices.refresh(self.status)

    def cleanup(self) -> None:
        """Stops what is on its way."""
        if self._work is not None:
            self._work.cancel()
        self.devices.cleanup()
        self.context = None

    # Packages

    def install(self) -> None:
        """Installs what is missing, after one question; if nothing is, offers to install everything again."""
        if not self.status.ready:
            self._guarded(environment.ensure)
        elif slicer.util.confirmYesNoDisplay(
            _("All packages are installed. Install PyTorch and the other packages again? This helps if they are "
              "damaged or built for another computer ({size}).").format(size=installation.TORCH_SIZE),
            windowTitle=_("Diffusion Siblings - Repair")
        ):
            self._stop_worker()
            self._guarded(lambda: installation.install(again=True))
        self.devices.forget()
        self.look()
        self.context.changed()

    # Models

    def verify(self) -> None:
        """Compares the weights with the sum on their card."""
        model = self._chosen()
        if model is not None and model.card is not None:
            card = model.card
            sound = _("{model} is complete and unchanged (SHA-256 {sum}...)").format(model=card.id,
                                                                                     sum=card.sha256[:12])
            self._begin(model_store.verifying(card), _("Verifying {model}").format(model=card.id),
                        lambda _nothing: sound)

    def add(self, path: str) -> None:
        """Copies a model from a file or folder to the user's own, and chooses it."""
        if not path:
            return
        replace = False
        name = Path(path).stem if Path(path).suffix.lower() == ".zip" else Path(path).name
        if taken := self._taken(Path(path)):
            replace = slicer.util.confirmYesNoDisplay(
                literal(_("You have already added a model called {model}. Replace it?").format(model=taken)),
                windowTitle=_("Diffusion Siblings - Add a model"))
            if not replace:
                return
        self._stop_worker()
        self._begin(model_store.adding(Path(path), replace=replace), _("Adding {model}").format(model=name),
                    self._added)

    def delete(self) -> None:
        """Removes one of the user's own models, after a question."""
        model = self._chosen()
        if model is None or not model.own or model.card is None:
            return
        question = _("Delete the model {model} ({size:.1f} MB) from this computer?").format(
            model=model.name, size=model.card.size_bytes / 1e6)
        if not slicer.util.confirmOkCancelDisplay(literal(f"{question}\n\n{model.folder}"),
                                                  windowTitle=_("Diffusion Siblings - Delete a model")):
            return
        self._stop_worker()  # on Windows, files that it has open cannot be removed
        if self._guarded(lambda: model_store.delete_model(model.card)):
            self._say(_("Deleted {model}").format(model=model.name))
            if self.context.parameters is not None:
                self.context.parameters.model = find_model().id
        self.look()
        self.context.changed()

    def open_card(self) -> None:
        """Shows the model's card: what it is for, its limits, its data, how it did."""
        model = self._chosen()
        if model is not None:
            page = model.folder / "README.md"
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page if page.is_file() else model.folder)))

    # Inside

    def _connect(self) -> None:
        ui = self.ui
        ui.installButton.connect("clicked()", self.install)
        ui.verifyButton.connect("clicked()", self.verify)
        ui.cardButton.connect("clicked()", self.open_card)
        ui.deleteButton.connect("clicked()", self.delete)
        ui.modelCombo.connect("currentIndexChanged(int)", self._on_model)
        menu = qt.QMenu(ui.addButton)
        menu.addAction(_("From a file...")).connect("triggered()", lambda: self.add(self._ask_file()))
        menu.addAction(_("From a folder...")).connect("triggered()", lambda: self.add(self._ask_folder()))
        ui.addButton.setMenu(menu)

    def _ask_file(self) -> str:
        return str(qt.QFileDialog.getOpenFileName(self.widget, _("Add a model from a file"), "", FILES) or "")

    def _ask_folder(self) -> str:
        return str(qt.QFileDialog.getExistingDirectory(self.widget, _("Add a model from its folder")) or "")

    def _on_model(self, index: int) -> None:
        if not self._filling and self.context.parameters is not None and 0 <= index < len(self._models):
            self.context.parameters.model = self._models[index].name
            self._say("")
            self.context.changed()

    def _chosen(self) -> Installed | None:
        """The model of the parameters, None if it is not on this computer."""
        name = self.context.parameters.model if self.context.parameters is not None else find_model().id
        return next((model for model in self._models if model.name == name), None)

    @property
    def is_sound(self) -> bool:
        """Whether the chosen model is on this computer and its card can be read."""
        model = self._chosen()
        return model is not None and model.card is not None

    def _taken(self, path: Path) -> str:
        """The name of the own model that this one would replace, as far as a glance tells."""
        folder = path if path.is_dir() else path.parent
        return next((m.name for m in self._models if m.own and m.name in (path.stem, folder.name)), "")

    def _added(self, card: Any) -> str:
        self._models = survey()
        if self.context.parameters is not None:
            self.context.parameters.model = card.id
        return _("Added and verified {model} {version}").format(model=card.id, version=card.version)

    def _begin(self, steps: Generator[float, None, T], title: str, ended: Any) -> None:
        """Runs steps of the model store while Slicer stays usable. ended(result) -> what to say then."""
        def finished(operation: Operation) -> None:
            self._work = None
            if self.context is None:
                return
            self._say(ended(operation.result) if operation.state == "done" else "")
            if operation.error is not None:
                self.context.show_error(operation.error)
            self.look()
            self.context.changed()

        self._work = Operation(_as_statuses(steps, title), title=title, on_finished=finished,
                               on_update=lambda operation: self._say(f"{title}: {operation.progress:.0%}"))
        self._work.start()
        self.refresh()

    def _stop_worker(self) -> None:
        """Lets go of files that are about to change; the worker starts again when it is needed."""
        try:
            self.context.session.client.stop()
        except SiblingsError:
            pass  # there is none

    def _guarded(self, work: Any) -> bool:
        """Does the work; an error is shown. Whether it was done."""
        try:
            return work() is not False
        except SiblingsError as error:
            self.context.show_error(error)
            return False

    def _say(self, text: str) -> None:
        self.ui.messageLabel.text, self.ui.messageLabel.visible = text, bool(text)

    def _show_packages(self) -> None:
        problem = self.status.problem()
        icon = qt.QStyle.SP_DialogApplyButton if self.status.ready else qt.QStyle.SP_MessageBoxWarning
        self.ui.packagesIcon.setPixmap(slicer.app.style().standardIcon(icon).pixmap(16, 16))
        self.ui.packagesLabel.text = plain(f"{problem.what}: {problem.value}. {sentence(problem.hint)}" if problem
                                           else self.status.summary())
        self.ui.installButton.text = _("Repair...") if self.status.ready else _("Install...")
        self.ui.installButton.enabled = problem is None and not self._busy

    def _show_models(self) -> None:
        ui, model = self.ui, self._chosen()
        names = [entry.name for entry in self._models]
        wanted = self.context.parameters.model if self.context.parameters is not None else ""
        shown = names + ([_("{model} (not installed)").format(model=wanted)] if wanted and model is None else [])
        if [ui.modelCombo.itemText(index) for index in range(ui.modelCombo.count)] != shown:
            ui.modelCombo.clear()
            ui.modelCombo.addItems(shown)
        ui.modelCombo.currentIndex = self._models.index(model) if model is not None else len(shown) - 1
        ui.modelLabel.text = describe(model) if model is not None else \
            plain(_("The scene uses the model {model}, which is not on this computer. Add it, or choose another model.")
                  .format(model=wanted))
        sound = model is not None and model.card is not None
        ui.verifyButton.enabled = sound and not self._busy
        ui.cardButton.enabled = model is not None
        ui.deleteButton.enabled = model is not None and sound and model.own and not self._busy
        ui.addButton.enabled = not self._busy

    @property
    def _busy(self) -> bool:
        return self.context.busy or self._work is not None


def _as_statuses(steps: Generator[float, None, T], title: str) -> Steps[T]:
    """Steps of the library, which yield 0..1, as those of an operation."""
    try:
        while True:
            try:
                done = next(steps)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            yield Status(done, title)
    finally:
        steps.close()
