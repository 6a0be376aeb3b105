"""What the worker needs: found without importing it, asked for once, installed without touching what is Slicer's."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import slicer
import slicer.util
from DiffusionSiblingsUI.setup import environment, installation
from DiffusionSiblingsUI.setup.environment import InstallError, Package, Status

ROOT = Path(__file__).resolve().parents[3]
THERE = {"numpy": "2.4.6", "SimpleITK": "2.5.5", "scipy": "1.17.1", "pillow": "12.2.0", "requests": "2.34.2",
         "packaging": "26.2"}  # in Slicer 5.13


MODULES = {"gudhi": "gudhi", "jinja2": "jinja2", "matplotlib": "matplotlib", "nibabel": "nibabel",
           "scikit-image": "skimage"}  # package: what is imported of it


class FakeSlicer:
    """Slicer's Python, its installers and its user, all in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.installed = dict(THERE)
        self.calls: list[tuple[str, Any]] = []
        self.asked: list[str] = []
        self.answer, self.testing, self.fails = True, False, ""
        self.missing = ""  # a package of which there is no wheel: whatever is installed together with it fails
        app = types.SimpleNamespace(testingEnabled=lambda: self.testing, slicerHome="/nowhere")
        monkeypatch.setattr(slicer, "app", app, raising=False)
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", self._ask)
        monkeypatch.setattr(slicer.util, "pip_install", self._pip_install)
        monkeypatch.setattr(slicer.util, "pip_uninstall", self._pip_uninstall)
        for module in (environment, installation):
            monkeypatch.setattr(module, "version_of", lambda name: self.installed.get(name, ""))
        self._patch = monkeypatch
        self.no_module("slicer.packaging")
        self.no_module("PyTorchUtils")
        real = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: (
            sys.modules.get(name) if name == "PyTorchUtils" else real(name, *rest)))

    def no_module(self, name: str) -> None:
        self._patch.setitem(sys.modules, name, None)

    def with_packaging(self) -> None:
        """As Slicer 5.11 and newer."""
        module = types.ModuleType("slicer.packaging")
        module.pip_ensure = lambda wanted, **options: self._note("pip_ensure", wanted, options)  # type: ignore[attr-defined]
        module.pip_install = lambda wanted, **options: self._note("pip_install", wanted, options)  # type: ignore[attr-defined]
        self._patch.setitem(sys.modules, "slicer.packaging", module)

    def with_pytorch_extension(self) -> None:
        outer = self

        class PyTorchUtilsLogic:
            def torchInstalled(self) -> bool:  # noqa: N802
                raise AssertionError("it loads torch into Slicer")

            def installTorch(self, **options: Any) -> None:  # noqa: N802
                outer._note("installTorch", ["torch>=2.5"], options)

            def uninstallTorch(self) -> None:  # noqa: N802
                outer.installed.pop("torch")
                outer.calls.append(("uninstallTorch", None))

        module = types.ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
        self._patch.setitem(sys.modules, "PyTorchUtils", module)

    def install_all(self) -> None:
        self._install([f"{name}>={minimum}" for name, minimum in environment.requirements().items()])

    def _pip_install(self, wanted: list[str]) -> None:
        self._note("slicer.util.pip_install", wanted, {})

    def _pip_uninstall(self, name: str) -> None:
        self.calls.append(("slicer.util.pip_uninstall", name))
        self.installed.pop(name)

    def _note(self, how: str, wanted: list[str], options: dict[str, Any]) -> None:
        self.calls.append((how, {"wanted": list(wanted), **options, "PIP_CONSTRAINT": os.environ["PIP_CONSTRAINT"]}))
        if self.fails or (self.missing and any(text.startswith(self.missing) for text in wanted)):
            raise subprocess.CalledProcessError(1, self.fails or "no matching distribution")
        self._install(wanted)

    def _install(self, wanted: list[str]) -> None:
        for text in wanted:
            name, found, minimum = text.partition(">=")
            if found and name not in self.installed:
                self.installed[name] = minimum

    def _ask(self, text: str, **_: Any) -> bool:
        self.asked.append(text)
        return self.answer


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSlicer:
    return FakeSlicer(monkeypatch)


def changed(now: Status, **versions: str) -> Status:
    """A status with other versions installed."""
    return dataclasses.replace(now, packages=tuple(
        dataclasses.replace(package, installed=versions.get(package.name, package.installed))
        for package in now.packages))


