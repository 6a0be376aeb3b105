"""Controls by name: what users ask for most. Names and numbers of an anatomy are data, in Resources/Presets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.defaults import AMOUNT
from ..core.errors import InputError
from ..metrics.measures.names import find_named
from .builders import between_tissues, frame_across, lines_from, planes_along
from .checks import number
from .control import Control
from .curves import centre_line, widest_radius
from .domain import ControlDomain
from .measure import INSIDE, sample
from .measure_terms import MeasureTerm
from .placement import Placement
from .places import centroid, place_of
from .preset_file import MEASURES, preset_help
from .preset_file import recipes_of as _recipes
from .terms import Target, Term

MOST_AMOUNT = 3.0
TOPOLOGY_POINTS = 128  # a wall between two tissues may be one voxel thick: the template has to be as fine


Parts = tuple[list[ControlDomain], list[Term]]


def preset(name: str, heart: Placement, amount: float = AMOUNT) -> Control:
    """The control of that name, placed on a heart; its targets are relative to what the heart has.

    amount: a share, 0.2 = 20 %; topology has none and ignores it. Raises InputError for an unknown name, an amount out
    of range, and tissues that the preset needs and the heart lacks.
    """
    recipes = _recipes(heart.anatomy.id)
    if name not in recipes:
        raise InputError("There is no such preset", value=name, rule=f"one of {', '.join(recipes) or 'none'}",
                         hint=f"presets are for the {heart.anatomy.id}; for anything else write a control file")
    recipe = recipes[name]
    change = float(recipe.get("change", 0))
    amount = _checked_amount(amount, name, change)
    title = f"{name} {amount:.0%}" if "change" in recipe else name
    if recipe["kind"] == MEASURES:
        return Control(frame=heart.frame, name=title, measures=_measures(heart, name, recipe, 1 + change * amount))
    domains, terms = _KINDS[recipe["kind"]](heart, recipe, 1 + change * amount)
    return Control(tuple(domains), tuple(terms), heart.frame, title)


def hold(tissues: Sequence[str] | str, heart: Placement) -> Control:
    """Keeps the volumes of tissues as the heart has them.

    tissues: ids, or "all": every tissue of the anatomy that the heart has. Raises InputError where nothing is left
    to hold.
    """
    if tissues == "all":
        kept = [tissue for tissue in heart.anatomy.ids if heart.has(tissue)]
    else:
        kept = [tissues] if isinstance(tissues, str) else list(tissues)
    if not kept:
        raise InputError("There is nothing to hold", value=tissues, rule="at least one tissue that the label map has")
    domains, terms = _volumes(heart, {"tissues": [], "held": kept}, 1.0)
    return Control(tuple(domains), tuple(terms), heart.frame,
                   f"hold {tissues if tissues == 'all' else ', '.join(kept)}")


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


def _volumes(heart: Placement, recipe: Mapping[str, Any], factor: float) -> Parts:
    """Volumes of whole tissues: `tissues` times the factor, `held` as they are."""
    wanted = {**dict.fromkeys(recipe.get("held", []), 1.0), **dict.fromkeys(recipe["tissues"], factor)}
    domains = [heart.around([tissue]) for tissue in wanted]
    return domains, [Term(tissue, "mass", Target(times=times)) for tissue, times in wanted.items()]


def _measures(heart: Placement, name: str, recipe: Mapping[str, Any], factor: float) -> tuple[MeasureTerm, ...]:
    """Measures by name times the factor, those that the heart has. Raises InputError where it has none of them."""
    keys = [key for words in recipe["measures"] if (key := find_named(words, heart.anatomy)) is not None]
    found = heart.measures({key.tissue for key in keys})
    terms = tuple(MeasureTerm(key, Target(times=factor)) for key in keys if key in found.values)
    if not terms:
        raise InputError(f"The preset {name} finds nothing to change in this heart", value="; ".join(found.notes),
                         rule=f"a heart that has the {' or the '.join(key.label for key in keys)}",
                         hint="`siblings measure TWIN` lists what the heart has")
    return terms


def _contact_plane(heart: Placement, recipe: Mapping[str, Any], factor: float) -> Parts:
    """The area of `tissues` in the plane between two tissues."""
    first, second = recipe["between"]
    domain = between_tissues(heart.labels, heart.affine, heart.anatomy, first, second, recipe["tissues"],
                             margin_mm=recipe["margin_mm"], spacing_mm=recipe["spacing_mm"], name=recipe["name"])
    return _amounts(recipe, [domain], factor)


def _planes_along(heart: Placement, recipe: Mapping[str, Any], factor: float) -> Parts:
    """The areas of a tube in planes across its centre line, each as wide as the tube needs."""
    tissue = recipe["tissue"]
    curve = centre_line(heart.labels, heart.affine, heart.anatomy, tissue, start=recipe.get("start"))
    place = place_of(heart.labels, heart.affine, heart.anatomy, [tissue])
    width = 2 * (recipe["roundness"] * widest_radius(curve, place) + recipe["margin_mm"])
    planes = planes_along(curve, recipe["count"], [tissue], width_mm=width, spacing_mm=recipe["spacing_mm"])
    return _amounts(recipe, planes, factor)


def _wall_lines(heart: Placement, recipe: Mapping[str, Any], factor: float) -> Parts:
    """The thickness of a wall on lines from a cavity's centroid, square to its axis, the first towards a tissue.

    They begin and end `margin_mm` before and behind the wall, so that only the wall is on them; later where a
    papillary muscle lies before it.
    """
    middle, base, there = (
        centroid(place_of(heart.labels, heart.affine, heart.anatomy, [recipe[key]]))
        for key in ("centre", "axis_to", "towards")
    )
    first, second, _ = (np.array(row) for row in frame_across(base - middle, there - middle))
    lines: list[ControlDomain] = []
    for index, name in enumerate(recipe["names"]):
        angle = 2 * np.pi * index / len(recipe["names"])
        direction = np.cos(angle) * first + np.sin(angle) * second
        ray = lines_from(middle, direction, recipe["reach_mm"], [recipe["wall"]], recipe["spacing_mm"], names=[name])
        before, inner, outer = _wall_on(heart, ray[0])
        start = max(inner - recipe["margin_mm"], before)
        length = outer + recipe["margin_mm"] - start
        lines += lines_from(middle + start * direction, direction, length, [recipe["wall"]], recipe["spacing_mm"],
                            names=[name])
    return _amounts(recipe, lines, factor)


def _wall_on(heart: Placement, ray: ControlDomain) -> tuple[float, float, float]:
    """mm from the ray's start to the end of what lies before the wall, and to its two sides; InputError without one.

    The wall is the thickest stretch on the ray: papillary muscles before it are thinner.
    """
    inside = sample(heart.labels, heart.affine, ray, heart.anatomy)[:, 0, 0] >= INSIDE
    if not inside.any():
        raise InputError(f"The {ray.name} cannot be measured", value=f"no {ray.tissues[0]} on its line",
                         rule="each line crosses the wall", hint="move the line to the wall")
    sides = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))).reshape(-1, 2)
    thickest = int((sides[:, 1] - sides[:, 0]).argmax())
    before = sides[thickest - 1, 1] if thickest > 0 else 0
    found = np.array([before, *sides[thickest]]) * ray.spacing[0]
    return float(found[0]), float(found[1]), float(found[2])


def _pieces(heart: Placement, recipe: Mapping[str, Any], factor: float) -> Parts:
    """Betti numbers of groups of tissues, each taken together in a box of its own; tissues that the map lacks are left
    out. Topology has no factor.
    """
    groups = [group for group in recipe["groups"] if len(group) > 1 or heart.has(group[0])]
    if not groups:
        raise InputError("The label map has none of the tissues that the preset measures",
                         rule="at least one of " + ", ".join("+".join(group) for group in recipe["groups"]))
    for group in groups:
        for tissue in group:
            place_of(heart.labels, heart.affine, heart.anatomy, [tissue])  # refuses a group with a tissue missing
    domains = [heart.around(group, spacing_mm=recipe["spacing_mm"], margin_mm=recipe["margin_mm"],
                         most_points=TOPOLOGY_POINTS, name="+".join(group) + " pieces") for group in groups]
    target = Target(value=tuple(recipe["betti"]))
    return domains, [Term(domain.name, "betti", target) for domain in domains]


def _amounts(recipe: Mapping[str, Any], domains: Sequence[ControlDomain], factor: float) -> Parts:
    """Every domain's amount of tissue times the factor; within `tolerance` where the recipe has one of its own."""
    target, tolerance = Target(times=factor), recipe.get("tolerance")
    return list(domains), [Term(domain.name, "mass", target, tolerance) for domain in domains]


_KINDS: Mapping[str, Callable[[Placement, Mapping[str, Any], float], Parts]] = {
    "volumes": _volumes,
    "contact-plane": _contact_plane,
    "planes-along": _planes_along,
    "wall-lines": _wall_lines,
    "pieces": _pieces,
}
