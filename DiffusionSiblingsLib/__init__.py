"""Digital siblings of digital twins: variants of a multi-tissue label map made with a latent diffusion model.

The public names of the library. Each is loaded when it is first used, so that `import DiffusionSiblingsLib` costs
nothing, and only `Engine` loads torch.

    from DiffusionSiblingsLib import Engine, Request, measure, read, write

    engine = Engine.open("heart-compact")
    twin = engine.twin(read("heart.nii.gz"))
    for sibling in engine.run(Request("perturb", ratio=0.5, count=4), twin):
        print(measure(sibling.labelmap).volumes)
        write(sibling.labelmap, f"sibling_{sibling.k}.nii.gz")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.version import __version__

if TYPE_CHECKING:
    from .cohorts.measured_map import MeasuredMap, measure
    from .control.control import Control, read_control, write_control
    from .control.domain import ControlDomain
    from .control.terms import Target, Term
    from .core.anatomy import Anatomy, load_anatomy
    from .core.errors import SiblingsError
    from .core.labelmap import LabelMap
    from .editing.presets_and_holds import PresetsAndHolds
    from .editing.request import Request
    from .editing.result import Sibling
    from .engine.engine import Engine
    from .labelmaps.read import read
    from .labelmaps.write import write_labelmap as write
    from .meshing.scripts import mesh, write_mesh
    from .meshing.settings import MeshSettings

__all__ = [
    "Anatomy",
    "Control",
    "ControlDomain",
    "Engine",
    "LabelMap",
    "MeasuredMap",
    "MeshSettings",
    "PresetsAndHolds",
    "Request",
    "Sibling",
    "SiblingsError",
    "Target",
    "Term",
    "__version__",
    "load_anatomy",
    "measure",
    "mesh",
    "read",
    "read_control",
    "write",
    "write_control",
    "write_mesh",
]

_SOURCES = {
    "Anatomy": "core.anatomy",
    "Control": "control.control",
    "ControlDomain": "control.domain",
    "Engine": "engine.engine",
    "LabelMap": "core.labelmap",
    "MeasuredMap": "cohorts.measured_map",
    "MeshSettings": "meshing.settings",
    "PresetsAndHolds": "editing.presets_and_holds",
    "Request": "editing.request",
    "Sibling": "editing.result",
    "SiblingsError": "core.errors",
    "Target": "control.terms",
    "Term": "control.terms",
    "load_anatomy": "core.anatomy",
    "measure": "cohorts.measured_map",
    "mesh": "meshing.scripts",
    "read": "labelmaps.read",
    "read_control": "control.control",
    "write": "labelmaps.write:write_labelmap",
    "write_control": "control.control",
    "write_mesh": "meshing.scripts",
}


def __getattr__(name: str) -> object:
    """A public name, loaded when it is first asked for."""
    if name not in _SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, source = _SOURCES[name].partition(":")
    value = getattr(import_module(f".{module}", __name__), source or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion in a console."""
    return list(__all__)
