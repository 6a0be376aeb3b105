"""The whole preparation: finds, reads, checks, aligns and packs the cases, and reports the result of each."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...cohorts.dataset_file import PackCase, pack_file, read_pack, write_pack
from ...cohorts.pool import in_order
from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.files import atomic_path, digest_of, write_json
from ...core.labelmap import LabelValues
from ...core.progress import ProgressBar
from ...core.tables import write_metrics_csv
from ...labelmaps.geometry.reference import Reference
from ...runs.lock import locked
from .cases import Verdict, align_case, load_arrays, read_case, stored
from .contact_sheet import write_contact_sheets
from .mean import cohort_reference
from .prepared_files import MARK, remove_sheets, remove_step, require_own
from .sources import CaseSource, find_cases, with_splits

VERSION = 2  # increased when the same input would give another data set
SHOWN = 8

Item = TypeVar("Item")


@dataclass(frozen=True)
class PreparationSummary:
    """The result of a preparation. rejected: case name -> reason. splits: split -> number of cases. notes: what reading
    the cases assumed -> for how many of them.
    """

    pack: Path
    table: Path
    sheets: tuple[Path, ...]
    accepted: int
    rejected: dict[str, str]
    splits: dict[str, int]
    notes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = ", ".join(f"{count} {split}" for split, count in sorted(self.splits.items()))
        lines = [f"{self.accepted} cases in {self.pack} ({parts}), {self.pack.stat().st_size / 1e6:.1f} MB"]
        if self.rejected:
            lines.append(f"{len(self.rejected)} rejected:")
            lines += [f"  {name}: {reason}" for name, reason in list(self.rejected.items())[:SHOWN]]
            lines += [f"  ... and {len(self.rejected) - SHOWN} more"] if len(self.rejected) > SHOWN else []
        lines += [f"note on {count} case{'' if count == 1 else 's'}: {words}"
                  for words, count in list(self.notes.items())[:SHOWN]]
        lines.append(f"table: {self.table}")
        lines.append("contact sheets: " + ", ".join(str(sheet) for sheet in self.sheets))
        return "\n".join(lines)


def prepare(
    source: Path,
    out: Path,
    anatomy: Anatomy,
    *,
    jobs: int | None = None,
    labels: LabelValues | None = None,
    exclude: Sequence[str] = (),
    validation_every: int = 20,
    reference: Reference | None = None,
    cases_file: Path | None = None,
) -> PreparationSummary:
    """Turns a folder of label maps into one training data set.

    source: label maps of any format, or TotalSegmentator's sXXXX/segmentations/*.nii.gz. out: a .safetensors file, or
    a folder for it; the table (.csv) and contact sheets (.png) are written beside it. jobs: processes, by default one
    per core. labels: tissue id -> value. exclude: patterns of case names or paths. validation_every: every n-th
    training subject is used for validation. reference: the pose of the data set (of a model to train on), by default
    the cohort's own mean. cases_file: subjects, splits and weights, by default `cases.json` in the source.

    An interrupted run is resumed; a complete one returns at once. Raises InputError if no case can be used, OutputError
    if the data set cannot be written, or would be written over files that no preparation has made.
    """
    if (jobs is not None and jobs < 1) or validation_every < 0:
        raise InputError("The data set cannot be prepared", value=f"jobs {jobs}, validation_every {validation_every}",
                         rule="jobs is 1 or more, and validation_every 0 or more")
    pack = pack_file(out)
    cases = find_cases(source, anatomy, exclude=exclude, listing=cases_file)
    splits = with_splits(cases, validation_every)
    preparation = Preparation(pack, anatomy, labels, min(jobs or os.cpu_count() or 1, len(cases)))
    keys = {case.name: preparation.key(case) for case in cases}
    posed = None if reference is None else pose(reference)
    whole = digest_of([VERSION, keys, splits, [asdict(c) for c in cases], posed])
    if (done := preparation.done(whole)) is not None:
        return done
    require_own(pack, preparation.work)
    with locked(preparation.work):
        return preparation.run(cases, keys, splits, reference, whole)


@dataclass(frozen=True)
class Preparation:
    """One preparation. pack: the file of the data set. jobs: processes."""

    pack: Path
    anatomy: Anatomy
    labels: LabelValues | None
    jobs: int

    @property
    def work(self) -> Path:
        """The folder of intermediate results."""
        return self.pack.with_name(f"{self.pack.stem}.work")

    @property
    def steps(self) -> tuple[Path, Path]:
        """The folders of what the two steps have made of each case."""
        return self.work / "read", self.work / "canonical"

    def key(self, case: CaseSource) -> str:
        """Digest of everything that the result of reading a case depends on."""
        return digest_of([VERSION, case.signature(), self.labels, asdict(self.anatomy)])

    def done(self, whole: str) -> PreparationSummary | None:
        """The summary of an earlier run with the same files and options; None if there is none."""
        try:
            data = json.loads((self.work / "done.json").read_text(encoding="utf-8"))
            if data.pop("whole") != whole:
                return None
            paths = {"pack": self.pack, "table": Path(data["table"]), "sheets": tuple(map(Path, data["sheets"]))}
            summary = PreparationSummary(**{**data, **paths})
            complete = all(path.is_file() for path in (summary.table, *summary.sheets))
            return summary if complete and len(read_pack(self.pack)) == summary.accepted else None
        except (OSError, ValueError, TypeError, KeyError, InputError):
            return None

    def run(
        self,
        cases: Sequence[CaseSource],
        keys: dict[str, str],
        splits: dict[str, str],
        reference: Reference | None,
        whole: str,
    ) -> PreparationSummary:
        """Runs all steps and uses cached results."""
        read, canonical = self.steps
        with suppress(OSError):  # where it cannot go, the first write below says why
            (self.work / "done.json").unlink()
        verdicts = self._step(
            read, {c.name: keys[c.name] for c in cases},
            lambda names: [c for c in cases if c.name in names],
            partial(_read, anatomy=self.anatomy, labels=self.labels, folder=read, keys=keys), "read",
        )  # fmt: skip
        fit = [name for name, verdict in verdicts.items() if verdict.accepted]
        if not fit:
            self._table(cases, splits, verdicts)
            raise _nothing_left(verdicts)
        if reference is None:
            training = [name for name in fit if splits[name] == "train"] or fit
            reference = cohort_reference(read, training, [keys[n] for n in training], self.anatomy)
        frame = pose(reference)
        aligned_keys = {name: digest_of([keys[name], frame]) for name in fit}
        verdicts |= self._step(
            canonical, aligned_keys, lambda names: [verdicts[name] for name in fit if name in names],
            partial(_align, anatomy=self.anatomy, reference=reference, source=read, folder=canonical,
                    keys=aligned_keys), "align",
        )  # fmt: skip
        table = self._table(cases, splits, verdicts)
        taken = [case for case in cases if verdicts[case.name].accepted]
        if not taken:
            raise _nothing_left(verdicts)
        self._pack(taken, splits, canonical, reference)
        rejected = {name: "; ".join(v.reasons) for name, v in verdicts.items() if not v.accepted}
        counts = {split: sum(splits[c.name] == split for c in taken) for split in sorted(set(splits.values()))}
        summary = PreparationSummary(self.pack, table, tuple(self._sheets()), len(taken), rejected, counts,
                                     dict(Counter(words for v in verdicts.values() for words in v.notes)))
        self._finish(summary, whole)
        return summary

    def _step(
        self,
        folder: Path,
        keys: dict[str, str],
        items: Callable[[set[str]], Sequence[Item]],
        work: Callable[[Item], Verdict],
        title: str,
    ) -> dict[str, Verdict]:
        """Name -> verdict of one step, in the order of `keys`. Only cases without a stored verdict are processed."""
        with atomic_path(folder / MARK) as mark:  # makes the folder, and finds out early if it cannot be written
            mark.touch()
        known = {name: verdict for name, key in keys.items() if (verdict := stored(folder, name, key)) is not None}
        missing = items(set(keys) - set(known))
        with ProgressBar(title.capitalize(), total=len(missing), unit="cases", kept=False) as bar:
            for done, (_, verdict) in enumerate(in_order(work, missing, self.jobs), 1):
                known[verdict.name] = verdict
                bar.show(done, len(missing), verdict.name)
        return {name: known[name] for name in keys}

    def _table(self, cases: Sequence[CaseSource], splits: dict[str, str], verdicts: dict[str, Verdict]) -> Path:
        """One row per case, accepted or not."""
        rows: list[dict[str, object]] = []
        for case in cases:
            verdict = verdicts[case.name]
            row: dict[str, object] = {"case": case.name, "status": "accepted" if verdict.accepted else "rejected"}
            row |= {"reason": "; ".join(verdict.reasons), "notes": "; ".join(verdict.notes)}
            row |= {"subject": case.subject, "split": splits[case.name]}
            row |= {"weight": case.weight}
            row |= {f"{t} volume [ml]": verdict.volumes.get(t) for t in self.anatomy.ids}
            row |= {"outside field of view [ml]": sum(verdict.outside.values()), "agreement": verdict.agreement}
            rows.append(row | {"file": str(case.path)})
        return write_metrics_csv(self.pack.with_suffix(".csv"), rows)

    def _pack(self, taken: Sequence[CaseSource], splits: dict[str, str], folder: Path, reference: Reference) -> None:
        entries = (
            (PackCase(c.name, c.subject, splits[c.name], c.source, c.weight), load_arrays(folder, c.name)["code"])
            for c in taken
        )
        anatomy = self.anatomy
        write_pack(self.pack, entries, reference, anatomy=anatomy.id, shape=anatomy.shape, spacing=anatomy.spacing_mm)

    def _sheets(self) -> list[Path]:
        """Contact sheets of the data set; those of an earlier, longer run go."""
        target, pack = self.pack.with_suffix(".png"), read_pack(self.pack)
        maps = ((case.name, pack.labels(index)) for index, case in enumerate(pack.cases))
        sheets = write_contact_sheets(target, maps, len(pack), self.anatomy)
        remove_sheets(target, len(sheets))
        return sheets

    def _finish(self, summary: PreparationSummary, whole: str) -> None:
        """Stores the summary for the next call, and deletes the intermediate files of the cases."""
        paths = {"pack": str(summary.pack), "table": str(summary.table), "sheets": list(map(str, summary.sheets))}
        write_json(self.work / "done.json", {**asdict(summary), **paths, "whole": whole})
        for folder in self.steps:
            remove_step(folder)


def _read(
    case: CaseSource, anatomy: Anatomy, labels: LabelValues | None, folder: Path, keys: dict[str, str]
) -> Verdict:
    return read_case(case, anatomy, labels, folder, keys[case.name])


def _align(
    verdict: Verdict, anatomy: Anatomy, reference: Reference, source: Path, folder: Path, keys: dict[str, str]
) -> Verdict:
    return align_case(verdict, anatomy, reference, source, folder, keys[verdict.name])


def pose(reference: Reference) -> str:
    """A digest of a reference; equal digests give equal maps."""
    parts: Iterable[Any] = (np.ascontiguousarray(value).tobytes() for value in reference.tensors().values())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _nothing_left(verdicts: dict[str, Verdict]) -> InputError:
    shown = [f"{name}: {'; '.join(v.reasons)}" for name, v in list(verdicts.items())[:3]]
    return InputError(
        f"None of the {len(verdicts)} cases can be used", value=" | ".join(shown), hint="the table has all reasons"
    )
