"""Files as other programs write them, given to the command line: each is read right, or refused in words that help.

The true volumes are those of the drawn heart that all cases show (ml, counted in its array).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from DiffusionSiblingsLib.apps.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TRUE = {"LV": 66.7, "RV": 95.0, "LA": 41.7, "RA": 41.9, "Ao": 27.5, "Myo": 95.9}
QUICK = ("--steps", "2", "--count", "1", "--seed", "0")


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def siblings(*words: object) -> Done:
    """`siblings WORDS`, in this process."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main(list(map(str, words)))
    return Done(code, out.getvalue(), errors.getvalue())


def on_a_console(codepage: str, *words: object) -> subprocess.CompletedProcess[str]:
    """`siblings WORDS` in a process whose output has this code page."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": codepage, "PYTHONUTF8": "0"}
    return subprocess.run([sys.executable, "-m", "DiffusionSiblingsLib", *map(str, words)], env=environment, cwd=ROOT,
                          encoding=codepage, errors="replace", capture_output=True)


def volumes(*words: object) -> dict[str, float]:
    """Volumes in ml by tissue, as `siblings measure --json` tells them."""
    done = siblings("measure", "--json", *words)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)[0]
    return {tissue: row[f"{tissue} volume [ml]"] for tissue in TRUE if f"{tissue} volume [ml]" in row}


def refused(*words: object) -> str:
    """What the command says that refuses its input: one error, no traceback."""
    done = siblings(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def notes(*words: object) -> str:
    """All that a command prints that ends well."""
    done = siblings(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def is_true(found: dict[str, float], within: float = 0.05) -> bool:
    return all(abs(found[tissue] - ml) <= within + 0.05 for tissue, ml in TRUE.items())


# which value, name or file is which tissue


@pytest.mark.parametrize("name", ["pycemrg.nii.gz", "chambers_first.nii.gz", "slicer_export.nii.gz",
                                  "said_to_be_totalsegmentator.nii.gz", "Dataset500_Heart/labelsTr/heart_001.nii.gz"])
def test_another_programs_order_of_1_to_6_is_never_measured_as_ours(cases: Path, name: str) -> None:
    file = cases / "numbering_1_to_6" / name
    done = siblings("measure", "--json", file)
    if done.returncode == 0:
        assert is_true(volumes(file))
        return
    assert done.returncode == 2
    offered = re.search(r"--labels \"?([A-Za-z0-9=,+]+)", done.stderr)
    assert offered, done.stderr
    assert is_true(volumes(file, "--labels", offered[1]))


@pytest.mark.parametrize("name", ["slicer_export.nii.gz", "Dataset500_Heart/labelsTr/heart_001.nii.gz"])
def test_names_beside_the_file_are_read(cases: Path, name: str) -> None:
    assert is_true(volumes(cases / "numbering_1_to_6" / name))


def test_a_tissue_may_have_several_values(cases: Path) -> None:
    file = cases / "tissue_in_several_values" / "mmwhs_421.nii.gz"
    order = "Myo=205,LA={},LV=500,RA=550,RV=600,Ao=820"
    assert is_true(volumes(file, "--labels", order.format("420+421")))
    assert "421" in notes("measure", file, "--labels", order.format("420"))


@pytest.mark.parametrize("name", ["case_id", "slicer_node", "patient_short"])
def test_what_all_mask_names_share_is_no_part_of_a_tissues_name(cases: Path, name: str) -> None:
    assert is_true(volumes(cases / "mask_folder_common_prefix" / name))


def test_masks_that_share_three_voxels_are_read_and_told(cases: Path) -> None:
    folder = cases / "masks_overlap_a_little" / "dataset" / "s0000" / "segmentations"
    assert is_true(volumes(folder), within=1)
    assert re.search(r"\b3 voxels", notes("measure", folder))


@pytest.mark.parametrize("name", ["tg263", "tg263_mask_prefix", "lt_rt", "tg263.seg.nrrd"])
def test_sides_may_be_letters(cases: Path, name: str) -> None:
    assert is_true(volumes(cases / "names_tg263" / name))


@pytest.mark.parametrize("name", ["short_in_brackets", "as_mmwhs_writes", "numbered"])
def test_a_name_may_say_its_tissue_twice(cases: Path, name: str) -> None:
    assert is_true(volumes(cases / "names_with_abbreviation" / f"{name}.seg.nrrd"))


def test_a_refusal_shows_names_with_their_values(cases: Path) -> None:
    folder = cases / "lacks_message_without_values"
    assert re.search(r"Segment_3\W+31\b|31\W+Segment_3\b", refused("measure", folder / "segment_n.seg.nrrd"))
    many = refused("measure", folder / "many.seg.nrrd")
    assert "VG" in many and "23" in many


@pytest.mark.parametrize("name", ["segment_n.seg.nrrd", "old_layers.seg.nrrd", "many.seg.nrrd", "other_words"])
def test_no_refusal_suggests_a_value_that_the_file_does_not_have(cases: Path, name: str) -> None:
    said = refused("measure", cases / "lacks_message_without_values" / name)
    own = {"segment_n.seg.nrrd": {12, 7, 31, 4, 25, 18}, "many.seg.nrrd": {21, 22, 23, 24, 25, 26}}
    suggested = {int(value) for value in re.findall(r"[A-Za-z]=(\d+)", said)}
    assert suggested <= own.get(name, set(range(1, 7)))


def test_masks_numbered_by_a_converter_are_read_or_named(cases: Path) -> None:
    folder = cases / "numbered_masks_with_meta_json" / "dcmqi"
    done = siblings("measure", folder)
    assert is_true(volumes(folder)) if done.returncode == 0 else "1.nii.gz" in done.stderr


@pytest.mark.parametrize(("name", "extra"), [("heart_on_top.seg.nrrd", "Heart"), ("same_as_folder", "heart"),
                                             ("papillary.seg.nrrd", "Papillary muscles")])
def test_a_segment_of_no_tissue_over_the_chambers_is_left_out_and_named(cases: Path, name: str, extra: str) -> None:
    file = cases / "seg_nrrd_overlap_of_unknown" / name
    assert is_true(volumes(file))
    assert extra in notes("measure", file)


def test_unknown_tissue_that_keeps_siblings_from_growing_is_told(cases: Path, tmp_path: Path) -> None:
    twin = cases / "unknown_tissue_all_around" / "in_a_body.seg.nrrd"
    said = notes("perturb", twin, "--ratio", "0.7", *QUICK, "--out", tmp_path / "out")
    assert "Pericardium and fat" in said and "--overwrite" in said


@pytest.mark.parametrize("words", [("measure", "dataset/s0000/segmentations"), ("measure", "total.seg.nrrd")])
def test_a_heart_in_one_piece_is_sent_to_the_task_that_has_chambers(cases: Path, words: tuple[str, str]) -> None:
    said = refused(words[0], cases / "whole_heart_only" / words[1])
    assert "heartchambers_highres" in said and "=7" not in said


def test_a_map_without_an_aorta_is_measured_and_says_so(cases: Path, tmp_path: Path) -> None:
    folder = cases / "empty_aorta_only" / "no_aorta"
    done = siblings("measure", folder)
    assert done.returncode in (0, 3) and "66.7" in done.stdout
    assert "Ao" in done.stdout + done.stderr
    assert "Ao" in refused("perturb", folder, *QUICK, "--out", tmp_path / "out")


# formats and places


def test_siblings_cut_at_the_edge_of_the_grid_are_told(cases: Path, tmp_path: Path) -> None:
    folder = cases / "grid_cropped_to_the_heart"
    said = notes("perturb", folder / "cropped.nii.gz", "--ratio", "0.7", *QUICK, "--out", tmp_path / "cut")
    assert "edge of the grid" in said or "margin" in said
    assert "RV" in said


def test_a_grid_that_names_its_reference_has_room(cases: Path, tmp_path: Path) -> None:
    folder, found = cases / "grid_cropped_to_the_heart", []
    for name in ("cropped.seg.nrrd", "whole.seg.nrrd"):
        out = tmp_path / name
        notes("perturb", folder / name, "--ratio", "0.7", *QUICK, "--out", out)
        found.append(volumes(out / "sibling_0000.seg.nrrd"))
    assert found[0] == pytest.approx(found[1], rel=0.02)


@pytest.mark.parametrize("name", ["tail", "zeros"])
def test_bytes_after_the_end_are_left_out_and_told(cases: Path, name: str) -> None:
    file = cases / "gzip_with_trailing_bytes" / f"{name}.nii.gz"
    assert is_true(volumes(file))
    assert "bytes" in notes("measure", file)


def test_a_damaged_byte_inside_a_stream_is_refused(cases: Path, tmp_path: Path) -> None:
    raw = bytearray((cases / "gzip_with_trailing_bytes" / "tail.nii.gz").read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (tmp_path / "damaged.nii.gz").write_bytes(raw)
    refused("measure", tmp_path / "damaged.nii.gz")


def test_layers_told_by_segment_fields_are_read(cases: Path) -> None:
    file = cases / "layers_without_kinds" / "layers.seg.nrrd"
    done = siblings("measure", "--json", file)
    if done.returncode:
        assert "kinds" in done.stderr
    else:  # spacing 1 mm instead of 3: a 27th of the volume
        assert json.loads(done.stdout)[0]["LV volume [ml]"] == pytest.approx(66.7 / 27, rel=0.01)


def place(file: Path) -> np.ndarray:
    """(3,) LPS mm: centre of mass of the LV, found by SimpleITK in the file."""
    image = SimpleITK.ReadImage(str(file))
    where = np.argwhere(SimpleITK.GetArrayFromImage(image) == 3).mean(axis=0)[::-1]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(where.tolist()))


def test_rounded_directions_give_a_nifti_that_itk_opens(cases: Path, tmp_path: Path) -> None:
    twin = cases / "nifti_that_itk_cannot_open" / "rounded.seg.nrrd"
    notes("reconstruct", twin, "--format", "nii.gz", "--out", tmp_path / "out")
    made = tmp_path / "out" / "sibling_0000.nii.gz"
    image, loaded = SimpleITK.ReadImage(str(made)), nibabel.load(made)
    for corner in np.ndindex(2, 2, 2):
        voxel = [47 * n for n in corner]
        by_itk = np.array(image.TransformContinuousIndexToPhysicalPoint([float(n) for n in voxel])) * (-1, -1, 1)
        assert np.abs(by_itk - (loaded.affine @ [*voxel, 1])[:3]).max() < 0.1


def test_a_tilted_gantry_is_told_where_itk_cannot_open_it(cases: Path, tmp_path: Path) -> None:
    twin = cases / "nifti_that_itk_cannot_open" / "tilted.seg.nrrd"
    done = siblings("reconstruct", twin, "--format", "nii.gz", "--out", tmp_path / "out")
    assert "seg.nrrd" in done.stdout + done.stderr


@pytest.mark.parametrize(("name", "what"), [("pointer.nii.gz", "Git LFS"), ("pointer.seg.nrrd", "Git LFS"),
                                            ("page.nii.gz", "web page"), ("is_nrrd.nii.gz", "NRRD")])
def test_a_file_that_is_something_else_is_called_by_its_name(cases: Path, name: str, what: str) -> None:
    assert what in refused("measure", cases / "not_the_file_itself" / name)


def test_label_values_that_lost_precision_are_rounded_and_told(cases: Path) -> None:
    folder = cases / "quantised_label_values"
    order = ("--labels", "Myo=205,LA=420,LV=500,RA=550,RV=600,Ao=820")
    for name, labels in (("uint8", ()), ("mmwhs_int16", order), ("copied_to_float", ())):
        assert is_true(volumes(folder / f"{name}.nii.gz", *labels))
        assert "rounded" in notes("measure", folder / f"{name}.nii.gz", *labels)


def test_interpolated_values_are_still_refused(cases: Path) -> None:
    assert "nearest" in refused("measure", cases / "quantised_label_values" / "interpolated_is_still_refused.nii.gz")


@pytest.mark.parametrize("name", ["3D-right-handed", "3D-left-handed", "scanner-xyz"])
def test_a_space_without_anatomical_names_is_read_as_itk_reads_it(cases: Path, tmp_path: Path, name: str) -> None:
    twin = cases / "seg3d_nrrd_space" / f"{name}.nrrd"
    assert is_true(volumes(twin))
    notes("reconstruct", twin, "--out", tmp_path / "out")
    assert np.abs(place(twin) - place(tmp_path / "out" / "sibling_0000.nrrd")).max() < 3


@pytest.mark.parametrize("name", ["differ", "no_codes"])
def test_headers_that_place_a_map_twice_or_not_at_all_are_told(cases: Path, name: str) -> None:
    said = notes("measure", cases / "sform_and_qform_differ" / f"{name}.nii.gz")
    assert "sform" in said and (name != "differ" or "mm" in said)


@pytest.mark.parametrize("codepage", ["cp1252", "ascii"])
def test_any_letter_of_a_path_is_printed_on_any_console(cases: Path, codepage: str) -> None:
    file = cases / "console_that_is_not_utf8" / "Patient Ω" / "heart.nii.gz"
    done = on_a_console(codepage, "measure", file)
    assert done.returncode == 0 and "66.7" in done.stdout, done.stderr


# faults


def test_replace_never_follows_a_record(tmp_path: Path) -> None:
    for named in ("..", "", "photos", "mine.txt"):
        out = tmp_path / f"project{len(named)}" / "out"
        (out / "photos").mkdir(parents=True)
        own = [out.parent / "precious.txt", out / "photos" / "photo.txt", out / "mine.txt"]
        for file in own:
            file.write_text("mine")
        record = {"schema": 1, "runs": [{"request": {}, "siblings": [{"file": named}]}]}
        (out / "record.json").write_text(json.dumps(record))
        siblings("generate", "--steps", "2", "--out", out, "--replace")
        assert all(file.read_text() == "mine" for file in own), named


def test_replace_refuses_to_write_over_its_own_twin(cases: Path, tmp_path: Path) -> None:
    twin = tmp_path / "sibling_0000.nii.gz"
    raw = (cases / "gzip_with_trailing_bytes" / "zeros.nii.gz").read_bytes()[:-600]
    twin.write_bytes(raw)
    refused("perturb", twin, "--ratio", "0.2", *QUICK, "--out", tmp_path, "--replace")
    assert twin.read_bytes() == raw


@pytest.mark.parametrize("line", [b'{"id": [1], "command": "hello"}\n', b'{"id": {"a": 1}, "command": "cancel"}\n',
                                  b"[" * 100000 + b"\n", b"\xff\xfe\x00\n", b"1e400\n"])
def test_the_worker_answers_after_any_line_and_ends_with_its_input(line: bytes) -> None:
    started = subprocess.Popen([sys.executable, "-m", "DiffusionSiblingsLib.apps.worker"], cwd=ROOT,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert started.stdin is not None and started.stdout is not None
    started.stdin.write(line + b'{"id": 7, "command": "hello"}\n')
    started.stdin.flush()
    assert any(json.loads(text).get("id") == 7 for text in started.stdout)
    started.stdin.close()
    started.wait(timeout=60)


@pytest.mark.parametrize("name", ["redos.nii.gz", "redos.nrrd"])
def test_no_text_in_a_file_keeps_the_reader_busy(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("nrrd"):
        file.write_bytes(b"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nspace directions: "
                         + b"(" * 1_000_000 + b"\nsizes: 4 4 4\nencoding: raw\n\n" + bytes(64))
    else:
        image = nibabel.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4))
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, b"<Label>" * 100_000))
        file.write_bytes(gzip.compress(image.to_bytes()))
    start = time.monotonic()
    refused("measure", file)
    assert time.monotonic() - start < 10


def test_a_damaged_region_and_absurd_names_are_refused_in_one_line(cases: Path, tmp_path: Path) -> None:
    twin, out = cases / "grid_cropped_to_the_heart" / "whole.seg.nrrd", tmp_path / "out"
    bad = tmp_path / "bad.seg.nrrd"
    bad.write_bytes(b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nspace: left-posterior-superior\n"
                    b"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\nSegment0_Layer:=big\n\n" + bytes(64))
    refused("inpaint", twin, "--region", bad, *QUICK, "--out", out)
    refused("inpaint", twin, "--region", "a" * 300 + ".nii.gz", *QUICK, "--out", out)
    refused("perturb", twin, "--model", "a" * 300, *QUICK, "--out", out)
    refused("perturb", twin, "--labels", "LV=" + "9" * 5000, *QUICK, "--out", out)
