"""`siblings measure` over folders: map by map, in order, rows kept as they come; and the table that grows."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from DiffusionSiblingsLib.apps.cli import measured_rows, measuring
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.cohorts import pool
from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.cohorts.pool import Workers, each, in_order, jobs_of
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.core.record import Record
from DiffusionSiblingsLib.core.tables import write_metrics_csv
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.runs.streamed_csv import StreamedTable

ANATOMY = load_anatomy()


def blocks(seed: int) -> LabelMap:
    """A map with all tissues in a small grid: slabs whose places differ by the seed."""
    labels = np.zeros((16, 16, 16), np.uint8)
    cuts = np.cumsum([0, *(2 + np.random.default_rng(seed).integers(0, 2, len(ANATOMY.tissues)))])
    for tissue, low, high in zip(ANATOMY.tissues, cuts[:-1], cuts[1:], strict=True):
        labels[low:high, 2:14, 2:14] = tissue.label
    return LabelMap(labels, np.diag([2.0, 2, 2, 1]), tuple(Segment(t.label, t.name, t.id) for t in ANATOMY.tissues))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in (0, 1, 2, 10):
        write_labelmap(blocks(n), tmp_path / "maps" / f"map{n}.seg.nrrd")
    return tmp_path / "maps"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_measured_map_by_map_in_order(folder: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(folder), "--json", "--jobs", "1", "--out", str(tmp_path / "out")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [Path(row["map"]).name for row in shown] == [f"map{n}.seg.nrrd" for n in (0, 1, 2, 10)]
    kept = rows(tmp_path / "out" / "metrics.csv")
    assert [float(row["LV volume [ml]"]) for row in kept] == pytest.approx([row["LV volume [ml]"] for row in shown])
    assert main(["measure", str(folder / "map1.seg.nrrd"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [shown[1]]


def test_a_folder_of_masks_is_still_one_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelmap(blocks(0), tmp_path / "patient", "folder")
    assert main(["measure", str(tmp_path / "patient"), "--json"]) == 0
    assert [row["map"] for row in json.loads(capsys.readouterr().out)] == [str(tmp_path / "patient")]
    write_labelmap(blocks(1), tmp_path / "other", "folder")
    assert main(["measure", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_bad_maps_and_empty_folders_are_named_and_the_rest_is_measured(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "map1.seg.nrrd").write_bytes(b"no map")
    (tmp_path / "empty").mkdir()
    assert main(["measure", str(folder), str(tmp_path / "empty"), "--json"]) == 2
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)) == 3
    assert "map1.seg.nrrd" in shown.err
    assert "holds no label maps" in shown.err


def test_a_missing_tissue_leaves_empty_cells_and_a_failed_check(tmp_path: Path,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    whole = blocks(0)
    labels = np.where(whole.labels == ANATOMY.label_of("Ao"), 0, whole.labels).astype(np.uint8)
    write_labelmap(whole.with_labels(labels), tmp_path / "map.seg.nrrd")
    assert main(["measure", str(tmp_path / "map.seg.nrrd"), "--json"]) == 0
    shown = capsys.readouterr()
    (row,) = json.loads(shown.out)
    assert row["Ao volume [ml]"] == "" and row["LV volume [ml]"] > 0 and "LV-Ao contact" in row["failed checks"]
    assert "Ao (Aorta) is empty" in shown.err


def test_one_file_ends_nothing_whatever_is_wrong_with_it(
        folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = measuring.read_member

    def failing(member: Member, *rest: object, **more: object) -> LabelMap:
        if member.name == "map1":
            raise ValueError("no such place")
        return real(member, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "read_member", failing)
    assert main(["measure", str(folder), "--json", "--jobs", "1"]) == 2
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)) == 3 and "map1.seg.nrrd: ValueError: no such place" in shown.err


def test_rows_of_any_number_of_maps_are_printed_and_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    some = [{"map": f"é\n{n}", "x": n / 3, "y": None if n % 2 else float("nan")} for n in range(300)]
    for count in (0, 1, 300):
        with measured_rows.MeasuredRows(as_json=True) as kept:
            for row in some[:count]:
                kept.add([row], [row])
            kept.show(None)
        assert not kept._first and not kept._numbers
        expected = [{**row, "y": None} for row in some[:count]]
        assert capsys.readouterr().out == json.dumps(expected, indent=1) + "\n"
    with measured_rows.MeasuredRows(as_json=False) as kept:
        kept.add(some, some)
        kept.show(None)
    assert len(kept._first) == measured_rows.SHOWN and "300 maps" in capsys.readouterr().out


def test_of_many_maps_the_spread_is_shown(folder: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_rows, "SHOWN", 3)
    assert main(["measure", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "LV volume [ml]" in shown
    assert "95" in shown
    assert "4 maps; give --out DIR for all rows" in shown


def test_a_stopped_run_keeps_its_rows(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = measuring._work, []

    def stopped(member: object) -> object:
        seen.append(member)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(member)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "_work", stopped)
    assert main(["measure", str(folder), "--jobs", "1", "--out", str(tmp_path)]) == 130
    assert not (tmp_path / "metrics.csv").exists()
    assert len(rows(tmp_path / "metrics.csv.part")) == 2


def test_a_control_is_of_one_map(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(folder), "--preset", "enlarge-rv", "--write", "control.json"]) == 2
    assert "A control belongs to one heart" in capsys.readouterr().err


def test_siblings_are_measured_by_their_record_also_one_by_one(tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    heart, swap = blocks(0), np.arange(8, dtype=np.uint8)
    left, right = ANATOMY.label_of("LV"), ANATOMY.label_of("RV")
    swap[[left, right]] = right, left
    for n in range(2):
        write_labelmap(LabelMap(swap[heart.labels], heart.affine), tmp_path / f"sibling_000{n}.nii.gz")
    twin = {"canonical_to_ras_mm": np.eye(4).tolist(), "segments": [
        {"value": int(swap[tissue.label]), "name": "", "tissue": tissue.id} for tissue in ANATOMY.tissues]}
    files = [{"file": f"sibling_000{n}.nii.gz", "k": n} for n in range(2)]
    Record({}, {}, "", twin, [{"request": {}, "siblings": files}]).write(tmp_path / "record.json")
    expected = np.count_nonzero(heart.labels == left) * 0.008
    for words in ([str(tmp_path)], [str(tmp_path / file["file"]) for file in files]):
        assert main(["measure", *words, "--json"]) == 0
        assert [row["LV volume [ml]"] for row in json.loads(capsys.readouterr().out)] == pytest.approx([expected] * 2)


# The table

def test_rows_are_there_at_once_and_the_file_equals_one_written_in_one_go(tmp_path: Path) -> None:
    some = [{"map": "a, b", "x": 1.23456789}, {"map": "c", "x": None}, {"map": "d", "x": 2, "y": "new\ncolumn"},
            {"map": "e", "y": True}]
    path = tmp_path / "deeper" / "table.csv"
    with StreamedTable(path) as table:
        for n, row in enumerate(some, 1):
            table.add([row])
            assert len(rows(path.with_name("table.csv.part"))) == n
            assert not path.exists()
    assert path.read_text() == write_metrics_csv(tmp_path / "whole.csv", some).read_text()
    assert list(path.parent.iterdir()) == [path]


def test_a_table_without_a_place_or_without_rows_writes_nothing(tmp_path: Path) -> None:
    with StreamedTable(None) as table:
        table.add([{"a": 1}])
    with StreamedTable(tmp_path / "t.csv"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), StreamedTable(tmp_path / "file" / "t.csv") as table:
        table.add([{"a": 1}])


# Processes

def slow_square(number: int) -> int:
    return number * number


def late_first(number: int) -> float:
    if number == 0:
        time.sleep(1.0)
    return time.monotonic()


def test_what_waits_for_a_slow_one_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAITING", 3)
    times = [when for _, when in pool.in_order(late_first, range(20), 2)]
    assert sum(when < times[0] for when in times) == 5, "six are handed out, the slow one among them"


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_from_several_processes_and_a_killed_one_is_said() -> None:
    items = list(range(7))
    assert list(in_order(slow_square, items, 2)) == [(n, n * n) for n in items]
    assert sorted(each(slow_square, items, 1)) == [(n, n * n) for n in items]
    with Workers(2) as workers, pytest.raises(OutputError, match="stopped before it finished"):
        list(workers.each(die, items))
    with pytest.raises(InputError, match="number of processes"):
        jobs_of(-1)
    assert jobs_of(0) >= 1
