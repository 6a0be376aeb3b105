"""The facts of a report on one cohort: its run, its training distance, what was repaired and rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohorts.gating import accepted_of
from ..cohorts.measure_rows import cohort_measures
from ..cohorts.measured_map import measurements_from_json, measurements_of, named_of
from ..cohorts.training_distance import TrainingDistance, TrainingDistanceMeter
from ..cohorts.training_statistics import TrainingStatistics, read_training_statistics
from ..core.errors import SiblingsError
from ..core.record import Record, readable_record
from ..editing.request import Request
from ..editing.target_rows import cavity_words
from ..metrics.bootstrap import wilson
from ..metrics.measurement import MeasurementKey
from ..metrics.summary import Summary, summary_of

if TYPE_CHECKING:
    from ..cohorts.measured import MeasuredCohort
    from ..models.card import ModelCard



@dataclass(frozen=True)
class CohortFacts:
    """A measured cohort and what is known of where it comes from.

    record: of the run that made it, None for any other folder. entries: of each member, in the cohort's order, {} where
    the record has none; requests: the number of the request that made each, None without a record.
    statistics: of the training hearts; meter: for the distance to them; None where the model ships no statistics.
    """

    cohort: MeasuredCohort
    card: ModelCard
    record: Record | None = None
    entries: tuple[Mapping[str, Any], ...] = ()
    requests: tuple[int | None, ...] = ()
    statistics: TrainingStatistics | None = None
    meter: TrainingDistanceMeter | None = field(default=None, repr=False)

    @classmethod
    def of(cls, cohort: MeasuredCohort, card: ModelCard) -> CohortFacts:
        """Collects them. Raises ModelError for a damaged cohort.json of the model."""
        folders = {path.resolve().parent for path in cohort.paths}
        record = readable_record(folders.pop()) if len(folders) == 1 else None
        listed = {entry["file"]: (entry, number) for number, run in enumerate(record.runs if record else ())
                  for entry in run["siblings"]}
        found: list[tuple[Mapping[str, Any], int | None]] = [listed.get(path.name, ({}, None)) for path in cohort.paths]
        statistics = read_training_statistics(card.folder)
        meter = TrainingDistanceMeter.of(statistics, cohort.anatomy)
        if meter is not None and record is not None and record.twin is not None:
            meter = meter.against(*measurements_from_json(record.twin))
        return cls(cohort, card, record, tuple(entry for entry, _ in found), tuple(number for _, number in found),
                   statistics, meter)

    @property
    def twin(self) -> Mapping[str, Any] | None:
        """The record's entry of the twin, None for hearts without one."""
        return self.record.twin if self.record is not None else None

    @property
    def kind(self) -> str:
        """What the members are called: "siblings", "generated hearts" or "label maps"."""
        if self.record is None:
            return "label maps"
        return "siblings" if self.twin is not None else "generated hearts"

    @property
    def edits(self) -> list[dict[str, Any]]:
        """One row for each request of the run: the edit, how many, seed, steps; what became of its members."""
        rows = []
        for number, run in enumerate(self.record.runs if self.record is not None else ()):
            asked, own = run["request"], [n for n, request in enumerate(self.requests) if request == number]
            drift = [found.overall for n in own if self.distances and (found := self.distances[n]).overall is not None]
            row = {"Edit": edit_words(asked), "Made": len(run["siblings"]), "Asked for": asked.get("count"),
                   "Rejected": len(run.get("rejected", ())), "Seed": asked.get("seed"), "Steps": asked.get("steps"),
                   "Repair": "yes" if asked.get("repair", True) else "no",
                   "Pass all checks": sum(not self.cohort.failed_half[n] for n in own)}
            if self.twin is not None:
                row["Drift to the mean [%]"] = 100.0 * float(np.median(drift)) if drift else None
            rows.append(row)
        return rows

    def note(self, index: int) -> str:
        """What stands under a member's name in a picture: "ratio 0.5, k 3"."""
        entry, request = self.entries[index], self.requests[index]
        if self.record is None or request is None or "k" not in entry:
            return ""
        words = [] if self.twin is None else [edit_words(self.record.runs[request]["request"])]
        return ", ".join([*words, f"k {entry['k']}"])

    @property
    def rejected(self) -> list[Mapping[str, Any]]:
        """The entries of the rejected siblings."""
        return [entry for run in (self.record.runs if self.record else ()) for entry in run.get("rejected", ())]

    @property
    def gated(self) -> bool:
        """True if the members had to pass acceptance checks."""
        return self.record is not None and accepted_of(self.record) is not None

    @property
    def drawn(self) -> int:
        """Hearts that the run drew, measured here or not; none are known without a record."""
        return sum(len(run["siblings"]) for run in (self.record.runs if self.record else ())) + len(self.rejected)

    def reasons(self) -> list[tuple[str, int]]:
        """Why members were rejected, by acceptance check, the most frequent first."""
        counted: Counter[str] = Counter()
        for entry in self.rejected:
            counted.update(entry.get("gate", {}).get("failed") or entry.get("rejected") or ["?"])
        return counted.most_common()

    def acceptance(self) -> tuple[float, float, float]:
        """Accepted of all that the run drew, 0..1, and the 95 % interval of that rate; (nan, 0, 1) without a record."""
        return share_of(self.drawn - len(self.rejected), self.drawn)

    def repaired(self) -> tuple[int, int] | None:
        """(members that failed a check before repair, members with repaired voxels), None without a record."""
        known = [entry for entry in self.entries if entry.get("raw_checks")]
        if not known:
            return None
        failed = sum(bool(entry["raw_checks"]["half"]["failed"]) for entry in known)
        return failed, sum(bool(entry.get("repair") and entry["repair"].get("changed_voxels", 0)) for entry in known)

    def with_cavities(self) -> list[str]:
        """Members in which a tissue encloses background that is not the twin's, by their names."""
        return [name for name, entry in zip(self.cohort.members, self.entries, strict=True)
                if cavity_words(entry.get("repair"))]

    @cached_property
    def distances(self) -> tuple[TrainingDistance, ...]:
        """The training distance of every member; () where the model ships no statistics of its training hearts."""
        if self.meter is None:
            return ()
        return tuple(self.meter.distance_of(*self.cohort.member(index)) for index in range(len(self.cohort)))

    @cached_property
    def twin_distance(self) -> TrainingDistance | None:
        """The training distance of the twin; None for hearts without one, or where the model ships no statistics."""
        if self.meter is None or self.twin is None:
            return None
        return self.meter.distance_of(*measurements_from_json(self.twin))

    @cached_property
    def twin_measurements(self) -> dict[MeasurementKey, float]:
        """The measurements of the twin; {} for hearts without one."""
        return {} if self.twin is None else measurements_of(self.twin)

    @cached_property
    def measures(self) -> list[dict[str, Any]]:
        """One row for each measure by name that members have, beside the twin's; [] where none was measured."""
        return cohort_measures(self.cohort, named_of(self.twin) if self.twin is not None else None)


