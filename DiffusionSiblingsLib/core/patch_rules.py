"""What an anatomy says of the surfaces of its meshes: names of patches, cut ends, walls and valves to be grown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InputError

OUTSIDE_NAME = "outside"  # what stands for "no tissue" in a pair
KINDS = ("valve", "wall", "cut", "interface")
_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class PatchRule:
    """The name of the surface between two tissues. between: pairs of tissues, grown ones too, or of one and "outside";
    the normal of the patch looks from the first into the second. ansys: its name in pyansys-heart, "" without one.
    """

    id: str
    name: str
    kind: str
    between: tuple[tuple[str, str], ...]
    ansys: str = ""


@dataclass(frozen=True)
class CutEndRule:
    """The name of the flat ends at which the vessels of a tissue are cut; several get numbers."""

    id: str
    name: str
    tissue: str


@dataclass(frozen=True)
class GrownRule:
    """Something that label maps lack and that can be grown: a wall around a tissue, or a slab between two.

    around: the tissue whose wall it is, "" for a slab. between: the tissues of a slab, which is taken from the second;
    () for a wall. label: its value in meshes.
    """

    id: str
    name: str
    label: int
    around: str = ""
    between: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeshRules:
    """All of these. numberings: name of a program -> tissue or grown thing -> the value that the program gives it.

    ansys_parts: tissue -> the name of its part in pyansys-heart.
    """

    patches: tuple[PatchRule, ...] = ()
    cut_ends: tuple[CutEndRule, ...] = ()
    grown: tuple[GrownRule, ...] = ()
    numberings: Mapping[str, Mapping[str, int]] | None = None
    ansys_parts: Mapping[str, str] | None = None

    @property
    def patch_ids(self) -> tuple[str, ...]:
        """The ids of all patches and cut ends, in the order of the data file."""
        return (*(rule.id for rule in self.patches), *(rule.id for rule in self.cut_ends))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> MeshRules:
        """The rules of the data file's "mesh". KeyError, TypeError or ValueError where it is not of that form."""
        return cls(
            tuple(PatchRule(entry["id"], entry["name"], entry["kind"], tuple(map(_pair, entry["between"])),
                            entry.get("ansys", "")) for entry in data.get("patches", ())),
            tuple(CutEndRule(entry["id"], entry["name"], entry["tissue"]) for entry in data.get("cut_ends", ())),
            tuple(GrownRule(entry["id"], entry["name"], int(entry["label"]), entry.get("around", ""),
                            tuple(entry.get("between", ()))) for entry in data.get("grown", ())),
            {name: {tissue: int(value) for tissue, value in values.items()}
             for name, values in data.get("numberings", {}).items()},
            dict(data.get("ansys_parts", {})))


def check_mesh_rules(rules: MeshRules, tissues: Sequence[str], labels: Iterable[int], what: str) -> None:
    """Raises InputError where the rules name what the anatomy does not have. what: the error's first words."""
    grown = [rule.id for rule in rules.grown]
    known = {*tissues, *grown, OUTSIDE_NAME}
    named = [tissue for rule in rules.patches for pair in rule.between for tissue in pair]
    named += [rule.tissue for rule in rules.cut_ends]
    named += [tissue for rule in rules.grown for tissue in (rule.around, *rule.between) if tissue]
    named += [tissue for values in (rules.numberings or {}).values() for tissue in values]
    named += list(rules.ansys_parts or {})
    if unknown := sorted(set(named) - known):
        raise InputError(what, value=", ".join(unknown), rule="its mesh rules name only tissues, grown walls and grown "
                         f"valves of its own, or {OUTSIDE_NAME!r}")
    ids = rules.patch_ids
    pairs = [frozenset(pair) for rule in rules.patches for pair in rule.between]
    if len(set(ids)) < len(ids) or len(set(pairs)) < len(pairs) or not all(map(_ID.fullmatch, ids)):
        raise InputError(what, value=", ".join(ids), rule="each patch occurs once, each pair of tissues has one patch, "
                         "and ids have small letters, digits and _")
    if wrong := [rule.id for rule in rules.patches if rule.kind not in KINDS]:
        raise InputError(what, value=", ".join(wrong), rule=f"the kind of a patch is one of {', '.join(KINDS)}")
    values = [*labels, *(rule.label for rule in rules.grown)]
    if len(set(values)) < len(values) or not all(0 < rule.label < 1 << 15 for rule in rules.grown):
        raise InputError(what, value=values, rule="each tissue, grown wall and grown valve has a label of its own")
    if wrong := [rule.id for rule in rules.grown if bool(rule.around) == bool(rule.between) or
                 len(rule.between) not in (0, 2)]:
        raise InputError(what, value=", ".join(wrong), rule="what is grown is around one tissue or between two")


def _pair(names: Sequence[str]) -> tuple[str, str]:
    first, second = names
    return str(first), str(second)
