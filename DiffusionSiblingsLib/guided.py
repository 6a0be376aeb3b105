"""Guided requests made ready: presets and tissues to hold become one plain control, checked and measured.

Used by the command line, by scripts and by the worker alike, so that the engine and the record only ever see a control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .anatomy import Anatomy
from .cohort import Support, Tissues, unsupported
from .compose import free_labels
from .control import Asked, Control, Measurement, Term
from .errors import InputError
from .ground import Ground
from .request import Request

AMOUNT = 0.2
LARGEST_AMOUNT = 1.0
WHOLE = 0.02  # a domain that misses no more of its tissues than this share holds them whole
MOST = 0.5  # a box with this share of a tissue decides its volume
LEAST_IN_VIEW = 0.5
ALL = "all"
_NAMES = ("preset", "amount", "hold")


@dataclass(frozen=True)
class Wishes:
    """What is asked for besides a control, in words.

    presets: names of `control.presets.PRESETS`. amount: the share by which presets change what they are about (0.2 is
    20 %). hold: tissues that keep the volume they have in the twin, ("all",) for every one that is not asked to change.
    """

    presets: tuple[str, ...] = ()
    amount: float = AMOUNT
    hold: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from .control.presets import PRESETS

        for name in self.presets:
            if name not in PRESETS:
                raise InputError("There is no such preset", value=name, rule=f"presets are {', '.join(PRESETS)}")
        number = isinstance(self.amount, (int, float)) and not isinstance(self.amount, bool)
        if not number or not 0 < self.amount <= LARGEST_AMOUNT:
            raise InputError("The amount of a preset cannot be used", value=self.amount,
                             rule=f"a share above 0 and at most {LARGEST_AMOUNT:g}",
                             hint="0.2 is 20 %; for less of something take the preset that shrinks it")

    def __bool__(self) -> bool:
        return bool(self.presets or self.hold)

    @classmethod
    def taken_from(cls, values: Mapping[str, Any]) -> tuple[dict[str, Any], Wishes]:
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


@dataclass(frozen=True)
class Guided:
    """A request that is ready to be made.

    request: with its control, in which no preset is left; without one where nothing is guided. asked: its absolute
    targets. measured: domain name -> what the twin (or the mean heart) has there. warnings: for a person, beforehand.
    """

    request: Request
    asked: tuple[Asked, ...] = ()
    measured: Mapping[str, Measurement] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def make_guided(request: Request, ground: Ground, wishes: Wishes | None = None,
                support: Support | None = None) -> Guided:
    """Adds what the wishes ask for to the request's control, and checks all of it on the ground.

    Raises InputError for what cannot be had: a domain out of view, a tissue that is not there, targets that contradict
    each other. support: the training cohort, to warn of targets beyond it.
    """
    control = control_of(request, ground, wishes or Wishes())
    if control is None:
        return Guided(request)
    ready = replace(request, control=control)
    measured = ground.measured(control)
    asked = control.resolve(measured)
    volumes = _whole_volumes(control, asked, measured, ground)
    notes = [*_out_of_sight(control, measured, ground)]
    return Guided(ready, asked, measured, (*notes, *(unsupported(volumes, support) if support else ())))


def control_of(request: Request, ground: Ground, wishes: Wishes) -> Control | None:
    """The request's control and all that the wishes add, as one; None where neither asks for anything."""
    control = request.control
    if not wishes:
        return control
    control = ground.placed(control) if control is not None else None
    for name in wishes.presets:
        control = _together(control, preset_control(name, ground, wishes.amount))
    if tissues := _to_hold(request, ground, wishes, control):
        control = _together(control, hold_control(tissues, ground))
    return control


def preset_control(name: str, ground: Ground, amount: float = AMOUNT) -> Control:
    """One preset on this heart, along the canonical axes. Raises InputError where the heart lacks what it is about."""
    from .control.presets import preset

    made = preset(name, ground.labels, ground.affine, ground.anatomy, amount=amount, axes=ground.axes)
    return replace(made, frame=ground.frame)


def hold_control(tissues: tuple[str, ...], ground: Ground) -> Control:
    """Those tissues' volumes as they are in this heart. Raises InputError for one that is absent."""
    from .control.presets import hold

    return replace(hold(tissues, ground.labels, ground.affine, ground.anatomy, axes=ground.axes), frame=ground.frame)


