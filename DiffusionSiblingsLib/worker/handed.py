"""What a command names on disk: the twin, recorded siblings, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..anatomy import Anatomy
from ..errors import SiblingsError
from ..exchange import has_exchange, read_exchange
from ..labelmap import LabelMap
from ..labelmap_io import read_labelmap
from ..labelmap_io.tissues import check_tissues


def read_twin(command: dict[str, Any], anatomy: Anatomy) -> LabelMap:
    """The twin from an exchange stem, or from a label map file with `labels` (tissue id -> value)."""
    path = Path(command["twin"])
    if not has_exchange(path):
        return read_labelmap(path, anatomy, command.get("labels"))
    labelmap = read_exchange(path)
    check_tissues(labelmap, anatomy, Path("The segmentation"))
    return labelmap


def moved(request: dict[str, Any], region: str | None) -> dict[str, Any]:
    """A request whose region, if it has one, lies in another file now."""
    return {**request, "region": region} if request.get("region") and region else request


def stored(folder: str | None, name: str) -> LabelMap | None:
    """The recorded sibling, None where it is not there (any more)."""
    try:
        return read_exchange(Path(folder) / name) if folder and has_exchange(Path(folder) / name) else None
    except SiblingsError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0
