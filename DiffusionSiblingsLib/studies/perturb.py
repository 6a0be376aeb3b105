"""Four seeds perturbed at five sampling ratios: npj Table 3, Figs 6 and 7; and with volumes held."""

from __future__ import annotations

from .charts import seed_grid
from .context import StudyContext
from .edited_cohorts import DRIFT, cohort_row, panel
from .papers import paper_table
from .seed_choice import RULE
from .tables import Result, Row

HELD_RATIO = 0.65


def perturb(studio: StudyContext) -> Result:
    """One cohort for each seed and ratio, the reconstruction, and one with all volumes held."""
    plan = studio.plan
    rows: list[Row] = []
    panels = []
    mapped = (min(plan.ratios), HELD_RATIO, max(plan.ratios))
    for seed in studio.seeds:
        requests = [studio.request("reconstruct", 1),
                    *(studio.request("perturb", plan.count, ratio=ratio) for ratio in plan.ratios),
                    studio.held(studio.request("perturb", plan.held, ratio=HELD_RATIO, steps=plan.guided_steps),
                                seed.path)]
        names = ["reconstruct", *["perturb"] * len(plan.ratios), "perturb, volumes held"]
        rows.append({"seed": seed.name, "arm": "seed itself", "ratio": "", "members": 1,
                     "TV raw half [%]": seed.violations})
        arms = studio.arms.get(f"perturb-{seed.name}", requests, studio.twin(seed.path))
        for name, request, arm in zip(names, requests, arms, strict=True):
            ratio = request.psi
            row: Row = {"seed": seed.name, "arm": name, "ratio": ratio, **cohort_row(studio, seed, arm)}
            if name != "perturb, volumes held":
                row |= {paper_table(key).name.replace(", Table", " TV, Table") + " [%]":
                        paper_table(key).row(ratio=ratio).get(seed.name, "") for key in ("npj-3", "arxiv-2")}
                if ratio > 0:
                    panels.append(panel(studio, seed, f"ratio {ratio:g}", arm, mapped=ratio in mapped))
            else:
                panels.append(panel(studio, seed, "held", arm, mapped=False))
            rows.append(row)
    picture = seed_grid(studio.real, studio.seeds, panels, "perturb", "Siblings at several sampling ratios")
    notes = [RULE, DRIFT, "TV raw: failed checks at half resolution before repair, to be read beside the papers', who "
             "have no repair; TV: after repair.",
             f"Held: ratio {HELD_RATIO:g} with all tissue volumes guided to the seed's own."]
    return Result("perturb", "Perturbed siblings of four seeds", rows, notes, [picture],
                  {"seeds": [seed.to_json() for seed in studio.seeds]})
