"""Controls by name: what users ask for most. Names and numbers of an anatomy are data, in Resources/Presets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from .builders import around_tissue, between_tissues, frame_across, lines_from, planes_along
from .checks import number
from .control import Control, Frame
from .curves import centre_line, widest_radius
from .domain import ControlDomain
from .measure import INSIDE, sample
from .places import Labels, centroid, place_of
from .preset_file import preset_help as preset_help
from .preset_file import recipes_of as _recipes
from .terms import Target, Term

MOST_AMOUNT = 3.0
TOPOLOGY_POINTS = 128  # a wall between two tissues may be one voxel thick: the template has to be as fine


@dataclass(frozen=True)
class Scene:
    """What a preset is placed in, and how much it changes. labels: (D, H, W), KJI. affine: voxel IJK -> mm of `frame`.

    axes: rows, directions of the boxes; the frame's if None.
    """

    labels: Labels
    affine: npt.NDArray[Any]
    anatomy: Anatomy
    amount: float = 0.0
    axes: npt.ArrayLike | None = None

    def box(self, tissues: Sequence[str], **settings: Any) -> ControlDomain:
        """A box around tissues."""
        return around_tissue(self.labels, self.affine, self.anatomy, tissues, axes=self.axes, **settings)

    def has(self, tissue: str) -> bool:
        """Whether the map has the tissue."""
        return bool((self.labels == self.anatomy.label_of(tissue)).any())


PartialResults = tuple[list[ControlDomain], list[Term]]


def preset(
    name: str,
    labels: Labels,
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    *,
    amount: float = 0.2,
    axes: npt.ArrayLike | None = None,
    frame: Frame = "world",
) -> Control:
    """The control of that name, placed on a label map; its targets are relative to what the map has.

    labels: (D, H, W) integer, KJI order, the anatomy's labels. affine: (4, 4) voxel IJK -> mm of `frame`. amount: a
    share, 0.2 = 20 %; topology has none and ignores it. axes: rows, directions of the boxes, best the canonical axes
    in this frame: domains on the canonical grid are measured fastest. Raises InputError for an unknown name, an amount
    out of range, and tissues that the preset needs and the map lacks.
    """
    recipes = _recipes(anatomy.id)
    if name not in recipes:
        raise InputError("There is no such preset", value=name, rule=f"one of {', '.join(recipes) or 'none'}",
                         hint=f"presets are for the {anatomy.id}; for anything else write a control file")
    recipe = recipes[name]
    scene = Scene(labels, affine, anatomy, _checked_amount(amount, name, float(recipe.get("change", 0))), axes)
    domains, terms = _KINDS[recipe["kind"]](scene, recipe)
    title = f"{name} {scene.amount:.0%}" if "change" in recipe else name
    return Control(tuple(domains), tuple(terms), frame, title)


def hold(
    tissues: Sequence[str] | str,
    labels: Labels,
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    axes: npt.ArrayLike | None = None,
    *,
    frame: Frame = "world",
) -> Control:
    """Keeps the volumes of tissues at those of the map. Arguments as for `preset`.

    tissues: ids, or "all": every tissue of the anatomy that the map has.
    """
    scene = Scene(labels, affine, anatomy, axes=axes)
    if tissues == "all":
        kept = [tissue for tissue in anatomy.ids if scene.has(tissue)]
    else:
        kept = [tissues] if isinstance(tissues, str) else list(tissues)
    if not kept:
        raise InputError("There is nothing to hold", value=tissues, rule="at least one tissue that the label map has")
    domains, terms = _volumes(scene, {"tissues": [], "change": 0, "held": kept})
    return Control(tuple(domains), tuple(terms), frame, f"hold {tissues if tissues == 'all' else ', '.join(kept)}")


class _Help(Mapping[str, str]):
    """The heart's presets, read when first looked at: nothing runs at import."""

    def __getitem__(self, name: str) -> str:
        return preset_help()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(preset_help())

    def __len__(self) -> int:
        return len(preset_help())


PRESETS: Mapping[str, str] = _Help()


def _checked_amount(amount: float, name: str, change: float) -> float:
    rule = f"a share from 0 to {MOST_AMOUNT:g}, and less than 1 to shrink: 0.2 is 20 %"
    found = number(amount, "The amount cannot be used", rule)
    if not 0 <= found <= MOST_AMOUNT or 1 + change * found <= 0:
        raise InputError("The amount cannot be used", value=f"{found:g} for {name}", rule=rule)
    return found


def _volumes(scene: Scene, recipe: Mapping[str, Any]) -> PartialResults:
    """Volumes of whole tissues: `tissues` times 1 + change amount, `held` as they are."""
    factor = 1 + recipe["change"] * scene.amount
    wanted = {**dict.fromkeys(recipe.get("held", []), 1.0), **dict.fromkeys(recipe["tissues"], factor)}
    domains = [scene.box([tissue]) for tissue in wanted]
    return domains, [Term(tissue, "mass", Target(times=times)) for tissue, times in wanted.items()]


