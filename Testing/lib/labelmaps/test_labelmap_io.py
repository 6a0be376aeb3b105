"""Reading and writing label maps: what goes out comes back, other programs agree, conversions keep what they can."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from labelmap_cases import FILES, HEART, OWN, affines, blocks, heart, label_maps
from nibabel.nifti1 import Nifti1Header

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.formats.nifti import read_nifti
from DiffusionSiblingsLib.labelmaps.formats.nifti_header import affine_of
from DiffusionSiblingsLib.labelmaps.formats.slicer_segments import extents
from DiffusionSiblingsLib.labelmaps.label_options import parse_labels
from DiffusionSiblingsLib.labelmaps.read import FORMATS, read_labelmap, read_mask
from DiffusionSiblingsLib.labelmaps.tissues import known_labels, unknown_mask
from DiffusionSiblingsLib.labelmaps.write import suffix_for, write_labelmap


def itk_affine(image: sitk.Image) -> np.ndarray:
    """(4, 4) voxel IJK -> RAS mm of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def same_place(one: np.ndarray, two: np.ndarray) -> bool:
    scale = np.abs(one).max()
    return bool(np.allclose(one, two, rtol=1e-5, atol=1e-5 * min(scale, 1.0)))


@pytest.mark.parametrize("format", FORMATS)
@given(label_maps())
@settings(max_examples=15)
def test_what_goes_out_comes_back(format: str, tmp_path_factory: pytest.TempPathFactory, drawn: LabelMap) -> None:
    path = write_labelmap(drawn, tmp_path_factory.mktemp("out") / "twin", format)
    if format == "folder":
        back = read_labelmap(path, HEART)
        original, again = known_labels(drawn, HEART), known_labels(back, HEART)
        assert np.array_equal(original, again) and same_place(drawn.affine, back.affine)
        assert np.array_equal(unknown_mask(drawn), unknown_mask(back))
        return
    back = read_labelmap(path, HEART)
    assert back.format == format and path.name == f"twin.{format}"
    assert np.array_equal(drawn.labels, back.labels) and back.labels.dtype.kind in "iu"
    assert same_place(drawn.affine, back.affine)
    assert [(s.value, s.name, s.tissue) for s in drawn.segments] == [(s.value, s.name, s.tissue) for s in back.segments]
    if "ni" not in format:
        assert drawn.segments == back.segments, "colours, identifiers and tags too"
    twice = read_labelmap(write_labelmap(back, path.with_name("again"), "same"), HEART)
    assert (twice.segments, twice.format) == (back.segments, back.format)
    assert np.allclose(twice.affine, back.affine, rtol=1e-12, atol=1e-12)
    assert twice.labels.dtype == back.labels.dtype and np.array_equal(twice.labels, back.labels)


@pytest.mark.parametrize("format", FILES)
@given(affine=affines())
@settings(max_examples=10)
def test_simpleitk_sees_the_same(format: str, tmp_path_factory: pytest.TempPathFactory, affine: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("itk")
    ours = sitk.ReadImage(str(write_labelmap(heart(affine=affine), folder / "ours", format)))
    assert np.array_equal(sitk.GetArrayFromImage(ours), blocks())
    assert np.allclose(itk_affine(ours), affine, rtol=1e-5, atol=2e-4)
    sitk.WriteImage(ours, str(folder / f"theirs.{format}"), useCompression=format != "nrrd")
    back = read_labelmap(folder / f"theirs.{format}", HEART, OWN)  # on some of these grids it looks like no heart
    assert np.array_equal(back.labels, blocks()) and np.allclose(back.affine, affine, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.float32, np.float64])
def test_every_number_type_of_simpleitk_is_read(format: str, dtype: type, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(blocks().astype(dtype)), str(tmp_path / f"twin.{format}"))
    back = read_labelmap(tmp_path / f"twin.{format}", HEART)
    assert np.array_equal(back.labels, blocks()) and back.labels.dtype.kind in "iu"
    written = read_labelmap(write_labelmap(back, tmp_path / "out"), HEART)
    assert written.labels.dtype == back.labels.dtype and (dtype(0.5) != 0 or written.labels.dtype == dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("slope", "offset", "stored"), [(1, 0, 2), (0, 5, 2), (2, 0, 1), (0.5, 0, 4), (1, 1, 1), (np.nan, 0, 2)]
)
def test_nifti_of_either_byte_order_and_scale(
    order: str, slope: float, offset: float, stored: int, tmp_path: Path
) -> None:
    header = Nifti1Header(bytes(348), order, check=False)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, b"n+1", 352
    header["dim"] = [4, 12, 10, 8, 1, 1, 1, 1]
    header["datatype"], header["scl_slope"], header["scl_inter"], header["xyzt_units"] = 4, slope, offset, 1
    header["sform_code"] = 1
    header["srow_x"], header["srow_y"], header["srow_z"] = np.diag([-0.001, 0.002, 0.003, 1])[:3]
    path = tmp_path / "twin.nii"
    path.write_bytes(header.binaryblock + bytes(4) + np.full((8, 10, 12), stored, order + "i2").tobytes())
    volume = read_nifti(path)
    assert (volume.array == 2).all() and volume.array.dtype.isnative
    assert np.allclose(volume.affine, np.diag([-1, 2, 3, 1]), atol=1e-6), "metres became millimetres"


