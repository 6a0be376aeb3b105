"""Shorthand for a control: presets and tissues to hold by name, made into one plain control on a heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..control.control import Control
from ..control.measure import Measurement
from ..control.placement import Placement
from ..control.presets import MOST_AMOUNT, PRESETS, hold, preset
from ..control.terms import Target
from ..core.anatomy import Anatomy
from ..core.defaults import AMOUNT
from ..core.errors import InputError
from ..core.names import names_of
from ..metrics.measurement import MeasurementKey
from ..metrics.measures.probes import moves
from .wants import control_of_wants, parse_want

MOST = 0.5  # a box with this share of a tissue decides its volume
ALL = "all"
_NAMES = ("preset", "amount", "hold", "want")


@dataclass(frozen=True)
class PresetsAndHolds:
    """What is asked for by name, besides a control.

    presets: names of `control.presets.PRESETS`. amount: the share by which presets change what they are about (0.2 is
    20 %). hold: tissues that keep the volume they have in the twin, ("all",) for every one that is not asked to change.
    wants: volumes and measures in a person's words, see `wants`. Raises InputError for unknown presets and impossible
    amounts.
    """

    presets: tuple[str, ...] = ()
    amount: float = AMOUNT
    hold: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.presets:
            if name not in PRESETS:
                raise InputError("There is no such preset", value=name, rule=f"presets are {', '.join(PRESETS)}")
        number = isinstance(self.amount, (int, float)) and not isinstance(self.amount, bool)
        if not number or not 0 < self.amount <= MOST_AMOUNT:
            raise InputError("The amount of a preset cannot be used", value=self.amount,
                             rule=f"a share above 0 and at most {MOST_AMOUNT:g}",
                             hint="0.2 is 20 %; for less of something take the preset that shrinks it")

    def __bool__(self) -> bool:
        return bool(self.presets or self.hold or self.wants)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `taken_from` reads them beside a request's settings; {} where nothing is asked."""
        found: dict[str, Any] = {"preset": list(self.presets), "amount": self.amount} if self.presets else {}
        found |= {"hold": list(self.hold)} if self.hold else {}
        return {**found, "want": list(self.wants)} if self.wants else found

    @classmethod
    def taken_from(cls, values: Mapping[str, Any]) -> tuple[dict[str, Any], PresetsAndHolds]:
        """A request's JSON with `preset`, `amount`, `hold` and `want` beside its settings -> these, and the shorthand.

        preset, hold, want: a name, several with commas, or a list.
        """
        shorthand = cls(names_of(values.get("preset")), values.get("amount", AMOUNT), names_of(values.get("hold")),
                        names_of(values.get("want")))
        return {key: value for key, value in values.items() if key not in _NAMES}, shorthand

    def held(self, anatomy: Anatomy) -> tuple[str, ...]:
        """The tissues to hold by the anatomy's ids, or ("all",). Raises InputError for others."""
        ids = {tissue.lower(): tissue for tissue in anatomy.ids} | {ALL: ALL}
        if unknown := [name for name in self.hold if name.lower() not in ids]:
            raise InputError("The tissue to hold is unknown", value=", ".join(unknown),
                             rule=f"tissues are {', '.join(anatomy.ids)}, or {ALL}")
        found = tuple(dict.fromkeys(ids[name.lower()] for name in self.hold))
        return (ALL,) if ALL in found else found


def control_of(control: Control | None, heart: Placement, shorthand: PresetsAndHolds,
               free: tuple[int, ...] | None = None) -> Control | None:
    """A control together with what the shorthand asks for; None where neither asks for anything.

    free: labels that can change at all, None for every one. Raises InputError where the heart lacks what is asked for.
    """
    if not shorthand:
        return control
    control = heart.placed(control) if control is not None else None
    for name in shorthand.presets:
        control = _together(control, preset(name, heart, shorthand.amount))
    if shorthand.wants:
        wanted = [parse_want(text, heart.anatomy) for text in shorthand.wants]
        control = _together(control, control_of_wants(wanted, heart))
    if tissues := _to_hold(heart, shorthand, control, free):
        control = _together(control, hold(tissues, heart))
    return control


def own_values(control: Control, measured: Mapping[str, Measurement],
               by_name: Mapping[MeasurementKey, float] | None = None) -> Control:
    """The same terms with the heart's own values as targets, to be edited by hand; topology stays as it is asked.

    by_name: its measures. A term that the heart has nothing to measure for keeps its target.
    """
    terms = []
    for term in control.terms:
        value = measured[term.domain].get(term.quantity)
        own = value is not None and value != 0 and term.quantity != "betti"
        terms.append(replace(term, target=Target(value=_rounded(value))) if own else term)
    measures = tuple(replace(term, target=Target(value=_rounded((by_name or {})[term.key])))
                     if term.key in (by_name or {}) else term for term in control.measures)
    return replace(control, terms=tuple(terms), measures=measures)


def _together(control: Control | None, other: Control) -> Control:
    return other if control is None else control.merged(other)


def _to_hold(heart: Placement, shorthand: PresetsAndHolds, control: Control | None,
             free: tuple[int, ...] | None) -> tuple[str, ...]:
    """The tissues to hold. "all" leaves out those that cannot change, are absent, or are asked to change."""
    held = shorthand.held(heart.anatomy)
    if held != (ALL,):
        return held
    moving = _changing(control, heart) if control is not None else set()
    return tuple(tissue.id for tissue in heart.anatomy.tissues if (free is None or tissue.label in free)
                 and heart.volumes[tissue.id] > 0 and tissue.id not in moving)


def _changing(control: Control, heart: Placement) -> set[str]:
    """Tissues whose volume cannot stay if the control is to be met.

    A plane or line through one tissue counts as that tissue's (a wider aorta, a thicker wall), one through several does
    not: the opening between two chambers can widen while both keep their volume.
    """
    measured = heart.measured(control)
    found = {tissue for term in control.active_measures if not term.target.keeps
             for tissue in moves(term.key, heart.anatomy)}
    for term in control.active:
        domain = control.domain(term.domain)
        if term.quantity not in ("mass", "size") or term.target.keeps:
            continue
        volume = sum(heart.volumes[tissue] for tissue in domain.tissues)
        cut = domain.dimension < 3 and len(domain.tissues) == 1
        if cut or (domain.dimension == 3 and measured[domain.name].mass >= MOST * volume):
            found.update(domain.tissues)
    return found


def _rounded(value: Any) -> Any:
    """Numbers as a person edits them: six significant digits."""
    return tuple(_rounded(item) for item in value) if isinstance(value, tuple) else float(f"{value:.6g}")
