"""The four strategies compared on one target: npj Table 5 and Fig. 10, with the yield of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cohorts.measured import MeasuredCohort
from ..cohorts.wanted import Wanted, parse_wanted
from ..core.errors import InputError
from ..reports.charts import Group, scatter
from .augmentation import AugmentationResult, AugmentationTask, Augmenter, Strategy
from .charts import renamed
from .context import StudyContext
from .papers import paper_table
from .seed_choice import LV, RV
from .seed_hearts import SeedHeart, choose_seed_hearts, seed_hearts_of
from .tables import Row, StudyResult, figure_columns

PAPERS_TARGET = "RV>115"
RARE = 0.3  # the papers' target is used if at most this share of the reference cohort meets it
MOST_SEEDS = 50  # of the target cohort, as in npj
FEWEST = 4  # members needed for a comparison
ORDER: tuple[Strategy, ...] = ("generate", "perturb", "local", "guided")


def augmentation(context: StudyContext) -> StudyResult:
    """One row for each strategy: its yield, and figures against the target cohort."""
    wanted, words = target_of(context)
    cohort = target_cohort(context)
    hearts = seed_hearts_of(cohort, [context.twin(path) for path in cohort.paths])
    found = choose_seed_hearts(hearts, wanted, MOST_SEEDS)
    seeds = found.seeds
    target = cohort.subset([cohort.members.index(seed.name) for seed in seeds], "target cohort")
    unmet = "" if found.meet else ", although none of them meets the target"
    notes = [words, f"Target cohort: {len(seeds)} hearts of {cohort.name}{unmet}. The strategies perturb, local and "
             "guided edit them, and all figures are against them.", *found.left_out, YIELD]
    rows: list[Row] = []
    groups = []
    for strategy in ORDER:
        made = run(context, wanted, strategy, seeds)
        notes += made.notes
        row: Row = {**made.row(), "source": "ours"}
        if len(made.accepted) >= FEWEST and len(target) >= FEWEST:
            kept = context.measured([candidate.member for candidate in made.accepted], strategy)
            row |= {"members": len(kept), "TV raw half [%]": raw_violations(made),
                    **figure_columns(context.compared(target, kept))}
            groups.append(Group(strategy, kept.features, kept.feature_keys))
        else:
            notes.append(f"{strategy}: there are too few accepted hearts for a comparison.")
        rows.append(row)
    for key in ("npj-5", "arxiv-4"):
        rows += [{**row, "source": paper_table(key).name} for row in paper_table(key).rows]
    limits = {m.key: next(b for b in wanted.bounds(m) if np.isfinite(b)) for m in wanted.measures if m.tissue}
    picture = scatter(Group("target cohort", target.features, target.feature_keys), groups, LV, RV, limits=limits)
    return StudyResult("augment", f"Augmentation of hearts with {wanted}", rows, notes, [renamed(picture, "augment")],
                  {"target": str(wanted)})


YIELD = ("Yield: share of the siblings that meet the target, with Wilson's 95 % interval. Core seconds: wall seconds "
         "of all stages times the threads of a worker, for the median sample. TV raw: of the accepted hearts, before "
         "repair.")


def run(context: StudyContext, wanted: Wanted, strategy: Strategy, seeds: tuple[SeedHeart, ...]) -> AugmentationResult:
    """Runs one strategy until the stop rule of the plan; the strategy "generate" uses the whole pool."""
    plan = context.plan
    most = plan.pool if strategy == "generate" else plan.most
    count = min(plan.accepted, most)
    task = AugmentationTask(wanted, strategy, seeds, count=most if strategy == "generate" else count, most=most,
                            block=most, steps=plan.guided_steps if strategy == "guided" else plan.steps,
                            solver=plan.solver)
    found = Augmenter(task, context.conditions, context.anatomy, context.reference, context.statistics).run()
    if strategy != "generate":
        return found
    notes = () if found.met >= count else (f"generate: {found.met} of {most} samples meet the target; {count} were "
                                           "wanted.",)
    return AugmentationResult(replace(task, count=count), found.candidates, notes)


def target_of(context: StudyContext) -> tuple[Wanted, str]:
    """The target and a note on its choice: the given one, the papers', or a percentile if their 115 ml is not rare."""
    columns = context.real.columns()
    if context.settings.target is not None:
        wanted = parse_wanted(context.settings.target, context.anatomy)
        if wanted.by_name:
            raise InputError("The target does not suit the study", value=str(wanted),
                             rule="volumes and axes of tissues, which all four strategies are compared in",
                             hint="measures by name are targets of `siblings augment`")
        wanted = wanted.resolved(columns)
        return wanted, f"Target: {wanted}, as you gave it."
    wanted = parse_wanted(PAPERS_TARGET, context.anatomy)
    share = float(np.mean([wanted.met_by({RV: value}) for value in columns[RV]]))
    if share <= RARE and share * len(context.real) >= FEWEST:
        return wanted, f"Target: {wanted}, as in the papers; {share:.0%} of the reference cohort meet it."
    percentile = context.plan.percentile
    other = parse_wanted(f"RV>p{percentile:g}", context.anatomy).resolved(columns)
    return other, (f"Target: {other}, the {percentile:g}th percentile of the reference cohort, because the papers' 115 "
                   f"ml is not rare here: {share:.0%} of the cohort exceed it.")


def target_cohort(context: StudyContext) -> MeasuredCohort:
    """The cohort from which the target cohort is chosen."""
    if context.settings.seeds is None:
        return context.real
    return context.measured(context.settings.seeds, context.settings.seeds.name, context.settings.labels)


def raw_violations(found: AugmentationResult) -> float:
    """Mean share of failed checks of the accepted hearts, in percent, at half resolution, before repair."""
    return float(np.mean([(c.member.entry or {})["raw_checks"]["half"]["violation_percent"] for c in found.accepted]))
