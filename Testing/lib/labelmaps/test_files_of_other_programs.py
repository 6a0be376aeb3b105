"""Files as other programs leave them: read where a person would read them, and said what was assumed."""

from __future__ import annotations

import bz2
import gzip
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from labelmap_cases import HEART, blocks, heart
from nibabel.nifti1 import Nifti1Header

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.read import read_labelmap, read_mask
from DiffusionSiblingsLib.labelmaps.region import read_noted_region
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

NUMBERS = {tissue.id: tissue.label for tissue in HEART.tissues}


def read(path: Path) -> LabelMap:
    """The map in a file that names no tissues."""
    return read_labelmap(path, HEART, NUMBERS)


def nifti(path: Path, array: np.ndarray, shape: tuple[int, ...] = (12, 10, 8), tail: bytes = b"",
          **fields: object) -> Path:
    """A NIfTI-1 file with any header. shape: fastest axis first."""
    header = Nifti1Header(bytes(348), "<", check=False)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, b"n+1", 352
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header.set_data_dtype(array.dtype)
    header["pixdim"], header["scl_slope"], header["sform_code"] = [1] * 8, 1, 1
    for axis, row in zip("xyz", np.diag([1.0, 1, 1, 1]), strict=False):
        header[f"srow_{axis}"] = row
    for name, value in fields.items():
        header[name] = value
    raw = header.binaryblock + bytes(4) + array.tobytes()
    path.write_bytes((gzip.compress(raw) if path.suffix == ".gz" else raw) + tail)
    return path


def nrrd(path: Path, array: np.ndarray, *lines: str, encoding: str = "raw", tail: bytes = b"") -> Path:
    """An NRRD file of uint8 with these further lines in its header."""
    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    sizes = " ".join(map(str, array.shape[::-1]))
    head = ["NRRD0005", "type: uchar", f"dimension: {array.ndim}", f"sizes: {sizes}", f"encoding: {encoding}", *lines]
    path.write_bytes("\n".join([*head, "", ""]).encode() + pack(array.tobytes()) + tail)
    return path


LPS = ("space: left-posterior-superior", "space directions: (2,0,0) (0,2,0) (0,0,2)", "space origin: (1,2,3)")
LAYERS = [f"Segment{n}_{key}:={value}" for n, tissue in enumerate(HEART.tissues)
          for key, value in (("Name", tissue.name), ("LabelValue", 1), ("Layer", n))]


# --- bytes after the end


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_bytes_after_the_end_of_packed_voxels_are_left_out_and_counted(encoding: str, tmp_path: Path) -> None:
    tail = b"appended by a transfer"
    found = read(nrrd(tmp_path / "a.nrrd", blocks(), *LPS, encoding=encoding, tail=tail))
    assert np.array_equal(found.labels, blocks()) and "goes on for 22 bytes" in found.notes[0]
    assert "600 bytes" in read(nrrd(tmp_path / "a.nrrd", blocks(), *LPS, encoding=encoding, tail=bytes(600))).notes[0]
    assert read(nrrd(tmp_path / "a.nrrd", blocks(), *LPS, encoding=encoding)).notes == ()
    sound = nrrd(tmp_path / "a.nrrd", blocks(), *LPS, encoding=encoding).read_bytes()
    for place in range(1, 9):  # the checksum and the length
        damaged = bytearray(sound)
        damaged[-place] ^= 0x80
        (tmp_path / "b.nrrd").write_bytes(bytes(damaged) + tail)
        with pytest.raises(InputError, match="truncated or corrupt"):
            read(tmp_path / "b.nrrd")


def test_bytes_after_the_end_of_a_gz_file_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read(nifti(tmp_path / "a.nii.gz", blocks(), tail=b"x"))
    assert np.array_equal(found.labels, blocks()) and "goes on for 1 byte after" in found.notes[0]
    assert "for 512 bytes" in read(nifti(tmp_path / "a.nii.gz", blocks(), tail=bytes(512))).notes[0]
    both = nifti(tmp_path / "a.nii.gz", blocks(), tail=bytes(99) + gzip.compress(b"")).with_name("a.nii.gz")
    assert read(both).notes == (), "an empty member after zeros"


