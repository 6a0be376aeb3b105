"""What the page of one cohort shows: its answer in sentences, and the values of each section.

The words of the sections are in Resources/Pages/cohort.html.j2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..cohorts.measure_rows import shown_first
from ..core.tables import decimals_of
from ..metrics.feature_space import constant
from ..metrics.measurement import keyed_numbers
from ..metrics.measures.measure import headlines
from .chart_style import Picture
from .cohort_facts import CohortFacts, share_of
from .page import DASH, Cell, number, write_page
from .training_distance_parts import LISTED, distance_facts

TEMPLATE = "cohort.html.j2"
SMALL = 30
MODEL_PARTS = (("Intended use", "intended_use"), ("Limits", "limits"), ("Data", "data"))  # of the model card


@dataclass(frozen=True)
class Shown:
    """The pictures of the page. where: differences of occupancy, from the twin or from the mean heart."""

    scatters: Sequence[Picture]
    distributions: Picture
    checks: Picture
    sheet: Picture
    where: Picture | None
    against_twin: bool = False

    @property
    def charts(self) -> list[Picture]:
        """All but the contact sheet, which is written where it is made."""
        return [*self.scatters, self.distributions, *([self.where] if self.where else []), self.checks]


def write_cohort_page(path: Path, known: CohortFacts, shown: Shown, report: Mapping[str, Any]) -> Path:
    """Writes the whole page. report: what report.json holds. Raises OutputError."""
    return write_page(
        path, TEMPLATE, title=f"{known.kind.capitalize()}: {known.cohort.name}", kicker="Report on a cohort",
        made=report, report=report, shown=shown, twin=known.twin is not None, answer=answer(known),
        making=making_facts(known), targets=targets_facts(report["targets"], known), distance=distance_facts(known),
        measures=measure_cells(known), checks=checks_facts(known), rejected=rejected_facts(known),
        model=model_facts(known), limits=list(limits(known)), listed=LISTED)


def answer(known: CohortFacts) -> str:
    """The cohort in a few sentences."""
    cohort = known.cohort
    passed = sum(not names for names in cohort.failed_half)
    words = [f"{len(cohort)} {known.kind}" + (f" of {_file_name(known.twin)}" if known.twin else "") + ".",
             f"{'All' if passed == len(cohort) else passed or 'None'} pass the {len(cohort.checks)} topological "
             "checks."]
    if known.distances:
        words += _distance_sentences(known)
    if known.gated:
        share, low, high = known.acceptance()
        words.append(f"Acceptance checks let {100 * share:.0f} % of what was drawn pass (95 % interval "
                     f"{100 * low:.0f} to {100 * high:.0f} %).")
    return " ".join(words)


def measure_cells(known: CohortFacts) -> list[dict[str, Cell]]:
    """The measures that are shown first, as the page's table has them."""
    return [_measure_cells(row) for row in shown_first(known.measures, headlines(known.cohort.anatomy))]


def _measure_cells(row: Mapping[str, Any]) -> dict[str, Cell]:
    found = {name: number(row.get(name), decimals_of(row["greatest"]))
             for name in ("twin", "50 %", "5 %", "95 %", "least", "greatest")}
    return {"Measure": row["measure"], "Found in": row["found"], **({"Twin": found["twin"]} if "twin" in row else {}),
            "Median": found["50 %"], "Middle 90 %": f"{found['5 %']} to {found['95 %']}",
            "Range": f"{found['least']} to {found['greatest']}",
            "Variation [%]": number(row["coefficient of variation [%]"], 1)}


def _distance_sentences(known: CohortFacts) -> list[str]:
    outside = sum(bool(found.outside) for found in known.distances)
    near = sum(found.suspicious for found in known.distances)
    words = [f"{outside or 'None'} lie{'s' * (outside < 2)} outside the range of the model's "
             f"{len(known.statistics or ())} training hearts in any measurement, and {near or 'none'} "
             f"{'is' if near < 2 else 'are'} suspiciously near to one of them."]
    drift = [found.overall for found in known.distances if found.overall is not None]
    if drift:
        words.append(f"They moved {100 * float(np.median(drift)):.0f} % of the way from the twin to the mean of the "
                     "training hearts (median).")
    return words


def _file_name(twin: Mapping[str, Any] | None) -> str:
    return str((twin or {}).get("file") or "a twin").replace("\\", "/").rsplit("/", 1)[-1]


def making_facts(known: CohortFacts) -> dict[str, Any]:
    """Where the members lie, and what the record says of how they were made."""
    cohort, record = known.cohort, known.record
    folders = list(dict.fromkeys(str(path.resolve().parent) for path in cohort.paths))[:3]
    skipped = [f"{name}: {why}" for name, why in list(cohort.skipped.items())[:LISTED]]
    assumed = [f"{words} ({count} of {len(cohort)} maps)" for words, count in list(cohort.noted().items())[:LISTED]]
    found: dict[str, Any] = {"known": record is not None, "folders": folders, "skipped": skipped, "assumed": assumed,
                             "edits": known.edits,
                             "facts": {}, "codes": {}}
    if record is None:
        return found
    compute, software = record.compute, record.compute.get("software", {})
    found["facts"] = {"Made": record.created,
                      "Complete": "yes" if record.complete else "no: it was stopped, or it is still being made",
                      "Model": f"{record.model.get('id')} {record.model.get('version')}",
                      "Computed on": f"{compute.get('name', compute.get('device'))}, {compute.get('dtype')}, PyTorch "
                                     f"{software.get('torch', '?')}"}
    found["codes"] = {"Weights, SHA-256": str(record.model.get("sha256", ""))[:16] + "…"}
    if known.twin is not None:
        found["codes"]["Twin"] = str(known.twin.get("file"))
        found["facts"]["Warnings about the twin"] = "; ".join(known.twin.get("warnings", ()))
    return found


