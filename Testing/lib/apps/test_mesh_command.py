"""`siblings mesh` from the line to its folders: what is written, what is kept, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_conditions import canonical_heart, renumbered_run
from hearts import ANATOMY, ellipsoid_heart

from DiffusionSiblingsLib import MeshSettings, mesh, write_mesh
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.meshing.formats import stl

VALVES = {"mitral_valve", "tricuspid_valve"}


def twin() -> LabelMap:
    """The heart of ellipsoids, its atria grown into its ventricles so that there are valves."""
    heart = ellipsoid_heart()
    labels, value = heart.labels.copy(), {tissue.id: tissue.label for tissue in ANATOMY.tissues}
    for ventricle, atrium in (("LV", "LA"), ("RV", "RA")):
        lower, upper = labels == value[ventricle], labels == value[atrium]
        top = int(np.argwhere(lower)[:, 0].max())
        bottom = int(np.argwhere(upper)[:, 0].min())
        middle = np.argwhere(lower)[:, 1:].mean(axis=0).round().astype(int)
        j, i = (slice(at - 3, at + 4) for at in middle)
        labels[top - 1:top + 1, j, i] = value[ventricle]
        labels[top + 1:max(top + 2, bottom + 3), j, i] = value[atrium]
    return heart.with_labels(labels)


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelmap(twin(), tmp_path_factory.mktemp("twin") / "heart_1.seg.nrrd")


def report_of(folder: Path) -> dict:
    return json.loads((folder / "mesh.json").read_text(encoding="utf-8"))


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["mesh", *map(str, words)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_map_becomes_a_folder_with_files_and_a_report(heart: Path, tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = told(capsys, heart, "--out", tmp_path / "out", "--for", "stl,vtk")
    assert code == 0 and "heart_1" in shown and "mitral valve" in shown
    folder = tmp_path / "out" / "heart_1"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"heart_1"}
    report = report_of(folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"mesh.json"}
    assert files == set(report["files"]) and {"vtk/heart_1.vtp", "stl/LV.stl", "stl/patches/mitral_valve.stl"} <= files
    for name, digest in report["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert report["map"]["sha256"] == hashlib.sha256(heart.read_bytes()).hexdigest()
    assert report["space"] == "LPS" and report["units"] == {"stl": "mm", "vtk": "mm"}
    assert {tissue["id"] for tissue in report["tissues"]} == set(ANATOMY.ids)
    assert max(abs(tissue["difference_percent"]) for tissue in report["tissues"]) < 1
    assert {patch["id"] for patch in report["patches"]} >= {*VALVES, "lv_endocardium", "lv_epicardium"}
    assert sum(patch["triangles"] for patch in report["patches"]) == report["counts"]["triangles"]
    assert report["counts"]["tetrahedra"] == 0 and report["repaired"]["well_composed"]["left"] == 0


def test_the_axes_of_the_report_are_those_of_the_files(heart: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    for space in ("LPS", "RAS"):
        assert told(capsys, heart, "--out", tmp_path / space, "--for", "stl", "--space", space)[0] == 0
    lps, ras = (report_of(tmp_path / space / "heart_1")["patches"][0] for space in ("LPS", "RAS"))
    assert lps["centre_mm"] == pytest.approx([-ras["centre_mm"][0], -ras["centre_mm"][1], ras["centre_mm"][2]])
    head = [(tmp_path / space / "heart_1" / "stl" / "LV.stl").read_bytes()[:80] for space in ("LPS", "RAS")]
    assert b"SPACE=LPS" in head[0] and b"SPACE=RAS" in head[1]


def test_tetrahedra_are_made_where_a_format_needs_them(heart: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, heart, "--out", tmp_path / "out", "--for", "opencarp", "--edge", 6)
    assert code == 0, err
    report = report_of(tmp_path / "out" / "heart_1")
    assert report["units"] == {"opencarp": "micrometre"} and report["counts"]["tetrahedra"] > 1000
    assert sum(tissue["tetrahedra"] for tissue in report["tissues"]) == report["counts"]["tetrahedra"]
    assert report["tetrahedra"]["scaled_jacobian"]["least"] > 0.05
    lines = (tmp_path / "out" / "heart_1" / "opencarp" / "heart_1.elem").read_text().splitlines()
    assert int(lines[0]) == len(lines) - 1 == report["counts"]["tetrahedra"]


def test_a_run_is_meshed_sibling_by_sibling_in_the_numbers_that_its_record_tells(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = renumbered_run(tmp_path), tmp_path / "meshes"
    maps = sorted(path.name.split(".")[0] for path in run.glob("sibling_*"))
    (run / f"{maps[0]}.nii.gz").write_bytes(b"broken")  # one of the two is enough
    code, _, err = told(capsys, run, "--out", out, "--for", "stl")
    assert code == 2 and f"{maps[0]}.nii.gz" in err
    assert [folder.name for folder in out.iterdir()] == maps[1:]
    volumes = {tissue["id"]: tissue["volume_ml"] for tissue in report_of(out / maps[1])["tissues"]}
    known = {tissue: float((canonical_heart(1.03).labels == ANATOMY.label_of(tissue)).sum()) * 1.4**3 / 1000
             for tissue in ANATOMY.ids}
    assert volumes == pytest.approx(known, rel=0.01)


def test_meshes_that_are_there_are_kept_unless_map_or_settings_changed(heart: Path, tmp_path: Path,
                                                                       capsys: pytest.CaptureFixture[str]) -> None:
    maps, out = tmp_path / "maps", tmp_path / "meshes"
    maps.mkdir()
    for name in ("one", "two"):
        (maps / f"{name}.seg.nrrd").write_bytes(heart.read_bytes())
    line = (maps, "--out", out, "--for", "vtk")
    code, _, err = told(capsys, *line)
    assert code == 0, err
    before = {name: (out / name / "mesh.json").stat().st_mtime_ns for name in ("one", "two")}
    code, _, err = told(capsys, *line)
    assert code == 2 and "holds a mesh" in err and "--resume" in err
    (out / "one" / "vtk" / "one.vtp").unlink()
    code, shown, _ = told(capsys, *line, "--resume")
    assert code == 0 and "1 of 2 meshes were there already" in shown
    assert [name for name, time in before.items() if (out / name / "mesh.json").stat().st_mtime_ns != time] == ["one"]
    code, shown, _ = told(capsys, *line, "--resume", "--space", "RAS")
    assert code == 0 and "there already" not in shown and report_of(out / "two")["space"] == "RAS"


def test_one_map_that_cannot_be_meshed_does_not_end_the_others(heart: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / heart.name).write_bytes(heart.read_bytes())
    (maps / "broken.nii.gz").write_bytes(b"nothing")
    code, shown, err = told(capsys, maps, "--out", tmp_path / "out", "--for", "stl")
    assert code == 2 and "broken.nii.gz" in err and "heart_1" in shown
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"heart_1"}


def test_only_what_a_mesh_wrote_is_replaced(heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = (heart, "--out", tmp_path / "out", "--for", "stl")
    assert told(capsys, *line)[0] == 0
    folder = tmp_path / "out" / "heart_1"
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert told(capsys, *line[:-1], "vtk", "--replace")[0] == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine" and not (folder / "stl").exists()
    for place in (folder / "mine.txt", folder / "vtk" / "mine.txt"):
        place.write_text("mine")
        code, _, err = told(capsys, *line, "--replace")
        assert code == 2 and "no mesh wrote" in err and place.read_text() == "mine" and (folder / "vtk").is_dir()
        place.unlink()


def test_a_full_disk_leaves_nothing_half_written(heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    line = (heart, "--out", tmp_path / "out", "--for", "vtk,stl")
    assert told(capsys, *line)[0] == 0
    before = report_of(tmp_path / "out" / "heart_1")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stl, "_write", full)
    code, _, err = told(capsys, *line, "--replace")
    assert code == 2 and "No space left" in err and "free some space" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["heart_1"]
    assert report_of(tmp_path / "out" / "heart_1") == before


@pytest.mark.parametrize(("words", "said"), [
    (["--for", "ansys"], "format is unknown: ansys"),
    (["--for", ","], "no format"),
    (["--surface", "--for", "febio,vtk"], "needs tetrahedra: febio"),
    (["--surface", "--tets"], "contradict"),
    (["--resume", "--replace"], "contradict"),
    (["--edge", "0.01"], "edge length cannot be used: 0.01 mm"),
    (["--edge", "50", "--tets"], "edge length cannot be used: 50 mm"),
    (["--walls", "RV"], "walls cannot be read"),
    (["--walls", "LV=3"], "no wall to grow"),
    (["--walls", "RV=-1"], "thickness cannot be used"),
    (["--walls", "RV=2"], "would vanish: 2 mm in voxels of 2.8 mm"),
    (["--valves", "99"], "thickness cannot be used: valves=99"),
    (["--grade", "3"], "grade cannot be used: 3"),
    (["--numbering", "cobra"], "one of pycemrg, rodero, strocchi"),
])
def test_what_cannot_be_done_is_said_before_anything_is_written(
        words: list[str], said: str, heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, heart, "--out", tmp_path / "out", *words)
    assert code == 2 and said in err and "own" not in err.split()[:4]
    assert not list(tmp_path.rglob("mesh.json"))


def test_places_that_cannot_hold_meshes_are_refused(heart: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in told(capsys, tmp_path / "no.nii.gz", "--out", tmp_path / "out")[2]
    code, _, err = told(capsys, heart, "--out", heart.parent)
    assert code == 2 and "among the label maps" in err
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in ("heart 1.seg.nrrd", "heart-1.seg.nrrd"):
        (maps / name).write_bytes(heart.read_bytes())
    code, _, err = told(capsys, maps, "--out", tmp_path / "out")
    assert code == 2 and "share the folder" in err and "heart-1" in err


def test_grown_walls_have_the_numbers_of_another_program_and_say_that_they_are_grown(
        heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, err = told(capsys, heart, "--out", tmp_path / "out", "--for", "vtk", "--walls", "RV=5,LA=5",
                            "--valves", "6", "--numbering", "pycemrg")
    assert code == 0, err
    assert "Grown, not imaged: RV wall, LA wall" in shown
    report = report_of(tmp_path / "out" / "heart_1")
    values = {tissue["id"]: tissue["value"] for tissue in report["tissues"]}
    assert values["RV_wall"] == 103 and values["LA_wall"] == 104 and values["LV"] == 1 and values["MV"] == 201
    assert all("grown, not imaged" in row["name"] for row in report["grown, not imaged"])
    assert {tissue["id"] for tissue in report["tissues"] if tissue["grown"]} >= {"RV_wall", "LA_wall", "MV"}
    assert {"rv_endocardium", "rv_epicardium"} <= {patch["id"] for patch in report["patches"]}


def test_json_is_the_report(heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = told(capsys, heart, "--out", tmp_path / "out", "--for", "stl", "--json")
    assert code == 0 and json.loads(shown) == [report_of(tmp_path / "out" / "heart_1")]


def test_a_script_makes_and_writes_the_same_mesh(heart: Path, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    result = mesh(heart, MeshSettings(formats=("stl",)))
    assert {patch.id for patch in result.meshed.patches} >= VALVES
    report = write_mesh(result, tmp_path / "mine")
    assert told(capsys, heart, "--out", tmp_path / "out", "--for", "stl")[0] == 0
    assert report["files"] == report_of(tmp_path / "out" / "heart_1")["files"] == report_of(tmp_path / "mine")["files"]
    assert mesh(twin()).meshed.name == "map"


def test_a_sibling_gets_the_elements_and_patches_of_its_twin(heart: Path, tmp_path: Path,
                                                            capsys: pytest.CaptureFixture[str]) -> None:
    larger = twin()
    affine = larger.affine.copy()
    affine[:3] *= 1.03
    path = write_labelmap(replace(larger, affine=affine), tmp_path / "sibling.nii.gz")
    line = (path, "--out", tmp_path / "out", "--for", "opencarp", "--edge", 6, "--like", heart)
    code, shown, err = told(capsys, *line)
    assert code == 0, err
    one, other = (tmp_path / "out" / name for name in ("heart_1", "sibling"))
    for ending in ("elem", "mitral_valve.surf", "lv_endocardium.vtx"):
        files = [next((folder / "opencarp").glob(f"*.{ending}")).read_text() for folder in (one, other)]
        assert files[0] == files[1] and len(files[0]) > 100, ending
    points = [np.loadtxt(folder / "opencarp" / f"{folder.name}.pts", skiprows=1) for folder in (one, other)]
    assert not np.allclose(points[0], points[1]) and "yes" in shown
    report = report_of(other)
    assert report["like"]["carried"] and report["like"]["mean_distance_mm"] < 1
    assert report["settings"]["like"] == hashlib.sha256(heart.read_bytes()).hexdigest()
    areas = [{patch["id"]: patch["area_mm2"] for patch in report_of(folder)["patches"]} for folder in (one, other)]
    assert areas[1]["mitral_valve"] == pytest.approx(1.03**2 * areas[0]["mitral_valve"], rel=0.1)
    code, shown, _ = told(capsys, *line, "--resume")
    assert code == 0 and "2 of 2 meshes were there already" in shown


def test_like_needs_tetrahedra_and_a_twin(heart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, heart, "--out", tmp_path / "out", "--for", "stl", "--like", heart)
    assert code == 2 and "--like needs tetrahedra" in err
    code, _, err = told(capsys, heart, "--out", tmp_path / "out", "--like", tmp_path / "no.nii.gz", "--tets")
    assert code == 2 and "does not exist" in err
