"""Cohorts measured: the same numbers as metrics.csv, places kept, nothing measured twice, bad maps named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from small_cohorts import PARTS, coarse_anatomy, small_heart

from DiffusionSiblingsLib.cohorts import measured
from DiffusionSiblingsLib.cohorts.cache import Cache, signature
from DiffusionSiblingsLib.cohorts.measured import check_names, join, measure_cohort, measure_member
from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.members import Member, find_members
from DiffusionSiblingsLib.cohorts.named_measures import named_measures
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.core.record import Record, hash_labelmap
from DiffusionSiblingsLib.labelmaps.geometry.canonical import canonicalise
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.geometry.reference import starting_reference
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key
from DiffusionSiblingsLib.metrics.measures.measure import measure
from DiffusionSiblingsLib.metrics.measures.names import keys_of
from DiffusionSiblingsLib.metrics.overlap import dice

ANATOMY = coarse_anatomy(44)
FRAME = CanonicalFrame.of(ANATOMY)
PLAIN = small_heart(ANATOMY, np.ones(len(PARTS)))
REFERENCE = starting_reference(PLAIN, FRAME.affine, ANATOMY)
WALL = MeasurementKey("median thickness", "LV wall", "mm")
ANNULUS = MeasurementKey("area", "aortic annulus", "mm^2")
VALUES = {tissue.id: tissue.label for tissue in ANATOMY.tissues}


def heart(seed: int) -> np.ndarray:
    return small_heart(ANATOMY, 1 + 0.06 * np.random.default_rng(seed).standard_normal(len(PARTS)))


def write(path: Path, labels: np.ndarray, affine: np.ndarray = FRAME.affine, named: bool = True) -> Path:
    segments = tuple(Segment(t.label, t.name if named else "", t.id, t.color, tags=t.tags if named else {})
                     for t in ANATOMY.tissues if (labels == t.label).any())
    return write_labelmap(LabelMap(labels, affine, segments), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(5):
        write(tmp_path / "maps" / f"heart{n}.nii.gz", heart(n), named=False)
    return tmp_path / "maps"


def test_a_member_has_the_numbers_of_its_table_row_and_points_of_its_surface(folder: Path) -> None:
    member = find_members(folder)[1]
    found = measure_member(member, ANATOMY, REFERENCE)
    expected = MeasuredMap.of(LabelMap(heart(1), FRAME.affine), heart(1), ANATOMY)
    assert found.features == pytest.approx(expected.features)
    assert found.volumes == pytest.approx(expected.volumes)
    assert (found.failed_half, found.failed_full) == (expected.checks["half"].failed, expected.checks["full"].failed)
    assert found.cloud.shape == found.second_cloud.shape == (1024, 3)
    assert found.cloud.dtype == np.float32
    solid = np.argwhere(heart(1) > 0)[:, ::-1] @ FRAME.affine[:3, :3].T + FRAME.affine[:3, 3]
    assert cdist(found.cloud, solid).min(axis=1).max() < FRAME.spacing
    again = measure_member(member, ANATOMY, REFERENCE)
    assert np.array_equal(found.cloud, again.cloud)
    assert not np.array_equal(found.cloud, found.second_cloud)
    other = measure_member(replace(member, name="another"), ANATOMY, REFERENCE)
    assert not np.array_equal(found.cloud, other.cloud)


def test_a_sibling_lies_where_its_twin_lies_and_other_maps_are_aligned(tmp_path: Path) -> None:
    place = np.eye(4)
    place[:3, 3] = (31.0, -20.0, 14.0)
    moved = write(tmp_path / "sibling.nii.gz", heart(2), place @ FRAME.affine, named=False)
    rows = tuple(tuple(map(float, row)) for row in place)
    own = measure_member(Member("sibling", moved, {}, None, rows), ANATOMY, REFERENCE)
    cohort = measured.collect([own], ANATOMY)
    assert np.array_equal(cohort.labels(0), heart(2))  # the place is undone exactly
    elsewhere = measure_member(Member("sibling", moved, {}, None, rows), ANATOMY, REFERENCE, twin_frame=np.eye(4))
    assert elsewhere.cloud.mean(0) == pytest.approx(own.cloud.mean(0) + place[:3, 3], abs=4.5)  # cut at the far side
    aligned = measured.collect([measure_member(Member("map", moved), ANATOMY, REFERENCE)], ANATOMY)
    expected = canonicalise(heart(2), FRAME.affine, ANATOMY, REFERENCE).labels
    assert min(dice(aligned.labels(0), expected, VALUES).values()) > 0.9  # wherever it lay
    assert own.features == pytest.approx(measure_member(Member("map", moved), ANATOMY, REFERENCE).features)


def test_a_cohort_is_its_members_whatever_the_number_of_processes(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    one = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, progress=lambda *words: seen.append(words))
    two = measure_cohort(folder, ANATOMY, REFERENCE, jobs=2, cache=tmp_path / "cache")
    assert one.name == "maps"
    assert one.members == two.members == tuple(f"heart{n}" for n in range(5))
    assert [words[:2] for words in seen] == [(n, 5) for n in range(1, 6)]
    for name in ("features", "volumes", "clouds", "second_clouds"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert all(np.array_equal(one.labels(n), heart(n)) and np.array_equal(two.labels(n), heart(n)) for n in range(5))
    assert all(isinstance(source, Path) for source in two.store.sources)  # on disk, not in memory
    assert one.checks == check_names(ANATOMY)
    assert len(one.checks) == 12


def test_what_is_in_the_cache_is_not_measured_again_and_what_has_changed_is(
        folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, calls = tmp_path / "cache", []
    real = measure_member

    def counted(member: Member, *rest: object, **more: object) -> object:
        calls.append(member.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(member, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "measure_member", counted)
    with pytest.raises(KeyboardInterrupt):
        measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=cache)
    assert len(list(cache.glob("*.npz"))) == 2  # a stopped run keeps what it has
    first = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=cache)
    assert calls[3:] == ["heart2", "heart3", "heart4"]
    write(folder / "heart1.nii.gz", heart(77), named=False)
    (next(cache.glob("heart4.*"))).write_bytes(b"half a file")
    calls[:] = ["-"] * 3
    again = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=cache)
    assert calls[3:] == ["heart1", "heart4"]
    assert not np.array_equal(first.features[1], again.features[1])
    assert np.array_equal(first.features[4], again.features[4])


def test_what_reading_assumed_is_told_from_the_cache_as_well(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        found = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=tmp_path / "cache")
        (words,) = found.assumptions
        assert words.startswith("maps, 5 of 5 maps: The file names no tissues") and "LV=3" in words


def test_a_map_without_an_aorta_counts_with_the_rest_of_its_tissues(folder: Path) -> None:
    labels = np.where(heart(9) == VALUES["Ao"], 0, heart(9)).astype(np.uint8)
    write(folder / "heart9.nii.gz", labels, FRAME.affine + np.diag([0.01, 0, 0, 0]))
    found = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1)
    assert np.isnan(found.volumes[-1][ANATOMY.ids.index("Ao")]) and np.isfinite(found.features).all()
    assert "Ao (Aorta) is missing" in found.notes["heart9"][-1] and found.failed_half[-1]


def test_maps_that_cannot_be_measured_are_named_and_only_none_at_all_is_an_error(folder: Path) -> None:
    (folder / "heart2.nii.gz").write_bytes(b"no map")
    write(folder / "heart9.nrrd", np.where(heart(9) == VALUES["RA"], 0, heart(9)).astype(np.uint8),
          FRAME.affine + np.diag([0.01, 0, 0, 0]))
    found = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1)
    assert found.members == ("heart0", "heart1", "heart3", "heart4")
    assert set(found.skipped) == {"heart2", "heart9"}
    assert "lacks RA" in found.skipped["heart9"]
    for path in folder.iterdir():
        path.write_bytes(b"no map")
    with pytest.raises(InputError, match="None of the 6"):
        measure_cohort(folder, ANATOMY, REFERENCE, jobs=1)


@pytest.mark.parametrize("named", [False, True])
def test_a_sibling_that_has_lost_a_tissue_is_a_finding(tmp_path: Path, named: bool) -> None:
    lost = np.where(heart(3) == VALUES["RA"], 0, heart(3)).astype(np.uint8)
    path = write(tmp_path / ("sibling.seg.nrrd" if named else "sibling.nii.gz"), lost, named=named)
    found = measure_member(Member("sibling", path, {}), ANATOMY, REFERENCE)
    assert found.features[tissue_key("RA")] == 0
    assert {"RA one component", "RV-RA contact"} <= set(found.failed_half)


def test_a_sibling_of_a_renumbered_twin_is_measured_by_its_record(tmp_path: Path) -> None:
    swapped = heart(3).copy()
    for tissue, other in (("LV", "RV"), ("RV", "LV")):
        swapped[heart(3) == VALUES[tissue]] = VALUES[other]
    numbers = {**VALUES, "LV": VALUES["RV"], "RV": VALUES["LV"]}
    segments = [{"value": value, "name": "", "tissue": tissue} for tissue, value in numbers.items()]
    record = Record({}, {}, "", {"canonical_to_ras_mm": np.eye(4).tolist(), "segments": segments},
                    [{"request": {}, "siblings": [{"file": "sibling.nii.gz", "k": 0}]}])
    record.write(tmp_path / "record.json")
    write(tmp_path / "sibling.nii.gz", swapped, named=False)
    found = measure_cohort(tmp_path, ANATOMY, REFERENCE, jobs=1, cache=tmp_path / "cache")
    expected = MeasuredMap.of(LabelMap(heart(3), FRAME.affine), heart(3), ANATOMY)
    assert dict(zip(found.feature_keys, found.features[0], strict=True)) == pytest.approx(expected.features)
    assert np.array_equal(found.labels(0), heart(3))
    told = measure_cohort(tmp_path, ANATOMY, REFERENCE, jobs=1, labels=VALUES)
    assert told.column(tissue_key("LV"))[0] == pytest.approx(found.column(tissue_key("RV"))[0]), "the user's word wins"


def test_keys_of_the_cache_are_those_of_before_but_for_renumbered_members(folder: Path, tmp_path: Path) -> None:
    cache, member = Cache.of(tmp_path, ANATOMY, REFERENCE), find_members(folder)[0]
    before = [cache.settings, member.name, str(member.path.resolve()), signature(member.path), None]
    key = hashlib.sha256(json.dumps(before, sort_keys=True, default=str).encode()).hexdigest()
    values = tuple((value, tissue) for tissue, value in VALUES.items())
    assert cache.key(member) == key == cache.key(replace(member, values=values))
    assert cache.key(replace(member, values=values, renumbered=True)) != key


def test_parts_of_a_cohort_and_several_together(folder: Path) -> None:
    whole = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1)
    part = whole.subset([3, 0], "part")
    assert (part.name, part.members, len(part)) == ("part", ("heart3", "heart0"), 2)
    assert np.array_equal(part.labels(0), heart(3))
    assert part.column(tissue_key("LV")).tolist() == whole.column(tissue_key("LV"))[[3, 0]].tolist()
    assert part.column(tissue_key("Myo")).tolist() == whole.volumes[[3, 0], ANATOMY.ids.index("Myo")].tolist()
    with pytest.raises(InputError, match="does not have this measurement"):
        part.column(tissue_key("spleen"))
    both = join([part, whole.subset([1])], "both")
    assert both.members == ("heart3", "heart0", "heart1")
    assert np.array_equal(both.labels(2), heart(1))
    assert both.violation_percent().tolist() == [100 * len(f) / 12 for f in both.failed_half]


def test_a_run_folder_is_measured_as_its_record_says(tmp_path: Path) -> None:
    place = np.eye(4)
    place[0, 3] = 12.0
    for n in range(2):
        write(tmp_path / f"sibling_{n:04d}.nii.gz", heart(n), place @ FRAME.affine, named=False)
    runs = [{"request": {}, "siblings": [{"file": f"sibling_{n:04d}.nii.gz", "k": n} for n in range(2)]}]
    record = {"schema": 1, "model": {}, "compute": {}, "created": "", "complete": True, "runs": runs,
              "twin": {"canonical_to_ras_mm": place.tolist()}}
    (tmp_path / "record.json").write_text(json.dumps(record))
    found = measure_cohort(tmp_path, ANATOMY, REFERENCE, jobs=1, name="arm")
    assert (found.name, found.members) == ("arm", ("sibling_0000", "sibling_0001"))
    assert np.array_equal(found.labels(1), heart(1))


def test_measures_by_name_are_columns_with_nan_where_a_map_has_none_and_are_kept(folder: Path, tmp_path: Path) -> None:
    cohort = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=tmp_path / "kept", by_name=True)
    alone = [measure(heart(n), FRAME.affine, ANATOMY).values for n in range(5)]
    assert tuple(cohort.named) == keys_of(ANATOMY)
    for key, values in cohort.named.items():
        assert values == pytest.approx(np.array([one.get(key, np.nan) for one in alone]), rel=1e-4, nan_ok=True)
    assert np.isfinite(cohort.named[WALL]).all() and not np.isfinite(cohort.named[ANNULUS]).any()
    again = measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=tmp_path / "kept", by_name=True)
    assert again.named[WALL] == pytest.approx(cohort.named[WALL], abs=1e-6)
    assert cohort.subset([3, 1]).named[WALL].tolist() == cohort.named[WALL][[3, 1]].tolist()
    assert join([cohort, again], "both").named[WALL].shape == (10,)
    assert not measure_cohort(folder, ANATOMY, REFERENCE, jobs=1, cache=tmp_path / "kept").named


def test_the_measures_of_a_record_count_only_for_the_voxels_that_it_describes(folder: Path) -> None:
    path = find_members(folder)[0].path
    labelmap = read_labelmap(path, ANATOMY)
    known = known_labels(labelmap, ANATOMY)
    true = measure(known, labelmap.affine, ANATOMY)
    told = replace(true, values={**true.values, WALL: 99.0})
    entry = {"measures": told.to_json(), "labels_sha256": hash_labelmap(labelmap)}
    assert named_measures(Member("one", path, entry), labelmap, known, ANATOMY).values[WALL] == 99.0
    changed = {**entry, "labels_sha256": "of other voxels"}
    assert named_measures(Member("one", path, changed), labelmap, known, ANATOMY).values[WALL] == true.values[WALL]
    less = {**entry, "measures": {"numbers": entry["measures"]["numbers"], "missing": {}}}  # of an earlier version
    assert named_measures(Member("one", path, less), labelmap, known, ANATOMY).values[WALL] == true.values[WALL]
