"""Left main bifurcations with wall, calcium and lipid: synthetic, as no real map with all of these is public."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import resource_folder
from ..core.errors import InputError
from .coronary_tree import Vessel, draw_tree
from .curves import angle_between
from .drawn import Betti, Drawn, betti_of, labelmap_of, line_of, volumes_of
from .morphometry import Morphometry
from .plaque import Plaque, draw_plaques, layers
from .tubes import Grid

TRIES = 60  # draws of one seed at most; a draw is refused if vessels touch or a deposit falls apart
BESIDE = 2.0  # mm of the field of view to the right of the left main's start
MARGIN = 2.0  # mm about a vessel that is looked at: its wall, widened


def draw_coronary(seed: int) -> Drawn:
    """The bifurcation of a seed: 128^3 voxels of 0.35 mm; lumen and union in one piece without loops or voids, and as
    many pieces of calcium as the truth lists.

    The truth gives calibres, length and angle of the left main's fork, centre lines with the radii of the lumen without
    plaque, and for each plaque place, angle, area stenosis, smallest lumen area and deposits. Raises InputError for a
    seed below 0.
    """
    if seed < 0:
        raise InputError("The seed cannot be used", value=seed, rule="a whole number, 0 or more")
    data = json.loads((resource_folder() / "Morphometry" / "coronary.json").read_text(encoding="utf-8"))
    labels = {tissue: int(entry["label"]) for tissue, entry in data["tissues"].items()}
    rng = np.random.default_rng([seed, 2])
    for tries in range(1, TRIES + 1):
        morphometry = Morphometry(data["measurements"], rng)
        vessels = {vessel.name: vessel for vessel in draw_tree(morphometry)}
        plaques = draw_plaques(morphometry, vessels)
        grid = _grid(vessels, data["grid"])
        painted = _painted(grid, vessels, plaques, labels)
        betti = betti_of(painted, labels)
        if _sound(betti, plaques):
            truth = {"anatomy": "coronary", "seed": seed, "tries": tries, "betti": betti,
                     "volumes_ml": volumes_of(painted, grid, labels), **_truth(vessels, plaques, morphometry)}
            return Drawn(labelmap_of(painted, grid, data["tissues"]), truth)
    raise InputError("No sound bifurcation was drawn from this seed", value=f"seed {seed}, {TRIES} draws",
                     rule="lumen and union in one piece, without loops", hint="use another seed")


def _sound(betti: Betti, plaques: list[Plaque]) -> bool:
    """Lumen and union are (1, 0, 0), calcium has a piece for each deposit, and each lipid deposit is there."""
    asked = [deposit.tissue for plaque in plaques for deposit in plaque.deposits]
    calcium, lipid = (asked.count(tissue) for tissue in ("calcium", "lipid"))
    return (betti["union"] == betti.get("lumen") == (1, 0, 0)
            and betti.get("calcium", (0, 0, 0)) == (calcium, 0, 0)
            and betti.get("lipid", (0, 0, 0))[0] == lipid)


def _grid(vessels: dict[str, Vessel], data: dict[str, Any]) -> Grid:
    """The field of view, with the whole left main near its right side and most of LAD and circumflex."""
    points = np.concatenate([vessels[name].tube.curve.points for name in ("LM", "LAD", "LCx")])
    depth, height, width = data["shape"]
    middle = (points.min(0) + points.max(0)) / 2
    middle[0] = vessels["LM"].tube.curve.points[0, 0] + BESIDE - data["spacing_mm"] * (width - 1) / 2
    return Grid((depth, height, width), data["spacing_mm"], (float(middle[0]), float(middle[1]), float(middle[2])))


def _painted(grid: Grid, vessels: dict[str, Vessel], plaques: list[Plaque],
             labels: dict[str, int]) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8. Lumen goes before deposits, deposits before wall; a deposit lies in its own vessel's wall."""
    masks = {name: np.zeros(grid.shape, dtype=np.bool_) for name in ("lumen", "outer", "calcium", "lipid")}
    for vessel in vessels.values():
        box, places = grid.around(vessel.tube.curve, float(vessel.tube.radii.max()) + MARGIN)
        own = [plaque for plaque in plaques if plaque.vessel == vessel.name]
        for name, inside in layers(vessel, own, places.reshape(-1, 3)).items():
            masks[name][box] |= inside.reshape(places.shape[:3])
    painted = np.zeros(grid.shape, dtype=np.uint8)
    for name, tissue in (("outer", "wall"), ("lipid", "lipid"), ("calcium", "calcium"), ("lumen", "lumen")):
        painted[masks[name]] = labels[tissue]
    return painted


def _truth(vessels: dict[str, Vessel], plaques: list[Plaque], morphometry: Morphometry) -> dict[str, Any]:
    fork = [vessels[name].tube.curve.tangent(0.5) for name in ("LAD", "LCx")]
    return {"diameters_mm": {name: round(2 * float(vessel.tube.radii[0]), 3) for name, vessel in vessels.items()},
            "left_main_length_mm": round(vessels["LM"].tube.curve.length, 3),
            "angle_degrees": round(angle_between(*fork), 2), "wall_mm": round(vessels["LM"].wall, 3),
            "plaques": [plaque.truth(vessels[plaque.vessel]) for plaque in plaques], "drawn": morphometry.drawn,
            "centre_lines": {name: {"parent": vessel.parent, **line_of(vessel.tube)}
                             for name, vessel in vessels.items()}}
