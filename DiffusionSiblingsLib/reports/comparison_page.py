"""What the page of a comparison shows: the answer in sentences, tables, checks. Its words are in Resources/Pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cohorts.measure_rows import shown_first
from ..core.tables import decimals_of
from ..metrics.measures.measure import headlines
from .chart_style import Picture
from .metric_meanings import Shown
from .metric_table import metric_groups, shown
from .page import Cell, number, write_page

if TYPE_CHECKING:
    from ..cohorts.comparison_result import Comparison
    from ..cohorts.measured import MeasuredCohort

TEMPLATE = "comparison.html.j2"
QUESTION = "Do the synthetic hearts measure, look and connect like the real ones?"
LISTED = 12  # maps that fail a check, on the page; all of them are in members.csv
SMALL = 50  # members: below, intervals are wide and floors high
READ_DISTRIBUTIONS = ("Area: the real hearts; line: the synthetic ones. Below each: the median and the range of the "
                      "middle 90 %. A narrower line means that variety was lost, a shifted one that there is a bias.")
READ_OCCUPANCY = ("How often the synthetic hearts have tissue in a place, minus how often the real ones have it. "
                  "White: equally often; grey: never in either. Black lines: where half of the real hearts have it. At "
                  "a boundary, cohorts of these sizes differ by up to {chance:.2f} by chance alone (95 %). All hearts "
                  "lie in the canonical frame, turned and shifted but not scaled, so size shows. Seen from the front, "
                  "the right side of the heart is on the left.")
REAL_MIDDLE, SYNTHETIC_MIDDLE = "Real, median (middle 90 %)", "Synthetic, median (middle 90 %)"
NARROWED, WIDENED, SHIFTED = 0.8, 1.25, 0.5  # of a measurement: worth a word


@dataclass
class Drawn:
    """The charts of the page. occupancy: None where maps were not counted."""

    scatters: Sequence[Picture]
    distributions: Picture
    checks: Picture
    occupancy: Picture | None = None

    @property
    def all(self) -> list[Picture]:
        """All of them."""
        return [*self.scatters, self.distributions, *([self.occupancy] if self.occupancy else []), self.checks]


def write_comparison_page(path: Path, comparison: Comparison, real: MeasuredCohort, synthetic: MeasuredCohort,
                          drawn: Drawn, report: Mapping[str, Any]) -> Path:
    """Writes the whole page. report: what report.json holds. Raises OutputError."""
    features = feature_rows(comparison.per_feature)
    return write_page(
        path, TEMPLATE, title=f"{comparison.synthetic.name} against {comparison.real.name}",
        kicker="Comparison of two cohorts", made=report, report=report, comparison=comparison, drawn=drawn,
        answer=answer(comparison), groups=metric_groups(comparison.figures), checks=checks_facts(real, synthetic),
        measures=measure_cells(shown_first(comparison.per_measure, headlines(real.anatomy))),
        features=features, feature_numbers=tuple(features[0])[1:6] if features else (), listed=LISTED, few=SMALL,
        small=min(comparison.real.size, comparison.synthetic.size), emd=comparison.has("MMD-EMD"))


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
        sentences.append("By their surfaces, the nearest neighbour tells the two cohorts apart in "
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


def feature_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Cell]]:
    """Both distributions of every measurement in a few numbers."""
    return [{"Measurement": row["feature"], "Real, mean ± sd": _spread(row, "real"),
             "Synthetic, mean ± sd": _spread(row, "synthetic"), "Shift [real sd]": number(row["shift [real sd]"], 2),
             "Spread, x real": number(row["spread ratio"], 2), "Largest gap": number(row["Kolmogorov-Smirnov"], 2),
             "In words": _in_words(row)} for row in rows]


def measure_cells(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Cell]]:
    """Measures by name in both cohorts, as the page's table has them."""
    return [{"Measure": row["measure"], "Real, found in": row["real found"], REAL_MIDDLE: _middle(row, "real"),
             "Synthetic, found in": row["synthetic found"], SYNTHETIC_MIDDLE: _middle(row, "synthetic"),
             "Difference of medians": number(row["difference of medians"], _decimals(row)),
             "Largest gap": number(row["Kolmogorov-Smirnov"], 2)} for row in rows]


def _middle(row: Mapping[str, Any], side: str) -> str:
    low, middle, high = (number(row[f"{side} {share} %"], _decimals(row)) for share in (5, 50, 95))
    return f"{middle} ({low} to {high})"


def _decimals(row: Mapping[str, Any]) -> int:
    """The decimals of all numbers of a measure's row."""
    return decimals_of(max(row[f"{side} 95 %"] or 0.0 for side in ("real", "synthetic")))


def _spread(row: Mapping[str, Any], side: str) -> str:
    return f"{number(row[f'{side} mean'], 1)} ± {number(row[f'{side} sd'], 1)}"


def _in_words(row: Mapping[str, Any]) -> str:
    shift, spread = row["shift [real sd]"], row["spread ratio"]
    words = [("larger" if shift > 0 else "smaller") if abs(shift) >= SHIFTED else "",
             "narrower" if spread < NARROWED else "wider" if spread > WIDENED else ""]
    return ", ".join(word for word in words if word)


def checks_facts(real: MeasuredCohort, synthetic: MeasuredCohort) -> dict[str, Any]:
    """How many maps of each side pass all checks, and which synthetic ones do not."""
    sides = [{"name": name, "count": len(cohort), "half": sum(not failed for failed in cohort.failed_half),
              "full": sum(not failed for failed in cohort.failed_full)}
             for name, cohort in (("real", real), ("synthetic", synthetic))]
    failing = [{"Map": member, "Failed checks": "; ".join(failed)}
               for member, failed in zip(synthetic.members, synthetic.failed_half, strict=True) if failed]
    return {"sides": sides, "count": len(real.checks), "failing": failing}
