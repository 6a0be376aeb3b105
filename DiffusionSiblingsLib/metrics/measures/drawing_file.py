"""A drawing of measures between two programs of one machine, as arrays in one file. It is not meant for keeping."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, reason_of
from ...core.files import atomic_path
from ...core.json_files import MALFORMED
from .drawing import Drawing, Line, Wall


def write_drawing(drawing: Drawing, path: Path | str) -> Path:
    """Writes a .npz file -> its path."""
    described = {"lines": [[line.name, line.kind, line.text, line.headline] for line in drawing.lines],
                 "walls": [[wall.name, wall.text] for wall in drawing.walls], "missing": dict(drawing.missing)}
    arrays: dict[str, Any] = {f"line{n}": line.points for n, line in enumerate(drawing.lines)}
    for n, wall in enumerate(drawing.walls):
        arrays |= {f"points{n}": wall.points, f"triangles{n}": wall.triangles, f"thickness{n}": wall.thickness}
    text = np.frombuffer(json.dumps(described).encode("utf-8"), dtype=np.uint8)
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, described=text, **arrays)
    return Path(path)


def read_drawing(path: Path | str) -> Drawing:
    """The drawing that `write_drawing` wrote. Raises InputError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            described = json.loads(file["described"].tobytes().decode("utf-8"))
            lines = [Line(name, kind, file[f"line{n}"], text, headline)
                     for n, (name, kind, text, headline) in enumerate(described["lines"])]
            walls = [Wall(name, file[f"points{n}"], file[f"triangles{n}"], file[f"thickness{n}"], text)
                     for n, (name, text) in enumerate(described["walls"])]
            return Drawing(tuple(lines), tuple(walls), dict(described["missing"]))
    except (OSError, EOFError, zipfile.BadZipFile, *MALFORMED) as error:
        raise InputError("The drawing from another process cannot be read", value=f"{path}: {reason_of(error)}",
                         rule="this version wrote it",
                         hint="try again; if this error returns, check the space in the temporary folder") from error
