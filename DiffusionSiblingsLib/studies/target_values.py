"""Values that guided augmentation aims at, and the controls that ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cohorts.wanted import Measure, Wanted
from ..control.builders import around_tissue
from ..control.control import Control
from ..control.domain import ControlDomain
from ..control.placement import Placement
from ..control.terms import Target, Term
from ..metrics.measurement import MAJOR_AXIS, MeasurementKey
from ..metrics.morphology import moments

MARGIN = 0.02  # beyond the threshold, relative: a guided mass ends within 1 % of what was asked
SPREAD = 0.1  # relative, where no heart beyond the threshold is known
LEAST_SPREAD = 0.02  # relative, of a tail of hearts that are all alike
NEAR = 1.0  # deviations of the tail: how far from its own value a seed is sent

Values = dict[MeasurementKey, float]


@dataclass(frozen=True)
class Tail:
    """Hearts beyond the threshold. rows: (n, measures) their values, in the order of wanted.measures."""

    wanted: Wanted
    rows: np.ndarray

    @classmethod
    def of(cls, wanted: Wanted, cohorts: Sequence[Mapping[MeasurementKey, np.ndarray]]) -> Tail:
        """The hearts of some cohorts (measurement -> (n,) values) that meet the target; a cohort that has not measured
        all of it is left out.
        """
        keys = [measure.key for measure in wanted.measures]
        tables = [np.stack([cohort[key] for key in keys], axis=1) for cohort in cohorts
                  if all(key in cohort for key in keys)]
        rows = np.concatenate([np.zeros((0, len(keys))), *tables])
        keep = [wanted.met_by(dict(zip(keys, row.tolist(), strict=True))) for row in rows]
        return cls(wanted, rows[np.array(keep, dtype=bool)])

    def draw(self, own: Values | None, rng: np.random.Generator) -> Values:
        """Values for one sibling: those of a heart of the tail, jittered, kept beyond the threshold.

        own: what the seed has; hearts of the tail near to it are drawn more often, so that no seed is bent further than
        the tail is wide. A tail of fewer than two hearts gives values just beyond the threshold.
        """
        measures = self.wanted.measures
        bounds = [self.wanted.bounds(measure) for measure in measures]
        if len(self.rows) < 2:
            middle = [_beyond(low, high, abs(rng.standard_normal()) * SPREAD) for low, high in bounds]
            drawn = {m.key: _within(v, b) for m, v, b in zip(measures, middle, bounds, strict=True)}
            return _in_order(drawn, self.wanted)
        spread = np.maximum(self.rows.std(axis=0, ddof=1), LEAST_SPREAD * np.abs(self.rows).mean(axis=0))
        weights = np.ones(len(self.rows))
        if own is not None and all(measure.key in own for measure in measures):
            at = np.array([own[measure.key] for measure in measures])
            distance = np.square((self.rows - at) / (NEAR * spread)).sum(axis=1)
            weights = np.exp(-0.5 * (distance - distance.min()))
        row = self.rows[rng.choice(len(self.rows), p=weights / weights.sum())]
        width = spread * len(self.rows) ** (-1 / (len(measures) + 4))  # Scott's: a kernel density of the tail
        values = row + width * rng.standard_normal(len(measures))
        drawn = {m.key: _within(float(v), b) for m, v, b in zip(measures, values, bounds, strict=True)}
        return _in_order(drawn, self.wanted)


def control_for(values: Values, wanted: Wanted, ground: Placement, control: Control | None) -> Control:
    """A control that asks for the values on a heart. control: the one whose domains the target names, on this heart;
    its other terms stay.
    """
    placed = ground.placed(control) if control is not None else None
    domains: dict[str, ControlDomain] = {domain.name: domain for domain in placed.domains} if placed else {}
    terms: list[Term] = [term for term in placed.terms if (term.domain, term.quantity) not in
                         {(name, "mass") for name in wanted.domains}] if placed else []
    for tissue in dict.fromkeys(m.tissue for m in wanted.measures if m.tissue is not None):
        box = around_tissue(ground.labels, ground.affine, ground.anatomy, [tissue], axes=ground.axes)
        name = tissue if tissue not in domains else f"{tissue} of the target"
        domains[name] = replace(box, name=name)
        of = {m: values[m.key] for m in wanted.measures if m.tissue == tissue}
        terms += [Term(name, "mass", Target(value=value)) for m, value in of.items() if m.is_volume]
        terms += _axes_terms(name, tissue, {m: v for m, v in of.items() if not m.is_volume}, ground)
    terms += [Term(m.domain, "mass", Target(value=values[m.key])) for m in wanted.measures if m.domain is not None]
    used = {term.domain for term in terms}
    return Control(tuple(domain for name, domain in domains.items() if name in used), tuple(terms), ground.frame,
                   f"augment {wanted}")


def _axes_terms(name: str, tissue: str, axes: Mapping[Measure, float], ground: Placement) -> list[Term]:
    """Size and shape that give a tissue the axis lengths; the other axes stay the heart's own as far as their order
    allows: the minor axis takes those along that it would outgrow, the major one those that it would fall below.

    An axis is 2 sqrt(5 lambda); size is the sum of the three lambdas and shape their shares.
    """
    if not axes:
        return []
    label = ground.anatomy.label_of(tissue)
    body = moments(ground.labels, ground.affine, [label])[label]
    own = np.linalg.eigvalsh(body.covariance)[::-1].copy()
    for measure, length in axes.items():
        asked, major = (length / 2) ** 2 / 5, measure.key.name == MAJOR_AXIS
        own = np.minimum(own, asked) if major else np.maximum(own, asked)
        own[0 if major else 2] = asked
    size = float(own.sum())
    return [Term(name, "size", Target(value=size)), Term(name, "shape", Target(value=tuple((own / size).tolist())))]


def _in_order(values: Values, wanted: Wanted) -> Values:
    """The values; where a minor axis was drawn longer than its major one, both at their middle, within their bounds."""
    found = dict(values)
    for minor, major in wanted.axis_pairs:
        if values[minor.key] > values[major.key]:
            lows, highs = zip(wanted.bounds(minor), wanted.bounds(major), strict=True)
            middle = (values[minor.key] + values[major.key]) / 2
            found[minor.key] = found[major.key] = _within(middle, (max(lows), min(highs)))
    return found


def _beyond(low: float, high: float, by: float) -> float:
    if np.isfinite(low) and np.isfinite(high):
        return low + min(by, 1.0) * (high - low)
    return low * (1 + MARGIN + by) if np.isfinite(low) else high * (1 - MARGIN - by)


def _within(value: float, bounds: tuple[float, float]) -> float:
    """The value reflected at the bounds, a margin inside of them: a quarter of a narrow range at most."""
    room = (bounds[1] - bounds[0]) / 4
    low, high = (bound + sign * min(MARGIN * abs(bound), room) if np.isfinite(bound) else bound
                 for bound, sign in zip(bounds, (1, -1), strict=True))
    low = max(low, 0.0)
    if value < low:
        value = 2 * low - value
    if value > high:
        value = max(2 * high - value, low)
    return float(f"{min(max(value, low), high):.6g}")
