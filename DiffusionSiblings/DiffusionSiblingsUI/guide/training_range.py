"""Warns of volumes beyond those of the training hearts while they are asked for, before anything is run (no Qt)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from DiffusionSiblingsLib.cohorts.training_statistics import Support, Tissues, read_cohort, unsupported
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsUI.guide import domains, targets
from DiffusionSiblingsUI.guide.live import Measured, TwinMap

WHOLE = 0.02  # as in the library: a box that misses no more of its tissues than this share holds them whole


def warnings(nodes: Iterable[Any], found: Mapping[str, Sequence[Measured]], twin: TwinMap | None,
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


def asked_volumes(nodes: Iterable[Any], found: Mapping[str, Sequence[Measured]], twin: TwinMap) -> dict[Tissues, float]:
    """Tissues -> ml that is asked of them as a whole by targets that are on."""
    volumes: dict[Tissues, float] = {}
    for node in nodes:
        measured = found.get(node.GetID(), ())
        try:
            settings = domains.read_settings(node)
        except SiblingsError:
            continue
        whole = sum(twin.volumes.get(tissue, 0.0) for tissue in settings.tissues)
        for term in settings.terms:
            if term.quantity != "mass" or not term.on or len(measured) != 1 or not whole:
                continue
            there, domain = measured[0].measurement, measured[0].domain
            if there is None or domain is None or domain.dimension < 3 or abs(there.mass - whole) > WHOLE * whole:
                continue
            volumes[tuple(sorted(settings.tissues))] = float(targets.asked_of(term, there))
    return volumes


@lru_cache(maxsize=4)
def support_of(model: str) -> Support | None:
    """The training hearts of a model, None where they are not known."""
    try:
        return read_cohort(find_model(model).folder)
    except SiblingsError:
        return None
