"""What the page of a cohort says of its bias: each measurement among the training hearts, the twin, what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..cohorts.training_distance import bias_words
from .cohort_facts import CohortFacts, bias_rows, flagged
from .html import EMPTY, Content, Html, bullets, note, number, paragraph, table

LISTED = 12  # rows of a table of members, whose rest is in a file


def bias_parts(known: CohortFacts) -> Iterator[Html]:
    """The section, part by part."""
    rows = bias_rows(known)
    if not rows:
        yield paragraph(f"The model {known.card.id} ships no measurements of its training hearts, so the bias of this "
                        "cohort cannot be told.")
        return
    twin = known.twin is not None
    yield paragraph(f"A model knows its {len(known.support or ())} training hearts and nothing else: what it makes is "
                    "drawn towards their mean, and beyond them it guesses.")
    yield _of_twin(known)
    shown = [_cells(row, twin) for row in rows]
    drifted = (" Drift: share of the way from the twin to the training mean, median; 0 % none, 100 % at the mean, "
               "negative away from it, none told where the twin is near the mean itself." if twin else "")
    yield table(shown, "Medians, and in brackets the middle 90 %. Percentile: share of the training hearts below a "
                "member; 50 is the middle. Outside: members beyond the least or largest training heart." + drifted,
                numbers=tuple(shown[0])[1:])
    nearest = np.array([bias.nearest for bias in known.biases])
    usual = known.meter.own_nearest if known.meter is not None else nearest
    yield paragraph(f"Most similar training heart: {np.median(nearest):.2f} sd away in the median "
                    f"({nearest.min():.2f} to {nearest.max():.2f}), over all measurements; training hearts lie "
                    f"{np.median(usual):.2f} sd from each other's nearest. Much nearer than that would mean that the "
                    "model remembers instead of drawing; measurements are compared, not voxels.")
    if listed := flagged(known, LISTED):
        yield table(listed, "To be looked at" + (f"; the first {LISTED}, members.csv has all."
                                                 if len(listed) == LISTED else "."))


def _of_twin(known: CohortFacts) -> Html:
    """What is to be said of the twin itself, which all of its siblings inherit."""
    bias = known.twin_bias
    if bias is None:
        return EMPTY
    if warnings := bias_words("It", bias):
        return note("The twin.", bullets(warnings), kind="warning")
    return paragraph(f"The twin lies among the training hearts: the most similar one is {bias.nearest:.2f} sd away, "
                     f"and {bias.nearer:.0f} % of them have a nearer one.")


def _cells(row: Mapping[str, Any], twin: bool) -> dict[str, Content]:
    cells: dict[str, Content] = {"Measurement": row["measurement"], "Training": _range(row, "training ")}
    if twin:
        cells |= {"Twin": number(row["twin"], 0), "Its percentile": number(row["twin percentile"], 0)}
    cells |= {"This cohort": _range(row, ""), "Percentile": _range(row, "percentile ", "median percentile"),
              "Outside": row["outside"]}
    if twin:
        drift = row["median drift [%]"]
        cells["Drift to the mean"] = None if drift is None else f"{number(drift, 0)} %"
    return cells


def _range(row: Mapping[str, Any], side: str, median: str = "") -> str:
    low, high = (number(row[f"{side}{end}"], 0) for end in ("5 %", "95 %"))
    return f"{number(row[median or f'{side}median'], 0)} ({low} to {high})"
