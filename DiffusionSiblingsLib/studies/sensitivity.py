"""How figures depend on sampler steps and cohort size: npj Supplementary Figs 7 and 8, arXiv Figs 11 and 12."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..metrics.feature_space import NEIGHBOURS, compare, sampling_floor, standardise
from ..metrics.measurement import MeasurementKey
from .charts import lines
from .conditions import Condition
from .context import StudyContext
from .tables import Row, StudyResult, interval

Floats = npt.NDArray[np.float64]
FIGURES = ("precision", "recall", "FMD", "TV raw half [%]")


def sensitivity(context: StudyContext) -> StudyResult:
    """Precision, recall, FMD and violations over the number of steps, and over the size of the cohort."""
    plan, real = context.plan, context.real.features
    keys = context.real.feature_keys
    rows: list[Row] = []
    floors = floors_of(real, plan.step_size)
    pool = context.generated(plan.pool)  # first: the condition of as many steps is a part of it
    requests = [context.request("generate", plan.step_size, steps=steps) for steps in plan.step_counts]
    for steps, condition in zip(plan.step_counts, context.conditions.get("sensitivity-steps", requests), strict=True):
        seconds = float(np.median([entry["timings_s"]["sample"] for entry in condition.entries]))
        rows.append({"varied": "steps", "value": steps, "members": len(condition), "draws": 1,
                     **figures_of(real, features(condition, keys), raw_violations(condition)), **floors,
                     "sampling [s a sibling]": seconds})
    everyone, violations = features(pool, keys), raw_violations(pool)
    rng = np.random.default_rng(0)
    for size in plan.sizes:
        draws = [rng.permutation(len(everyone))[:size] for _ in range(plan.draws if size < len(everyone) else 1)]
        found = [figures_of(real, everyone[chosen], violations[chosen]) for chosen in draws]
        row: Row = {"varied": "cohort size", "value": size, "members": size, "draws": len(draws)}
        for name in FIGURES:
            values = [values[name] for values in found]
            low, high = np.percentile(values, (5, 95))
            row |= {name: float(np.mean(values)), f"{name} 5 to 95 %": interval(float(low), float(high)),
                    f"{name} band": (float(low), float(high))}
        rows.append(row | floors_of(real, size))
    picture = lines(rows, {"steps": "sampler steps", "cohort size": "members of the cohort"}, FIGURES, "sensitivity")
    table = [{key: value for key, value in row.items() if not key.endswith(" band")} for row in rows]
    notes = [f"Against {len(real)} hearts of the reference cohort, k = {NEIGHBOURS}; all conditions start from the "
             "same noise.",
             f"Sizes: {plan.draws} draws without replacement from {len(everyone)} samples at {plan.steps} steps, mean "
             "and 5 to 95 % of the draws. All three figures depend on the size even if both cohorts have the same "
             "distribution; the floor is the value in that case.",
             "Sampling seconds: the median on one core, sometimes with other work on the machine.",
             "TV raw: failed checks at half resolution before repair; the papers have no repair."]
    return StudyResult("sensitivity", "Sensitivity to sampler steps and cohort size", table, notes, [picture])


def features(condition: Condition, keys: Sequence[MeasurementKey]) -> Floats:
    """(n, 12) features of a condition's siblings, from its record."""
    return np.stack([condition.column(key) for key in keys], axis=1)


def floors_of(real: Floats, size: int) -> Row:
    """The figures of a cohort of this size with the distribution of the real hearts. real: (n, 12) features."""
    scored, _ = standardise(real, real)
    found = sampling_floor(scored, (len(real), size), np.random.default_rng(0))
    return {f"{name} floor": value for name, value in zip(FIGURES, found, strict=False)}


def raw_violations(condition: Condition) -> Floats:
    """(n,) failed checks in percent at half resolution before repair."""
    return np.array([entry["raw_checks"]["half"]["violation_percent"] for entry in condition.entries])


def figures_of(real: Floats, generated: Floats, violations: Floats) -> dict[str, float]:
    """The four figures of a cohort. real, generated: (n, 12) features; violations: (n,) percent."""
    found = compare(real, generated)
    return {"precision": found.precision, "recall": found.recall, "FMD": found.frechet,
            FIGURES[3]: float(violations.mean())}
