"""The values that guided augmentation aims at, and the controls that request them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..cohorts.wanted import Measure, Wanted
from ..control.builders import around_tissue
from ..control.control import Control
from ..control.domain import ControlDomain
from ..control.measure_terms import MeasureTerm
from ..control.placement import Placement
from ..control.terms import Target, Term
from ..editing.wants import Want, control_of_wants
from ..metrics.measurement import MAJOR_AXIS, MeasurementKey
from ..metrics.measures.definition import ratios_of
from ..metrics.morphology import moments

MARGIN = 0.02  # beyond the threshold, relative: a guided mass ends within 1 % of its target
SPREAD = 0.1  # relative, if no heart beyond the threshold is known
LEAST_SPREAD = 0.02  # relative, for a tail of nearly equal hearts
NEAR = 1.0  # in deviations of the tail: how far a seed heart is moved from its own value

Floats = npt.NDArray[np.float64]
Values = dict[MeasurementKey, float]


@dataclass(frozen=True)
class Tail:
    """The hearts beyond the threshold. rows: (n, measures) their values, in the order of wanted.measures."""

    wanted: Wanted
    rows: Floats

    @classmethod
    def of(cls, wanted: Wanted, cohorts: Sequence[Mapping[MeasurementKey, Floats]]) -> Tail:
        """The hearts of the cohorts (key -> (n,) values) that meet the target; skips cohorts that lack a measure."""
        keys = [measure.key for measure in wanted.measures]
        tables = [np.stack([cohort[key] for key in keys], axis=1) for cohort in cohorts
                  if all(key in cohort for key in keys)]
        rows = np.concatenate([np.zeros((0, len(keys))), *tables])
        keep = [wanted.met_by(dict(zip(keys, row.tolist(), strict=True))) for row in rows]
        return cls(wanted, rows[np.array(keep, dtype=bool)])

    def draw(self, own: Values | None, rng: np.random.Generator) -> Values:
        """Values for one sibling: those of a heart of the tail, with noise, kept beyond the threshold.

        own: the values of the seed heart. Hearts of the tail that are close to it are drawn more often, so that no seed
        heart changes by more than the width of the tail. A tail of fewer than two hearts gives values just beyond the
        threshold.
        """
        measures = self.wanted.measures
        bounds = [self.wanted.bounds(measure) for measure in measures]
        if len(self.rows) < 2:
            middle = [_beyond(low, high, abs(rng.standard_normal()) * SPREAD) for low, high in bounds]
            drawn = {m.key: _within(v, b) for m, v, b in zip(measures, middle, bounds, strict=True)}
            return _in_order(drawn, self.wanted)
        spread = np.maximum(self.rows.std(axis=0, ddof=1), LEAST_SPREAD * np.abs(self.rows).mean(axis=0))
        weights = np.ones(len(self.rows))
        if own is not None and all(np.isfinite(own.get(measure.key, np.nan)) for measure in measures):
            at = np.array([own[measure.key] for measure in measures])
            distance = np.square((self.rows - at) / (NEAR * spread)).sum(axis=1)
            weights = np.exp(-0.5 * (distance - distance.min()))
        row = self.rows[rng.choice(len(self.rows), p=weights / weights.sum())]
        width = spread * len(self.rows) ** (-1 / (len(measures) + 4))  # Scott's: a kernel density of the tail
        values = row + width * rng.standard_normal(len(measures))
        drawn = {m.key: _within(float(v), b) for m, v, b in zip(measures, values, bounds, strict=True)}
        return _in_order(drawn, self.wanted)


def control_for(values: Values, wanted: Wanted, placement: Placement, control: Control | None) -> Control:
    """A control that requests the values for a heart. control: the one with the domains that the target names, placed
    on this heart; its other terms are kept.
    """
    placed = placement.placed(control) if control is not None else None
    domains: dict[str, ControlDomain] = {domain.name: domain for domain in placed.domains} if placed else {}
    terms: list[Term] = [term for term in placed.terms if (term.domain, term.quantity) not in
                         {(name, "mass") for name in wanted.domains}] if placed else []
    for tissue in dict.fromkeys(m.tissue for m in wanted.measures if m.tissue is not None):
        box = around_tissue(placement.labels, placement.affine, placement.anatomy, [tissue], axes=placement.axes)
        name = tissue if tissue not in domains else f"{tissue} of the target"
        domains[name] = replace(box, name=name)
        of = {m: values[m.key] for m in wanted.measures if m.tissue == tissue}
        terms += [Term(name, "mass", Target(value=value)) for m, value in of.items() if m.is_volume]
        terms += _axes_terms(name, tissue, {m: v for m, v in of.items() if not m.is_volume}, placement)
    terms += [Term(m.domain, "mass", Target(value=values[m.key])) for m in wanted.measures if m.domain is not None]
    used = {term.domain for term in terms}
    domains_used = tuple(domain for name, domain in domains.items() if name in used)
    ratios, named = _by_name(values, wanted, placement)
    measures = (*named, *(term for term in (placed.measures if placed else ()) if term.key not in values))
    if not domains_used and not measures and ratios is not None:
        return ratios
    asked = Control(domains_used, tuple(terms), placement.frame, f"augment {wanted}", measures)
    return asked if ratios is None else asked.merged(ratios)


def _by_name(values: Values, wanted: Wanted,
             placement: Placement) -> tuple[Control | None, tuple[MeasureTerm, ...]]:
    """A control for ratios of volumes, and targets for the other measures by name.

    A ratio of which the target names a volume as well is not asked for: the volume decides.
    """
    named, pairs = [measure for measure in wanted.measures if measure.by_name], ratios_of(placement.anatomy)
    tissues = {measure.tissue for measure in wanted.measures if measure.is_volume}
    wants = [Want(measure.key, Target(value=values[measure.key])) for measure in named
             if measure.key in pairs and not tissues & set(pairs[measure.key])]
    terms = [MeasureTerm(measure.key, Target(value=values[measure.key])) for measure in named
             if measure.key not in pairs]
    return control_of_wants(wants, placement) if wants else None, tuple(terms)


def _axes_terms(name: str, tissue: str, axes: Mapping[Measure, float], placement: Placement) -> list[Term]:
    """Terms for size and shape that give a tissue the axis lengths. The other axes stay as they are if their order
    allows it: a longer minor axis lengthens shorter axes, and a shorter major axis shortens longer ones.

    An axis is 2 sqrt(5 lambda); the size is the sum of the three lambdas and the shape their shares.
    """
    if not axes:
        return []
    label = placement.anatomy.label_of(tissue)
    body = moments(placement.labels, placement.affine, [label])[label]
    own = np.linalg.eigvalsh(body.covariance)[::-1].copy()
    for measure, length in axes.items():
        asked, major = (length / 2) ** 2 / 5, measure.key.name == MAJOR_AXIS
        own = np.minimum(own, asked) if major else np.maximum(own, asked)
        own[0 if major else 2] = asked
    size = float(own.sum())
    return [Term(name, "size", Target(value=size)), Term(name, "shape", Target(value=tuple((own / size).tolist())))]


def _in_order(values: Values, wanted: Wanted) -> Values:
    """The values. If a minor axis was drawn longer than its major axis, both get the middle, within their bounds."""
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
    """The value reflected at the bounds, with a margin inside them of at most a quarter of the range."""
    room = (bounds[1] - bounds[0]) / 4
    low, high = (bound + sign * min(MARGIN * abs(bound), room) if np.isfinite(bound) else bound
                 for bound, sign in zip(bounds, (1, -1), strict=True))
    low = max(low, 0.0)
    if value < low:
        value = 2 * low - value
    if value > high:
        value = max(2 * high - value, low)
    return float(f"{min(max(value, low), high):.6g}")
