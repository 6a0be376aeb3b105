"""The files of a pick: a table, and copies of the chosen maps under names that begin with their quantile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..cohorts.picking import Pick
from ..core.errors import InputError, OutputError
from ..core.files import copy_whole, ending, output_error
from ..core.names import plain_name
from ..core.tables import write_metrics_csv
from ..metrics.measurement import MeasurementKey
from .own_files import MAP_ENDINGS, remove_map

TABLE = "pick.csv"
_COPY = re.compile(rf"q\d{{2,3}}(\.\d+)?_[A-Za-z0-9.+-]+\.({MAP_ENDINGS})")


def pick_rows(picks: Sequence[Pick], key: MeasurementKey) -> list[dict[str, object]]:
    """One row for each quantile: its value, the member that stands for it, and what that member has."""
    unit = f" [{key.unit}]"
    return [{"quantile [%]": pick.quantile, f"wanted{unit}": pick.wanted, "map": pick.member.name,
             key.title: pick.value} for pick in picks]


def require_room(out: Path, source: Path, *, replace: bool) -> None:
    """Raises InputError where copies would join the cohort, or where the folder has an earlier pick that must stay.

    source: the cohort. replace: whether the files of an earlier pick may be removed.
    """
    if out.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise InputError("The copies would become members of the cohort", value=out,
                         rule="a folder of their own", hint="choose another --out")
    if not replace and (there := _earlier(out)):
        raise InputError("The folder holds an earlier pick", value=there[0], rule="it is kept unless you say so",
                         hint="choose another --out, or remove the earlier pick's files with --replace")


def write_pick(out: Path, picks: Sequence[Pick], key: MeasurementKey) -> list[Path]:
    """Writes the table and copies the maps, in place of those of an earlier pick -> the copies. Raises OutputError."""
    copies = [out / _name(pick) for pick in picks]
    for old in _earlier(out):
        try:
            remove_map(old)
        except OSError as error:
            raise output_error(old, error) from error
    for pick, copy in zip(picks, copies, strict=True):
        copy_whole(pick.member.path, copy)
    rows = [{**row, "file": str(pick.member.path), "copy": copy.name}
            for row, pick, copy in zip(pick_rows(picks, key), picks, copies, strict=True)]
    write_metrics_csv(out / TABLE, rows)
    return copies


def _earlier(out: Path) -> list[Path]:
    """What lies in a folder under the names of a pick. Raises OutputError for a folder that cannot be read."""
    try:
        return sorted(path for path in (out.iterdir() if out.is_dir() else ())
                      if path.name == TABLE or _COPY.fullmatch(path.name))
    except OSError as error:
        raise output_error(out, error) from error


def _name(pick: Pick) -> str:
    """"q05_sibling-0003.nii.gz"; a folder of masks ends in .masks."""
    whole, _, part = f"{pick.quantile:g}".partition(".")
    kind = ".masks" if pick.member.path.is_dir() else ending(pick.member.path)
    name = f"q{int(whole):02d}{f'.{part}' if part else ''}_{plain_name(pick.member.name)}{kind}"
    if not _COPY.fullmatch(name):
        raise OutputError("A map has no name for its copy", value=pick.member.name, rule="letters or digits in it",
                          hint="rename the file")
    return name
