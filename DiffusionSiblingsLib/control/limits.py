"""What a domain can hold at all. Planning refuses targets beyond it, so that none fails while sampling."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import numpy as np

from ..core.errors import InputError
from .domain import ControlDomain
from .terms import Quantity, Term, Value

FEATURES = ("components", "loops", "voids")


def check_possible(term: Term, domain: ControlDomain) -> None:
    """InputError where an absolute target of the term is beyond the domain; relative ones wait for `resolve`."""
    if term.target.value is not None:
        check_value(term.quantity, term.target.value, domain)


def check_value(quantity: Quantity, value: Value, domain: ControlDomain) -> None:
    """InputError where no tissue in the domain can have this absolute value."""
    of = f"The target of {domain.name} {quantity} cannot be reached"
    if quantity == "mass" and _number(value) > domain.whole * (1 + 1e-9):
        raise InputError(of, value=f"{_number(value):.6g} {domain.unit}",
                         rule=f"the whole domain has {domain.whole:.6g} {domain.unit}",
                         hint="make the domain larger or the target smaller")
    if quantity == "size" and _number(value) > (most := sum(side * side for side in domain.size) / 4):
        raise InputError(of, value=f"{_number(value):.6g} mm^2", rule=f"at most {most:.6g} mm^2 fit into the domain",
                         hint="the extent is the trace of the covariance; make the domain larger or the target smaller")
    if quantity == "position" and isinstance(value, tuple) and not domain.contains((value[0], value[1], value[2])):
        raise InputError(of, value=_listed(value), rule="a point inside the domain, in mm in the control's frame",
                         hint="move or enlarge the domain")
    if quantity == "shape" and isinstance(value, tuple) and len(value) != domain.dimension:
        raise InputError(of, value=_listed(value),
                         rule=f"{domain.dimension} shares, one for each dimension of the domain")
    if quantity in ("orientation", "covariance") and domain.dimension < 3:
        _check_plane(np.array(value), quantity, domain, of)
    if quantity == "betti":
        _check_betti(value, domain, of)


def most_features(template: tuple[int, ...]) -> tuple[int, int, int]:
    """Upper bounds of (components, loops, voids) that a template of that many points can show.

    Components: touching not even by a corner, every other point along each axis. Voids (in a plane: holes, which are
    loops): points within the border, no two sharing a face. Loops in a box: fewer than it has points, and none where
    only one axis has room for a hole.
    """
    dimension = sum(n > 1 for n in template)
    components = prod(ceil(n / 2) for n in template)
    holes = ceil(prod(max(n - 2, 0) for n in template[:dimension]) / 2)
    ringed = sum(n > 2 for n in template) > 1  # a ring needs three points along two axes
    loops = {3: prod(template) if ringed else 0, 2: holes}.get(dimension, 0)
    return components, loops, holes if dimension == 3 else 0


def can_show(template: tuple[int, ...], betti: Sequence[int | None]) -> bool:
    """Whether a template of that many points is fine enough for (components, loops, voids); None = not asked."""
    return _too_many(template, betti) is None


def _check_betti(value: Value, domain: ControlDomain, of: str) -> None:
    if found := _too_many(domain.template, _tuple(value)):
        name, asked, limit = found
        points = " x ".join(map(str, domain.template))
        raise InputError(of, value=f"{asked} {name}", rule=f"a template of {points} points shows at most {limit}",
                         hint="give the domain more points, or ask for fewer")


def _too_many(template: tuple[int, ...], betti: Sequence[int | None]) -> tuple[str, int, int] | None:
    """(name, asked, limit) of the first Betti number that the template cannot show."""
    for name, asked, limit in zip(FEATURES, betti, most_features(template), strict=True):
        if asked is not None and asked > limit:
            return name, asked, limit
    return None


def _check_plane(value: np.ndarray[tuple[int, ...], np.dtype[np.float64]], quantity: Quantity, domain: ControlDomain,
                 of: str) -> None:
    """Planes and lines have no extent along their collapsed axes: an orientation keeps them last, a covariance 0."""
    flat = np.array(domain.axes)[domain.dimension :]
    across = value[: domain.dimension] @ flat.T if quantity == "orientation" else value @ flat.T
    if np.abs(across).max() > 1e-3:
        raise InputError(of, value=_listed(tuple(value.round(4).tolist())),
                         rule="the principal axes lie in the plane or line, and nothing extends across it")


def _number(value: Value) -> float:
    return value if isinstance(value, float) else float("nan")


def _tuple(value: Value) -> tuple[int | None, ...]:
    return value if isinstance(value, tuple) else ()


def _listed(value: Value) -> str:
    return str(value)
