"""Four seed hearts perturbed at five sampling ratios (npj Table 3, Figs 6 and 7), and with held volumes."""

from __future__ import annotations

from .charts import seed_grid
from .context import StudyContext
from .edited_cohorts import DRIFT, cohort_row, panel
from .papers import paper_table
from .seed_choice import RULE
from .tables import Row, StudyResult

HELD_RATIO = 0.65


def perturb(context: StudyContext) -> StudyResult:
    """For each seed heart: one condition for each ratio, the reconstruction, and one with all volumes held."""
    plan = context.plan
    rows: list[Row] = []
    panels = []
    mapped = (min(plan.ratios), HELD_RATIO, max(plan.ratios))
    for seed in context.seeds:
        requests = [context.request("reconstruct", 1),
                    *(context.request("perturb", plan.count, ratio=ratio) for ratio in plan.ratios),
                    context.held(context.request("perturb", plan.held, ratio=HELD_RATIO, steps=plan.guided_steps),
                                seed.path)]
        names = ["reconstruct", *["perturb"] * len(plan.ratios), "perturb, volumes held"]
        rows.append({"seed": seed.name, "condition": "seed itself", "ratio": "", "members": 1,
                     "TV raw half [%]": seed.violations})
        conditions = context.conditions.get(f"perturb-{seed.name}", requests, context.twin(seed.path))
        for name, request, condition in zip(names, requests, conditions, strict=True):
            ratio = request.psi
            row: Row = {"seed": seed.name, "condition": name, "ratio": ratio, **cohort_row(context, seed, condition)}
            if name != "perturb, volumes held":
                row |= {paper_table(key).name.replace(", Table", " TV, Table") + " [%]":
                        paper_table(key).row(ratio=ratio).get(seed.name, "") for key in ("npj-3", "arxiv-2")}
                if ratio > 0:
                    panels.append(panel(context, seed, f"ratio {ratio:g}", condition, mapped=ratio in mapped))
            else:
                panels.append(panel(context, seed, "held", condition, mapped=False))
            rows.append(row)
    picture = seed_grid(context.real, context.seeds, panels, "perturb", "Siblings at several sampling ratios")
    notes = [RULE, DRIFT, "TV raw: failed checks at half resolution before repair, comparable to those of the papers, "
             "which have no repair. TV: after repair.",
             f"Held: ratio {HELD_RATIO:g} with all tissue volumes guided to those of the seed heart."]
    return StudyResult("perturb", "Perturbed siblings of four seeds", rows, notes, [picture],
                  {"seeds": [seed.to_json() for seed in context.seeds]})