def test_nifti_without_transforms_has_its_spacing() -> None:
    header = Nifti1Header(bytes(348), "<", check=False)
    header["pixdim"] = [1, 0.5, 0.6, 0.7, 0, 0, 0, 0]
    assert np.allclose(affine_of(header), np.diag([0.5, 0.6, 0.7, 1.0]))


def test_nifti_keeps_its_header(tmp_path: Path) -> None:
    path = write_labelmap(heart(named=False), tmp_path / "a.nii")
    raw = bytearray(path.read_bytes())
    header = Nifti1Header(bytes(raw[:348]), "<", check=False)
    header["descrip"], header["sform_code"], header["qform_code"], header["intent_code"] = b"scanner 7", 4, 2, 1002
    path.write_bytes(header.binaryblock + raw[348:])
    labelmap = read_labelmap(path, HEART)
    changed = labelmap.labels.copy()
    changed[0, 0, 0] = 6
    again = (write_labelmap(labelmap.with_labels(changed), tmp_path / "b.nii.gz", "nii.gz")).read_bytes()
    back = gzip.decompress(again)
    assert back[:348] == header.binaryblock, "same header"
    assert len(back) == len(raw) and back[352:] == changed.tobytes()


def test_sheared_grids_survive(tmp_path: Path) -> None:
    affine = np.array([[0.8, 0.1, 0, 5], [0, 0.9, 0.4, -3], [0, 0, 2.0, 7], [0, 0, 0, 1.0]])
    for format in FORMATS:
        back = read_labelmap(write_labelmap(heart(affine=affine), tmp_path / "twin", format), HEART)
        assert same_place(affine, back.affine), format


def test_labels_of_totalsegmentator_are_read_from_the_nifti_extension(tmp_path: Path) -> None:
    v1 = {
        "Ao": ("aorta", 7),
        "Myo": ("heart_myocardium", 44),
        "LA": ("heart_atrium_left", 45),
        "PA": ("pulmonary_artery", 49),
    }
    v1 |= {"LV": ("heart_ventricle_left", 46), "RA": ("heart_atrium_right", 47), "RV": ("heart_ventricle_right", 48)}
    table = {t.label: v1[t.id][1] for t in HEART.tissues}
    labels = np.vectorize(lambda v: table.get(v, 0))(blocks()).astype(np.uint8)
    labels[0, 0, :] = 49
    segments = tuple(Segment(value, name) for name, value in v1.values())
    back = read_labelmap(write_labelmap(LabelMap(labels, np.eye(4), segments), tmp_path / "ts.nii.gz"), HEART)
    assert np.array_equal(known_labels(back, HEART), blocks()) and unknown_mask(back).sum() == labels.shape[2]
    bare = write_labelmap(LabelMap(labels, np.eye(4)), tmp_path / "bare.nii.gz")
    known = read_labelmap(bare, HEART)
    assert np.array_equal(known_labels(known, HEART), blocks())
    assert any("TotalSegmentator v1 total" in note and "LV=46" in note for note in known.notes)


def test_values_that_are_the_anatomys_own_are_taken_as_such_and_said_so(tmp_path: Path) -> None:
    labelmap = read_labelmap(write_labelmap(heart(named=False), tmp_path / "twin.mha"), HEART)
    assert labelmap.header["assumed_numbering"] and "this project's own numbering" in " ".join(labelmap.notes)
    assert labelmap.tissues == {t.id: (t.label,) for t in HEART.tissues}
    named = read_labelmap(write_labelmap(heart(), tmp_path / "twin.seg.nrrd"), HEART)
    assert not named.header["assumed_numbering"] and not named.notes


def test_explicit_labels_win_over_everything(tmp_path: Path) -> None:
    path = write_labelmap(heart(), tmp_path / "twin.seg.nrrd")
    swapped = read_labelmap(path, HEART, {"LV": 4, "right ventricle": 3})
    assert swapped.tissues["LV"] == (4,) and swapped.tissues["RV"] == (3,) and swapped.tissues["LA"] == (5,)
    with pytest.raises(InputError, match="lacks RV"):
        read_labelmap(path, HEART, {"LV": 4})
    for labels, words in [({"PA": 3}, "PA"), ({"LV": 9}, "no voxel"), ({"LV": 3, "RV": 3}, "contradict")]:
        with pytest.raises(InputError, match=words):
            read_labelmap(path, HEART, labels)


