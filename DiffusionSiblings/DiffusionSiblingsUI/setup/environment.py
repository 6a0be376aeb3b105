"""What the worker needs, and which of it is installed: found out without importing anything, in milliseconds.

Nothing is installed by itself: `ensure` is called when a user first wants something that needs the packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from DiffusionSiblingsLib.core.anatomy import resource_folder
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.i18n import tr as _

TORCH = "torch"
# What is missed without a package that edits do not need: a wheel that does not exist for a computer blocks no edit.
OPTIONAL = {
    "gudhi": _("targets for numbers of pieces, holes and voids"),
    "jinja2": _("reports"),
    "matplotlib": _("pictures of run folders and reports"),
    "nibabel": _("NIfTI files of cohorts"),
    "scikit-image": _("surfaces in comparisons of cohorts"),
}
NEVER_INSTALLED = ("numpy", "simpleitk")  # Slicer is built with its own: they are looked at only


class InstallError(SiblingsError):
    """Packages that are missing, or could not be installed."""


@dataclass(frozen=True)
class Package:
    """name, minimum: of the requirement. installed: version that is there, "" if none, "?" if it does not say."""

    name: str
    minimum: str
    installed: str

    @property
    def ok(self) -> bool:
        """Whether it is there and new enough."""
        return self.installed == "?" or (bool(self.installed) and numbers(self.installed) >= numbers(self.minimum))

    @property
    def optional(self) -> bool:
        """Whether edits work without it."""
        return self.name.lower() in OPTIONAL

    @property
    def requirement(self) -> str:
        """As pip wants it."""
        return f"{self.name}>={self.minimum}"


@dataclass(frozen=True)
class Status:
    """packages: all that the worker needs, as they are now. pytorch_extension: whether it is there to install torch."""

    packages: tuple[Package, ...]
    pytorch_extension: bool

    @property
    def missing(self) -> tuple[Package, ...]:
        """Packages without which the worker cannot start, and that are not there or too old."""
        return tuple(package for package in self.absent if not package.optional)

    @property
    def absent(self) -> tuple[Package, ...]:
        """All packages that are not there or too old, those included without which edits work."""
        return tuple(package for package in self.packages if not package.ok)

    @property
    def ready(self) -> bool:
        """Whether the worker can start."""
        return not self.missing

    @property
    def torch(self) -> Package:
        """PyTorch."""
        return next(package for package in self.packages if package.name == TORCH)

    @property
    def cpu_build(self) -> bool:
        """Whether the PyTorch that is there cannot use a graphics card."""
        return self.torch.installed.endswith("+cpu")

    def problem(self) -> InstallError | None:
        """What no installation can help against."""
        old = [package for package in self.missing if package.name.lower() in NEVER_INSTALLED]
        if old:
            found = ", ".join(f"{package.name} {package.installed or _('missing')}" for package in old)
            needed = ", ".join(package.requirement for package in old)
            return InstallError(_("This version of Slicer is too old"), value=found, rule=needed,
                                hint=_("install Slicer 5.10 or later; Slicer's own packages are never replaced"))
        if not self.torch.ok and sys.platform == "darwin" and platform.machine() == "x86_64":
            return InstallError(_("PyTorch no longer supports Macs with Intel processors"), value=platform.machine(),
                                rule=self.torch.requirement,
                                hint=_("on a Mac with Apple silicon, install the Slicer that is built for it"))
        return None

    def summary(self) -> str:
        """In one line, or two where something is not needed by edits and not there."""
        if self.ready:
            text = _("Installed: PyTorch {version}").format(version=self.torch.installed)
            lost = [_("{name} ({purpose})").format(name=package.name, purpose=OPTIONAL[package.name.lower()])
                    for package in self.absent]
            more = _("Edits work without these packages, which could not be installed: {names}.")
            return f"{text}.\n{more.format(names=', '.join(lost))}" if lost else text
        names = ["PyTorch" if package.name == TORCH else package.name for package in self.missing]
        return _("Not installed yet: {names}").format(names=", ".join(names))


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparison: "2.13.0+cpu" -> (2, 13, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def requirements() -> dict[str, str]:
    """Name -> lowest version, from the one file that pip reads for the library too."""
    path = resource_folder() / "requirements.txt"
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].partition(";")[0].strip()  # Slicer runs on no system that a marker leaves out
        if text:
            name, _sign, minimum = text.partition(">=")
            found[name.strip()] = minimum.strip()
    return found


def status() -> Status:
    """What is there; takes milliseconds and imports nothing."""
    importlib.invalidate_caches()
    packages = tuple(Package(name, minimum, version_of(name)) for name, minimum in requirements().items())
    return Status(packages, importlib.util.find_spec("PyTorchUtils") is not None)


def require() -> None:
    """Raises InstallError if the worker cannot start, saying how it can."""
    now = status()
    if problem := now.problem():
        raise problem
    if not now.ready:
        raise InstallError(_("Some packages that Diffusion Siblings needs are not installed"),
                           value=", ".join(package.requirement for package in now.missing),
                           hint=_('press Install in the section "Model and device" of the module Diffusion Siblings'))


def ensure() -> bool:
    """Before the first use: asks once and installs what is missing. Whether all is there; False: the user declined.

    Raises InstallError if it cannot be or fails.
    """
    now = status()
    if now.ready:
        return True
    if problem := now.problem():
        raise problem
    from DiffusionSiblingsUI.setup import installation

    if not installation.agreed(now):
        return False
    installation.install(now)
    return True


def worker_python() -> Path:
    """The interpreter of the worker: Slicer's own PythonSlicer, which sees the packages that Slicer sees.

    Slicer puts it on PATH and into sys.executable; its name is the same on Linux, macOS and Windows (there with .exe).
    """
    import slicer

    name = "PythonSlicer"
    home = getattr(getattr(slicer, "app", None), "slicerHome", "") or ""
    for found in (shutil.which(name), _executable(sys.executable, name), shutil.which(name, path=f"{home}/bin")):
        if found:
            return Path(found)
    if _executable(sys.executable, "python"):  # slicer as a package of an ordinary Python
        return Path(sys.executable)
    raise InstallError(_("Slicer's Python interpreter was not found"),
                       value=_("{name} is neither on PATH nor in {folder}").format(name=name, folder=f"{home}/bin"),
                       hint=_("install Slicer again; {name} is part of it").format(name=name))


def has(name: str) -> bool:
    """Whether a package is there."""
    return bool(version_of(name))


def version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name) or "?"
    except importlib.metadata.PackageNotFoundError:
        # Some Slicers build a package themselves and note no version of it.
        own = name.lower() in NEVER_INSTALLED and importlib.util.find_spec(name) is not None
        return "?" if own else ""


def _executable(path: str | None, name: str) -> str | None:
    stem = Path(path or "").name.lower()
    return path if path and stem.startswith(name.lower()) and os.access(path, os.X_OK) else None
