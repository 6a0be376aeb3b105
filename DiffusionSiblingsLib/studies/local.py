"""One ventricle of four seed hearts redrawn, by replacement and by guidance: npj Table 4, Figs 8 and 9."""

from __future__ import annotations

import numpy as np

from .charts import seed_grid
from .conditions import Condition
from .context import StudyContext
from .edited_cohorts import DRIFT, cohort_row, panel
from .papers import paper_table
from .seed_choice import RULE, StudySeed
from .tables import Row, StudyResult

EDITED = ("RV", "LV")


def local(context: StudyContext) -> StudyResult:
    """One condition for each seed heart, ventricle and method."""
    plan = context.plan
    settings = [(tissue, method, count) for method, count in (("replace", plan.count), ("guidance", plan.guidance_form))
            for tissue in EDITED]
    rows: list[Row] = []
    panels = []
    for seed in context.seeds:
        requests = [context.request("inpaint", count, tissues=(tissue,), ratio=1.0, method=method)
                    for tissue, method, count in settings]
        made = context.conditions.get(f"local-{seed.name}", requests, context.twin(seed.path))
        for (tissue, method, _), condition in zip(settings, made, strict=True):
            row: Row = {"seed": seed.name, "edit": tissue, "method": method, **cohort_row(context, seed, condition),
                        **_others(seed, tissue, condition)}
            if method == "replace":
                row |= {paper_table(key).name.replace(", Table", " TV, Table") + " [%]":
                        paper_table(key).row(edit=tissue).get(seed.name, "") for key in ("npj-4", "arxiv-3")}
                panels.append(panel(context, seed, f"edit {tissue}", condition, mapped=True))
            else:
                panels.append(panel(context, seed, f"edit {tissue}, guidance form", condition, mapped=False))
            rows.append(row)
    picture = seed_grid(context.real, context.seeds, panels, "local", "Siblings with one redrawn ventricle")
    notes = [RULE, DRIFT, "The myocardium follows the edited ventricle, as in the papers. Every other tissue is "
             "identical to the seed heart's, voxel by voxel, where the largest change of another chamber is 0 ml.",
             "Guidance form: inpainting by the gradient of a masked similarity (npj Supplementary Fig. 1).",
             "TV raw: failed checks at half resolution before repair; the papers have no repair."]
    return StudyResult("local", "Siblings with one redrawn ventricle", rows, notes, [picture],
                  {"seeds": [seed.to_json() for seed in context.seeds]})


def _others(seed: StudySeed, tissue: str, condition: Condition) -> Row:
    """What the edit changed elsewhere: the largest change of another chamber, and changed voxels outside its reach."""
    others = [key for key in seed.features if key.is_volume and key.tissue != tissue]
    moved = max(float(np.abs(condition.column(key) - seed.features[key]).max()) for key in others)
    outside = sum(int((entry.get("voxels_changed") or {}).get("outside", 0)) for entry in condition.entries)
    return {"largest change of another chamber [ml]": round(moved, 4), "voxels changed outside": outside}
