"""The data pack: what goes in comes out, nothing half-written, nothing of one subject on two sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from DiffusionSiblingsLib.cohorts.dataset_file import PackCase, decode, encode, read_pack, write_pack
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.labelmaps.geometry.reference import Reference, posed_reference

SHAPE = (4, 5, 6)


def reference() -> Reference:
    return posed_reference(np.arange(18.0).reshape(6, 3), load_anatomy("heart"))


def maps(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 7, SHAPE, dtype=np.uint8) for _ in range(count)]


def written(path: Path, cases: list[PackCase]) -> Path:
    return write_pack(path, zip(cases, maps(len(cases)), strict=True), reference(), shape=SHAPE)


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 3), elements=st.sampled_from([0, 0, 0, 1, 6, 255])))
def test_a_label_map_comes_back_bit_for_bit(labels: np.ndarray) -> None:
    assert np.array_equal(decode(encode(labels), labels.shape), labels)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damaged_bytes_are_refused_not_decoded(noise: bytes, cut: int) -> None:
    good = encode(np.random.default_rng(1).integers(0, 3, SHAPE, dtype=np.uint8))
    for bad in (np.frombuffer(noise, np.uint8), good[: min(cut, good.size - 1)]):
        with pytest.raises(InputError, match="damaged"):
            decode(bad, SHAPE)
    with pytest.raises(InputError, match="damaged"):
        decode(good, (4, 5, 7))


def test_a_pack_holds_its_cases_and_its_reference(tmp_path: Path) -> None:
    cases = [PackCase("a", "one", "train", "scanner", 3.0), PackCase("b", "one", "train"), PackCase("c", "c", "test")]
    path = written(tmp_path / "new" / "hearts.safetensors", cases)
    pack = read_pack(path)
    assert pack.cases == tuple(cases) and len(pack) == 3 and pack.shape == SHAPE and pack.anatomy == "heart"
    assert [np.array_equal(pack.labels(i), labels) for i, labels in enumerate(maps(3))] == [True] * 3
    assert pack.indices("train") == [0, 1] and pack.indices("test", "train") == [0, 1, 2]
    assert np.array_equal(pack.reference.centroids, reference().centroids)
    assert [file.name for file in path.parent.iterdir()] == ["hearts.safetensors"]


def test_a_folder_stands_for_the_data_set_in_it(tmp_path: Path) -> None:
    written(tmp_path / "dataset.safetensors", [PackCase("a", "a", "train")])
    assert len(read_pack(tmp_path)) == 1


def test_a_subject_in_two_splits_or_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two splits"):
        written(tmp_path / "p", [PackCase("a", "one", "train"), PackCase("b", "one", "test")])
    with pytest.raises(InputError, match="the same name"):
        written(tmp_path / "p", [PackCase("a", "one", "train"), PackCase("a", "two", "train")])
    with pytest.raises(InputError, match="weight above 0"):
        PackCase("a", "a", "train", weight=0)
    with pytest.raises(InputError, match="does not fit"):
        write_pack(tmp_path / "p", [(PackCase("a", "a", "train"), np.zeros((2, 2, 2), np.uint8))], reference())
    assert not any(tmp_path.iterdir())


def test_files_that_are_no_pack_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "p.safetensors", [PackCase("a", "a", "train")])
    whole = path.read_bytes()
    for bad in (b"", b"hello", whole[:100], whole[:-10]):
        path.write_bytes(bad)
        with pytest.raises(InputError, match="cannot be read"):
            read_pack(path)
    with pytest.raises(InputError, match="prepare"):
        read_pack(tmp_path / "absent.safetensors")


def test_a_target_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        written(tmp_path / "file" / "p.safetensors", [PackCase("a", "a", "train")])
