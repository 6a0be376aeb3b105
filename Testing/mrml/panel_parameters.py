"""The panel's parameters for tests, without Slicer's wrapper, which needs Qt."""

from __future__ import annotations

import types
from typing import Any

from DiffusionSiblingsUI.runs.twin_check import TwinChecks
from DiffusionSiblingsUI.scene import terminology

from DiffusionSiblingsLib.core.anatomy import load_anatomy


def parameters(**values: Any) -> Any:
    """A context with the parameters that a new panel has, and these values."""
    chosen = {"twin": None, "edit": "perturb", "ratio": 0.5, "inpaint_ratio": 1.0, "tissues": "LV", "count": 4,
              "region_kind": "tissues", "roi": None, "region_segmentation": None, "region_segment": "", "seed": 0,
              "steps": 1, "method": "replace", "resample": 1, "overwrite": False, "repair": True,
              "model": "heart-compact", "device": "auto", "guide": False, "hold": "", "wants": "", "checks": "",
              "wall": 2.0, "most_drawn": 10, "jobs": 1, "folder": "", "resume": False,
              "mesh_of": "twin", "mesh_fill": "surfaces", "mesh_edge": 0.0, "mesh_grade": 1, "mesh_walls": "",
              "mesh_thickness": 3.0, "mesh_folder": "", "mesh_formats": "stl", "mesh_space": "LPS",
              "mesh_replace": False} | values
    node, anatomy = chosen["twin"], load_anatomy()
    found = terminology.match_tissues(node, anatomy) if node is not None else {}
    return types.SimpleNamespace(parameters=types.SimpleNamespace(**chosen), anatomy=anatomy, tissue_of=found,
                                 twin_checks=TwinChecks(lambda: None, background=False))
