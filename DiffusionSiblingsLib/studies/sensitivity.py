"""How many sampler steps and how large a cohort: npj Supplementary Figs 7 and 8, arXiv Figs 11 and 12."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics.feature_space import NEIGHBOURS, compare, sampling_floor, standardise
from ..metrics.measurement import MeasurementKey
from .charts import lines
from .conditions import Condition
from .context import StudyContext
from .tables import Result, Row, interval

FIGURES = ("precision", "recall", "FMD", "TV raw half [%]")


def sensitivity(studio: StudyContext) -> Result:
    """Precision, recall, FMD and violations over the number of steps, and over the size of the cohort."""
    plan, real = studio.plan, studio.real.features
    keys = studio.real.feature_keys
    rows: list[Row] = []
    floors = floors_of(real, plan.step_size)
    requests = [studio.request("generate", plan.step_size, steps=steps) for steps in plan.step_counts]
    for steps, arm in zip(plan.step_counts, studio.arms.get("sensitivity-steps", requests), strict=True):
        seconds = float(np.median([entry["timings_s"]["sample"] for entry in arm.entries]))
        rows.append({"varied": "steps", "value": steps, "members": len(arm), "draws": 1,
                     **figures_of(real, features(arm, keys), raw_violations(arm)), **floors,
                     "sampling [s a sibling]": seconds})
    pool = studio.generated(plan.pool)
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
    notes = [f"Against {len(real)} hearts of the reference cohort, k = {NEIGHBOURS}; all arms start from one noise.",
             f"Sizes: {plan.draws} draws without replacement from {len(everyone)} samples at {plan.steps} steps, mean "
             "and 5 to 95 % of the draws. All three figures depend on size for samples of one kind, too: floor is what "
             "as many of them would have.",
             "Sampling seconds: the median on one core, beside other work at times.",
             "TV raw: failed checks at half resolution before repair; the papers have no repair."]
    return Result("sensitivity", "Sensitivity to sampler steps and cohort size", table, notes, [picture])


def features(arm: Condition, keys: Sequence[MeasurementKey]) -> np.ndarray:
    """(n, 12) features of an arm's siblings, from its record."""
    return np.stack([arm.column(key) for key in keys], axis=1)


def floors_of(real: np.ndarray, size: int) -> Row:
    """What a cohort of this size and of the real hearts' kind would have."""
    scored, _ = standardise(real, real)
    found = sampling_floor(scored, (len(real), size), np.random.default_rng(0))
    return {f"{name} floor": value for name, value in zip(FIGURES, found, strict=False)}


def raw_violations(arm: Condition) -> np.ndarray:
    """(n,) failed checks in percent at half resolution before repair."""
    return np.array([entry["raw_checks"]["half"]["violation_percent"] for entry in arm.entries])


def figures_of(real: np.ndarray, generated: np.ndarray, violations: np.ndarray) -> dict[str, float]:
    """The four figures of a cohort."""
    found = compare(real, generated)
    return {"precision": found.precision, "recall": found.recall, "FMD": found.frechet,
            FIGURES[3]: float(violations.mean())}
