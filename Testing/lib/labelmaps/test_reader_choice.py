"""Why each format has the reader that it has (docs/decisions/0012-readers.md), and where the guard stops a file.

For each library that does not read a format here there is a file that shows why. When one of these tests fails because
the library has become better, look at the decision again.
"""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from labelmap_cases import FILES, HEART, blocks, heart
from nibabel.nifti1 import Nifti1Header

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.formats import guard
from DiffusionSiblingsLib.labelmaps.formats.nifti import label_table, read_nifti
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

ROOT = Path(__file__).resolve().parents[3]


def nrrd_file(folder: Path, *changes: tuple[bytes, bytes]) -> Path:
    """A sound .nrrd file whose header says the same in another way."""
    path = write_labelmap(heart(affine=np.eye(4)), folder / "twin.nrrd")
    raw = path.read_bytes()
    for old, new in changes:
        assert old in raw
        raw = raw.replace(old, new, 1)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(("change", "reason"), [
    ((b"(0.0,0.0,1.0)", b"(0.0, 0.0, 1.0)"), "parentheses"),
    ((b"type: unsigned char", b"Type: Unsigned Char"), "type"),
    ((b"encoding: gzip", b"encoding: gzip\nspace:=where it came from"), "Duplicate"),
    ((b"encoding: gzip", b"encoding: gzip\nNote:=one\nNote:=two"), "Duplicate"),
])  # fmt: skip
def test_pynrrd_refuses_sound_files(change: tuple[bytes, bytes], reason: str, tmp_path: Path) -> None:
    path = nrrd_file(tmp_path, change)
    assert np.array_equal(read_labelmap(path, HEART).labels, blocks())
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), blocks())
    with pytest.raises(nrrd.NRRDError, match=reason):
        nrrd.read(str(path))


def test_pynrrd_opens_another_file_that_a_mere_pair_names(tmp_path: Path) -> None:
    path = nrrd_file(tmp_path, (b"encoding: gzip", b"encoding: raw\ndata file:=other.raw"))
    (tmp_path / "other.raw").write_bytes(np.full(960, 5, np.uint8).tobytes())
    assert (nrrd.read(str(path))[0] == 5).all()
    with pytest.raises(InputError, match="truncated or corrupt"):
        read_labelmap(path, HEART)


def test_pynrrd_loses_names_of_segments_and_takes_cut_files(tmp_path: Path) -> None:
    twin = heart()
    named = replace(twin, segments=(replace(twin.segments[0], name="Äorta"), *twin.segments[1:]))
    path = write_labelmap(named, tmp_path / "twin.seg.nrrd")
    assert nrrd.read_header(str(path))["Segment0_Name"] == "orta"
    assert read_labelmap(path, HEART, {t.id: t.label for t in HEART.tissues}).segments[0].name == "Äorta"
    path.write_bytes(path.read_bytes()[:-6])
    assert np.array_equal(nrrd.read(str(path), index_order="C")[0], blocks())
    with pytest.raises(InputError, match="truncated or corrupt"):
        read_labelmap(path, HEART)


def test_pynrrd_rounds_sizes_that_are_not_whole(tmp_path: Path) -> None:
    path = nrrd_file(tmp_path, (b"sizes: 12 10 8", b"sizes: 12 10 8.9"))
    assert nrrd.read(str(path))[0].shape == (12, 10, 8)
    with pytest.raises(InputError, match="truncated or corrupt"):
        read_labelmap(path, HEART)


def nifti_file(path: Path, **fields: object) -> Path:
    write_labelmap(heart(named=False), path)
    raw = path.read_bytes()
    header = Nifti1Header(raw[:348], "<", check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + raw[348:])
    return path


def test_the_geometry_of_nifti_is_not_left_to_nibabel(tmp_path: Path) -> None:
    path = nifti_file(tmp_path / "metres.nii", xyzt_units=1)
    assert np.allclose(read_nifti(path).affine[:3], 1000 * nibabel.load(path).affine[:3]), "nibabel ignores the unit"
    path = nifti_file(tmp_path / "spacing.nii", sform_code=0, qform_code=0)
    assert np.linalg.det(nibabel.load(path).affine) < 0 < np.linalg.det(read_nifti(path).affine), "nibabel mirrors it"
    path = nifti_file(tmp_path / "long.nii", sform_code=0, quatern_b=1.000001)
    with pytest.raises(ValueError, match="w2 should be positive"):
        nibabel.load(path)
    assert np.isfinite(read_nifti(path).affine).all(), "rounding made its quaternion too long"


@pytest.mark.parametrize("order", ["<", ">"])
def test_nibabel_and_the_reader_agree_on_sound_files(order: str, tmp_path: Path) -> None:
    affine = np.array([[0.8, 0.1, 0, 5], [0, 0.9, 0.4, -3], [0, 0, 2.0, 7], [0, 0, 0, 1.0]])
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        image = kind(blocks().T.astype(np.int16), affine)
        swapped = kind(image.dataobj, affine, image.header.as_byteswapped(order))
        nibabel.save(swapped, tmp_path / "twin.nii.gz")
        volume = read_nifti(tmp_path / "twin.nii.gz")
        assert np.array_equal(volume.array, blocks()) and volume.array.dtype.isnative
        assert np.array_equal(volume.affine, nibabel.load(tmp_path / "twin.nii.gz").affine)


