"""Safetensors files whose bytes depend on nothing but what they hold."""

from __future__ import annotations

import json
from pathlib import Path

from .files import atomic_path


def write_tensors(path: Path, data: bytes) -> None:
    """Writes what `safetensors.save` made, with the header's keys in order: it keeps metadata in a random one.

    Atomic, and readable by others: `safetensors.save_file` makes a file that only its owner can read. Raises
    OutputError.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of eight bytes
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        file.write(memoryview(data)[end:])
