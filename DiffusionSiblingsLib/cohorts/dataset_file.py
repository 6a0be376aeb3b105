"""A packed data set: one safetensors file of run-length coded canonical label maps, read with numpy alone."""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError, reason_of
from ..core.json_files import MALFORMED, parse_json
from ..core.limits import MOST_AIR_BYTES
from ..core.tensor_files import write_tensors
from ..labelmaps.geometry.reference import Reference

SCHEMA = "siblings-pack/1"
FILE_NAME = "dataset.safetensors"
LabelArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PackCase:
    """One case. subject: cases of one subject never fall into two splits. weight: how often training draws it."""

    name: str
    subject: str
    split: str
    source: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.name or not self.split or not self.weight > 0:
            rule = "a name, a split and a weight above 0"
            raise InputError("A case of the data set is incomplete", value=self, rule=rule)


@dataclass(frozen=True)
class Pack:
    """cases: in file order. shape: (D, H, W). spacing: mm. anatomy: id. reference: of the canonical frame."""

    path: Path
    anatomy: str
    shape: tuple[int, int, int]
    spacing: float
    cases: tuple[PackCase, ...]
    reference: Reference

    def __len__(self) -> int:
        return len(self.cases)

    def labels(self, index: int) -> LabelArray:
        """(D, H, W) uint8 canonical label map of one case."""
        with _open(self.path) as file:
            return decode(file.get_tensor(_key(index)), self.shape)

    def indices(self, *splits: str) -> list[int]:
        """Indices of the cases of some splits."""
        return [index for index, case in enumerate(self.cases) if case.split in splits]


def pack_file(path: Path) -> Path:
    """The data set's file: `path` itself if it is named .safetensors, else `dataset.safetensors` in that folder."""
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE_NAME


def encode(labels: LabelArray) -> npt.NDArray[np.uint8]:
    """A label map as bytes: lzma of run lengths. labels: (D, H, W) uint8. Returns a 1-D uint8 array.

    Layout before lzma: uint32 number of runs, the uint8 value of each run, the uint32 length of each run.
    """
    flat = np.ascontiguousarray(labels, dtype=np.uint8).ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = np.concatenate([[0], edges]).astype(np.int64)
    lengths = np.diff(np.append(starts, flat.size)).astype("<u4")
    raw = np.array([lengths.size], dtype="<u4").tobytes() + flat[starts].tobytes() + lengths.tobytes()
    return np.frombuffer(lzma.compress(raw, preset=6), dtype=np.uint8)


def decode(data: npt.NDArray[np.uint8], shape: tuple[int, int, int]) -> LabelArray:
    """The inverse of `encode`: (D, H, W) uint8. Raises InputError where the bytes do not fill `shape` exactly."""
    try:
        most = 4 + 5 * math.prod(shape)  # as many runs as voxels
        packed = lzma.LZMADecompressor(memlimit=MOST_AIR_BYTES)
        raw = packed.decompress(data.tobytes(), most + 1)
        if not packed.eof:
            raise ValueError("the bytes break off, or hold more than the grid")
        count = int(np.frombuffer(raw, dtype="<u4", count=1)[0])
        values = np.frombuffer(raw, dtype=np.uint8, count=count, offset=4)
        lengths = np.frombuffer(raw, dtype="<u4", count=count, offset=4 + count)
        if int(lengths.sum(dtype=np.int64)) != math.prod(shape):
            raise ValueError("run lengths do not add up")
    except (lzma.LZMAError, EOFError, *MALFORMED) as problem:
        hint = "prepare the data set again"
        raise InputError("A case of the data set is damaged", value=problem, hint=hint) from problem
    return np.repeat(values, lengths).reshape(shape)


def _key(index: int) -> str:
    return f"case_{index:05d}"


