"""Whether a run fits into memory: what it needs, what is free, and what to do where it does not."""

from __future__ import annotations

import math
import re
from pathlib import Path

import psutil

from ...core.errors import too_little_memory

GIB = 2**30
MIB = 2**20
# What a run takes beyond the start (240 MiB: torch and the packages). Measured on Linux with heart-compact:
# 500 MiB at its peak for a twin of 2 million voxels, 620 for 13, 2500 for 105. Some room is left over.
MODEL = 420 * MIB  # activations, the canonical grid's probabilities
PER_WEIGHT = 3  # bytes for each byte of the float16 weight file, as float32 with its load
PER_VOXEL = 23  # bytes for a voxel of the twin's grid: masks, features, checks, the sibling
SPARE = 100 * MIB  # is needed also where all seems to be held already
PER_BATCH = 120 * MIB  # for each further sibling that is sampled at the same time


def needed(shape: tuple[int, ...], weights: int, batch: int = 1) -> int:
    """Bytes that a run takes at its peak. shape: of the twin's grid. weights: bytes of the weight file."""
    return MODEL + PER_WEIGHT * weights + PER_VOXEL * math.prod(shape) + (batch - 1) * PER_BATCH


def require(wanted: int, free: int) -> None:
    """Raises DeviceError with remedies where less is free than wanted."""
    if wanted > free:
        raise too_little_memory(f"{wanted / GIB:.1f} GB needed, {free / GIB:.1f} GB free")


def free_memory() -> int:
    """Bytes that this process may still take: the least of the machine, its container and its own limit."""
    limits = [int(psutil.virtual_memory().available), _container(), _own_limit()]
    return max(0, min(limit for limit in limits if limit is not None))


def _container(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """What the cgroups (2, then 1) of this process leave it; file cache that can be given up counts as free."""
    found = []
    for line in _lines(own):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        names = ("memory.max", "memory.current", "inactive_file")
        if controllers:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        base = root / "memory" if controllers else root
        below = base / path.lstrip("/")
        for folder in [below, *below.parents]:
            limit, used = _number(folder / names[0]), _number(folder / names[1])
            if limit is not None and used is not None:
                found.append(limit - used + (_from_table(folder / "memory.stat", names[2], 1) or 0))
            if folder == base:
                break
    return min(found) if found else None


def _own_limit() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit - psutil.Process().memory_info().vms


def _from_table(path: Path, key: str, unit: int) -> int | None:
    for line in _lines(path):
        if re.match(rf"{key}\b", line):
            return int(line.split()[1]) * unit
    return None


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)
