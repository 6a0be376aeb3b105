"""Runs of the worker are runs of the command line: acceptance checks, resuming, several processes, and cancelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearts import ellipsoid_heart
from quick_runs import lasting, record, stamps

from DiffusionSiblingsLib.apps.worker.protocol import Cancelled
from DiffusionSiblingsLib.apps.worker.service import Service
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange
from DiffusionSiblingsLib.runs import run_folder

HEART = ellipsoid_heart((40, 36, 44), 3.4)


class Listener:
    """Stands for the server's task: keeps the events, and is cancelled after so many siblings."""

    def __init__(self, siblings: int | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.most = siblings

    def emit(self, event: str, **values: Any) -> None:
        self.events.append({"event": event, **values})

    def check(self) -> None:
        if self.most is not None and len(self.of("sibling")) >= self.most:
            raise Cancelled

    def of(self, event: str) -> list[dict[str, Any]]:
        return [values for values in self.events if values["event"] == event]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))


@pytest.fixture(scope="module")
def service(models: Path) -> Service:
    return Service()


def run(service: Service, out: Path, count: int, *, cancelled_after: int | None = None,
        **values: Any) -> tuple[dict[str, Any], Listener]:
    listener = Listener(cancelled_after)
    request = Request("generate", count=count, steps=2, repair=False).to_json()
    command = {"command": "run", "model": "small", "device": "cpu", "out": str(out), "requests": [request], **values}
    return service.do(command, listener, lambda course: None), listener


@pytest.fixture(scope="module")
def whole(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three siblings that nothing disturbed."""
    out = tmp_path_factory.mktemp("worker") / "whole"
    run(service, out, 3, overview=False)
    return out


def test_a_gate_sets_siblings_aside_and_the_limit_ends_the_run(service: Service, tmp_path: Path) -> None:
    result, heard = run(service, tmp_path, 1, gate="components", limit=2)
    (made,) = result["record"]["runs"]
    assert (made["gate"]["checks"], made["gate"]["drawn"], len(made["rejected"])) == ("components", 2, 2)
    assert made["siblings"] == [] == heard.of("sibling") and result["rows"] == []
    assert all(entry["rejected"] for entry in made["rejected"])
    with pytest.raises(InputError, match="check is unknown"):
        run(service, tmp_path / "other", 1, gate="beauty")


def test_a_run_is_resumed_and_tells_of_all_its_siblings(service: Service, whole: Path, tmp_path: Path) -> None:
    run(service, tmp_path, 1, resume=True)
    before = stamps(tmp_path)["sibling_0000.nii.gz"]
    result, heard = run(service, tmp_path, 3, resume=True)
    assert [event["index"] for event in heard.of("sibling")] == [0, 1, 2]
    assert stamps(tmp_path)["sibling_0000.nii.gz"] == before
    assert lasting(result["record"]) == lasting(record(whole))
    again = read_exchange(heard.of("sibling")[0]["stem"])  # from its file
    _, fresh = run(service, tmp_path / "fresh", 1)
    made = read_exchange(fresh.of("sibling")[0]["stem"])  # from memory
    assert np.array_equal(again.labels, made.labels) and again.segments == made.segments
    assert again.labels.dtype == made.labels.dtype and np.array_equal(again.affine, made.affine)
    with pytest.raises(OutputError, match="another run"):
        run(service, tmp_path, 3, resume=False)


def test_a_cancelled_run_leaves_whole_files_and_is_resumed(service: Service, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(service, tmp_path, 3, cancelled_after=1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "record.json", "metrics.csv", "sibling_0000.nii.gz", "sibling_0000.npy", "sibling_0000.json"}
    stopped = record(tmp_path)
    assert not stopped["complete"] and len(stopped["runs"][0]["siblings"]) == 1
    result, _ = run(service, tmp_path, 3, resume=True)
    assert lasting(result["record"]) == lasting(record(whole))


def test_several_processes_make_the_same_siblings(service: Service, whole: Path, tmp_path: Path) -> None:
    result, heard = run(service, tmp_path, 3, jobs=2, overview=False)
    assert result["record"]["compute"]["workers"] == 2
    assert lasting(result["record"]) == lasting(record(whole))
    assert sorted(event["index"] for event in heard.of("sibling")) == [0, 1, 2]
    assert [row["map"] for row in result["rows"]] == ["sibling_0000", "sibling_0001", "sibling_0002"]
    assert any(event["what"] == "Making 3 siblings in 2 processes" for event in heard.of("progress"))
    with pytest.raises(InputError, match="jobs"):
        run(service, tmp_path / "none", 1, jobs=0)


def test_siblings_are_handed_over_in_another_folder_than_the_run_stays_in(service: Service, whole: Path,
                                                                          tmp_path: Path) -> None:
    _, heard = run(service, tmp_path / "run", 1, exchange=str(tmp_path / "exchange"), overview=False)
    (event,) = heard.of("sibling")
    assert Path(event["stem"]).parent == tmp_path / "exchange"
    assert read_exchange(event["stem"]).labels.any()
    assert not list((tmp_path / "run").glob("*.npy")) and (tmp_path / "run" / event["entry"]["file"]).is_file()


def test_a_replay_leaves_out_what_the_gate_rejected(service: Service, whole: Path, tmp_path: Path) -> None:
    kept = record(whole)
    del kept["runs"][0]["siblings"][1]
    listener = Listener()
    command = {"command": "replay", "record": kept, "device": "cpu", "siblings": str(whole)}
    found = service.do(command, listener, lambda course: None)
    assert [(row["sibling"], row["verdict"]) for row in found["rows"]] == [
        ("sibling_0000.nii.gz", "identical"), ("sibling_0002.nii.gz", "identical")]
    kept["runs"][0]["request"]["seed"] = 9
    rows = service.do({**command, "record": kept}, listener, lambda course: None)["rows"]
    assert {row["verdict"] for row in rows} == {"different"} and all(row["least Dice"] < 1 for row in rows)


def test_the_twin_is_measured_once_for_two_runs(service: Service, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    from DiffusionSiblingsLib.editing import planned

    measured: list[object] = []
    of = planned.MeasuredMap.of

    def counted(*given: Any, **named: Any) -> Any:
        measured.append(given)
        return of(*given, **named)

    monkeypatch.setattr(planned.MeasuredMap, "of", counted)
    twin = write_exchange(HEART, tmp_path / "twin")
    for _ in range(2):
        run(service, tmp_path / "out", 1, twin=str(twin), requests=[Request("reconstruct").to_json()])
    assert len(measured) == 1