def names_of(value: object) -> tuple[str, ...]:
    """A name, several with commas, or a list of them -> names without blanks."""
    listed = value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    if not all(isinstance(part, str) for part in listed):
        raise InputError("Names cannot be read", value=value, rule='text such as "LV,LA", or a list of names')
    return tuple(name.strip() for part in listed for name in str(part).split(",") if name.strip())


def _together(control: Control | None, other: Control) -> Control:
    return other if control is None else control.merged(other)


def _to_hold(request: Request, ground: Ground, wishes: Wishes, control: Control | None) -> tuple[str, ...]:
    """The tissues to hold. "all" leaves out those that cannot change, are absent, or are asked to change."""
    held = wishes.held(ground.anatomy)
    if held != (ALL,):
        return held
    anatomy = ground.anatomy
    free = free_labels(request.tissues, anatomy) if request.tissues else [tissue.label for tissue in anatomy.tissues]
    moving = _changing(control, ground) if control is not None else set()
    return tuple(tissue.id for tissue in anatomy.tissues
                 if tissue.label in free and ground.volumes[tissue.id] > 0 and tissue.id not in moving)


def _changing(control: Control, ground: Ground) -> set[str]:
    """Tissues whose volume cannot stay if the control is to be met."""
    measured = ground.measured(control)
    found: set[str] = set()
    for term in control.active:
        domain = control.domain(term.domain)
        if term.quantity not in ("mass", "size") or _keeps(term):
            continue
        volume = sum(ground.volumes[tissue] for tissue in domain.tissues)
        if domain.dimension < 3 or measured[domain.name].mass >= MOST * volume:
            found.update(domain.tissues)
    return found


def _keeps(term: Term) -> bool:
    return term.target.times == 1 or term.target.plus == 0


def _whole_volumes(control: Control, asked: tuple[Asked, ...], measured: Mapping[str, Measurement],
                   ground: Ground) -> dict[Tissues, float]:
    """Tissues -> ml asked of them as a whole. Raises InputError where two domains ask differently of the same ones."""
    found: dict[Tissues, tuple[float, float, str]] = {}
    for target in asked:
        domain = control.domain(target.domain)
        tissues = tuple(sorted(domain.tissues))
        volume = sum(ground.volumes[tissue] for tissue in tissues)
        if target.quantity != "mass" or domain.dimension < 3 or not isinstance(target.value, float) or not volume:
            continue
        if abs(measured[domain.name].mass - volume) > WHOLE * volume:
            continue
        value, tolerance, name = found.setdefault(tissues, (target.value, target.tolerance, domain.name))
        if abs(value - target.value) > (tolerance + target.tolerance + WHOLE) * value:
            raise InputError("Two targets contradict each other",
                             value=f"{name} {value:.6g} ml and {target.domain} {target.value:.6g} ml, both the whole "
                             f"of {' + '.join(tissues)}", rule="one volume for each tissue",
                             hint="leave the tissue out of --hold, or switch one of the targets off")
    return {tissues: value for tissues, (value, _, _) in found.items()}


def _out_of_sight(control: Control, measured: Mapping[str, Measurement], ground: Ground) -> list[str]:
    """Warnings of domains that are mostly out of view or empty. Raises InputError for one wholly out of view."""
    notes = []
    for domain in ground.placed(control).domains:
        if not any(term.domain == domain.name for term in control.active):
            continue
        share = ground.in_view(domain)
        if share == 0:
            centre = ", ".join(f"{value:.1f}" for value in domain.centre)
            raise InputError(f"The control domain {domain.name} lies outside the model's field of view",
                             value=f"centre ({centre}) mm", rule="it has to reach into what the model sees",
                             hint="move it to the heart; coordinates are RAS mm (LPS has the first two signs turned)")
        if share < LEAST_IN_VIEW:
            notes.append(f"Only {share:.0%} of the control domain {domain.name} lies in the model's field of view")
        if measured[domain.name].mass == 0:
            notes.append(f"The control domain {domain.name} holds no {' + '.join(domain.tissues)} before the edit; the "
                         "guidance has nothing there to start from")
    return notes