def test_looking_imports_nothing_and_is_quick() -> None:
    code = (
        "import sys, time\n"
        "from DiffusionSiblingsUI.setup import environment\n"
        "start = time.perf_counter()\n"
        "now = environment.status()\n"
        "print(time.perf_counter() - start < 0.5, now.ready, [name for name in sys.argv[1:] if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "torch", "safetensors", "cc3d", "scipy", "SimpleITK", "slicer", "matplotlib"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "DiffusionSiblings")])},
        capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=2) == ["True", "True", "[]\n"]


def test_requirements_are_those_of_the_library() -> None:
    found = environment.requirements()
    assert {"torch", "numpy", "safetensors", "connected-components-3d"} <= set(found)
    assert all(environment.numbers(minimum) for minimum in found.values())
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert 'dependencies = { file = ["Resources/requirements.txt", "requirements/cli.txt"] }' in project


def test_slicer_does_not_install_what_the_command_line_alone_needs() -> None:
    lines = (ROOT / "requirements" / "cli.txt").read_text("utf-8").splitlines()
    names = {line.partition(">=")[0] for line in lines if line and not line.startswith("#")}
    assert names == {"rich", "typer"}
    assert not names & set(environment.requirements())


@pytest.mark.parametrize(("version", "ok"), [("2.13.0+cpu", True), ("2.5", True), ("2.4.9", False), ("10.0", True),
                                             ("", False), ("?", True), ("2.5.0rc1", True)])
def test_versions_are_compared_as_numbers(version: str, ok: bool) -> None:
    assert Package("torch", "2.5", version).ok is ok


def test_all_there_asks_nothing(fake: FakeSlicer) -> None:
    fake.install_all()
    assert environment.ensure()
    assert not fake.asked
    assert not fake.calls
    environment.require()


