"""Finished siblings of a run that is under way: one file each beside its label map, so that no stop loses them.

A part is written by whoever made the sibling, in this process or on another machine, first the label map and then the
entry: where an entry is, the sibling is whole. The run's own process gives the label map its place and its number, and
puts the record together from the entries, so that it does not grow in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import atomic_path, json_values, move_over, output_error
from ..core.json_files import MALFORMED, read_json
from ..core.limits import MOST_RECORD_BYTES
from ..editing.record_entries import sibling_entry
from ..editing.result import Sibling
from ..labelmaps.write import suffix_for, write_labelmap
from ..metrics.acceptance import Verdict
from .own_files import PART, PARTS, is_map_ending


@dataclass(frozen=True)
class PartialResult:
    """A finished sibling but for its voxels.

    run, k: sibling k of which request of the run. suffix: of its label map's file. entry: for the record. rejected: why
    the acceptance checks set it aside; None for a sibling that counts.
    """

    run: int
    k: int
    suffix: str
    entry: dict[str, Any]
    rejected: tuple[str, ...] | None = None

    @classmethod
    def of(cls, run: int, sibling: Sibling, format: str, verdict: Verdict | None = None) -> PartialResult:
        """What is to be kept of a sibling; its number, and with it its name, is not known yet."""
        entry = sibling_entry("", sibling)
        if verdict is not None:
            entry["gate"] = verdict.to_json()
        rejected = tuple(verdict.reasons) if verdict is not None and not verdict.accepted else None
        return cls(run, sibling.k, suffix_for(sibling.labelmap, format), entry, rejected)


class PartialResults:
    """The parts of a run. out: the run's folder."""

    def __init__(self, out: Path) -> None:
        self.folder = out / PARTS

    def write(self, part: PartialResult, sibling: Sibling | None, format: str) -> None:
        """Writes a part: its label map (not of a rejected sibling), then its entry. Raises OutputError."""
        if sibling is not None and part.rejected is None:
            write_labelmap(sibling.labelmap, self.map_of(part.run, part.k, part.suffix), format)
        with atomic_path(self.file_of(part.run, part.k)) as temporary:
            text = json.dumps(json_values(asdict(part)), default=float)  # float: of numpy's numbers
            temporary.write_text(text, encoding="utf-8")

    def receive(self, files: Mapping[str, bytes]) -> None:
        """Takes in a part that was written elsewhere: its files by their names in the folder of parts."""
        for name in sorted(files, key=lambda name: PART.fullmatch(name) is not None):  # the entry last
            with atomic_path(self.folder / name) as temporary:
                temporary.write_bytes(files[name])

    def read(self, run: int, k: int) -> PartialResult:
        """A part that is there; what earlier versions kept besides is ignored. Raises InputError for a damaged one."""
        path = self.file_of(run, k)
        try:
            values = read_json(path, MOST_RECORD_BYTES)
            suffix, entry, rejected = values["suffix"], dict(values["entry"]), values["rejected"]
            if not is_map_ending(suffix) or entry["k"] != k:
                raise ValueError("it is of another sibling")
            return PartialResult(run, k, suffix, entry, None if rejected is None else tuple(map(str, rejected)))
        except (OSError, *MALFORMED) as error:
            raise InputError("A finished sibling of the run cannot be read", value=f"{path}: {error}",
                             rule="a run writes each part whole",
                             hint="give --resume, which makes the sibling again") from error

    def all(self) -> list[tuple[int, int]]:
        """(run, k) of all parts, sorted."""
        if not self.folder.is_dir():
            return []
        found = (PART.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted((int(match[1]), int(match[2])) for match in found if match)

    def file_of(self, run: int, k: int) -> Path:
        """Where a part's entry lies."""
        return self.folder / f"{run:04d}-{k:06d}.json"

    def map_of(self, run: int, k: int, suffix: str) -> Path:
        """Where a part's label map lies until it has its place."""
        return self.folder / f"{run:04d}-{k:06d}.{suffix}"

    def place(self, part: PartialResult, target: Path) -> bool:
        """Moves a part's label map to its place -> whether it is there now. Raises OutputError."""
        source = self.map_of(part.run, part.k, part.suffix)
        try:
            if source.exists():
                move_over(source, target)
        except OSError as error:
            raise output_error(target, error) from error
        return target.exists()

    def forget(self, run: int, k: int) -> None:
        """Takes a part away, so that its sibling is made again."""
        self.file_of(run, k).unlink(missing_ok=True)