def targets_facts(rows: Sequence[Mapping[str, Any]], known: CohortFacts) -> dict[str, Any]:
    """What became of the targets of guided members. rows: as `target_rows` gives them."""
    guided = [entry["guidance"] for entry in known.entries if entry.get("guidance")]
    shown: list[dict[str, Cell]] = [
        {"Target": row["target"], "Members": row["members"], "Asked": row["asked"],
         "Achieved, median": row["achieved"] or DASH, "Tolerance": row["tolerance"],
         "Median error": row["median error"] or DASH, "Worst error": row["worst error"] or DASH,
         "Fidelity": row["fidelity"] or DASH, "Not reached": row["not reached"]} for row in rows]
    return {"rows": shown, "guided": len(guided),
            "reached": sum(all(target["reached"] for target in targets) for targets in guided)}


def checks_facts(known: CohortFacts) -> dict[str, Any]:
    """How many maps pass, what was repaired, which fail."""
    cohort, passed = known.cohort, []
    for failed, at in ((cohort.failed_half, "half resolution, as the papers count"),
                       (cohort.failed_full, "full resolution")):
        count = sum(not names for names in failed)
        passed.append({"count": count, "at": at, **_percent(share_of(count, len(cohort)), 0)})
    failing = [{"Map": name, "Failed checks": "; ".join(failed)}
               for name, failed in zip(cohort.members, cohort.failed_half, strict=True) if failed]
    return {"members": len(cohort), "count": len(cohort.checks), "passed": passed, "repaired": known.repaired(),
            "hollow": known.with_cavities(), "failing": failing,
            "chart": any(cohort.failed_half) or any(cohort.failed_full)}


def _percent(share: tuple[float, float, float], decimals: int) -> dict[str, str]:
    """A share with its interval, in percent, as text."""
    return {name: f"{100 * value:.{decimals}f}" for name, value in zip(("share", "low", "high"), share, strict=True)}


def rejected_facts(known: CohortFacts) -> dict[str, Any]:
    """What acceptance checks kept out of the cohort, as far as the record says."""
    reasons = [{"Acceptance check": name, "Hearts that it rejected": count} for name, count in known.reasons()]
    return {"known": known.record is not None, "gated": known.gated, "drawn": known.drawn,
            "count": len(known.rejected), **_percent(known.acceptance(), 1), "reasons": reasons,
            "measurements": _rejected_measurements(known)}


def _rejected_measurements(known: CohortFacts) -> list[dict[str, Cell]]:
    cohort = known.cohort
    rows: list[dict[str, Cell]] = []
    rejected = [keyed_numbers(entry.get("features", {})) for entry in known.rejected]
    for key in cohort.feature_keys:
        values = [features[key] for features in rejected if key in features]
        accepted = cohort.column(key)
        if len(values) >= 2 and not constant(accepted):
            difference = (float(np.mean(values)) - float(accepted.mean())) / float(accepted.std())
            rows.append({"Measurement": key.title, "Accepted, mean": float(accepted.mean()),
                         "Rejected, mean": float(np.mean(values)), "Difference [sd]": difference})
    return rows


def model_facts(known: CohortFacts) -> dict[str, Any]:
    """The model that the page describes. another: the one that made the cohort, where that is not the same."""
    card, record = known.card, known.record
    parts = [(title, lines if isinstance(lines, list) else [lines])
             for title, key in MODEL_PARTS if (lines := card.card.get(key))]
    another = ""
    if record is not None and record.model.get("sha256") != card.sha256:
        another = f"{record.model.get('id')} {record.model.get('version')}"
    return {"id": card.id, "name": f"{card.id} {card.version}", "summary": card.summary, "parts": parts,
            "another": another, "cases": card.reference().cases}


def limits(known: CohortFacts) -> Iterator[str]:
    """What the cohort cannot show."""
    if len(known.cohort) < SMALL:
        yield (f"With {len(known.cohort)} members, shares and medians are uncertain, and rare shapes are unlikely "
               "to be among them.")
    if known.record is None:
        yield ("Nothing is known of how the members were made or chosen. This page cannot tell whether their "
               "frequencies are those of a population, of a model or of a filter.")
    else:
        yield ("The members are variants that a model finds likely, not patients. Their frequencies are the model's "
               "and not those of a population, so the share of devices that fail in them is not a risk.")
    yield ("Volumes and axes stand for shape here: two hearts can agree in all of them and differ where a device sits.")
    yield ("A map that passes the checks has whole chambers that touch what they should. That does not mean that it "
           "can be meshed or simulated.")
    if known.gated:
        yield "Acceptance checks removed hearts; conclusions hold only for those that passed."
    if known.twin is not None:
        yield "All members come from one twin: they show its neighbourhood, not other patients."