def test_slicer_layers_become_one_and_true_overlaps_are_refused(tmp_path: Path) -> None:
    layers = np.stack([np.where(blocks() == 3, 1, 0), np.where(blocks() == 3, 0, blocks())], axis=-1).astype(np.uint8)
    pairs = {}
    for index, tissue in enumerate(HEART.tissues):
        alone = tissue.id == "LV"
        pairs |= {f"Segment{index}_ID": f"S{index}", f"Segment{index}_Name": tissue.name}
        pairs |= {f"Segment{index}_Layer": "0" if alone else "1"}
        pairs |= {f"Segment{index}_LabelValue": "1" if alone else str(tissue.label)}

    def write(array: np.ndarray) -> Path:
        image = sitk.GetImageFromArray(array, isVector=True)
        for key, value in pairs.items():
            image.SetMetaData(key, value)
        sitk.WriteImage(image, str(tmp_path / "layers.seg.nrrd"), useCompression=True)
        return tmp_path / "layers.seg.nrrd"

    back = read_labelmap(write(layers), HEART)
    assert np.array_equal(known_labels(back, HEART), blocks())
    assert read_labelmap(write_labelmap(back, tmp_path / "one.seg.nrrd"), HEART).tissues == back.tissues
    places = np.argwhere(layers[..., 0] == 1)
    layers[tuple(places[0])] = [1, 4]
    (note,) = read_labelmap(write(layers), HEART).notes
    assert note.startswith("Left ventricle and Right ventricle share 1 voxel (")
    for place in places[:4]:
        layers[tuple(place)] = [1, 4]
    with pytest.raises(InputError, match="Right ventricle and Left ventricle share 4 voxels"):
        read_labelmap(write(layers), HEART)


def test_a_layer_over_the_chambers_stays_in_its_file_beside_the_map(tmp_path: Path) -> None:
    segments = [*heart().segments, Segment(9, "Lead", None, (1.0, 0, 0), "lead", {"Kind": "device"})]
    lead = (blocks() == 4) | (np.indices(blocks().shape)[0] == 7)
    over = replace(heart(), segments=tuple(segments[:-1]), header={"beside": ((segments[-1], lead),)})
    back = read_labelmap(write_labelmap(over, tmp_path / "a.seg.nrrd"), HEART)
    assert np.array_equal(back.labels, blocks()) and "Lead" in " ".join(back.notes)
    less = back.with_labels(np.where(blocks() == 4, 0, blocks()))
    again = read_labelmap(write_labelmap(less, tmp_path / "b.seg.nrrd"), HEART, whole=False)
    ((segment, mask),) = again.header["beside"]
    assert np.array_equal(mask, lead), "also where it lies over nothing"
    assert (segment.name, segment.value) == ("Lead", 9) and not unknown_mask(again).any()
    assert sitk.ReadImage(str(tmp_path / "b.seg.nrrd")).GetNumberOfComponentsPerPixel() == 2


def test_a_segment_of_no_tissue_over_the_chambers_stays_out(tmp_path: Path) -> None:
    folder = write_labelmap(heart(), tmp_path / "masks", "folder")
    write_labelmap(LabelMap((blocks() > 0).astype(np.uint8), heart().affine), folder / "heart.nii.gz")
    back = read_labelmap(folder, HEART)
    assert np.array_equal(known_labels(back, HEART), blocks()) and not unknown_mask(back).any()
    assert "heart.nii.gz (overlaps aorta" in " ".join(back.notes)


def test_slicer_files_keep_what_they_said(tmp_path: Path) -> None:
    first = read_labelmap(write_labelmap(heart(), tmp_path / "a.seg.nrrd"), HEART)
    first.header["metadata"] |= {"Segmentation_ConversionParameters": "a|b\\c\nd&", "Other": "ü"}
    first.header["extras"]["Segment_1"] |= {"NameAutoGenerated": "1"}
    labels = first.labels.copy()
    labels[0, 0, 0] = 3
    corner = " ".join("0" if n % 2 == 0 else end for n, end in enumerate(extents(blocks())[3].split()))
    second = write_labelmap(first.with_labels(labels), tmp_path / "b.seg.nrrd")
    image = sitk.ReadImage(str(second))
    assert image.GetMetaData("Segmentation_ConversionParameters") == "a|b\\c\nd&"
    assert image.GetMetaData("Other") == "ü" and image.GetMetaData("Segment0_NameAutoGenerated") == "1"
    assert image.GetMetaData("Segment2_Extent") == corner, "LV grew to the corner"
    assert image.GetMetaData("Segment3_Extent") == extents(blocks())[4]
    assert image.GetMetaData("Segment2_Tags").startswith("TerminologyEntry:Segmentation category")
    assert [image.GetMetaData(f"Segment{n}_LabelValue") for n in range(6)] == list("123456")
    assert not image.HasMetaDataKey("Segment6_ID")
    assert read_labelmap(second, HEART).header["metadata"] == first.header["metadata"]


