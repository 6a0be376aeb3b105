"""Slicer's real MRML without its application (PyPI slicer-core): what all tests of this folder stand on.

slicer-core has Slicer's nodes, logics and `slicer.util`, and neither Qt nor `slicer.app`. The folder is skipped where
it is not installed (there are wheels for Python 3.10 to 3.13 on Linux x86_64), so that the library's tests need
nothing of it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
REASON = "slicer-core is not installed: pip install slicer-core (wheels: Python 3.10 to 3.13 on Linux x86_64)"
INSTALLED = importlib.util.find_spec("slicer_core") is not None
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
}

for folder in ("DiffusionSiblings", "Testing/lib", "Testing/mrml"):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))


class _Absent(pytest.Module):
    """A test module that cannot even be imported here."""

    def collect(self) -> Any:
        pytest.skip(REASON, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    """Says why the folder is skipped, once a module, where an import error would stand otherwise."""
    return None if INSTALLED else _Absent.from_parent(parent, path=module_path)


class _Module:
    """`slicer.modules.<name>`, as far as its logic."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        return self._logic


def _start() -> Any:
    """`slicer` with a scene and the logics that its application would have made."""
    # The package takes in every folder named slicer on the path, and pytest puts Testing/ there: not Testing/slicer.
    before, sys.path[:] = list(sys.path), [place for place in sys.path if Path(place) != ROOT / "Testing"]
    import slicer
    import slicer.util
    import vtk

    sys.path[:] = before

    if getattr(slicer, "mrmlScene", None) is not None:
        return slicer
    i18n = types.ModuleType("slicer.i18n")  # of Slicer's application; messages stay as they are written
    i18n.tr = lambda text: text  # type: ignore[attr-defined]
    sys.modules.setdefault("slicer.i18n", i18n)
    slicer.mrmlScene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(slicer.mrmlScene)
    slicer.modules = types.SimpleNamespace()
    vtk.vtkObject.GlobalWarningDisplayOff()  # Slicer's share folder, with its colour files, is not there
    for name, class_name in LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(slicer.mrmlScene)
        application.SetModuleLogic(name, logic)
        setattr(slicer.modules, name.lower(), _Module(logic))
    vtk.vtkObject.GlobalWarningDisplayOn()
    if hasattr(application, "SetColorLogic"):
        application.SetColorLogic(slicer.modules.colors.logic())
    slicer.application_logic_of_tests = application  # the scene keeps no reference to it
    return slicer


# Not in a fixture: test modules may say `import slicer` and use `slicer.mrmlScene` at the top.
slicer_module = _start() if INSTALLED else None


@pytest.fixture
def scene() -> Iterator[Any]:
    """`slicer.mrmlScene`, empty before and after."""
    slicer_module.mrmlScene.Clear(False)
    yield slicer_module.mrmlScene
    slicer_module.mrmlScene.Clear(False)


@pytest.fixture
def make_node(scene: Any) -> Callable[..., Any]:
    """`nodes.segmentation_node`: a label map as a segmentation node, made without the bridge."""
    from nodes import segmentation_node

    return segmentation_node


@pytest.fixture(scope="session")
def heart() -> Any:
    """A heart of ellipsoids on an oblique, anisotropic grid: a LabelMap, 40 x 36 x 44 voxels (K, J, I)."""
    import numpy as np
    from hearts import ellipsoid_heart
    from nodes import rotation

    direction = rotation((0.3, -0.5, 0.8), 0.35) @ np.diag([0.95, 1.1, 1.25])
    return ellipsoid_heart((40, 36, 44), 3.4, direction=direction)


@pytest.fixture
def heart_node(heart: Any, make_node: Callable[..., Any]) -> Any:
    """A segmentation node of `heart`: six segments in one shared layer, with colours and terminology."""
    return make_node(heart, "heart")


@pytest.fixture
def sample_node(scene: Any) -> Any:
    """A segmentation node of the synthetic twin that comes with the project, read as Slicer reads it."""
    node = slicer_module.vtkMRMLSegmentationNode()
    node.SetName("synthetic twin")
    slicer_module.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    storage = slicer_module.vtkMRMLSegmentationStorageNode()
    slicer_module.mrmlScene.AddNode(storage)
    storage.SetFileName(str(ROOT / "Resources/SampleData/synthetic_twin.seg.nrrd"))
    node.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.ReadData(node), "the embedded twin was not read"
    return node


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with a worker of this Python: it starts once for all tests of a file."""
    from DiffusionSiblingsUI.runs.session import Session
    from DiffusionSiblingsUI.runs.worker_client import WorkerClient

    folder = tmp_path_factory.mktemp("session")
    made = Session(WorkerClient(Path(sys.executable), ROOT, folder), folder)
    yield made
    made.close()


@pytest.fixture
def logic(session: Any) -> Any:
    """The module's logic on that session."""
    from DiffusionSiblingsUI.logic import SiblingsLogic

    return SiblingsLogic(session)
