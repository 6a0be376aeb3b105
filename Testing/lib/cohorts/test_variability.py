"""The spread of replicates: counts, entropy, the movement of surfaces, and the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.cohorts.variability import Counts, measurement_rows, replicates, variability_of
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.core.record import Record, read_record
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key
from DiffusionSiblingsLib.metrics.measures.measure import measure

HEART = load_anatomy("heart")
SEGMENTS = tuple(Segment(t.label, t.name, t.id) for t in HEART.tissues)


def ball(radius: float, spacing: float = 1.4, size: int = 40) -> LabelMap:
    """A ball of LV, and a small block of every other tissue, as no file may lack one."""
    k, j, i = (np.indices((size, size, size)) - (size - 1) / 2) * spacing
    labels = np.where(np.sqrt(k**2 + j**2 + i**2) <= radius, HEART.label_of("LV"), 0).astype(np.uint8)
    for place, tissue in enumerate(tissue for tissue in HEART.tissues if tissue.id != "LV"):
        labels[1:4, 1:4, 1 + 4 * place : 4 + 4 * place] = tissue.label
    return LabelMap(labels, np.diag([spacing, spacing, spacing, 1.0]), SEGMENTS, format="nii.gz")


def members_of(folder: Path, maps: list[LabelMap]) -> list[Member]:
    paths = [write_labelmap(labelmap, folder / f"map_{n}.nii.gz") for n, labelmap in enumerate(maps)]
    return [Member(path.name.split(".")[0], path) for path in paths]


def test_counts_are_those_of_plain_numpy() -> None:
    rng = np.random.default_rng(3)
    maps = []
    for n in range(7):  # of different extent, so that the box grows
        labels = np.zeros((9, 10, 11), np.uint8)
        labels[4 - n // 2 : 6 + n // 3, 3:7, 2 : 5 + n] = rng.integers(0, 4, (2 + n // 2 + n // 3, 4, 3 + n))
        maps.append(labels)
    counts = Counts(maps[0].shape, (1, 2, 3))
    for labels in maps:
        counts.add(labels)
    differing, entropy, majority = counts.summary()
    shares = np.stack([np.mean([labels == label for labels in maps], axis=0) for label in range(4)])
    assert np.allclose(differing, 1 - shares.max(axis=0), atol=1e-6)
    assert np.allclose(entropy, -(shares * np.log2(np.maximum(shares, 1e-12))).sum(axis=0), atol=1e-5)
    assert (majority == shares.argmax(axis=0)).all()
    with pytest.raises(InputError, match="counted together"):
        counts.add(maps[0][1:])


def test_nothing_but_background_has_no_spread() -> None:
    counts = Counts((3, 3, 3), (1,))
    counts.add(np.zeros((3, 3, 3), np.uint8))
    assert all(not part.any() for part in counts.summary())


def test_a_surface_that_moves_by_1_5_mm_is_told_to_move_by_1_5_mm(tmp_path: Path) -> None:
    radii = 18 + 1.5 * np.random.default_rng(1).standard_normal(12)
    found = variability_of(members_of(tmp_path, [ball(radius) for radius in radii]), HEART)
    assert found.surfaces["LV"] == pytest.approx(radii.std(ddof=1), rel=0.12)
    assert found.surfaces["RV"] == 0.0 and found.maps == 12
    assert found.differing.max() <= 0.5 and found.entropy.max() <= 1.0 + 1e-6


def test_equal_maps_have_none(tmp_path: Path) -> None:
    found = variability_of(members_of(tmp_path, [ball(15.0)] * 3), HEART)
    assert set(found.surfaces.values()) == {0.0} and not found.differing.any() and not found.entropy.any()
    assert (found.consensus == ball(15.0).labels).all()


def test_measurements_stand_beside_the_twin() -> None:
    rows = measurement_rows([{tissue_key("LV"): value} for value in (100.0, 110.0, 120.0)], {tissue_key("LV"): 130.0})
    assert rows == {tissue_key("LV"): {
        "siblings": 3, "mean": 110.0, "standard deviation": 10.0, "coefficient of variation [%]": 100 / 11,
        "least": 100.0, "5 %": 101.0, "50 %": 110.0, "95 %": 119.0, "greatest": 120.0, "twin": 130.0,
        "mean minus twin": -20.0}}


def test_a_measure_that_some_siblings_lack_is_of_those_that_have_it() -> None:
    ring, volume = MeasurementKey("area", "aortic annulus", "mm^2"), tissue_key("LV")
    rows = measurement_rows([{volume: 100.0}, {volume: 110.0, ring: 400.0}, {volume: 120.0, ring: 500.0}])
    assert (rows[volume]["siblings"], rows[ring]["siblings"], rows[ring]["mean"]) == (3, 2, 450.0)


def test_measures_by_name_are_found_anew_in_each_map(tmp_path: Path) -> None:
    place = ellipsoid_heart().affine
    grid = [replace(ellipsoid_heart(spacing=spacing), affine=place) for spacing in (2.7, 2.8, 2.9)]
    wall = MeasurementKey("median thickness", "LV wall", "mm")
    alone = [measure(heart.labels, heart.affine, HEART).values[wall] for heart in grid]
    found = variability_of(members_of(tmp_path, grid), HEART).measurements[wall]
    assert len(set(alone)) == 3 and found["siblings"] == 3
    assert found["mean"] == pytest.approx(np.mean(alone), rel=1e-4)
    assert found["least"] == pytest.approx(min(alone), rel=1e-4)


def test_one_map_and_maps_of_two_grids_are_refused(tmp_path: Path) -> None:
    maps = members_of(tmp_path, [ball(15.0), ball(15.0, spacing=2.0)])
    with pytest.raises(InputError, match="needs several siblings"):
        variability_of(maps[:1], HEART)
    with pytest.raises(InputError, match="one grid"):
        variability_of(maps, HEART)


def test_replicates_differ_in_seed_and_number_alone() -> None:
    requests = [{"edit": "perturb", "ratio": 0.5, "seed": 0}, {"edit": "perturb", "ratio": 0.5, "seed": 4, "first": 9},
                {"edit": "perturb", "ratio": 0.8, "seed": 0}, None]
    members = [Member(str(n), Path(str(n)), None, request) for n, request in enumerate(requests)]
    assert [[member.name for member in group] for group in replicates(members)] == [["0", "1"], ["2"], ["3"]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with two siblings of a heart, as its record tells of them."""
    heart = ellipsoid_heart()
    found = MeasuredMap.of(heart, heart.labels, HEART)
    place = np.eye(4)
    place[:3, 3] = 7, -3, 12
    request = Request("perturb", ratio=0.2, count=2).to_json()
    record = Record({"id": "small", "version": "0", "sha256": ""}, {}, "2026-01-01T00:00:00+00:00", twin={
        **found.to_json(), "canonical_to_ras_mm": place.tolist(),
        "segments": [{"value": t.label, "name": "", "tissue": t.id} for t in HEART.tissues]})
    entries = []
    for n in range(2):
        moved = heart.with_labels(np.roll(heart.labels, n, axis=2))
        path = write_labelmap(moved, tmp_path / f"sibling_000{n}.nii.gz")
        entries.append({"file": path.name, "k": n})
    record.runs = [{"request": request, "siblings": entries}]
    record.write(tmp_path / "record.json")
    return tmp_path


