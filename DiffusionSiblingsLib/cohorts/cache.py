"""Measurements kept from earlier: one file for each member, valid while map, program and settings stay the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.files import atomic_path, digest_of, signature
from ..core.labelmap import LabelValues
from ..core.version import __version__
from ..labelmaps.geometry.reference import Reference
from ..metrics.measurement import keyed_numbers, titled
from ..metrics.measures.measure import Measured

if TYPE_CHECKING:
    from .measured import MeasuredMember
    from .members import Member

VERSION = 2  # raised when the same map would be measured otherwise


@dataclass(frozen=True)
class Cache:
    """A folder of measurements. Everything that decides them besides the map itself is in `settings`, as a digest."""

    folder: Path
    settings: str

    @classmethod
    def of(cls, folder: Path, anatomy: Anatomy, reference: Reference, labels: LabelValues | None = None, *,
           by_name: bool = False) -> Cache:
        """The cache in a folder for measurements with these settings. by_name: with the measures by name."""
        parts = [np.ascontiguousarray(value).tobytes() for value in reference.tensors().values()]
        pose = hashlib.sha256(b"".join(parts)).hexdigest()
        settings = [VERSION, __version__, asdict(anatomy), labels, pose]
        return cls(Path(folder), digest_of([*settings, "by name"] if by_name else settings))

    def key(self, member: Member) -> str:
        """A digest of all that a measurement depends on: the map's name, file, size, time, place, numbering, the
        settings.
        """
        parts = [self.settings, member.name, str(member.path.resolve()), signature(member.path),
                 member.canonical_to_ras]
        return digest_of([*parts, member.values] if member.renumbered else parts)

    def path(self, member: Member) -> Path:
        """The file of a member's measurement; another one for every state of its map."""
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in member.name)[:60]
        return self.folder / f"{safe}.{self.key(member)[:16]}.npz"

    def read(self, member: Member) -> MeasuredMember | None:
        """The measurement; None where it is missing or damaged, or belongs to another state of the map."""
        from .measured import MeasuredMember

        try:
            with np.load(self.path(member)) as file:
                facts: dict[str, Any] = json.loads(file["facts"].tobytes())
                return MeasuredMember(member.name, keyed_numbers(facts["features"]), facts["volumes"],
                                      tuple(facts["failed_half"]), tuple(facts["failed_full"]), file["cloud"],
                                      file["second_cloud"], file["packed"].tobytes(), member.path,
                                      tuple(facts["notes"]),
                                      Measured.from_json(facts["measures"]) if facts.get("measures") else None)
        except (OSError, KeyError, ValueError, EOFError, InputError):  # ValueError: not an .npz file, or not JSON in it
            return None
        except Exception as problem:  # zipfile.BadZipFile and zlib.error: a file cut short on a full disk
            if type(problem).__name__ in ("BadZipFile", "error"):
                return None
            raise

    def write(self, member: Member, measured: MeasuredMember) -> None:
        """Keeps a measurement, whole or not at all. Raises OutputError where it cannot be written."""
        facts = {"features": titled(measured.features), "volumes": measured.volumes,
                 "failed_half": measured.failed_half, "failed_full": measured.failed_full,
                 "notes": measured.notes,
                 **({"measures": measured.measures.to_json()} if measured.measures is not None else {})}
        with atomic_path(self.path(member)) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8), cloud=measured.cloud,
                     second_cloud=measured.second_cloud, packed=np.frombuffer(measured.packed, dtype=np.uint8))
