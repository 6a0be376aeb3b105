"""What the guidance benchmark works on and keeps: held-out hearts, and samples in a folder, so that a run can go on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT

from DiffusionSiblingsLib.cohorts import dataset_file as pack
from DiffusionSiblingsLib.core.files import atomic_path
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.engine import guided_finish as guiding
from DiffusionSiblingsLib.engine.engine import Encoded, Engine
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.twin import open_twin
from DiffusionSiblingsLib.metrics.measurement import titled
from DiffusionSiblingsLib.metrics.morphology import features

ROUNDS = guiding.FINISHES  # as shipped
HEARTS = Path(os.environ.get("SIBLINGS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "hearts"


@dataclass(frozen=True)
class Heart:
    """A held-out heart in the canonical frame. labels: (128, 128, 128) uint8. features: of that map."""

    name: str
    labels: np.ndarray
    features: dict[str, float]


@dataclass(frozen=True)
class Stored:
    """A sample as it was kept. canonical: (128, 128, 128) uint8. facts: plain values, see `facts_of`."""

    canonical: np.ndarray
    facts: dict[str, Any]


@dataclass
class Bench:
    """An engine, a folder, and the samples in it. again: makes samples anew that are there already."""

    engine: Engine
    out: Path
    again: bool = False

    @property
    def anatomy(self) -> Any:
        """Of the model."""
        return self.engine.anatomy

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) voxel IJK -> canonical mm."""
        return CanonicalFrame.of(self.anatomy).affine

    @property
    def threads(self) -> int:
        """Of the networks."""
        return int(str(self.engine.compute.to_json()["threads"]))

    @cached_property
    def program(self) -> str:
        """The commit that makes samples now, "+" if files differ from it."""
        def git(*words: str) -> str:
            return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

        changed = git("status", "--porcelain", "--untracked-files=no", "--", "DiffusionSiblingsLib")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")

    def samples(self, name: str, requests: list[Request], twin: Encoded | None = None,
                more: Callable[[Sibling], dict[str, Any]] | None = None) -> Iterator[Stored]:
        """One sample for each request (of count 1), from the folder where it is there and was made of the same request.

        name: of the set of samples. more: further facts to keep of a sibling while it is whole.
        """
        for index, request in enumerate(requests):
            path = self.out / "samples" / name / f"{index:04d}.npz"
            key = self._key(request, twin)
            found = None if self.again else read_sample(path, key, self.anatomy.shape)
            if found is None:
                began, cpu = time.perf_counter(), time.process_time()
                (sibling,) = self.engine.run(replace(request, count=1), twin)
                took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
                facts = {"key": key, "program": self.program, **took, **facts_of(sibling),
                         **(more(sibling) if more else {})}
                found = Stored(sibling.canonical, facts)
                write_sample(path, found)
                print(f"  {name} {index + 1}/{len(requests)}: {facts['seconds']:.1f} s", flush=True)
            yield found

    def _key(self, request: Request, twin: Encoded | None) -> str:
        """What a sample depends on besides the program, as a digest."""
        placed = "" if twin is None else hashlib.sha256(twin.twin.known.tobytes()).hexdigest()
        rounds = [] if guiding.FINISHES == ROUNDS else [guiding.FINISHES]
        words = json.dumps([request.to_json(), self.engine.card.sha256, placed, *rounds], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def hearts(self, count: int | None = None) -> list[Heart]:
        """The first `count` held-out draws (all of them by default), placed once and kept in the folder."""
        names = [case["name"] for case in json.loads((HEARTS / "drawn.json").read_text()) if case["split"] == "test"]
        names = names[:count]
        paths = [self.out / "hearts" / f"{Path(name).stem}.npz" for name in names]
        missing = {name: path for name, path in zip(names, paths, strict=True) if not path.exists()}
        if missing:
            with tarfile.open(HEARTS / "drawn.tar.xz") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if name in missing and (file := archive.extractfile(member)):
                        self._place(file.read(), missing[name])
        return [self._heart(name, path) for name, path in zip(names, paths, strict=True)]

    def _place(self, nifti: bytes, path: Path) -> None:
        source = path.with_suffix(".nii")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(nifti)
        twin = open_twin(source, self.anatomy, self.engine.reference)
        source.unlink()
        labels = twin.canonical.labels
        write_sample(path, Stored(labels, {"key": "", "features": titled(features(labels, self.affine, self.anatomy))}))

    def _heart(self, name: str, path: Path) -> Heart:
        found = read_sample(path, "", self.anatomy.shape)
        if found is None:
            raise RuntimeError(f"{path} is damaged: remove it")
        return Heart(name, found.canonical, found.facts["features"])


def facts_of(sibling: Sibling) -> dict[str, Any]:
    """What the tables need of a sibling besides its voxels."""
    return {
        "k": sibling.k, "features": titled(sibling.features), "volumes": sibling.volumes, "changes": sibling.changes,
        "violations": sibling.violation_percent, "raw_violations": sibling.raw_checks["half"].violation_percent,
        "dice_to_twin": sibling.dice_to_twin, "timings": sibling.timings,
        "achieved": [entry.to_json() for entry in sibling.guidance], "notes": list(sibling.guidance_notes),
    }


def write_sample(path: Path, sample: Stored) -> None:
    """One file, whole or not at all."""
    with atomic_path(path) as temporary:
        np.savez(temporary, labels=pack.encode(sample.canonical),
                 facts=np.frombuffer(json.dumps(sample.facts).encode(), np.uint8))


def read_sample(path: Path, key: str, shape: tuple[int, int, int]) -> Stored | None:
    """The sample if it is there and was made of what `key` stands for."""
    if not path.exists():
        return None
    with np.load(path) as file:
        facts = json.loads(file["facts"].tobytes())
        return Stored(pack.decode(file["labels"], shape), facts) if facts["key"] == key else None
