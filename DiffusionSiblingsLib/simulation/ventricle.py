"""A left ventricle simulated from its label map: mesh, fibres, passive inflation, activation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..meshing.meshable import meshable_map
from ..meshing.surface import surface_of
from ..meshing.tetrahedra import tetrahedra_of
from ..metrics.run_lengths import LabelArray
from .attachment import Attachment, require_held
from .eikonal import Speed, activation
from .elements import Floats, Quadratic, quadratic_of
from .fibres import Fibres, fibres_of
from .guccione import Guccione
from .inflation import Inflated, Problem
from .landmarks import Landmarks, landmarks_of
from .stiffness import deformation, strain_of
from .wall import Wall, wall_of

WALL, CAVITY = "Myo", "LV"
APEX_HEIGHT = 0.0  # wall below the cavity's apex is the lower end of the fibres' field
BASE_SHARE = 0.5  # held by at least this much: the upper end of that field
FREE_SHARE = 0.01  # held by less: strain is read there
PEAK = 99.0  # percentile by volume: the very largest strain is that of the worst element
SITE_MM = 8.0  # around the site of activation, straight ways stand for the front


@dataclass(frozen=True)
class Setup:
    """edge_mm: of the tetrahedra. pressures: kPa, rising."""

    edge_mm: float = 4.0
    pressures: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    material: Guccione = field(default_factory=Guccione)
    attachment: Attachment = field(default_factory=Attachment)
    speed: Speed = field(default_factory=Speed)

    def __post_init__(self) -> None:
        rising = (0.0, *self.pressures)
        if len(rising) < 2 or not (np.diff(rising) > 0).all():
            raise InputError("The pressures cannot be used", value=self.pressures,
                             rule="rising numbers above 0, in kPa")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Solved:
    """numbers: plain, with units in their names. times: seconds of the processor by stage."""

    wall: Wall
    fibres: Fibres
    inflated: Inflated
    activation: Floats
    held: Floats
    strain: Floats
    numbers: Mapping[str, float]
    notes: Mapping[str, Any]


def solve(labels: LabelArray, affine: Affine, anatomy: Anatomy, setup: Setup) -> Solved:
    """labels: (D, H, W), KJI order, the anatomy's values. affine: voxel IJK -> RAS mm. Raises InputError for a heart
    that cannot be meshed or solved.
    """
    clock = _Clock()
    marks = landmarks_of(labels, affine, anatomy)
    wall, notes = _meshed(labels, affine, anatomy, setup)
    clock.lap("mesh")
    share = setup.attachment.share(wall.points, list(marks.rings.values()))
    held_ml = float((wall.volumes() * share[wall.tetrahedra].mean(axis=1)).sum() / 1000.0)
    require_held(held_ml)
    fibres = _fibres(wall, marks, share)
    clock.lap("fibres")
    space = quadratic_of(wall)
    held = setup.attachment.stiffness * setup.attachment.share(space.nodes, list(marks.rings.values()))
    inflated = Problem(space, fibres.axes, setup.material, held).inflate(setup.pressures)
    clock.lap("inflation")
    times = _activated(wall, marks, fibres, setup.speed)
    clock.lap("activation")
    strain = _strain(space, fibres, inflated)
    numbers = {**_pumped(inflated), **_strained(wall, share, strain), "activation [ms]": float(times.max()),
               **_sizes(wall, marks), "held wall [ml]": held_ml, **_moved(inflated, share)}
    work = {"tetrahedra": len(wall.tetrahedra), "nodes": len(space.nodes), "crumbs left out": wall.left_out,
            "Newton steps": inflated.newton, "linear iterations": inflated.iterations,
            "mean J from": float(inflated.dilatation.min()), "mean J to": float(inflated.dilatation.max()),
            "mesh": notes, "processor seconds": clock.laps}
    return Solved(wall, fibres, inflated, times, share, strain, numbers, work)


def _meshed(labels: LabelArray, affine: Affine, anatomy: Anatomy, setup: Setup) -> tuple[Wall, dict[str, Any]]:
    """The mesh of cavity and wall alone: nothing else carries load."""
    wall, cavity = (int(anatomy.label_of(tissue)) for tissue in (WALL, CAVITY))
    kept = np.where((labels == wall) | (labels == cavity), labels, 0)
    meshable = meshable_map(kept, affine)
    volume, notes = tetrahedra_of(meshable.labels, affine, surface_of(meshable.labels, affine), setup.edge_mm,
                                  names={wall: WALL, cavity: CAVITY})
    return wall_of(volume, wall, cavity), {**notes, "repair": meshable.to_json()}


def _fibres(wall: Wall, marks: Landmarks, share: Floats) -> Fibres:
    height = marks.height(wall.points)
    apex = np.flatnonzero(height <= APEX_HEIGHT)
    base = np.flatnonzero(share >= BASE_SHARE)
    if not len(apex):  # a wall with a hole at its apex
        apex = np.flatnonzero(height <= height.min() + 0.02)
    return fibres_of(wall, apex, base)


def _activated(wall: Wall, marks: Landmarks, fibres: Fibres, speed: Speed) -> Floats:
    """(n,) ms after the site in the middle of the septum."""
    slowness = speed.slowness(fibres.axes[:, :, 0])
    site = marks.site(wall)
    away = wall.points - site
    near = np.linalg.norm(away, axis=1) <= SITE_MM
    closest = int(np.argmin(np.linalg.norm(wall.centres() - site, axis=1)))
    if not near.any():
        near[np.argmin(np.linalg.norm(away, axis=1))] = True
    start = np.full(len(wall.points), np.inf)
    start[near] = np.sqrt(np.einsum("ni,ij,nj->n", away[near], slowness[closest], away[near]))
    return activation(wall.points, wall.tetrahedra.astype(np.int64), slowness, start)


def _strain(space: Quadratic, fibres: Fibres, inflated: Inflated) -> Floats:
    """(t, 3, 3) mean Green-Lagrange strain of each tetrahedron, in the axes fibre, sheet, sheet normal."""
    turned = deformation(space, fibres.axes, inflated.moved, slice(None))[1]
    weights = space.weights / space.weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("tq,tqij->tij", weights, strain_of(turned)))


def _pumped(inflated: Inflated) -> dict[str, float]:
    first, last, pressure = inflated.volumes[0], inflated.volumes[-1], inflated.pressures[-1]
    return {"cavity [ml]": first, "filling [ml]": last - first, "compliance [ml/kPa]": (last - first) / pressure,
            "specific compliance [1/kPa]": (last - first) / pressure / first}


def _strained(wall: Wall, share: Floats, strain: Floats) -> dict[str, float]:
    free = share[wall.tetrahedra].max(axis=1) < FREE_SHARE
    volumes = wall.volumes()[free]
    largest = np.linalg.eigvalsh(strain[free])[:, 2]
    return {"peak strain": _percentile(largest, volumes, PEAK),
            "mean fibre strain": float(np.average(strain[free, 0, 0], weights=volumes))}


def _percentile(values: Floats, weights: Floats, percent: float) -> float:
    """The value below which `percent` of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(np.interp(percent / 100.0 * below[-1], below - weights[order] / 2, values[order]))


def _sizes(wall: Wall, marks: Landmarks) -> dict[str, float]:
    return {"wall [ml]": float(wall.volumes().sum() / 1000.0), "inner side [cm2]": wall.inner_area / 100.0,
            **{f"{name} [mm]": mm for name, mm in marks.diameters.items()}}


def _moved(inflated: Inflated, share: Floats) -> dict[str, float]:
    """Of the wall, and of its part right at the rings, which should hardly move."""
    length = np.linalg.norm(inflated.moved, axis=1)
    return {"largest displacement [mm]": float(length.max()),
            "displacement of the rings [mm]": float(length[:len(share)][share > 1 - 1e-9].max(initial=0.0))}


class _Clock:
    """Seconds of the processor since the last lap, by what they went to."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._at = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.laps[name], self._at = round(now - self._at, 2), now