def edit_words(asked: Mapping[str, Any]) -> str:
    """A recorded request in a few words; its guidance as "guided", as the terms are too long for tables."""
    try:
        request = Request.from_json(dict(asked))
    except SiblingsError:
        return str(asked.get("edit", "?"))
    return replace(request, control=None).describe() + (", guided" if request.control is not None else "")


def share_of(count: int, total: int) -> tuple[float, float, float]:
    """A share, and its 95 % interval (`bootstrap.wilson`); (nan, 0, 1) of none."""
    return (count / total if total else float("nan"), *wilson(count, total))


def distance_rows(facts: CohortFacts) -> list[dict[str, Any]]:
    """One row for each measurement: where the cohort lies among the training hearts."""
    if facts.meter is None or not facts.distances:
        return []
    rows = []
    members = [facts.meter.measured(*facts.cohort.member(index)) for index in range(len(facts.cohort))]
    own = facts.meter.measured(*measurements_from_json(facts.twin)) if facts.twin is not None else {}
    for key, column in facts.meter.columns.items():
        training, ours = summary_of(column), summary_of([member[key] for member in members])
        percentiles = summary_of([found.percentiles[key] for found in facts.distances])
        outside = sum(key in found.outside for found in facts.distances)
        drift = [found.drift[key] for found in facts.distances if key in found.drift]
        twin = facts.twin_distance
        rows.append({"measurement": key.title, **_range("training ", training), **_range("", ours),
                     "median percentile": percentiles.percentiles[1], "percentile 5 %": percentiles.percentiles[0],
                     "percentile 95 %": percentiles.percentiles[2], "outside": outside,
                     "twin": own.get(key),
                     "twin percentile": twin.percentiles[key] if twin is not None else None,
                     "median drift [%]": 100.0 * float(np.median(drift)) if drift else None})
    return rows


def _range(side: str, found: Summary) -> dict[str, float]:
    low, middle, high = found.percentiles
    return {f"{side}median": middle, f"{side}5 %": low, f"{side}95 %": high}


def ordinary_to_unusual(cohort: MeasuredCohort, count: int) -> list[int]:
    """Indices of `count` members, evenly spaced from the one nearest to the cohort's mean to the farthest from it.

    Distances are in standard deviations of the cohort, over all measurements: a rule, so that nobody picks the best.
    """
    spread = np.maximum(cohort.features.std(axis=0), 1e-9)
    distances = np.sqrt(np.square((cohort.features - cohort.features.mean(axis=0)) / spread).mean(axis=1))
    order = np.argsort(distances, kind="stable")
    places = np.unique(np.round(np.linspace(0, len(order) - 1, min(count, len(order)))).astype(int))
    return [int(index) for index in order[places]]


def flagged(facts: CohortFacts, most: int) -> Sequence[dict[str, str]]:
    """Members that a person should look at: outside the training range, of unusual proportions, or suspiciously near to
    a training heart.
    """
    rows = []
    for name, found in zip(facts.cohort.members, facts.distances, strict=False):
        words = []
        if found.suspicious:
            words.append(f"suspiciously near to a training heart ({found.nearest:.2f} sd)")
        if found.outside:
            words.append("outside the training range: " + ", ".join(key.title for key in found.outside))
        if found.unusual:
            words.append(f"{' and '.join(found.unusual)} of the training hearts")
        if words:
            rows.append({"Map": name, "Why": "; ".join(words)})
    return rows[:most]
