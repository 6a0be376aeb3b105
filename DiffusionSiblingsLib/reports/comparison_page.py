"""The page of a comparison: the answer first, then what was compared, figures, pictures, checks and limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .chart_style import Picture
from .html import (
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
    number,
    paragraph,
    picture,
    side_by_side,
    table,
    tag,
)
from .metric_meanings import Shown
from .metric_table import figure_table, shown
from .report_files import file_list, foot

if TYPE_CHECKING:
    from ..cohorts.comparison import Comparison
    from ..cohorts.measured import MeasuredCohort

QUESTION = "Do the synthetic hearts measure, look and connect like the real ones?"
LISTED = 12  # maps that fail a check, in the page; all of them are in members.csv
SMALL = 50  # members: below, intervals are wide and floors high
READ_SCATTER = ("Each point is one heart. Shaded: the smallest regions that hold 50 % and 90 % of the real hearts. "
                "Along the edges: both distributions. Look for corners that the synthetic hearts leave empty, and for "
                "points beyond the shaded region.")
READ_DISTRIBUTIONS = ("Area: the real hearts; line: the synthetic ones. Below each: the median and the range of the "
                      "middle 90 %. A narrower line means that variety was lost, a shifted one that there is a bias.")
READ_OCCUPANCY = ("How often the synthetic hearts have tissue in a place, minus how often the real ones have it. "
                  "White: equally often; grey: never in either. Black lines: where half of the real hearts have it. At "
                  "a boundary, cohorts of these sizes differ by up to {chance:.2f} by chance alone (95 %). All hearts "
                  "lie in the canonical frame, turned and shifted but not scaled, so size shows. Seen from the front, "
                  "the right side of the heart is on the left.")
NARROWED, WIDENED, SHIFTED = 0.8, 1.25, 0.5  # of a measurement: worth a word


@dataclass
class Drawn:
    """The figures of the page. occupancy: None where maps were not counted."""

    scatters: Sequence[Picture]
    distributions: Picture
    checks: Picture
    occupancy: Picture | None = None

    @property
    def all(self) -> list[Picture]:
        """All of them."""
        return [*self.scatters, self.distributions, *([self.occupancy] if self.occupancy else []), self.checks]


def comparison_page(comparison: Comparison, real: MeasuredCohort, synthetic: MeasuredCohort, drawn: Drawn,
                    report: Mapping[str, Any]) -> Page:
    """The whole page. report: what report.json holds."""
    title = f"{comparison.synthetic.name} against {comparison.real.name}"
    where = [Section("Where tissue differs", (picture(drawn.occupancy),))] if drawn.occupancy is not None else []
    command = report["command"]
    made = paragraph("Made with ", code(command), kind="small") if command else Html()
    small = min(comparison.real.size, comparison.synthetic.size)
    few = note("Few hearts.", f"With {small} in the smaller cohort the intervals are wide: differences smaller than "
               "they are say nothing.", kind="warning") if small < SMALL else EMPTY
    lead = joined(paragraph(answer(comparison), kind="lead"), few)
    return Page(title, "Comparison of two cohorts", lead, (
        Section("What was compared", (paragraph(tag("strong", "Question. "), report["question"]), _sides(report),
                                      *(note("Note.", words + ".", kind="warning") for words in comparison.notes))),
        Section("Figures", (figure_table(comparison.figures),)),
        Section("Measurements", (side_by_side(drawn.scatters, READ_SCATTER), picture(drawn.distributions),
                                 feature_table(comparison.per_feature))),
        *where,
        Section("Checks", tuple(checks_parts(drawn.checks, real, synthetic))),
        Section("Limits", (bullets(list(limits(comparison))),)),
        Section("Files", (paragraph("Beside this page lie:"), file_list(report["files"]), made)),
    ), foot(report))


def answer(comparison: Comparison) -> str:
    """The result in a few sentences."""
    sentences = [f"{comparison.synthetic.size} synthetic hearts were compared with {comparison.real.size} real ones."]
    if comparison.has("precision") and comparison.has("recall"):
        precision, recall = comparison.figure("precision"), comparison.figure("recall")
        sentences.append(f"{100 * precision.value:.0f} % of the synthetic hearts measure like real ones, and "
                         f"{100 * recall.value:.0f} % of the real hearts lie where synthetic ones lie.")
    if comparison.has("FMD"):
        figure = comparison.figure("FMD")
        sentences.append(f"The Frechet morphological distance is {shown(figure.value, figure.unit)}"
                         + (f", {_beside_floor(figure.value, figure.floor)}." if figure.floor else "."))
    nearest = next((comparison.figure(name) for name in ("1-NNA-EMD", "1-NNA-CD") if comparison.has(name)), None)
    if nearest is not None:
        sentences.append("By their surfaces the nearest neighbour tells the two cohorts apart in "
                         f"{nearest.value:.0f} % of cases; 50 % is chance, and the interval {_holds(nearest)} it.")
    if comparison.has("TV half"):
        sentences.append(f"{comparison.figure('TV half').value:.1f} % of the synthetic hearts' topological checks fail "
                         f"({comparison.violations.get('real half', math.nan):.1f} % of the real ones').")
    return " ".join(sentences)


def _beside_floor(value: float, floor: float) -> str:
    return (f"{value / floor:.1f} times the {floor:.2f} of two samples of one kind" if value > floor
            else f"no more than the {floor:.2f} of two samples of one kind")


def _holds(figure: Shown) -> str:
    return "includes" if isinstance(figure.best, float) and figure.low <= figure.best <= figure.high else "excludes"


def _sides(report: Mapping[str, Any]) -> Html:
    """Both cohorts: how many, where, how made, what was left out."""
    rows: dict[str, Content] = {}
    for side in ("real", "synthetic"):
        cohort = report[side]
        lines: list[Content] = [f"{cohort['name']}: {cohort['members']} hearts"]
        lines += [code(folder) for folder in cohort["folders"][:3]]
        lines += cohort["made"][:3]
        rows[side.capitalize()] = joined(*lines, between=Html("<br>"))
        skipped = [f"{name} ({why})" for name, why in list(cohort["skipped"].items())[:LISTED]]
        if skipped:
            rows[f"Left out of the {side} ones"] = bullets(skipped)
    return facts(rows)


def feature_table(rows: Sequence[Mapping[str, Any]]) -> Html:
    """Both distributions of every measurement in a few numbers."""
    chosen: list[dict[str, Content]] = [{
        "Measurement": row["feature"], "Real, mean ± sd": _spread(row, "real"),
        "Synthetic, mean ± sd": _spread(row, "synthetic"), "Shift [real sd]": number(row["shift [real sd]"], 2),
        "Spread, x real": number(row["spread ratio"], 2), "Largest gap": number(row["Kolmogorov-Smirnov"], 2),
        "In words": _in_words(row)} for row in rows]
    numbers = tuple(chosen[0])[1:6] if chosen else ()
    return table(chosen, "Shift: difference of the means in standard deviations (sd) of the real cohort; 0.2 is small, "
                 "0.8 large. Spread: sd over the real cohort's; below 1, variety was lost. Largest gap: of the "
                 "cumulative distributions (Kolmogorov-Smirnov), 0 to 1.", numbers=numbers)


def _spread(row: Mapping[str, Any], side: str) -> str:
    return f"{number(row[f'{side} mean'], 1)} ± {number(row[f'{side} sd'], 1)}"


def _in_words(row: Mapping[str, Any]) -> str:
    shift, spread = row["shift [real sd]"], row["spread ratio"]
    words = [("larger" if shift > 0 else "smaller") if abs(shift) >= SHIFTED else "",
             "narrower" if spread < NARROWED else "wider" if spread > WIDENED else ""]
    return ", ".join(word for word in words if word)


def checks_parts(chart: Picture, real: MeasuredCohort, synthetic: MeasuredCohort) -> Iterator[Html]:
    """The chart, how many maps pass everything, and which do not."""
    for side, cohort in (("real", real), ("synthetic", synthetic)):
        passed = sum(not names for names in cohort.failed_half)
        whole = sum(not names for names in cohort.failed_full)
        yield paragraph(f"{passed} of {len(cohort)} {side} maps pass all {len(cohort.checks)} checks at half "
                        f"resolution, as the papers count them, and {whole} at full resolution.")
    yield picture(chart)
    failing = [n for n, names in enumerate(synthetic.failed_half) if names]
    if failing:
        rows = [{"Map": synthetic.members[n], "Failed checks": "; ".join(synthetic.failed_half[n])}
                for n in failing[:LISTED]]
        more = f" The first {LISTED} of {len(failing)}; members.csv has all." if len(failing) > LISTED else ""
        yield table(rows, f"Synthetic maps that fail a check at half resolution.{more}")


def limits(comparison: Comparison) -> Iterator[str]:
    """What the comparison does not say."""
    yield ("The comparison is as good as the real cohort: what is not in it counts as unreal, and what is wrong in it "
           "counts as real. It does not make the synthetic hearts a population of patients.")
    yield ("Measurements are the volume, the longest and the shortest axis of each chamber; two hearts can agree in "
           "all of them and differ in shape. Surfaces are compared by 1024 random points each, so detail finer than "
           "their spacing, several mm, does not count.")
    yield ("Intervals say how much the figures would change with other hearts of the same kind; they do not cover "
           "another real cohort, another scanner or another way of segmenting.")
    yield ("Passing the checks means that chambers are whole and touch what they should; it does not mean that a map "
           "can be meshed, simulated or manufactured for.")
    if not comparison.has("MMD-EMD"):
        yield "The earth mover's distance was left out (--no-emd); Chamfer alone is blind to uneven density of points."
