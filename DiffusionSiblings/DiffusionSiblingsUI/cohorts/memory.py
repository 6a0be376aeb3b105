"""What one session of Slicer knows of cohorts besides their nodes: it belongs to the session and ends with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from DiffusionSiblingsLib.core.files import signature
from DiffusionSiblingsUI.cohorts.cohorts import Cohort, FolderCohort
from DiffusionSiblingsUI.cohorts.members import Fingerprints

MOST_READ = 4  # tables whose rows are kept


class CohortMemory:
    """fingerprints: which hearts cohorts have now. `rows` and `report` keep what takes long to read or to write."""

    def __init__(self) -> None:
        self.fingerprints = Fingerprints(self.rows)
        self._tables: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # table's ID -> its time and rows
        self._reports: dict[Path, tuple[Path, list[Any]]] = {}  # folder -> page of the report, and what it is about

    def rows(self, cohort: Cohort) -> list[dict[str, Any]]:
        """A cohort's rows; those of an opened folder are read once: thousands take longer than Slicer may stand still.
        """
        if not isinstance(cohort, FolderCohort):
            return cohort.rows()
        time, kept = cohort.node.GetMTime(), self._tables.get(cohort.id)
        if kept is None or kept[0] != time:
            self.remember(cohort.node, cohort.rows())
        return self._tables[cohort.id][1]

    def remember(self, node: Any, rows: list[dict[str, Any]]) -> None:
        """Keeps the rows that a table node was made from."""
        self._tables.pop(node.GetID(), None)
        while len(self._tables) >= MOST_READ:
            self._tables.pop(next(iter(self._tables)))
        self._tables[node.GetID()] = node.GetMTime(), rows

    def keep_report(self, out: Path, page: Path, about: list[Any]) -> None:
        """Notes that the report in this folder is about this: what `report` compares with."""
        self._reports[out] = page, [*about, signature(page)]

    def report(self, cohort: Cohort, out: Path, words: list[str]) -> Path | None:
        """The page that was written in this session for these words and the same hearts, if it is still there."""
        page, about = self._reports.get(out, (None, []))
        if page is None or not page.is_file():
            return None
        now = [cohort.id, self.fingerprints.of(cohort), *words, signature(page)]
        return page if about == now else None
