"""Label maps handed over between programs: nothing is lost, and what is damaged is refused with a message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import has_exchange, read_exchange, remove_exchange, write_exchange

TYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "int64")


def small_map(dtype: str = "uint8", order: str = "C") -> LabelMap:
    labels = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype) % 4
    affine = np.array([[0.9, -0.2, 0.1, -7.25], [0.3, 1.1, 0.0, 12.5], [0.0, 0.1, -2.0, 1e3], [0, 0, 0, 1]])
    segments = (Segment(2, "Linke Kammer ü", "LV", (0.25, 1.0, 0.5), "Segment_2", {"TerminologyEntry": "a~b^c"}),
                Segment(1, "other", None, None), Segment(3))
    return LabelMap(np.asarray(labels, order=order), affine, segments, notes=("One and two share 3 voxels",))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_read_is_what_was_written(tmp_path: Path, dtype: str, order: str) -> None:
    written = small_map(dtype, order)
    read = read_exchange(write_exchange(written, tmp_path / "new folder é" / "twin.1"))
    assert read.labels.dtype == written.labels.dtype
    assert np.array_equal(read.labels, written.labels)
    assert np.array_equal(read.affine, written.affine)  # to the last bit
    assert (read.segments, read.notes) == (written.segments, written.notes)
    assert read.source is None


@given(shape=st.tuples(*[st.integers(0, 5)] * 3), name=st.text(max_size=8))
def test_any_shape_and_name(tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], name: str) -> None:
    written = LabelMap(np.zeros(shape, np.uint8), np.eye(4), (Segment(np.uint8(1), name),))  # type: ignore[arg-type]
    read = read_exchange(write_exchange(written, tmp_path_factory.mktemp("any") / "map"))
    assert (read.labels.shape, read.segments[0].name) == (shape, name)


def test_stems_with_dots_do_not_meet_and_are_removed(tmp_path: Path) -> None:
    for name in ("patient.1", "patient.2"):
        write_exchange(small_map(), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "patient.1.json", "patient.1.npy", "patient.2.json", "patient.2.npy"]
    remove_exchange(tmp_path / "patient.1")
    remove_exchange(tmp_path / "patient.1")
    assert not has_exchange(tmp_path / "patient.1")
    assert has_exchange(tmp_path / "patient.2")


def test_what_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    stem = write_exchange(small_map(), tmp_path / "map")
    described = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    for change in ({"schema": 9}, {"shape": [1, 1, 1]}, {"dtype": "<i8"}, {"affine": [1, 2]}, {"segments": [{}]},
                   {"affine": [[float("nan")] * 4] * 4}):
        (tmp_path / "map.json").write_text(json.dumps({**described, **change}))
        with pytest.raises(InputError, match="from another process cannot be read"):
            read_exchange(stem)
    for text in ("", "[]", "{}"):
        (tmp_path / "map.json").write_text(text)
        with pytest.raises(InputError):
            read_exchange(stem)
    with pytest.raises(InputError):
        read_exchange(tmp_path / "nowhere")


def test_pickled_voxels_are_never_loaded(tmp_path: Path) -> None:
    stem = write_exchange(small_map(), tmp_path / "map")
    np.save(tmp_path / "map.npy", np.array([[[{}]]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="from another process cannot be read"):
        read_exchange(stem)
    (tmp_path / "map.npy").write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError):
        read_exchange(stem)
