"""The four strategies compared on one target: npj Table 5 and Fig. 10, with the yield of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cohorts.measured import MeasuredCohort
from ..cohorts.wanted import Wanted, parse_wanted
from ..reports.charts import Group, scatter
from .augmentation import Augmented, Augmenter, Strategy, Task
from .charts import renamed
from .context import StudyContext
from .papers import paper_table
from .seed_choice import LV, RV
from .seed_hearts import SeedHeart, starts, starts_of
from .tables import Result, Row, figure_columns

PAPERS_TARGET = "RV>115"
RARE = 0.3  # share of the reference cohort up to which the papers' threshold is one
MOST_SEEDS = 50  # of the target cohort, as in npj
FEWEST = 4  # members that a comparison needs
ORDER: tuple[Strategy, ...] = ("generate", "perturb", "local", "guided")


def augmentation(studio: StudyContext) -> Result:
    """One row for each strategy: yield, and figures against the target cohort."""
    wanted, words = target_of(studio)
    cohort = target_cohort(studio)
    found = starts(starts_of(cohort, [studio.twin(path) for path in cohort.paths]), wanted, MOST_SEEDS)
    seeds = found.seeds
    target = cohort.subset([cohort.members.index(seed.name) for seed in seeds], "target cohort")
    unmet = "" if found.meet else ", none of which meets the target"
    notes = [words, f"Target cohort: {len(seeds)} hearts of {cohort.name}{unmet}; perturb, local and guided edit them, "
             "figures are against them.", *found.left_out, YIELD]
    rows: list[Row] = []
    groups = []
    for strategy in ORDER:
        made = run(studio, wanted, strategy, seeds)
        notes += made.notes
        row: Row = {**made.row(), "source": "ours"}
        if len(made.accepted) >= FEWEST and len(target) >= FEWEST:
            kept = studio.measured([candidate.member for candidate in made.accepted], strategy)
            row |= {"members": len(kept), "TV raw half [%]": raw_violations(made),
                    **figure_columns(studio.compared(target, kept))}
            groups.append(Group(strategy, kept.features, kept.feature_keys))
        else:
            notes.append(f"{strategy}: too few accepted hearts to be compared.")
        rows.append(row)
    for key in ("npj-5", "arxiv-4"):
        rows += [{**row, "source": paper_table(key).name} for row in paper_table(key).rows]
    limits = {m.key: next(b for b in wanted.bounds(m) if np.isfinite(b)) for m in wanted.measures if m.tissue}
    picture = scatter(Group("target cohort", target.features, target.feature_keys), groups, LV, RV, limits=limits)
    return Result("augment", f"Augmentation of hearts with {wanted}", rows, notes, [renamed(picture, "augment")],
                  {"target": str(wanted)})


YIELD = ("Yield: made hearts that meet the target, with Wilson's 95 % interval; core seconds: the median sample's wall "
         "seconds of all stages times a worker's threads. TV raw is of the accepted hearts before repair.")


def run(studio: StudyContext, wanted: Wanted, strategy: Strategy, seeds: tuple[SeedHeart, ...]) -> Augmented:
    """One strategy, to the plan's stop rule; generated hearts come from the pool, all of it."""
    plan = studio.plan
    most = plan.pool if strategy == "generate" else plan.most
    count = min(plan.accepted, most)
    task = Task(wanted, strategy, seeds, count=most if strategy == "generate" else count, most=most, block=most,
                steps=plan.guided_steps if strategy == "guided" else plan.steps)
    found = Augmenter(task, studio.arms, studio.anatomy, studio.reference, studio.statistics).run()
    if strategy != "generate":
        return found
    notes = () if found.met >= count else (f"generate: {found.met} of {most} samples meet the target, {count} were "
                                           "wanted.",)
    return Augmented(replace(task, count=count), found.candidates, notes)


def target_of(studio: StudyContext) -> tuple[Wanted, str]:
    """The target, and how it was chosen: as given, the papers', or by percentile where their 115 ml is not rare."""
    columns = studio.real.columns()
    if studio.settings.target is not None:
        wanted = parse_wanted(studio.settings.target, studio.anatomy).resolved(columns)
        return wanted, f"Target: {wanted}, as given."
    wanted = parse_wanted(PAPERS_TARGET, studio.anatomy)
    share = float(np.mean([wanted.met_by({RV: value}) for value in columns[RV]]))
    if share <= RARE and share * len(studio.real) >= FEWEST:
        return wanted, f"Target: {wanted}, the papers'; {share:.0%} of the reference cohort meet it."
    percentile = studio.plan.percentile
    other = parse_wanted(f"RV>p{percentile:g}", studio.anatomy).resolved(columns)
    return other, (f"Target: {other}, the {percentile:g}th percentile of the reference cohort; {share:.0%} of it meet "
                   "the papers' 115 ml, which is not rare here.")


def target_cohort(studio: StudyContext) -> MeasuredCohort:
    """The cohort that the target cohort is taken from."""
    if studio.settings.seeds is None:
        return studio.real
    return studio.measured(studio.settings.seeds, studio.settings.seeds.name, studio.settings.labels)


def raw_violations(found: Augmented) -> float:
    """Mean failed checks in percent, half resolution, before repair, of the accepted ones."""
    return float(np.mean([(c.member.entry or {})["raw_checks"]["half"]["violation_percent"] for c in found.accepted]))
