"""The papers' tables as data, for comparison with ours (Resources/Studies/papers.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.anatomy import resource_folder
from ..core.errors import InputError, reason_of

SCHEMA = "siblings-papers/1"
PaperRow = dict[str, Any]


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper. name: "npj 2024, Table 3". sizes: of the cohorts behind it. notes: how it was read."""

    key: str
    name: str
    title: str
    study: str
    sizes: str
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...]

    def row(self, **wanted: object) -> PaperRow:
        """The row with these values; empty if the paper has no such row."""
        found = [row for row in self.rows if all(row.get(key) == value for key, value in wanted.items())]
        return dict(found[0]) if found else {}


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    path = resource_folder() / "Studies" / "papers.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("The papers' tables cannot be read", value=f"{path}: {reason_of(error)}",
                         hint="install the project again") from error
    if values.get("schema") != SCHEMA:
        raise InputError("The papers' tables have another version", value=path, rule=SCHEMA)
    return values


def paper_tables(study: str) -> list[PaperTable]:
    """All tables of the papers that a study repeats, npj's first."""
    data = _data()
    return [PaperTable(key, f"{data['sources'][table['source']]['short']}, Table {table['number']}", table["title"],
                       table["study"], table["sizes"], tuple(table["rows"]), tuple(table["notes"]))
            for key, table in data["tables"].items() if table["study"] == study]


def paper_table(key: str) -> PaperTable:
    """One table by its key, such as "npj-3"; KeyError if there is none."""
    return next(table for table in paper_tables(_data()["tables"][key]["study"]) if table.key == key)


def findings(study: str) -> list[str]:
    """What the papers state about a study in words."""
    data = _data()
    return [f"{data['sources'][finding['source']]['short']} ({finding['where']}): {finding['text']}"
            for finding in data["findings"].get(study, [])]


def seed_words() -> dict[str, str]:
    """Name of a seed heart -> its description: "L+R0" -> "large LV, mean RV"."""
    return dict(_data()["seeds"])