def test_a_shared_code_goes_to_the_segment_whose_name_agrees(tmp_path: Path) -> None:
    labels = blocks()
    labels[0, 0, :] = 7
    wall = Segment(7, "right ventricular wall", tags=HEART.tissue("Myo").tags)
    both = replace(heart(labels), segments=(*heart().segments, wall))
    back = read_labelmap(write_labelmap(both, tmp_path / "walls.seg.nrrd"), HEART)
    assert back.tissues["Myo"] == (2,) and unknown_mask(back).sum() == labels.shape[2]


def test_folders_keep_names_and_leave_out_what_does_not_fit(tmp_path: Path) -> None:
    folder = write_labelmap(heart(), tmp_path / "case", "folder")
    assert sorted(p.name for p in folder.iterdir())[1:3] == ["heart_atrium_left.nii.gz", "heart_atrium_right.nii.gz"]
    extra = np.zeros(blocks().shape, np.uint8)
    extra[0, 0, 0] = 1
    write_labelmap(LabelMap(extra, heart().affine), folder / "pulmonary_artery.nii.gz")
    write_labelmap(LabelMap((blocks() > 0).astype(np.uint8), heart().affine), folder / "body.nii.gz")
    write_labelmap(LabelMap(blocks() * np.uint8(30), heart().affine), folder / "ct.nii.gz")
    (folder / "statistics.json").write_text("{}")
    back = read_labelmap(folder, HEART)
    assert np.array_equal(known_labels(back, HEART), blocks()) and unknown_mask(back).sum() == 1
    assert sorted(back.header["ignored"]) == ["body.nii.gz", "ct.nii.gz"]
    assert not unknown_mask(read_labelmap(folder, HEART, unknown=False)).any()
    again = write_labelmap(back, tmp_path / "again.masks")
    assert (again / "pulmonary_artery.nii.gz").exists() and (again / "heart_myocardium.nii.gz").exists()
    assert suffix_for(back) == "masks" and read_labelmap(again, HEART).tissues == back.tissues


def test_masks_are_read_from_any_format(tmp_path: Path) -> None:
    for format in FILES:
        mask, affine = read_mask(write_labelmap(heart(named=False), tmp_path / "twin", format))
        assert np.array_equal(mask, blocks() > 0) and same_place(affine, heart().affine)


def test_large_values_and_bool_maps_are_written(tmp_path: Path) -> None:
    path = write_labelmap(LabelMap(blocks() > 0, np.eye(4)), tmp_path / "mask.nii.gz")
    assert read_mask(path)[0].sum() == (blocks() > 0).sum()
    big = blocks().astype(np.int64) * 1_000_000
    back = read_labelmap(write_labelmap(LabelMap(big, np.eye(4)), tmp_path / "big.seg.nrrd"), HEART,
                         {t.id: t.label * 1_000_000 for t in HEART.tissues})  # fmt: skip
    assert np.array_equal(known_labels(back, HEART), blocks())


@pytest.mark.parametrize("text", ["", "LV", "LV=", "=3", "LV=-1", "LV=3,,RV=4", "LV=3,LV=4", "LV=1.5", "LV=²"])
def test_label_options_that_are_not_understood(text: str) -> None:
    with pytest.raises(InputError, match="--labels"):
        parse_labels(text)


def test_label_options() -> None:
    assert parse_labels(" LV=3, RV = 4 ") == {"LV": 3, "RV": 4}
    assert parse_labels("LA=420+421,LV = Ventricule gauche") == {"LA": (420, 421), "LV": "Ventricule gauche"}
    assert parse_labels('LV="left, large",RV=4') == {"LV": "left, large", "RV": 4}


def test_real_hearts_are_read_and_converted(shared_data: Path, tmp_path: Path) -> None:
    for name in ("toronto_normal", "rodero_ct_01"):
        source = shared_data / "hearts" / "real" / f"{name}.nii.gz"
        twin = read_labelmap(source, HEART)
        assert twin.header["assumed_numbering"] and twin.labels.dtype == np.uint8
        for format in FORMATS:
            back = read_labelmap(write_labelmap(twin, tmp_path / name, format), HEART)
            assert np.array_equal(known_labels(back, HEART), twin.labels) and same_place(back.affine, twin.affine)
