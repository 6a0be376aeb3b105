"""One ventricle of four seeds drawn anew: npj Table 4, Figs 8 and 9; replacement against the guidance form."""

from __future__ import annotations

import numpy as np

from .charts import seed_grid
from .conditions import Condition
from .context import StudyContext
from .edited_cohorts import DRIFT, cohort_row, panel
from .papers import paper_table
from .seed_choice import RULE, Seed
from .tables import Result, Row

EDITED = ("RV", "LV")


def local(studio: StudyContext) -> Result:
    """One cohort for each seed, ventricle and method."""
    plan = studio.plan
    arms = [(tissue, method, count) for method, count in (("replace", plan.count), ("guidance", plan.guidance_form))
            for tissue in EDITED]
    rows: list[Row] = []
    panels = []
    for seed in studio.seeds:
        requests = [studio.request("inpaint", count, tissues=(tissue,), ratio=1.0, method=method)
                    for tissue, method, count in arms]
        made = studio.arms.get(f"local-{seed.name}", requests, studio.twin(seed.path))
        for (tissue, method, _), arm in zip(arms, made, strict=True):
            row: Row = {"seed": seed.name, "edit": tissue, "method": method, **cohort_row(studio, seed, arm),
                        **_others(seed, tissue, arm)}
            if method == "replace":
                row |= {paper_table(key).name.replace(", Table", " TV, Table") + " [%]":
                        paper_table(key).row(edit=tissue).get(seed.name, "") for key in ("npj-4", "arxiv-3")}
                panels.append(panel(studio, seed, f"edit {tissue}", arm, mapped=True))
            else:
                panels.append(panel(studio, seed, f"edit {tissue}, guidance form", arm, mapped=False))
            rows.append(row)
    picture = seed_grid(studio.real, studio.seeds, panels, "local", "Siblings with one ventricle drawn anew")
    notes = [RULE, DRIFT, "The myocardium follows the edited ventricle, as in the papers; every other tissue is the "
             "seed's, bit for bit (largest change of another chamber: 0 ml where that holds).",
             "Guidance form: inpainting by the gradient of a masked similarity (npj Supplementary Fig. 1).",
             "TV raw: failed checks at half resolution before repair; the papers have no repair."]
    return Result("local", "Siblings with one ventricle drawn anew", rows, notes, [picture],
                  {"seeds": [seed.to_json() for seed in studio.seeds]})


def _others(seed: Seed, tissue: str, arm: Condition) -> Row:
    """What the edit did elsewhere: the largest change of another chamber, and voxels outside its reach."""
    others = [key for key in seed.features if key.is_volume and key.tissue != tissue]
    moved = max(float(np.abs(arm.column(key) - seed.features[key]).max()) for key in others)
    outside = sum(int((entry.get("voxels_changed") or {}).get("outside", 0)) for entry in arm.entries)
    return {"largest change of another chamber [ml]": round(moved, 4), "voxels changed outside": outside}