def test_it_asks_once_with_reason_and_size_and_keeps_slicers_packages(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.with_pytorch_extension()
    with pytest.raises(InstallError, match="Install"):
        environment.require()
    assert environment.ensure()
    (question,) = fake.asked
    for word in ("PyTorch", "GB", "safetensors", "NumPy", "once"):
        assert word in question
    (how, torch), (other, rest) = fake.calls
    assert (how, other) == ("installTorch", "pip_ensure")
    assert torch["torchVersionRequirement"] == ">=2.5"
    assert torch["askConfirmation"] is False
    assert not {"numpy", "SimpleITK", "requests", "scipy", "torch"} & {text.split(">=")[0] for text in rest["wanted"]}
    assert rest["prompt_install"] is False
    assert torch["PIP_CONSTRAINT"].startswith("file:///")
    assert "PIP_CONSTRAINT" not in os.environ
    assert environment.ensure()
    assert len(fake.asked) == 1


def test_what_slicer_came_with_is_pinned_in_a_folder_with_any_name(
    fake: FakeSlicer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "Jürgen Möller"
    folder.mkdir()
    monkeypatch.setattr(installation.tempfile, "mkdtemp", lambda **_: str(folder))
    monkeypatch.setenv("PIP_CONSTRAINT", "mine.txt")
    fake.installed["scipy"] = "1.0"  # too old for us: it may be replaced
    with installation.keeping_slicers_own() as file:
        pins = file.read_text(encoding="utf-8").splitlines()
        assert os.environ["PIP_CONSTRAINT"].split() == ["mine.txt", file.as_uri()]
    assert {"numpy==2.4.6", "SimpleITK==2.5.5", "requests==2.34.2"} <= set(pins)
    assert not [pin for pin in pins if pin.startswith("scipy")]
    assert os.environ["PIP_CONSTRAINT"] == "mine.txt"
    assert not folder.exists()


def test_no_means_no(fake: FakeSlicer) -> None:
    fake.answer = False
    assert not environment.ensure()
    assert not fake.calls


def test_older_slicers_without_the_extension_take_pip(fake: FakeSlicer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_may_have_cuda", lambda: False)
    monkeypatch.setattr(installation.sys, "platform", "linux")
    assert environment.ensure()
    assert "Extensions Manager" in fake.asked[0]
    (_, torch), (how, rest) = fake.calls
    assert how == "slicer.util.pip_install"
    assert torch["wanted"][:3] == ["torch>=2.5", "--extra-index-url", installation.CPU_BUILDS]
    assert "-c" in rest["wanted"]
    assert "numpy>=1.26" not in rest["wanted"]


def test_a_stopped_installation_goes_on_where_it_was(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.with_pytorch_extension()
    fake.fails = "pip install"
    with pytest.raises(InstallError, match="proxy") as caught:
        environment.ensure()
    assert "--no-index --find-links" in caught.value.log  # type: ignore[attr-defined]
    fake.fails = ""
    fake.installed["torch"] = "2.13.0"
    fake.calls.clear()
    assert environment.ensure()
    assert [how for how, _ in fake.calls] == ["pip_ensure"]


def test_a_wheel_that_edits_do_not_need_blocks_none_of_them(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.missing = "gudhi"
    assert environment.ensure()
    now = environment.status()
    assert now.ready and [package.name for package in now.absent] == ["gudhi"]
    environment.require()
    assert "gudhi (targets for numbers of pieces, holes and voids)" in now.summary()
    tried = [call["wanted"] for _how, call in fake.calls]
    assert any(len(wanted) == 1 and wanted[0].startswith("gudhi") for wanted in tried)
    assert not environment.has("gudhi") and environment.has("scipy")


def test_a_wheel_that_edits_need_is_still_missed(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.missing = "safetensors"
    with pytest.raises(InstallError):
        environment.ensure()
    assert not environment.status().ready


def test_edits_need_none_of_the_packages_that_are_optional() -> None:
    """With them hidden, the modules of a run in Slicer's own formats load."""
    code = (
        "import sys\n"
        f"for name in {sorted(MODULES.values())}: sys.modules[name] = None\n"
        "import DiffusionSiblingsLib.apps.worker.server, DiffusionSiblingsLib.apps.worker.service\n"
        "import DiffusionSiblingsLib.runs.sampler_loop, DiffusionSiblingsLib.labelmaps.formats.nrrd\n")
    assert set(MODULES) == set(environment.OPTIONAL)
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_repair_installs_anew_what_is_not_slicers(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.with_pytorch_extension()
    fake.install_all()
    installation.install(again=True)
    assert [how for how, _ in fake.calls] == ["uninstallTorch", "installTorch", "pip_install"]
    wanted = fake.calls[2][1]["wanted"]
    assert "--force-reinstall" in wanted
    assert "safetensors>=0.4.3" in wanted
    assert not {"numpy", "SimpleITK", "scipy", "pillow"} & {text.split(">=")[0] for text in wanted}


def test_repair_can_change_the_build_of_torch(fake: FakeSlicer) -> None:
    fake.with_packaging()
    fake.install_all()
    fake.installed["torch"] = "2.13.0+cpu"
    installation.install(again=True)
    assert fake.calls[0] == ("slicer.util.pip_uninstall", "torch")
    assert "--no-deps" not in fake.calls[1][1]["wanted"]
    assert "--no-deps" in fake.calls[2][1]["wanted"]


def test_tests_never_install(fake: FakeSlicer) -> None:
    fake.testing = True
    assert not installation.install().ready
    assert not fake.calls


def test_what_no_installation_helps_is_said_before_asking(fake: FakeSlicer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.installed["numpy"] = "1.24.0"
    with pytest.raises(InstallError, match=r"Slicer 5\.10"):
        environment.ensure()
    fake.installed["numpy"] = "2.4.6"
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    with pytest.raises(InstallError, match="Apple silicon"):
        environment.ensure()
    assert not fake.asked


def test_a_build_for_the_cpu_is_known(fake: FakeSlicer) -> None:
    fake.install_all()
    now = environment.status()
    assert not now.cpu_build
    assert changed(now, torch="2.13.0+cpu").cpu_build
    assert "2.13.0" in changed(now, torch="2.13.0+cpu").summary()
    assert "PyTorch" in changed(now, torch="").summary()


@pytest.fixture
def make_executable(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        path.chmod(0o755)
        return path

    return make


def test_the_workers_python_is_slicers(
    monkeypatch: pytest.MonkeyPatch, make_executable: Callable[[str], Path], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert environment.worker_python() == Path(sys.executable)  # slicer-core in an ordinary Python
    python = make_executable("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(slicerHome=str(tmp_path)), raising=False)
    assert environment.worker_python() == python
    monkeypatch.setenv("PATH", str(python.parent))
    assert environment.worker_python() == python
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(slicerHome="/nowhere"), raising=False)
    monkeypatch.setattr(sys, "executable", str(make_executable("SlicerApp-real")))
    with pytest.raises(InstallError, match="PythonSlicer"):
        environment.worker_python()
