"""Where the model runs: the list of devices, Detect, and a clear note when it is the CPU."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.rich_text import bold, plain
from DiffusionSiblingsUI.setup import environment
from DiffusionSiblingsUI.setup.model_choice import Device, device_note, kind_words, known_devices, means


class DeviceRow:
    """The device's widgets in the form `ui`; the choice is kept in the parameter node."""

    def __init__(self, context: Any, ui: Any) -> None:
        self.context, self.ui = context, ui
        self.found: dict[str, Any] | None = None  # the worker's answer to "hello"
        self._hello: Any = None
        self._devices: list[Device] = []
        self._status = environment.status()
        self._filling = False
        ui.detectButton.connect("clicked()", self.detect)
        ui.deviceCombo.connect("currentIndexChanged(int)", self._on_device)

    def refresh(self, status: environment.Status) -> None:
        """Shows devices and note; asks a worker that runs anyway which devices there are, and never starts one."""
        self._status, self._filling = status, True
        try:
            self._show()
        finally:
            self._filling = False
        try:
            client = self.context.session.client if self.found is None and self._hello is None else None
        except SiblingsError:
            return
        if client is not None and client.running and not client.busy:
            self.detect()

    def detect(self) -> None:
        """Asks the worker, which knows what PyTorch finds; the first time it has to start for that."""
        if self._hello is not None and self._hello.running:
            return
        try:
            environment.require()
            session = self.context.session
            self._hello = session.client.submit({"command": "hello"}, self._on_hello)
            session.ensure_pump()
        except SiblingsError as error:
            self.context.show_error(error)
        self.refresh(self._status)

    def forget(self) -> None:
        """After another PyTorch was installed, its devices are not known."""
        self.found = self._hello = None

    def cleanup(self) -> None:
        """An answer that comes later is not shown."""
        self.context = None

    def _on_hello(self, job: Any, event: Any) -> None:
        if job.running or self.context is None:
            return
        if job.state == "done":
            self.found = job.result
        elif job.error is not None:
            self.context.show_error(job.error, job.log)
        self.refresh(self._status)

    def _on_device(self, index: int) -> None:
        if not self._filling and self.context.parameters is not None and 0 <= index < len(self._devices):
            self.context.parameters.device = self._devices[index].id
            self.context.changed()

    def _show(self) -> None:
        ui = self.ui
        device = self.context.parameters.device if self.context.parameters is not None else "auto"
        self._devices = known_devices(self.found)
        device = next((entry.id for entry in self._devices if means(device, entry.id)), device)
        if device not in [entry.id for entry in self._devices]:
            self._devices.append(Device(device, _("{device} (not on this computer)").format(device=kind_words(device))))
        labels = [entry.label for entry in self._devices]
        if [ui.deviceCombo.itemText(index) for index in range(ui.deviceCombo.count)] != labels:
            ui.deviceCombo.clear()
            ui.deviceCombo.addItems(labels)
        ui.deviceCombo.currentIndex = [entry.id for entry in self._devices].index(device)
        warning, text = device_note(device, self.found, self._status)
        ui.deviceIcon.visible = bool(warning)
        if warning:
            ui.deviceIcon.setPixmap(slicer.app.style().standardIcon(qt.QStyle.SP_MessageBoxWarning).pixmap(16, 16))
        ui.deviceLabel.text = f"{bold(warning)} {plain(text)}" if warning else plain(text)
        asking = self._hello is not None and self._hello.running
        ui.detectButton.text = _("Detecting...") if asking else _("Detect")
        ui.detectButton.enabled = self._status.ready and not asking and not self.context.busy