def _contact_plane(scene: Scene, recipe: Mapping[str, Any]) -> PartialResults:
    """The area of `tissues` in the plane between two tissues."""
    first, second = recipe["between"]
    domain = between_tissues(scene.labels, scene.affine, scene.anatomy, first, second, recipe["tissues"],
                             margin_mm=recipe["margin_mm"], spacing_mm=recipe["spacing_mm"], name=recipe["name"])
    return _masses(scene, recipe, [domain])


def _planes_along(scene: Scene, recipe: Mapping[str, Any]) -> PartialResults:
    """The areas of a tube in planes across its centre line, each as wide as the tube needs."""
    tissue = recipe["tissue"]
    curve = centre_line(scene.labels, scene.affine, scene.anatomy, tissue, start=recipe.get("start"))
    place = place_of(scene.labels, scene.affine, scene.anatomy, [tissue])
    width = 2 * (recipe["roundness"] * widest_radius(curve, place) + recipe["margin_mm"])
    planes = planes_along(curve, recipe["count"], [tissue], width_mm=width, spacing_mm=recipe["spacing_mm"])
    return _masses(scene, recipe, planes)


def _wall_lines(scene: Scene, recipe: Mapping[str, Any]) -> PartialResults:
    """The thickness of a wall on lines from a cavity's centroid, square to its axis, the first towards a tissue.

    They begin and end `margin_mm` before and behind the wall, so that only the wall is on them; later where a
    papillary muscle lies before it.
    """
    middle, base, there = (
        centroid(place_of(scene.labels, scene.affine, scene.anatomy, [recipe[key]]))
        for key in ("centre", "axis_to", "towards")
    )
    first, second, _ = (np.array(row) for row in frame_across(base - middle, there - middle))
    lines: list[ControlDomain] = []
    for index, name in enumerate(recipe["names"]):
        angle = 2 * np.pi * index / len(recipe["names"])
        direction = np.cos(angle) * first + np.sin(angle) * second
        ray = lines_from(middle, direction, recipe["reach_mm"], [recipe["wall"]], recipe["spacing_mm"], names=[name])
        before, inner, outer = _wall_on(scene, ray[0])
        start = max(inner - recipe["margin_mm"], before)
        length = outer + recipe["margin_mm"] - start
        lines += lines_from(middle + start * direction, direction, length, [recipe["wall"]], recipe["spacing_mm"],
                            names=[name])
    return _masses(scene, recipe, lines)


def _wall_on(scene: Scene, ray: ControlDomain) -> tuple[float, float, float]:
    """mm from the ray's start to the end of what lies before the wall, and to its two sides; InputError without one.

    The wall is the thickest stretch on the ray: papillary muscles before it are thinner.
    """
    inside = sample(scene.labels, scene.affine, ray, scene.anatomy)[:, 0, 0] >= INSIDE
    if not inside.any():
        raise InputError(f"The {ray.name} cannot be measured", value=f"no {ray.tissues[0]} on its line",
                         rule="every line crosses the wall", hint="draw the lines where the wall is")
    sides = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))).reshape(-1, 2)
    thickest = int((sides[:, 1] - sides[:, 0]).argmax())
    before = sides[thickest - 1, 1] if thickest > 0 else 0
    found = np.array([before, *sides[thickest]]) * ray.spacing[0]
    return float(found[0]), float(found[1]), float(found[2])


def _pieces(scene: Scene, recipe: Mapping[str, Any]) -> PartialResults:
    """Betti numbers of groups of tissues, each taken together in a box of its own; what the map lacks is left out."""
    groups = [group for group in recipe["groups"] if len(group) > 1 or scene.has(group[0])]
    if not groups:
        raise InputError("The label map has none of the tissues that the preset is about",
                         rule="at least one of " + ", ".join("+".join(group) for group in recipe["groups"]))
    for group in groups:
        for tissue in group:
            place_of(scene.labels, scene.affine, scene.anatomy, [tissue])  # refuses a group with a tissue missing
    domains = [scene.box(group, spacing_mm=recipe["spacing_mm"], margin_mm=recipe["margin_mm"],
                         most_points=TOPOLOGY_POINTS, name="+".join(group) + " pieces") for group in groups]
    target = Target(value=tuple(recipe["betti"]))
    return domains, [Term(domain.name, "betti", target) for domain in domains]


def _masses(scene: Scene, recipe: Mapping[str, Any], domains: Sequence[ControlDomain]) -> PartialResults:
    """Every domain's mass times 1 + change amount; within `tolerance` where the recipe has one of its own."""
    target, tolerance = Target(times=1 + recipe["change"] * scene.amount), recipe.get("tolerance")
    return list(domains), [Term(domain.name, "mass", target, tolerance) for domain in domains]


_KINDS: Mapping[str, Callable[[Scene, Mapping[str, Any]], PartialResults]] = {
    "volumes": _volumes,
    "contact-plane": _contact_plane,
    "planes-along": _planes_along,
    "wall-lines": _wall_lines,
    "pieces": _pieces,
}