def write_pack(
    path: Path,
    cases: Iterable[tuple[PackCase, npt.NDArray[np.uint8]]],
    reference: Reference,
    *,
    anatomy: str = "heart",
    shape: tuple[int, int, int] = (128, 128, 128),
    spacing: float = 1.4,
) -> Path:
    """Writes a data set in one go: a temporary file beside `path`, then one rename.

    cases: pairs of a case and its label map, (D, H, W) uint8 or already encoded (1-D). Raises InputError where a
    subject lies in two splits or a name is used twice, OutputError where the file cannot be written.
    """
    listed, tensors = [], reference.tensors()
    for index, (case, labels) in enumerate(cases):
        if labels.ndim == 3 and labels.shape != shape:
            found = f"{case.name}: {labels.shape}"
            raise InputError("A label map does not fit the data set", value=found, rule=f"shape {shape}")
        listed.append(case)
        tensors[_key(index)] = labels if labels.ndim == 1 else encode(labels)
    _check_splits(listed)
    metadata = {
        "schema": SCHEMA,
        "anatomy": anatomy,
        "shape": json.dumps(list(shape)),
        "spacing": json.dumps(spacing),
        "cases": json.dumps([asdict(case) for case in listed]),
    }
    _save(path, tensors, metadata)
    return path


def _check_splits(cases: list[PackCase]) -> None:
    """Raises InputError where a name occurs twice or a subject lies in two splits."""
    names: set[str] = set()
    home: dict[str, str] = {}
    for case in cases:
        if case.name in names:
            raise InputError("Two cases of the data set have the same name", value=case.name, rule="each name once")
        names.add(case.name)
        if home.setdefault(case.subject, case.split) != case.split:
            raise InputError(
                "A subject lies in two splits",
                value=f"{case.subject}: {home[case.subject]} and {case.split}",
                rule="all maps of a subject belong to the same split",
            )


def _save(path: Path, tensors: dict[str, npt.NDArray[Any]], metadata: dict[str, str]) -> None:
    from safetensors.numpy import save

    write_tensors(path, save({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata))


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(str(path), framework="numpy")
    except (OSError, SafetensorError) as problem:
        raise InputError(
            "The data set cannot be read", value=f"{path}: {reason_of(problem)}", hint="make it with 'siblings prepare'"
        ) from problem


def read_pack(path: Path) -> Pack:
    """Opens a data set, a file or its folder; label maps are decoded when asked for.

    Raises InputError where it is none, or damaged.
    """
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    with _open(path) as file:
        metadata = file.metadata() or {}
        if metadata.get("schema") != SCHEMA:
            raise InputError(
                "The file is not a data set of this program",
                value=f"{path}: schema {metadata.get('schema', 'none')}",
                rule=SCHEMA,
                hint="make it with 'siblings prepare'",
            )
        keys = set(file.keys())
        reference = Reference.from_tensors({k: file.get_tensor(k) for k in keys if k.startswith("reference.")})
    try:
        depth, height, width = (int(size) for size in parse_json(metadata["shape"]))
        if min(depth, height, width) < 1 or depth * height * width > MOST_AIR_BYTES:
            raise ValueError(f"a grid of {depth} x {height} x {width} voxels")
        cases = tuple(PackCase(**entry) for entry in parse_json(metadata["cases"]))
        spacing = float(parse_json(metadata["spacing"]))
        if not 0 < spacing < float("inf"):
            raise ValueError(f"a spacing of {spacing} mm")
        anatomy = metadata["anatomy"]
        lost = [case.name for index, case in enumerate(cases) if _key(index) not in keys]
    except MALFORMED as problem:
        raise InputError("The list of cases of the data set is damaged", value=f"{path}: {reason_of(problem)}",
                         hint="make it again with 'siblings prepare'") from problem
    if lost:
        raise InputError("The data set lacks label maps that it lists", value=", ".join(lost[:5]),
                         hint="make it again with 'siblings prepare'")
    return Pack(path, anatomy, (depth, height, width), spacing, cases, reference)