def test_several_members_are_one_file(tmp_path: Path) -> None:
    raw = nifti(tmp_path / "a.nii", blocks()).read_bytes()
    members = b"".join(gzip.compress(raw[n : n + 100]) for n in range(0, len(raw), 100))
    (tmp_path / "b.nii.gz").write_bytes(members)
    assert np.array_equal(read(tmp_path / "b.nii.gz").labels, blocks())
    (tmp_path / "b.nii.gz").write_bytes(members[: len(members) // 2] + b"garbage")
    with pytest.raises(InputError, match="truncated or corrupt"):
        read(tmp_path / "b.nii.gz")


# --- where the map lies


def test_an_nrrd_without_patient_axes_lies_where_itk_puts_it_and_says_so(tmp_path: Path) -> None:
    for name in ("3D-right-handed", "3D-left-handed", "scanner-xyz", ""):
        lines = [f"space: {name}" if name else "space dimension: 3", *LPS[1:]]
        path = nrrd(tmp_path / "a.nrrd", blocks(), *lines)
        found, image = read(path), sitk.ReadImage(str(path))
        assert np.allclose(found.affine[:3, 3] * [-1, -1, 1], image.GetOrigin()) and "left and right" in found.notes[0]
    assert read(nrrd(tmp_path / "a.nrrd", blocks(), *LPS)).notes == ()


@pytest.mark.parametrize("center", ["cell", "node", ""])
def test_axis_mins_place_a_map_as_itk_places_it(center: str, tmp_path: Path) -> None:
    centerings = [f"centerings: {center} {center} {center}"] if center else []
    path = nrrd(tmp_path / "a.nrrd", blocks(), "spacings: 2 3 4", "axis mins: -10 20 30", *centerings)
    found, image = read(path), sitk.ReadImage(str(path))
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ found.affine @ [0, 0, 0, 1], [*image.GetOrigin(), 1])
    assert any("axis mins" in note and "mm" in note for note in found.notes)


def test_a_file_without_a_spacing_says_so(tmp_path: Path) -> None:
    assert any("no spacing" in note for note in read(nrrd(tmp_path / "a.nrrd", blocks())).notes)
    path = write_labelmap(heart(named=False), tmp_path / "a.mha")
    lines = [line for line in path.read_bytes().split(b"\n") if not line.startswith(b"ElementSpacing")]
    path.write_bytes(b"\n".join(lines))
    assert "no spacing" in read(path).notes[0]


def test_sform_and_qform_apart_are_told_in_mm_with_what_itk_takes(tmp_path: Path) -> None:
    for code, itk in ((2, "qform"), (1, "sform too")):
        path = nifti(tmp_path / "a.nii", blocks(), qform_code=1, sform_code=code, qoffset_x=30.0)
        (words,) = read(path).notes
        assert "30 mm apart" in words and f"take the {itk}" in words
        assert sitk.ReadImage(str(path)).GetOrigin()[0] == (-30 if code == 2 else 0), "as the note says"
    assert read(nifti(tmp_path / "a.nii", blocks(), qform_code=1, qoffset_x=0.2)).notes == (), "less than a voxel shows"
    assert read(nifti(tmp_path / "a.nii", blocks(), sform_code=0, qform_code=1)).notes == ()


def test_an_sform_without_content_leaves_the_place_to_the_qform(tmp_path: Path) -> None:
    zero = {f"srow_{axis}": [0, 0, 0, 0] for axis in "xyz"}
    path = nifti(tmp_path / "a.nii", blocks(), qform_code=1, qoffset_x=30.0, **zero)
    found = read(path)
    assert found.affine[0, 3] == 30 and "the qform was taken" in found.notes[0]
    again = read(write_labelmap(found, tmp_path / "b.nii.gz"))
    assert np.allclose(again.affine, found.affine) and again.notes == (), "written with both"


def test_a_file_that_is_packed_twice_is_named(tmp_path: Path) -> None:
    once = nifti(tmp_path / "a.nii.gz", blocks()).read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(once))
    with pytest.raises(InputError, match="packed twice"):
        read(tmp_path / "a.nii.gz")


