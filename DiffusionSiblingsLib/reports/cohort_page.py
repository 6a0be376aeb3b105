"""The page of one cohort: what it is for, how it was made, what it looks like, what to doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..metrics.feature_space import constant
from .chart_style import Picture
from .cohort_facts import CohortFacts, share_of
from .html import (
    DASH,
    EMPTY,
    Content,
    Html,
    Page,
    Section,
    bullets,
    code,
    facts,
    joined,
    note,
    paragraph,
    picture,
    side_by_side,
    table,
    tag,
)
from .report_files import file_list, foot
from .training_distance_parts import LISTED, bias_parts

SMALL = 30
READ_SCATTER = ("Each triangle is one member. Blue: the hearts that the model was trained on, with the smallest "
                "regions that hold 50 % and 90 % of them. Beyond the blue ones a model guesses.")
STAR, DASHES = " The star is the twin.", " Dashes: the twin."
READ_DISTRIBUTIONS = ("Area: the training hearts; line: this cohort. Below: the median and the range of the middle "
                      "90 %.")
READ_TWIN = ("How often the siblings have tissue in a place, minus whether the twin has it. Orange: siblings grew "
             "beyond the twin (black lines) there; blue: they shrank. White: unchanged; grey: never tissue.")
READ_MEAN = ("How often the cohort has tissue in a place, minus how often the {maps} hearts of the model's mean have "
             "it, both smoothed alike. Orange: this cohort has it more often; blue: less often. Black lines: the mean "
             "heart; grey: never tissue.")
READ_SHEET = ("From the most ordinary member (upper left) to the most unusual one, evenly spaced by distance to the "
              "cohort's mean over all measurements: chosen by this rule, not by eye.")


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


def cohort_page(facts_of: CohortFacts, shown: Shown, report: Mapping[str, Any]) -> Page:
    """The whole page. report: what report.json holds."""
    cohort, card = facts_of.cohort, facts_of.card
    where = []
    if shown.where is not None:
        words = READ_TWIN if shown.against_twin else READ_MEAN.format(maps=card.reference().cases)
        against = "the twin" if shown.against_twin else "the training hearts"
        where = [Section(f"Where tissue differs from {against}", (picture(replace(shown.where, caption=words)),))]
    command, twin = report["command"], facts_of.twin is not None
    made = paragraph("Made with ", code(command), kind="small") if command else EMPTY
    title = f"{facts_of.kind.capitalize()}: {cohort.name}"
    return Page(title, "Report on a cohort", paragraph(answer(facts_of), kind="lead"), (
        Section("Question and context of use", tuple(_purpose(report))),
        Section("How it was made", tuple(_making(facts_of))),
        *([Section("Targets", tuple(targets_parts(report["targets"], facts_of)))] if report["targets"] else []),
        Section("Members", (picture(replace(shown.sheet, caption=READ_SHEET)),)),
        Section("Measurements", (side_by_side(shown.scatters, READ_SCATTER + STAR * twin),
                                 picture(replace(shown.distributions, caption=READ_DISTRIBUTIONS + DASHES * twin)))),
        Section("Bias", tuple(bias_parts(facts_of))),
        *where,
        Section("Checks", tuple(_checks(facts_of, shown.checks))),
        Section("What was rejected", tuple(_rejected(facts_of))),
        Section("The model", tuple(_model(facts_of))),
        Section("Limits", (bullets(list(limits(facts_of))),)),
        Section("Files", (paragraph("Beside this page lie:"), file_list(report["files"]), made)),
    ), foot(report))


def answer(known: CohortFacts) -> str:
    """The cohort in a few sentences."""
    cohort = known.cohort
    passed = sum(not names for names in cohort.failed_half)
    words = [f"{len(cohort)} {known.kind}" + (f" of {_file_name(known.twin)}" if known.twin else "") + "."]
    words.append(f"{'All' if passed == len(cohort) else passed or 'None'} pass the {len(cohort.checks)} topological "
                 "checks.")
    if known.biases:
        outside = sum(bool(bias.outside) for bias in known.biases)
        near = sum(bias.suspicious for bias in known.biases)
        words.append(f"{outside or 'None'} lie{'s' * (outside < 2)} outside the range of the model's "
                     f"{len(known.support or ())} training hearts in any measurement, {near or 'none'} suspiciously "
                     "near to one of them.")
        drift = [bias.overall for bias in known.biases if bias.overall is not None]
        if drift:
            words.append(f"They went {100 * float(np.median(drift)):.0f} % of the way from the twin to the training "
                         "mean (median).")
    if known.gated:
        share, low, high = known.acceptance()
        words.append(f"A gate accepted {100 * share:.0f} % of what was drawn (95 % interval {100 * low:.0f} to "
                     f"{100 * high:.0f} %).")
    return " ".join(words)


def _file_name(twin: Mapping[str, Any] | None) -> str:
    return str((twin or {}).get("file") or "a twin").replace("\\", "/").rsplit("/", 1)[-1]


def _purpose(report: Mapping[str, Any]) -> Iterator[Html]:
    if report["question"]:
        yield paragraph(tag("strong", "Question. "), report["question"])
    else:
        yield note("No question was given.", "A cohort is fit for a question, never in itself: the same hearts may do "
                   "for a ring's sizes and fail for its fatigue. Say it with --question, in Slicer under Question.",
                   kind="warning")
    if report["context_of_use"]:
        yield paragraph(tag("strong", "Context of use. "), report["context_of_use"])
    else:
        yield paragraph("No context of use was given (--use, in Slicer Context of use): who decides what with these "
                        "hearts, what other evidence there is, and what happens if they mislead.", kind="small")


def _making(known: CohortFacts) -> Iterator[Html]:
    cohort, record = known.cohort, known.record
    where = list(dict.fromkeys(str(path.resolve().parent) for path in cohort.paths))
    values: dict[str, Content] = {"Folder": joined(*(code(folder) for folder in where[:3]), between=", ")}
    if record is None:
        yield paragraph("These label maps come without a record of this program: how they were made is not known here.")
    else:
        compute, software = record.compute, record.compute.get("software", {})
        values |= {"Made": record.created, "Complete": "yes" if record.complete else "no: stopped, or still going on",
                   "Model": f"{record.model.get('id')} {record.model.get('version')}",
                   "Weights, SHA-256": code(str(record.model.get("sha256", ""))[:16] + "…"),
                   "Computed on": f"{compute.get('name', compute.get('device'))}, {compute.get('dtype')}, PyTorch "
                                  f"{software.get('torch', '?')}"}
        if known.twin is not None:
            values["Twin"] = code(str(known.twin.get("file")))
            values["Said of the twin"] = "; ".join(known.twin.get("warnings", ()))
        yield table(known.edits, "Member k of a request depends on (seed, k) alone: siblings replay makes it again.")
    yield facts(values)
    if cohort.skipped:
        yield note("Left out.", bullets([f"{name}: {why}" for name, why in list(cohort.skipped.items())[:LISTED]]),
                   kind="warning")


def targets_parts(rows: Sequence[Mapping[str, Any]], known: CohortFacts) -> Iterator[Html]:
    """What became of the targets of guided members. rows: as `target_rows` gives them."""
    guided = [entry["guidance"] for entry in known.entries if entry.get("guidance")]
    reached = sum(all(target["reached"] for target in targets) for targets in guided)
    yield paragraph(f"{reached} of {len(guided)} guided members reached all of their targets.")
    yield table([{"Target": row["target"], "Members": row["members"], "Asked": row["asked"],
                  "Achieved, median": row["achieved"] or DASH, "Tolerance": row["tolerance"],
                  "Median error": row["median error"] or DASH, "Worst error": row["worst error"] or DASH,
                  "Fidelity": row["fidelity"] or DASH, "Not reached": row["not reached"]} for row in rows],
                "Measured on the label maps as they are delivered. Not reached: beyond the tolerance, or nothing is "
                "there to be measured. Fidelity, as the papers tell it: mean absolute difference of a target's "
                "entries, or the share of members with the Betti numbers that were asked.",
                numbers=("Median error", "Worst error"))


def _checks(known: CohortFacts, chart: Picture) -> Iterator[Html]:
    cohort = known.cohort
    for failed, at in ((cohort.failed_half, "half resolution, as the papers count"), (cohort.failed_full,
                                                                                    "full resolution")):
        passed = sum(not names for names in failed)
        share, low, high = share_of(passed, len(cohort))
        yield paragraph(f"{passed} of {len(cohort)} maps ({100 * share:.0f} %, 95 % interval {100 * low:.0f} to "
                        f"{100 * high:.0f} %) pass all {len(cohort.checks)} checks at {at}.")
    repaired = known.repaired()
    if repaired is not None:
        yield paragraph(f"Before repair {repaired[0]} failed a check; {repaired[1]} had voxels repaired (specks taken "
                        "away, forbidden contacts parted), which the record lists for each.")
    if hollow := known.with_cavities():
        yield note("Gaps inside a tissue.", f"{len(hollow)} of {len(cohort)} maps have background that one tissue "
                   "encloses, too large to be filled. No check fails by it; a mesh has a surface there: "
                   f"{', '.join(hollow[:LISTED])}.", kind="warning")
    if any(cohort.failed_half) or any(cohort.failed_full):
        yield picture(chart)
    failing = [n for n, names in enumerate(cohort.failed_half) if names]
    if failing:
        yield table([{"Map": cohort.members[n], "Failed checks": "; ".join(cohort.failed_half[n])}
                     for n in failing[:LISTED]], "Maps that fail" + (f", the first {LISTED} of {len(failing)}."
                                                                     if len(failing) > LISTED else "."))


def _rejected(known: CohortFacts) -> Iterator[Html]:
    if known.record is None:
        yield paragraph("Not known: these maps come without a record of this program. Whoever chose them may have left "
                        "others out, and conclusions then hold for what was chosen alone.")
        return
    if not known.gated:
        yield paragraph("Nothing: no gate was used, and every heart that was drawn is in the cohort, those that fail a "
                        "check among them (see Checks).")
        return
    share, low, high = known.acceptance()
    yield paragraph(f"Of {known.drawn} hearts that were drawn, {len(known.rejected)} were rejected; "
                    f"{100 * share:.1f} % were accepted (95 % interval {100 * low:.1f} to {100 * high:.1f} %).")
    yield table([{"Check of the gate": name, "Rejected by it": count} for name, count in known.reasons()],
                "A heart may fail several checks.")
    rows = _rejected_measurements(known)
    if rows:
        yield table(rows, "Rejection is a choice too: where rejected hearts measure otherwise, the cohort lacks hearts "
                    "of that kind. Difference of the means in standard deviations of the accepted ones.")


def _rejected_measurements(known: CohortFacts) -> list[dict[str, Content]]:
    cohort = known.cohort
    rows: list[dict[str, Content]] = []
    for name in cohort.feature_names:
        values = [float(entry["features"][name]) for entry in known.rejected if name in entry.get("features", {})]
        accepted = cohort.column(name)
        if len(values) >= 2 and not constant(accepted):
            difference = (float(np.mean(values)) - float(accepted.mean())) / float(accepted.std())
            rows.append({"Measurement": name, "Accepted, mean": float(accepted.mean()),
                         "Rejected, mean": float(np.mean(values)), "Difference [sd]": difference})
    return rows


def _model(known: CohortFacts) -> Iterator[Html]:
    card = known.card.card
    if known.record is not None and known.record.model.get("sha256") != known.card.sha256:
        yield note("Another model.", f"The cohort was made with {known.record.model.get('id')} "
                   f"{known.record.model.get('version')}; this page tells of {known.card.id} {known.card.version}.",
                   kind="warning")
    yield paragraph(known.card.summary)
    for title, key in (("Intended use", "intended_use"), ("Limits", "limits"), ("Data", "data")):
        if card.get(key):
            lines = card[key] if isinstance(card[key], list) else [card[key]]
            yield joined(tag("h3", title), bullets(lines))


def limits(known: CohortFacts) -> Iterator[str]:
    """What the cohort cannot show."""
    if len(known.cohort) < SMALL:
        yield (f"{len(known.cohort)} members: shares and medians are uncertain, and rare shapes are not to be expected "
               "among them.")
    if known.record is None:
        yield ("Nothing is known of how the members were made or chosen: whether their frequencies are those of a "
               "population, of a model or of a filter, this page cannot tell.")
    else:
        yield ("The members are variants that a model finds likely, not patients: their frequencies are the model's "
               "and not those of a population, so shares of failing devices are not risks.")
    yield ("Volumes and axes stand for shape here: two hearts can agree in all of them and differ where a device sits.")
    yield ("Passing the checks means that chambers are whole and touch what they should; it does not mean that a map "
           "can be meshed or simulated.")
    if known.gated:
        yield "A gate took hearts away; conclusions hold for what it let pass."
    if known.twin is not None:
        yield "All members come from one twin: they tell of its neighbourhood, not of other patients."
