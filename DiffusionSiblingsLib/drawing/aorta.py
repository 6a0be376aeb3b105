"""Thoracic aortas with the branches of the arch: calibres from published morphometry, courses assumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.anatomy import resource_folder
from ..core.errors import InputError
from .aortic_arch import Arch, draw_arch
from .aortic_branches import Branch, draw_branches, draw_widths
from .drawn import Drawn, betti_of, labelmap_of, line_of, volumes_of
from .morphometry import Morphometry
from .tubes import Grid, Tube, paint

TRIES = 40  # draws of one seed at most; a draw is refused if branches touch or the field of view cuts too much
ROOM_ABOVE = 58.0  # mm of the field of view above the top of the arch
SOUND = (1, 0, 0)  # of the union and of each tissue


@dataclass(frozen=True)
class _Scene:
    """arch and branches of one draw, and what was drawn for them."""

    arch: Arch
    branches: tuple[Branch, ...]
    drawn: dict[str, float | str]

    @property
    def tubes(self) -> list[Tube]:
        return [self.arch.tube, *(branch.tube for branch in self.branches)]


def draw_aorta(seed: int) -> Drawn:
    """The aorta of a seed: 128^3 voxels of 1.5 mm, union and each tissue in one piece without loops or voids.

    The truth says what was drawn and from which kind, variant and type of arch; diameters, places and directions of
    seven stations; diameter, origin and take-off angle of each branch; centre lines with radii; Betti numbers and
    volumes of the map. Raises InputError for a seed below 0.
    """
    if seed < 0:
        raise InputError("The seed cannot be used", value=seed, rule="a whole number, 0 or more")
    data = json.loads((resource_folder() / "Morphometry" / "aorta.json").read_text(encoding="utf-8"))
    labels = {tissue: int(entry["label"]) for tissue, entry in data["tissues"].items()}
    rng = np.random.default_rng([seed, 1])
    for tries in range(1, TRIES + 1):
        scene = _scene(Morphometry(data["measurements"], rng))
        grid = _grid(scene, data["grid"])
        painted = paint(grid, scene.tubes, labels)
        betti = betti_of(painted, labels)
        if set(betti.values()) == {SOUND} and len(betti) == len(scene.tubes) + 1:
            truth = _truth(scene, grid, {"seed": seed, "tries": tries, "betti": betti,
                                         "volumes_ml": volumes_of(painted, grid, labels)})
            return Drawn(labelmap_of(painted, grid, data["tissues"]), truth)
    raise InputError("No sound aorta was drawn from this seed", value=f"seed {seed}, {TRIES} draws",
                     rule="each tissue in one piece, without loops", hint="use another seed")


def _scene(morphometry: Morphometry) -> _Scene:
    kind, variant = morphometry.choice("kind"), morphometry.choice("variant")
    widths = draw_widths(morphometry, variant)
    arch = draw_arch(morphometry, kind, widths)
    return _Scene(arch, draw_branches(morphometry, arch, variant), morphometry.drawn)


def _grid(scene: _Scene, data: dict[str, Any]) -> Grid:
    """The field of view: ROOM_ABOVE the arch at its top, the arch in its middle otherwise."""
    points, size = scene.arch.tube.curve.points, data["spacing_mm"] * np.array(data["shape"][::-1])
    middle = (points.min(0) + points.max(0)) / 2
    middle[2] = scene.arch.top + ROOM_ABOVE - size[2] / 2
    depth, height, width = data["shape"]
    return Grid((depth, height, width), data["spacing_mm"], (float(middle[0]), float(middle[1]), float(middle[2])))


def _truth(scene: _Scene, grid: Grid, found: dict[str, Any]) -> dict[str, Any]:
    arch = scene.arch
    return {
        "anatomy": "aorta", **found, "kind": scene.drawn["kind"], "variant": scene.drawn["variant"],
        "arch_type": scene.drawn["arch type"], "arch_drop_mm": arch.drop,
        "stations": arch.stations(grid),
        "branches": {branch.tube.tissue: branch.truth() for branch in scene.branches},
        "drawn": scene.drawn,
        "centre_lines": {tube.tissue: line_of(tube) for tube in scene.tubes},
    }
