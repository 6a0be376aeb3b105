"""What is asked for in words, presets and tissues to hold, made into one plain control on a heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..control.control import Control
from ..control.measure import Measurement
from ..control.placement import Placement
from ..control.presets import MOST_AMOUNT, PRESETS, hold, preset
from ..control.terms import Target, Term
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from .choices import AMOUNT as AMOUNT

MOST = 0.5  # a box with this share of a tissue decides its volume
ALL = "all"
_NAMES = ("preset", "amount", "hold")


@dataclass(frozen=True)
class PresetsAndHolds:
    """What is asked for besides a control.

    presets: names of `control.presets.PRESETS`. amount: the share by which presets change what they are about (0.2 is
    20 %). hold: tissues that keep the volume they have in the twin, ("all",) for every one that is not asked to change.
    """

    presets: tuple[str, ...] = ()
    amount: float = AMOUNT
    hold: tuple[str, ...] = ()

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
        return bool(self.presets or self.hold)

    @classmethod
    def taken_from(cls, values: Mapping[str, Any]) -> tuple[dict[str, Any], PresetsAndHolds]:
        """A request's JSON with `preset`, `amount` and `hold` beside its settings -> the settings, and the wishes.

        preset, hold: a name, several with commas, or a list.
        """
        wishes = cls(names_of(values.get("preset")), values.get("amount", AMOUNT), names_of(values.get("hold")))
        return {key: value for key, value in values.items() if key not in _NAMES}, wishes

    def held(self, anatomy: Anatomy) -> tuple[str, ...]:
        """The tissues to hold by the anatomy's ids, or ("all",). Raises InputError for others."""
        ids = {tissue.lower(): tissue for tissue in anatomy.ids} | {ALL: ALL}
        if unknown := [name for name in self.hold if name.lower() not in ids]:
            raise InputError("The tissue to hold is not known", value=", ".join(unknown),
                             rule=f"tissues are {', '.join(anatomy.ids)}, or {ALL}")
        found = tuple(dict.fromkeys(ids[name.lower()] for name in self.hold))
        return (ALL,) if ALL in found else found


def control_of(control: Control | None, ground: Placement, wishes: PresetsAndHolds,
               free: tuple[int, ...] | None = None) -> Control | None:
    """A control and all that the wishes add, as one; None where neither asks for anything.

    free: labels that can change at all, None for every one. Raises InputError where the heart lacks what is asked for.
    """
    if not wishes:
        return control
    control = ground.placed(control) if control is not None else None
    for name in wishes.presets:
        control = _together(control, preset(name, ground.labels, ground.affine, ground.anatomy, amount=wishes.amount,
                                            axes=ground.axes, frame=ground.frame))
    if tissues := _to_hold(ground, wishes, control, free):
        control = _together(control, hold(tissues, ground.labels, ground.affine, ground.anatomy, ground.axes,
                                          frame=ground.frame))
    return control


def own_values(control: Control, measured: Mapping[str, Measurement]) -> Control:
    """The same terms with the heart's own values as targets, to be edited by hand; topology stays as it is asked.

    A term that the heart has nothing to measure for keeps its target.
    """
    terms = []
    for term in control.terms:
        value = measured[term.domain].get(term.quantity)
        own = value is not None and value != 0 and term.quantity != "betti"
        terms.append(replace(term, target=Target(value=_rounded(value))) if own else term)
    return replace(control, terms=tuple(terms))


def names_of(value: object) -> tuple[str, ...]:
    """A name, several with commas, or a list of them -> names without blanks."""
    listed = value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    if not all(isinstance(part, str) for part in listed):
        raise InputError("Names cannot be read", value=value, rule='text such as "LV,LA", or a list of names')
    return tuple(name.strip() for part in listed for name in str(part).split(",") if name.strip())


def _together(control: Control | None, other: Control) -> Control:
    return other if control is None else control.merged(other)


def _to_hold(ground: Placement, wishes: PresetsAndHolds, control: Control | None,
             free: tuple[int, ...] | None) -> tuple[str, ...]:
    """The tissues to hold. "all" leaves out those that cannot change, are absent, or are asked to change."""
    held = wishes.held(ground.anatomy)
    if held != (ALL,):
        return held
    moving = _changing(control, ground) if control is not None else set()
    return tuple(tissue.id for tissue in ground.anatomy.tissues if (free is None or tissue.label in free)
                 and ground.volumes[tissue.id] > 0 and tissue.id not in moving)


def _changing(control: Control, ground: Placement) -> set[str]:
    """Tissues whose volume cannot stay if the control is to be met.

    A plane or line through one tissue counts as that tissue's (a wider aorta, a thicker wall), one through several does
    not: the opening between two chambers can widen while both keep their volume.
    """
    measured = ground.measured(control)
    found: set[str] = set()
    for term in control.active:
        domain = control.domain(term.domain)
        if term.quantity not in ("mass", "size") or _keeps(term):
            continue
        volume = sum(ground.volumes[tissue] for tissue in domain.tissues)
        cut = domain.dimension < 3 and len(domain.tissues) == 1
        if cut or (domain.dimension == 3 and measured[domain.name].mass >= MOST * volume):
            found.update(domain.tissues)
    return found


def _keeps(term: Term) -> bool:
    return term.target.times == 1 or term.target.plus == 0


def _rounded(value: Any) -> Any:
    """Numbers as a person edits them: six significant digits."""
    return tuple(_rounded(item) for item in value) if isinstance(value, tuple) else float(f"{value:.6g}")
