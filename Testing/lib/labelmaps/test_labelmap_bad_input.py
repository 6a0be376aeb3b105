"""Bad label maps: each is one InputError that says what, value, rule and hint; none is a crash or a wrong map."""

from __future__ import annotations

import errno
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmap_cases import FILES, HEART, OWN, blocks, cut, heart
from nibabel.nifti1 import Nifti1Header

from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.files import atomic_path
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps import write
from DiffusionSiblingsLib.labelmaps.read import FORMATS, read_labelmap, read_mask
from DiffusionSiblingsLib.labelmaps.write import suffix_for, write_labelmap


def refused(path: Path, words: str, **options: object) -> InputError:
    """The one error that reading `path` gives, complete and with the words in it."""
    with pytest.raises(InputError, match=words) as caught:
        read_labelmap(path, HEART, **options)
    error = caught.value
    assert error.what and (error.rule or error.hint) and "\n" not in error.message()
    return error


def itk_file(path: Path, array: np.ndarray, vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def edit_header(path: Path, **fields: object) -> Path:
    """Changes fields of an uncompressed NIfTI file in place."""
    raw = path.read_bytes()
    header = Nifti1Header(raw[:348], "<", check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + raw[348:])
    return path


def test_missing_file_and_unknown_format(tmp_path: Path) -> None:
    refused(tmp_path / "no.nii.gz", "does not exist")
    for name in ("map.png", "map", "map.nhdr", "map.nii.bz2", ".nii.gz.txt"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, "does not have a known format")


@pytest.mark.parametrize("format", FILES)
def test_files_that_are_something_else(format: str, tmp_path: Path) -> None:
    for content in (b"", b"\n", b"hello world\n" * 100, bytes(4000), b"\x1f\x8b", gzip.compress(b"x" * 5000)):
        (tmp_path / f"twin.{format}").write_bytes(content)
        refused(tmp_path / f"twin.{format}", "truncated or corrupt|is a gzip file")


@pytest.mark.parametrize("format", FILES)
@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=60)
def test_truncated_files_are_never_maps(format: str, tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = write_labelmap(heart(), tmp_path_factory.mktemp("whole") / "twin", format)
    refused(cut(path, int(share * path.stat().st_size)), "truncated or corrupt")


@pytest.mark.parametrize("format", FILES)
def test_the_last_bytes_matter_too(format: str, tmp_path: Path) -> None:
    path = write_labelmap(heart(), tmp_path / "twin", format)
    for missing in range(1, 12):
        refused(cut(path, path.stat().st_size - missing), "truncated or corrupt")


@pytest.mark.parametrize("format", FILES)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@settings(max_examples=100)
def test_a_damaged_byte_is_an_error_or_harmless(
    format: str, tmp_path_factory: pytest.TempPathFactory, share: float, flip: int
) -> None:
    path = write_labelmap(heart(), tmp_path_factory.mktemp("whole") / "twin", format)
    raw = bytearray(path.read_bytes())
    place = int(share * len(raw))
    raw[place] ^= flip
    path.write_bytes(raw)
    try:
        back = read_labelmap(path, HEART)
    except InputError:
        return
    if format == "nii.gz":
        assert np.array_equal(back.labels, blocks()), "the checksum covers everything"
    if "nrrd" in format and place > raw.index(b"\n\n") + 12:
        assert np.array_equal(back.labels, blocks()), "the checksum covers the voxels"


def test_a_truncated_mask_in_a_folder(tmp_path: Path) -> None:
    folder = write_labelmap(heart(), tmp_path / "case", "folder")
    mask = folder / "heart_ventricle_left.nii.gz"
    mask.write_bytes(mask.read_bytes()[:-9])
    assert "heart_ventricle_left" in refused(folder, "truncated or corrupt").what


def test_numbers_that_are_no_labels(tmp_path: Path) -> None:
    for format in FILES:
        for value, words in [
            (np.nan, "NaN"),
            (np.inf, "NaN or inf"),
            (1.5, "1.5"),
            (-1.0, "-1"),
            (1e12, "label values"),
        ]:
            labels = blocks().astype(np.float64)
            labels[3, 3, 3] = value
            refused(itk_file(tmp_path / f"twin.{format}", labels), words)
        refused(itk_file(tmp_path / f"twin.{format}", blocks().astype(np.int16) - 1), "-1")
        refused(itk_file(tmp_path / f"twin.{format}", np.zeros_like(blocks())), "every voxel is 0")


def test_images_that_are_not_3d(tmp_path: Path) -> None:
    for format in FILES:
        refused(itk_file(tmp_path / f"flat.{format}", blocks()[4]), "not a 3D image|axes|a vector of 2")
        refused(itk_file(tmp_path / f"slice.{format}", blocks()[4:5]), "not a 3D image")
        refused(itk_file(tmp_path / f"series.{format}", np.stack([blocks(), blocks()[::-1]])), "not a 3D image")
        if format != "seg.nrrd":
            colour = np.stack([blocks(), blocks(), blocks()[::-1]], axis=-1)
            path = itk_file(tmp_path / f"colour.{format}", colour, vector=True)
            refused(path, "3D image|not hold label values|overlap")
    path = write_labelmap(heart(named=False), tmp_path / "single.nii")
    edit_header(path, dim=[4, 12, 10, 8, 1, 1, 1, 1])
    assert read_labelmap(path, HEART).labels.shape == (8, 10, 12), "a fourth axis of length 1 is fine"


def test_grids_that_are_not_in_space(tmp_path: Path) -> None:
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    twice = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    path = write_labelmap(heart(named=False), tmp_path / "twin.nii")
    for affine, words in [(flat, "spacing"), (twice, "singular"), (flat * np.nan, "spacing")]:
        rows = dict(zip(("srow_x", "srow_y", "srow_z"), affine, strict=False))
        refused(edit_header(path, qform_code=0, **rows), words)
    refused(edit_header(path, sform_code=0, qform_code=0, pixdim=[1, 1, 0, 1, 0, 0, 0, 0]), "spacing")
    for name in ("twin.nrrd", "twin.mha"):
        path = write_labelmap(heart(named=False, affine=np.eye(4)), tmp_path / name)
        raw = path.read_bytes()
        for old, new, words in [
            (b"(0.0,0.0,1.0)", b"(0.0,0.0,0.0)", "spacing"),
            (b"(0.0,0.0,1.0)", b"(0.0,0.0,nan)", "spacing"),
            (b"(0.0,0.0,1.0)", b"(-1.0,0.0,0.0)", "singular"),
            (b"(0.0,0.0,1.0)", b"(0.0,0.0)", "corrupt"),
            (b"(0.0,0.0,1.0)", b"none", "not a 3D image"),
            (b"ElementSpacing = 1.0", b"ElementSpacing = 0.0", "spacing"),
            (b"0.0 0.0 1.0\nOffset", b"0.0 -1.0 0.0\nOffset", "singular"),
            (b"0.0 0.0 1.0\nOffset", b"0.0 0.0\nOffset", "corrupt"),
        ]:
            if old in raw:
                path.write_bytes(raw.replace(old, new, 1))
                refused(path, words)


def test_tissues_that_are_missing_or_next_to_nothing(tmp_path: Path) -> None:
    for format in FORMATS:
        path = tmp_path / f"twin.{format}" if format != "folder" else tmp_path / "case"
        for left, words in [(0, "LA|does not say"), (1, "too little of LA.*1 voxel|1 voxel"), (9, "9 voxels")]:
            labels = blocks()
            at = np.flatnonzero(labels == 5)
            labels.flat[at[left:]] = 0
            full = heart(labels)
            write_labelmap(full, path, format)
            refused(path, words)
        write_labelmap(replace(full, segments=tuple(s for s in full.segments if s.tissue != "LA")), path, format)
        if format == "folder":
            assert "LA" in refused(path, "lacks LA").what
        else:
            refused(path, "lacks LA|LA")


def test_values_without_names_ask_for_labels(tmp_path: Path) -> None:
    many = np.arange(8 * 10 * 12).reshape(8, 10, 12) % 105
    error = refused(write_labelmap(LabelMap(many.astype(np.uint8), np.eye(4)), tmp_path / "many.nii.gz"), "104 in all")
    assert "--labels" in error.hint and "LV=46" in error.hint and "TotalSegmentator v1" in error.hint
    slabs = np.repeat(np.arange(8, dtype=np.uint8), 4)[:, None, None] * np.ones((1, 6, 6), np.uint8)
    seven = write_labelmap(LabelMap(slabs, np.eye(4)), tmp_path / "seven.mha")
    assert "--labels" in refused(seven, "does not say").hint
    chosen = read_labelmap(seven, HEART, OWN)
    assert [s.tissue for s in chosen.segments][-1] is None, "the unknown label is kept"


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    empty = tmp_path / "s0001"
    (empty / "segmentations").mkdir(parents=True)
    assert "segmentations" in refused(empty, "no masks").hint
    write_labelmap(LabelMap(blocks(), np.eye(4)), empty / "ct.nii.gz")
    refused(empty, "no masks")
    folder = write_labelmap(heart(), tmp_path / "case", "folder")
    mask = folder / "heart_atrium_left.nii.gz"
    for grid, words in [
        (LabelMap(np.ones((8, 10, 11), np.uint8), heart().affine), "different grids.*11 x 10 x 8"),
        (LabelMap((blocks() == 5).astype(np.uint8), np.eye(4)), "elsewhere in space"),
        (LabelMap(((blocks() == 5) | (blocks() == 3)).astype(np.uint8), heart().affine), "overlap.*heart_atrium_left"),
        (LabelMap(blocks(), heart().affine), "not a mask"),
    ]:
        write_labelmap(grid, mask)
        refused(folder, words)
    mask.unlink()
    refused(folder, "lacks LA")


def test_two_segments_of_one_value(tmp_path: Path) -> None:
    twin = heart()
    twice = replace(twin, segments=(*twin.segments[:5], replace(twin.segments[5], value=5)))
    refused(write_labelmap(twice, tmp_path / "twice.seg.nrrd"), "Left atrium and Right atrium are both label 5")


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_leaves_nothing_half_written(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_labelmap(heart(), tmp_path / "twin", format)
    before = sorted((p, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())
    real = write._write

    def full(labelmap: LabelMap, target: Path, chosen: str) -> None:
        real(labelmap, target, chosen)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_write", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_labelmap(heart(blocks() * np.uint8(2)), path)
    assert "space" in caught.value.hint
    with pytest.raises(OutputError):
        write_labelmap(heart(), tmp_path / "deeper" / "new", format)
    assert before == sorted((p, p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="could not be written"):
        write_labelmap(heart(), tmp_path / "file" / "twin.nii.gz")
    (tmp_path / "twin.nii.gz").mkdir()
    with pytest.raises(OutputError, match="could not be written"):
        write_labelmap(heart(), tmp_path / "twin.nii.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "twin.nii.gz"]


def test_formats_that_contradict_each_other_or_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contradict"):
        write_labelmap(heart(), tmp_path / "twin.nrrd", "mha")
    with pytest.raises(InputError, match="format is unknown"):
        suffix_for(heart(), "stl")
    assert suffix_for(heart()) == "nii.gz" and suffix_for(heart(), "seg.nrrd") == "seg.nrrd"


def test_any_exception_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_readers_say_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for format in FILES:
        path = write_labelmap(heart(), tmp_path / "twin", format)
        read_labelmap(path, HEART)
        for part in (3, 40, 400, path.stat().st_size - 1):
            refused(cut(path, min(part, path.stat().st_size - 1)), "corrupt")
    assert capfd.readouterr() == ("", "")


def test_a_mask_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_mask(tmp_path / "mask.nii.gz")
