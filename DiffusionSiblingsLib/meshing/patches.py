"""The surface of a mesh parted into named patches: valves, walls, septum, cut ends of vessels, by the anatomy's names.

Every triangle is in exactly one patch, and every patch is in one piece: a surface in several pieces becomes several
patches with numbers, the largest first without one, and a speck joins the patch that it touches most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.anatomy import Anatomy
from ..core.names import plain_name
from ..core.patch_rules import OUTSIDE_NAME, PatchRule
from .cut_ends import cut_ends
from .edges import Ints, borders, pieces
from .mesh import OUTSIDE, Patch, SurfaceMesh, triangle_areas
from .patch_geometry import patch_of

SPECK_MM2 = 20.0  # a smaller piece is no patch of its own; the least area of an opening is the same
SPECK_SHARE = 0.02  # of the largest piece under the same rule


@dataclass(frozen=True)
class _Kind:
    """What a group of triangles is: its rule, and which of its two labels the normal looks out from."""

    rule: PatchRule
    near: int


def patches_of(surface: SurfaceMesh, anatomy: Anatomy, tissues: Mapping[int, str]) -> tuple[Patch, ...]:
    """The patches of a surface, in the anatomy's order, others behind them.

    tissues: label -> tissue id, or the id of something grown, of every label in the surface.
    """
    kinds, kind_of = _kinds(surface, anatomy, tissues)
    there = {tissues[label] for label in surface.tissues}
    found = cut_ends(surface, anatomy.mesh.cut_ends, {name: label for label, name in tissues.items()},
                     [rule.around for rule in anatomy.mesh.grown if rule.around and rule.id in there])
    group = kind_of.copy()
    for end in found:
        kinds.append(_Kind(PatchRule(end.rule.id, end.rule.name, "cut", ((end.rule.tissue, OUTSIDE_NAME),)),
                           end.label))
        group[end.triangles] = len(kinds) - 1
    piece = _without_specks(surface, group, kinds)
    return _named(surface, piece, group, kinds, anatomy.mesh.patch_ids)


def _kinds(surface: SurfaceMesh, anatomy: Anatomy, tissues: Mapping[int, str]) -> tuple[list[_Kind], Ints]:
    """The rules of the surface's pairs of labels, and (m,) the number of the one that holds for each triangle."""
    rules = {frozenset(pair): (rule, pair) for rule in anatomy.mesh.patches for pair in rule.between}
    kinds: list[_Kind] = []
    kind_of = np.zeros(len(surface.triangles), dtype=np.int64)
    for pair in surface.pairs:
        names = tuple(OUTSIDE_NAME if label == OUTSIDE else tissues[label] for label in pair)
        rule, (first, _) = rules.get(frozenset(names), (_unnamed(names), names))
        one = _Kind(rule, pair[names.index(first)])
        same = [number for number, kind in enumerate(kinds) if kind.rule is rule and kind.near == one.near]
        if not same:
            kinds.append(one)
        kind_of[surface.between(*pair)] = same[0] if same else len(kinds) - 1
    return kinds, kind_of


def _unnamed(names: tuple[str, ...]) -> PatchRule:
    """The rule of a pair that the anatomy does not name."""
    first, second = names
    word = f"{first} to {second}" if second != OUTSIDE_NAME else f"{first} to the outside"
    ident = "_".join(plain_name(name).lower().replace("-", "_").replace(".", "_").replace("+", "_") for name in names)
    return PatchRule(ident, word, "interface" if second != OUTSIDE_NAME else "wall", ((first, second),))


def _without_specks(surface: SurfaceMesh, group: Ints, kinds: list[_Kind]) -> Ints:
    """(m,) the pieces of the groups, small ones joined to a neighbour; `group` is changed for their triangles."""
    piece = pieces(surface.triangles, group)
    count = int(piece.max(initial=-1)) + 1
    area = np.bincount(piece, triangle_areas(surface.points, surface.triangles), minlength=count)
    kind = np.zeros(count, dtype=np.int64)
    kind[piece] = group
    largest: dict[str, float] = {}
    for one in range(count):
        rule = kinds[kind[one]].rule.id
        largest[rule] = max(largest.get(rule, 0.0), float(area[one]))
    shared = borders(surface.triangles, piece, surface.points)
    into = np.arange(count)
    for one in np.argsort(area, kind="stable").tolist():
        small = area[one] < SPECK_MM2 or area[one] < SPECK_SHARE * largest[kinds[kind[one]].rule.id]
        if small and shared[one]:
            other = _host(one, shared[one], kind, kinds)
            into[one] = other
            area[other] += area[one]
            for third, mm in shared.pop(one).items():
                shared[third].pop(one)
                if third != other:
                    shared[other][third] = shared[third][other] = shared[other].get(third, 0.0) + mm
    while not np.array_equal(into, into[into]):
        into = into[into]
    group[:] = kind[into[piece]]
    return into[piece]


def _host(one: int, shared: Mapping[int, float], kind: Ints, kinds: list[_Kind]) -> int:
    """The neighbour that a speck joins: it has the longest border with it; a wall or interface before a valve or an
    end, whose areas people use.
    """
    def order(other: int) -> tuple[bool, bool, float]:
        rule = kinds[kind[other]].rule
        return rule.id == kinds[kind[one]].rule.id, rule.kind in ("wall", "interface"), shared[other]

    return max(shared, key=order)


def _named(surface: SurfaceMesh, piece: Ints, group: Ints, kinds: list[_Kind],
           order: tuple[str, ...]) -> tuple[Patch, ...]:
    """A patch for each piece; those of one rule have numbers by size."""
    area = np.bincount(piece, triangle_areas(surface.points, surface.triangles))
    numbers, first = np.unique(piece, return_index=True)
    by_rule: dict[str, list[tuple[int, _Kind]]] = {}
    for number, at in zip(numbers.tolist(), first.tolist(), strict=True):
        by_rule.setdefault(kinds[group[at]].rule.id, []).append((number, kinds[group[at]]))
    known = [ident for ident in order if ident in by_rule]
    patches = []
    for ident in [*known, *(ident for ident in by_rule if ident not in order)]:
        ordered = sorted(by_rule[ident], key=lambda one: (-area[one[0]], one[0]))
        for place, (number, kind) in enumerate(ordered, 1):
            more = "" if place == 1 else f" {place}"
            patches.append(patch_of(surface, np.flatnonzero(piece == number).astype(np.int32), kind.near,
                                    f"{kind.rule.name}{more}", f"{ident}{more.replace(' ', '_')}", kind.rule.kind))
    return tuple(patches)