def test_simpleitk_takes_mha_files_of_a_wrong_checksum_and_prints(tmp_path: Path) -> None:
    path = write_labelmap(heart(), tmp_path / "twin.mha")
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.write_bytes(raw)
    code = f"import SimpleITK; print(SimpleITK.ReadImage({str(path)!r}).GetSize())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(12, 10, 8)" and "Uncompress failed" in done.stderr
    with pytest.raises(InputError, match="truncated or corrupt"):
        read_labelmap(path, HEART)


def test_headers_of_voxels_in_another_file_are_refused_and_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "other.raw").write_bytes(blocks().tobytes())
    for name in ("../other.raw", "other.raw", "LIST", "/dev/zero", "other%d.raw 1 2 1"):
        path = nrrd_file(tmp_path, (b"encoding: gzip", f"encoding: raw\ndata file: {name}".encode()))
        with pytest.raises(InputError, match="only a header"):
            read_labelmap(path, HEART)
        path = write_labelmap(heart(), tmp_path / "twin.mha")
        path.write_bytes(path.read_bytes().replace(b"= LOCAL", f"= {name}".encode()))
        with pytest.raises(InputError, match="only a header"):
            read_labelmap(path, HEART)
    with pytest.raises(InputError, match="only a header"):
        read_labelmap(nifti_file(tmp_path / "pair.nii", magic=b"ni1"), HEART)


def test_what_unpacks_to_more_than_its_header_announces_is_a_bomb(tmp_path: Path) -> None:
    plain = write_labelmap(heart(), tmp_path / "plain.nii").read_bytes()
    (tmp_path / "tail.nii.gz").write_bytes(gzip.compress(plain + bytes(1000)))
    assert read_labelmap(tmp_path / "tail.nii.gz", HEART).labels.shape == (8, 10, 12)
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(plain) + gzip.compress(bytes(1 << 24)) * 100)
    whole = nrrd_file(tmp_path, (b"encoding: gzip", b"encoding: bzip2")).read_bytes()
    head = whole[: whole.index(b"\n\n") + 2]
    (tmp_path / "bomb.nrrd").write_bytes(head + bz2.compress(blocks().tobytes() + bytes(1 << 25)))
    for name in ("bomb.nii.gz", "bomb.nrrd"):
        with pytest.raises(InputError, match="more than its header announces"):
            read_labelmap(tmp_path / name, HEART)


def test_sizes_beyond_the_bound_are_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = nrrd_file(tmp_path, (b"encoding: gzip", b"encoding: bzip2"), (b"sizes: 12 10 8", b"sizes: 1700 1700 1700"))
    with pytest.raises(InputError, match=r"too large: 4\.6 GiB of voxels\. Rule: at most 4 GiB"):
        read_labelmap(path, HEART)
    monkeypatch.setattr(guard, "MOST_VOXEL_BYTES", 959)
    for format in FILES:
        with pytest.raises(InputError, match="too large"):
            read_labelmap(write_labelmap(heart(), tmp_path / "twin", format), HEART)


def test_headers_without_an_end_are_refused_within_their_bounds(tmp_path: Path) -> None:
    for name, start, line in (("a.nrrd", b"NRRD0004\n", b"a:=b\n"), ("a.mha", b"", b"a = b\n")):
        for endless in (line * 4_000_000, b"a" * (guard.MOST_HEADER_BYTES + 9)):
            (tmp_path / name).write_bytes(start + endless)
            with pytest.raises(InputError, match="does not end within 100000 lines and 16 MiB"):
                read_labelmap(tmp_path / name, HEART)
    path = nifti_file(tmp_path / "a.nii", vox_offset=float(1 << 28))
    with pytest.raises(InputError, match="a header of"):
        read_labelmap(path, HEART)


@pytest.mark.parametrize("text", ["<Label", "<Label ", "<Label>", "<Label a='", "</Label>", "<Label Key=\"1\"", "a=\"",
                                  "<Label>]]>   ", "<![CDATA["])  # fmt: skip
def test_label_tables_take_time_in_proportion_to_their_length(text: str) -> None:
    content = b"\1\0\0\0" + (text * (2_000_000 // len(text))).encode()
    assert len(label_table(content)) == 0


def test_reading_other_formats_does_not_import_nibabel_nor_scipy(tmp_path: Path) -> None:
    path = write_labelmap(heart(), tmp_path / "twin.seg.nrrd")
    code = (
        "import sys; from DiffusionSiblingsLib.core.anatomy import load_anatomy\n"
        "from DiffusionSiblingsLib.labelmaps.read import read_labelmap\n"
        f"read_labelmap({str(path)!r}, load_anatomy('heart'))\n"
        "print({'nibabel', 'nrrd', 'scipy', 'SimpleITK', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