def test_what_was_assumed_about_a_region_is_told(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", blocks(), sform_code=0)
    mask, notes = read_noted_region(path, heart())
    assert mask.shape == blocks().shape and "code 0" in notes[0]


def test_a_header_without_orientation_says_so(tmp_path: Path) -> None:
    (words,) = read(nifti(tmp_path / "a.nii", blocks(), sform_code=0)).notes
    assert "code 0" in words and f"{2 * np.hypot(11, 9):.0f} mm" in words


# --- axes


@pytest.mark.parametrize("format", ["nrrd", "mha", "nii.gz"])
def test_one_point_in_time_in_a_fourth_axis_is_read(format: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(blocks())
    image.SetSpacing((2, 3, 4))
    image.SetOrigin((5, 6, 7))
    path = tmp_path / f"a.{format}"
    sitk.WriteImage(sitk.JoinSeries([image], 0.0, 9.0), str(path))
    found = read(path)
    assert np.array_equal(found.labels, blocks())
    assert np.allclose(found.affine, np.diag([-1, -1, 1, 1]) @ [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("format", ["nrrd", "mha", "nii.gz"])
def test_a_series_is_read_where_it_holds_one_map_and_refused_otherwise(format: str, tmp_path: Path) -> None:
    path, full, empty = tmp_path / f"a.{format}", sitk.GetImageFromArray(blocks()), sitk.GetImageFromArray(blocks() * 0)
    sitk.WriteImage(sitk.JoinSeries([empty, full, empty]), str(path))
    found = read(path)
    assert np.array_equal(found.labels, blocks()) and "number 2 only" in " ".join(found.notes)
    sitk.WriteImage(sitk.JoinSeries([full, full]), str(path))
    assert "all alike" in " ".join(read(path).notes)
    other = sitk.GetImageFromArray(np.roll(blocks(), 1, axis=0))
    sitk.WriteImage(sitk.JoinSeries([full, empty, other]), str(path))
    with pytest.raises(InputError, match=r"series: 3 points in time.*number 1, 3\."):
        read(path)


@pytest.mark.parametrize("lines", [(), ("spacings: nan 2 2 2",), ("spacings: 1 2 2 2",),
                                   ("space: LPS", "space directions: (nan,nan,nan) (2,0,0) (0,2,0) (0,0,2)"),
                                   ("space: LPS", "space directions: none (2,0,0) (0,2,0) (0,0,2)"),
                                   ("kinds: list domain domain domain", "spacings: 1 2 2 2")])
def test_layers_are_told_by_the_segments_alone(lines: tuple[str, ...], tmp_path: Path) -> None:
    layers = np.stack([(blocks() == tissue.label).astype(np.uint8) for tissue in HEART.tissues], axis=-1)
    found = read_labelmap(nrrd(tmp_path / "a.seg.nrrd", layers, *lines, *LAYERS), HEART)
    assert set(found.tissues) == set(HEART.ids) and np.allclose(found.spacing, 2 if lines else 1)
    assert found.labels.shape == blocks().shape
    slowest = np.moveaxis(layers, -1, 0)
    if not lines:
        again = read_labelmap(nrrd(tmp_path / "b.seg.nrrd", slowest, *LAYERS), HEART)
        assert np.array_equal(again.labels, found.labels)


# --- values


def test_values_that_lost_precision_are_rounded_and_said_so(tmp_path: Path) -> None:
    slope = 6 / 255
    stored = np.round(blocks() / slope).astype(np.uint8)
    found = read(nifti(tmp_path / "a.nii.gz", stored, scl_slope=slope))
    assert np.array_equal(found.labels, blocks()) and "rounded" in found.notes[0]
    copied = (stored * np.float32(slope)).astype(np.float32)
    assert np.array_equal(read(nifti(tmp_path / "b.nii", copied)).labels, blocks())
    sitk.WriteImage(sitk.GetImageFromArray(copied), str(tmp_path / "c.nrrd"))
    assert np.array_equal(read(tmp_path / "c.nrrd").labels, blocks())
    codes = np.array([0, 820, 205, 500, 600, 420, 550])[blocks()]
    slope = 820 / 32767
    path = nifti(tmp_path / "d.nii.gz", np.round(codes / slope).astype(np.int16), scl_slope=slope)
    found = read_labelmap(path, HEART, {"Ao": 820, "Myo": 205, "LV": 500, "RV": 600, "LA": 420, "RA": 550})
    assert np.array_equal(found.labels, codes)


def test_images_and_interpolated_maps_are_still_refused(tmp_path: Path) -> None:
    shares = (np.indices(blocks().shape).sum(0) % 7) / 7
    several = blocks() + np.where(blocks() == 3, 0.01, 0.0) * (np.indices(blocks().shape)[0] % 2)
    coarse = np.round(blocks() * (600 / 6) / (600 / 255)).astype(np.uint8)  # a step of 2.4 between two values
    for array, slope in ((blocks() * shares, 1), (several, 1), (blocks() * 0.7, 1), (coarse, 600 / 255)):
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        with pytest.raises(InputError, match="not whole numbers"):
            read(nifti(tmp_path / "a.nii", array, scl_slope=slope))


# --- files that are something else


@pytest.mark.parametrize(("content", "words"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS"),
    (b"/annex/objects/MD5E-s324109--aa.nii.gz\n", "git-annex"),
    (b"<!DOCTYPE html><html>" * 50, "web page"), (b"\xef\xbb\xbf<?xml version='1.0'?>", "XML"),
    (b"PK\x03\x04" + bytes(40), "zip"), (bytes(128) + b"DICM" + bytes(40), "DICOM"), (b"\x89PNG\r\n\x1a\n", "picture"),
    (b'{"a": 1}', "JSON"), (b"\x89HDF\r\n\x1a\n", "HDF5"),
])  # fmt: skip
@pytest.mark.parametrize("format", ["nii.gz", "nii", "nrrd", "seg.nrrd", "mha"])
def test_a_file_of_another_kind_is_named(content: bytes, words: str, format: str, tmp_path: Path) -> None:
    (tmp_path / f"twin.{format}").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / f"twin.{format}")
    assert caught.value.hint and "copy or export" not in caught.value.hint


def test_a_label_map_under_the_name_of_another_format_is_named(tmp_path: Path) -> None:
    for of, words in (("nrrd", "NRRD"), ("mha", "MetaImage"), ("nii", "NIfTI")):
        raw = write_labelmap(heart(), tmp_path / "sound", of).read_bytes()
        for under in {"nrrd", "mha", "nii"} - {of}:
            (tmp_path / f"twin.{under}").write_bytes(raw)
            with pytest.raises(InputError, match=f"an? {words} file, under the name of a .{under} file"):
                read(tmp_path / f"twin.{under}")


# --- what a file may cost


def quick(path: Path) -> None:
    """The file is refused, or read, in no time."""
    start = time.process_time()
    for reader in (read, read_mask):
        try:
            reader(path)
        except InputError:
            pass
    assert time.process_time() - start < 8, "a bound on work, far above what a slow machine needs"


@pytest.mark.parametrize("label", [b"<Label>", b"<Label ", b'<Label Key="1" ', b"<Label " + b"a" * 490 + b">x</Label>",
                                   b"<![CDATA[", b"]]> ", b"<Label>]]>   "])
def test_an_extension_takes_time_in_proportion_to_its_length(label: bytes, tmp_path: Path) -> None:
    extension = b"\1\0\0\0" + label * (4_000_000 // len(label))
    header = Nifti1Header(bytes(348), "<", check=False)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, b"n+1", 348 + len(extension)
    header["dim"], header["pixdim"] = [3, 12, 10, 8, 1, 1, 1, 1], 1
    header.set_data_dtype(np.uint8)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + extension + blocks().tobytes(), 1))
    quick(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("line", ["space directions: " + "(" * 1_000_000, "space directions: " + "()" * 500_000,
                                  "space directions: " + "none " * 200_000, "spacings: " + "1 " * 500_000,
                                  "Segment" + "9" * 1_000_000 + "_Name:=x", "a" * 3_000_000 + ": b",
                                  "sizes: " + "9" * 100_000, "kinds: " + "list " * 300_000])
def test_a_header_line_takes_time_in_proportion_to_its_length(line: str, tmp_path: Path) -> None:
    quick(nrrd(tmp_path / "a.nrrd", blocks(), line))


@pytest.mark.parametrize("values", [60, 254, 3000, 60_000])
def test_a_map_of_many_values_and_an_image_are_judged_in_a_moment(values: int, tmp_path: Path) -> None:
    image = (np.arange(64**3).reshape(64, 64, 64) * 7919 % values).astype(np.uint16)
    path = write_labelmap(LabelMap(image, np.eye(4)), tmp_path / "image.nii.gz")
    start = time.process_time()
    with pytest.raises(InputError, match="does not say which label is which tissue"):
        read_labelmap(path, HEART)
    assert time.process_time() - start < 8, "a bound on work, far above what a slow machine needs"


def test_a_small_file_does_not_unpack_to_gigabytes(tmp_path: Path) -> None:
    head = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1300 1300 1300\nencoding: bzip2\n\n"
    block = bz2.compress(bytes(1 << 20))
    (tmp_path / "a.nrrd").write_bytes(head + block * 3000)  # 3 GB in 180 kB
    with pytest.raises(InputError, match="cannot hold 1300 x 1300 x 1300 voxels"):
        read(tmp_path / "a.nrrd")
    empty = np.zeros((99, 99, 99), np.uint8)
    assert read_mask(nrrd(tmp_path / "b.nrrd", empty, encoding="bzip2"))[0].shape == empty.shape


def test_a_segment_of_a_name_that_is_not_utf_8_can_be_written_in_every_format(tmp_path: Path) -> None:
    for format in ("seg.nrrd", "mha"):
        raw = write_labelmap(heart(), tmp_path / "a", format).read_bytes()
        (tmp_path / f"b.{format}").write_bytes(raw.replace(b"Left atrium", b"vorh\xf6f\xdf", 1))
        back = read_labelmap(tmp_path / f"b.{format}", HEART, {"LA": 5})
        assert "vorhöfß" in [segment.name for segment in back.segments]
        for target in ("nii.gz", "nrrd", "seg.nrrd", "mha"):
            again = read_labelmap(write_labelmap(back, tmp_path / "c", target), HEART, {"LA": 5})
            assert [segment.name for segment in again.segments] == [segment.name for segment in back.segments]


def test_a_region_with_damaged_fields_is_one_error(tmp_path: Path) -> None:
    for line in ("Segment0_Layer:=big", "Segment0_LabelValue:=x", "Segment0_Layer:=" + "9" * 5000):
        with pytest.raises(InputError, match="truncated or corrupt"):
            read_mask(nrrd(tmp_path / "a.seg.nrrd", blocks(), *LPS, line))
    with pytest.raises(InputError, match=r"cannot be used.*too long"):
        read_mask(Path("a" * 300 + ".nii.gz"))