def test_the_command_writes_volumes_a_table_and_a_picture(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spread", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told[0]["siblings"] == 2 and told[0]["name"] == "ratio 0.2"
    folder = run / "spread"
    assert sorted(path.name for path in folder.iterdir()) == ["entropy.nii.gz", "majority.nii.gz", "spread.csv",
                                                              "spread.nii.gz", "spread.png"]
    import SimpleITK

    shares = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "spread.nii.gz")))
    maps = [read_labelmap(run / f"sibling_000{n}.nii.gz", HEART).labels for n in range(2)]
    assert shares.shape == maps[0].shape and ((shares > 0) == (maps[0] != maps[1])).all()
    assert np.allclose(read_labelmap(folder / "majority.nii.gz", HEART).affine, ellipsoid_heart().affine, atol=1e-4)
    rows = list(csv.DictReader((folder / "spread.csv").open(encoding="utf-8")))
    assert {"LV volume [ml]", "LV surface, spread [mm]"} <= {row["measurement"] for row in rows}
    assert rows[0]["twin"] and rows[0]["standard deviation"]
    assert main(["spread", str(run)]) == 0 and "spread.png are in" in capsys.readouterr().out


def test_siblings_are_read_as_their_record_says_and_a_lost_tissue_is_no_error(
        run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, heart = read_record(run / "record.json"), ellipsoid_heart()
    left, right, gone = (HEART.label_of(tissue) for tissue in ("LV", "RV", "RA"))
    swap = np.arange(10, dtype=np.uint8)
    swap[[left, right, gone]] = right, left, 0
    for n in range(2):
        write_labelmap(LabelMap(swap[np.roll(heart.labels, n, axis=2)], heart.affine), run / f"sibling_000{n}.nii.gz")
    for segment in record.twin["segments"]:
        segment["value"] = {left: right, right: left}.get(segment["value"], segment["value"])
    record.write(run / "record.json")
    assert main(["spread", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    rows = {row["measurement"]: row for row in told[0]["measurements"]}
    assert rows["LV volume [ml]"]["mean"] == pytest.approx(rows["LV volume [ml]"]["twin"], rel=0.01)
    assert rows["RA volume [ml]"]["mean"] == 0 and told[0]["surfaces_mm"]["RA"] is None


def test_a_folder_without_maps_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spread", str(tmp_path)]) == 2
    assert "no label maps" in capsys.readouterr().err
