"""Installing what the worker needs into Slicer: asked once, with size and reason; Slicer's own packages are kept.

Without a network the user is told how to install by hand."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsUI.setup.environment import (
    NEVER_INSTALLED,
    TORCH,
    InstallError,
    Package,
    Status,
    requirements,
    status,
    version_of,
    worker_python,
)

REQUESTER = _("Diffusion Siblings")
# Slicer comes with these, is built against some of them and has most of them in use: they are kept as they are.
SLICERS_OWN = ("numpy", "SimpleITK", "requests", "vtk", "scipy", "pillow", "packaging", "setuptools", "pydicom")
# PyTorch's own index of builds without CUDA, which on Linux are a tenth of the size of those on PyPI.
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
TORCH_SIZE = _("about 0.2 GB, or up to 3 GB with an NVIDIA graphics card")
OTHERS_SIZE = _("about 30 MB")


def agreed(now: Status) -> bool:
    """Asks whether what is missing may be installed; how to do it by hand stands under Details."""
    import slicer

    title = _("Diffusion Siblings - Install packages")
    return bool(slicer.util.confirmOkCancelDisplay(question(now), windowTitle=title, detailedText=offline_help(now)))


def question(now: Status) -> str:
    """What is asked before anything is installed: what, why, how large, from where."""
    others = [package.name for package in now.absent if package.name != TORCH]
    lines = [_("To make siblings, Diffusion Siblings needs Python packages that do not come with Slicer:"), ""]
    if not now.torch.ok:
        by = (_("the PyTorch extension chooses the build for this computer") if now.pytorch_extension
              else _("from PyPI"))
        lines.append("- " + _("PyTorch, which runs the model: {size} ({source})").format(size=TORCH_SIZE, source=by))
    if others:
        lines.append(f"- {', '.join(others)}: {OTHERS_SIZE}")
    lines += ["", _("They are downloaded from the Internet into this Slicer once, which takes a few minutes. Slicer's "
                    "own packages, such as NumPy, SimpleITK and requests, are not changed. Nothing is uploaded.")]
    if not now.torch.ok and not now.pytorch_extension:
        lines += ["", _("To get the build of PyTorch for your graphics card, press Cancel, install the PyTorch "
                        "extension in the Extensions Manager, and try again.")]
    return "\n".join([*lines, "", _("Install now?")])


def install(now: Status | None = None, *, again: bool = False) -> Status:
    """Installs what is missing (again: everything anew), without asking -> what is there then.

    What is there is kept, so that it can go on where it was stopped. Raises InstallError. Does nothing while Slicer
    runs tests, which must not change it.
    """
    import slicer

    now = now or status()
    if problem := now.problem():
        raise problem
    wanted = [p for p in now.packages if (again or not p.ok) and p.name.lower() not in map(str.lower, SLICERS_OWN)]
    wanted += [p for p in now.absent if p not in wanted]
    if slicer.app.testingEnabled():
        logging.info("Tests are running: not installed are %s", ", ".join(p.requirement for p in wanted))
        return now
    try:
        with keeping_slicers_own() as constraints:
            if any(package.name == TORCH for package in wanted):
                _install_torch(now, constraints, again)
            _install_others([package for package in wanted if package.name != TORCH], constraints, again)
    except Exception as error:  # pip in another process, an extension, a server: all they say is for the details
        if again or not status().ready:
            raise _failed(error) from error
        logging.exception("DiffusionSiblings: a problem while packages were installed, and all are there")
    after = status()
    if not after.ready:
        missing = ", ".join(package.requirement for package in after.missing)
        raise _failed(_("still missing: {names}").format(names=missing))
    return after


@contextmanager
def keeping_slicers_own() -> Iterator[Path]:
    """While this lasts, no pip started from here replaces packages that Slicer came with. -> file of constraints"""
    minimum = {name.lower(): text for name, text in requirements().items()}
    pins = []
    for name in SLICERS_OWN:
        package = Package(name, minimum.get(name.lower(), "0"), version_of(name))
        if package.ok and package.installed != "?":
            pins.append(f"{name}=={package.installed}\n")
    folder = Path(tempfile.mkdtemp(prefix="DiffusionSiblings-"))
    before = os.environ.get("PIP_CONSTRAINT")
    try:
        file = folder / "constraints.txt"
        file.write_text("".join(pins), encoding="utf-8")
        # As an address, since pip takes the variable apart at spaces, which users' folders have.
        os.environ["PIP_CONSTRAINT"] = " ".join(filter(None, (before, file.as_uri())))
        yield file
    finally:
        if before is None:
            os.environ.pop("PIP_CONSTRAINT", None)
        else:
            os.environ["PIP_CONSTRAINT"] = before
        shutil.rmtree(folder, ignore_errors=True)


def offline_help(now: Status | None = None) -> str:
    """How to install without a network, with the commands for this computer."""
    now = now or status()
    listed = now.absent or now.packages
    wanted = " ".join(f'"{p.requirement}"' for p in listed if p.name.lower() not in NEVER_INSTALLED)
    try:
        python = str(worker_python())
    except InstallError:
        python = "PythonSlicer"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return "\n".join([
        _("On a computer of the same kind that has a network and Python {version}, run:").format(version=version),
        f"    python -m pip download --dest wheels {wanted}",
        _('Copy the folder "wheels" to this computer and run in a terminal:'),
        f'    "{python}" -m pip install --no-index --find-links wheels {wanted}',
        _("Behind a proxy, set HTTPS_PROXY=http://user:password@host:port before you start Slicer, or write"),
        "    proxy = http://host:port",
        _("below [global] in pip's configuration file. This command shows where that file is:"),
        f'    "{python}" -m pip config debug'])


def _install_torch(now: Status, constraints: Path, again: bool) -> None:
    """By the PyTorch extension if it is there, else from PyPI."""
    if not now.pytorch_extension:
        if again and now.torch.installed:
            import slicer

            slicer.util.pip_uninstall(TORCH)  # not --force-reinstall: another build needs other packages beside it
        index = [] if _may_have_cuda() or sys.platform != "linux" else ["--extra-index-url", CPU_BUILDS]
        _pip([now.torch.requirement, *index], constraints, False)
        return
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    if again and now.torch.installed:
        logic.uninstallTorch()
    try:
        logic.installTorch(askConfirmation=False, torchVersionRequirement=f">={now.torch.minimum}")
    except ImportError:  # it tries the new PyTorch in Slicer's process, where only the worker needs it to work
        logging.exception("PyTorch was installed, and Slicer itself cannot load it")


def _install_others(wanted: list[Package], constraints: Path, again: bool) -> None:
    """All but torch together; if that fails, what edits need, and each of the rest alone, which may fail."""
    try:
        if wanted:
            _pip([package.requirement for package in wanted], constraints, again)
        return
    except Exception:
        if not any(package.optional for package in wanted):
            raise
        logging.exception("DiffusionSiblings: not all packages could be installed together")
    needed = [package.requirement for package in wanted if not package.optional]
    if needed:
        _pip(needed, constraints, again)
    for package in wanted:
        if package.optional:
            try:
                _pip([package.requirement], constraints, again)
            except Exception:
                logging.exception("DiffusionSiblings: %s could not be installed; edits work without it", package.name)


def _pip(wanted: list[str], constraints: Path, again: bool) -> None:
    """Slicer's installer, with its window of progress where it has one (5.11 and newer)."""
    import slicer

    packaging: Any = None
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        pass
    if packaging is None:
        extra = ["--force-reinstall", "--no-deps"] if again else []
        slicer.util.pip_install([*wanted, *extra, "--prefer-binary", "-c", str(constraints)])
    elif again or any(text.startswith("-") for text in wanted):
        extra = ["--force-reinstall", "--no-deps"] if again else []
        packaging.pip_install([*wanted, *extra, "--prefer-binary"], constraints=constraints, requester=REQUESTER)
    else:
        packaging.pip_ensure(wanted, constraints=constraints, prompt_install=False, requester=REQUESTER)


def _may_have_cuda() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def _failed(why: object) -> InstallError:
    hint = _("check the network, the proxy and the free disk space, then press Install again. Details show how to "
             "install without a network; the Python console (Ctrl+3) shows the output of pip")
    error = InstallError(_("The packages could not be installed"), value=str(why)[:300], hint=hint,
                         rule=_("packages that were already installed are kept, so the next attempt continues there"))
    error.log = offline_help()  # type: ignore[attr-defined]
    return error
