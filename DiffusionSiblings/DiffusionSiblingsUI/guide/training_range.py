"""Warns of volumes beyond those of the training hearts while they are asked for, before anything is run (no Qt)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from DiffusionSiblingsLib.cohorts.training_statistics import Support, Tissues, read_cohort, unsupported
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsUI.guide import domains, targets
from DiffusionSiblingsUI.guide.live import LiveValue


def warnings(nodes: Iterable[Any], found: Mapping[str, Sequence[LiveValue]], twin: Placement | None,
             held: Sequence[str], model: str) -> tuple[str, ...]:
    """What to know of the volumes that these markups ask for, with the held ones; () if the hearts support them."""
    support = support_of(model)
    if support is None or twin is None:
        return ()
    asked = asked_volumes(nodes, found, twin)
    if not asked:
        return ()
    kept = twin.anatomy.ids if "all" in held else held
    changing = {tissue for tissues in asked for tissue in tissues}
    return unsupported({**{(tissue,): twin.volumes[tissue] for tissue in kept if tissue not in changing}, **asked},
                       support)


def asked_volumes(nodes: Iterable[Any], found: Mapping[str, Sequence[LiveValue]],
                  twin: Placement) -> dict[Tissues, float]:
    """Tissues -> ml that is asked of them as a whole by targets that are on."""
    volumes: dict[Tissues, float] = {}
    for node in nodes:
        measured = found.get(node.GetID(), ())
        try:
            settings = domains.read_settings(node)
        except SiblingsError:
            continue
        there, domain = (measured[0].measurement, measured[0].domain) if len(measured) == 1 else (None, None)
        if there is None or domain is None or not twin.holds_whole(domain, there):
            continue
        for term in settings.terms:
            asked = targets.asked_of(term, there) if term.on and term.quantity == "mass" else None
            if isinstance(asked, float):
                volumes[tuple(sorted(domain.tissues))] = asked
    return volumes


@lru_cache(maxsize=4)
def support_of(model: str) -> Support | None:
    """The training hearts of a model, None where they are not known."""
    try:
        return read_cohort(find_model(model).folder)
    except SiblingsError:
        return None
