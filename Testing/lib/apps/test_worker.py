"""The worker on a small untrained model: its jobs, what it keeps, what it refuses, and the process around them."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.apps.worker import memory
from DiffusionSiblingsLib.apps.worker.progress import Costs, JobProgress
from DiffusionSiblingsLib.apps.worker.protocol import Cancelled, failure
from DiffusionSiblingsLib.apps.worker.service import Service
from DiffusionSiblingsLib.core.errors import DeviceError, InputError, SiblingsError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.engine import Engine
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange
from DiffusionSiblingsLib.metrics.measures.drawing_file import read_drawing
from DiffusionSiblingsLib.runs.pipeline import run as run_here
from DiffusionSiblingsLib.runs.settings import RunSettings

HEART = ellipsoid_heart((40, 36, 44), 3.4, extra=True)
PERTURB = Request("perturb", count=2, steps=3)
ONE = Request("reconstruct")  # the quickest
VOLATILE = ("created", "timings_s", "file", "file_sha256")


class Listener:
    """Stands for the server's task: keeps the events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def emit(self, event: str, **values: Any) -> None:
        self.events.append({"event": event, **values})

    def check(self) -> None:
        """Is never cancelled."""

    def of(self, event: str) -> list[dict[str, Any]]:
        return [values for values in self.events if values["event"] == event]


@pytest.fixture(scope="module")
def workshop(models: Path) -> Service:
    return Service()


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    return write_exchange(HEART, tmp_path / "twin")


def do(workshop: Service, name: str, **values: Any) -> tuple[dict[str, Any], Listener]:
    """One command on the small model -> the values of its end, and its events."""
    listener = Listener()
    command = {"command": name, "model": "small", "device": "cpu", **values}
    return workshop.do(command, listener, lambda course: None), listener


def run(workshop: Service, twin: Path | None, *requests: Request) -> tuple[dict[str, Any], Listener]:
    out = twin.parent if twin is not None else Path(os.environ["SIBLINGS_MODELS"])
    return do(workshop, "run", twin=str(twin) if twin else None, out=str(out / "out"),
              requests=[request.to_json() for request in requests])


def test_siblings_rows_and_record_are_those_of_the_command_line(workshop: Service, twin: Path, tmp_path: Path) -> None:
    inpaint = Request("inpaint", tissues=("RV",), steps=3, ratio=1.0)
    result, heard = run(workshop, twin, PERTURB, inpaint)
    summary = run_here([PERTURB, inpaint], HEART, tmp_path / "cli", RunSettings("small", "cpu"))
    engine = Engine.open("small", "cpu")
    siblings = [sibling for request in (PERTURB, inpaint) for sibling in engine.run(request, engine.twin(HEART))]
    for sibling, event in zip(siblings, heard.of("sibling"), strict=True):
        handed = read_exchange(event["stem"])
        assert np.array_equal(handed.labels, sibling.labelmap.labels)
        assert handed.labels.dtype == HEART.labels.dtype
        assert handed.segments == HEART.segments
    assert result["rows"] == summary.rows
    assert lasting(result["record"]) == lasting(json.loads((tmp_path / "cli" / "record.json").read_text()))
    files = {path.name for path in (tmp_path / "cli").iterdir()}
    assert files == {path.name for path in (tmp_path / "out").iterdir()} - {
        f"sibling_{n:04d}.{suffix}" for n in range(3) for suffix in ("npy", "json")}
    assert (tmp_path / "out" / "metrics.csv").read_text() == (tmp_path / "cli" / "metrics.csv").read_text()
    assert [(event["request"], event["k"]) for event in heard.of("sibling")] == [(0, 0), (0, 1), (1, 0)]
    assert [event["row"] for event in heard.of("twin") + heard.of("sibling")] == result["rows"]
    json.dumps(result, allow_nan=False)


def lasting(values: Any) -> Any:
    """A record without what differs between two runs of the same."""
    if isinstance(values, dict):
        return {key: lasting(value) for key, value in values.items() if key not in VOLATILE}
    return [lasting(value) for value in values] if isinstance(values, list) else values


def test_model_and_twin_stay_loaded_until_another_is_asked_for(workshop: Service, twin: Path, tmp_path: Path) -> None:
    run(workshop, twin, ONE)
    engine, encoded = workshop._engine, workshop._twin
    run(workshop, twin, ONE)
    assert workshop._engine is engine
    assert workshop._twin is encoded
    others = tuple(dataclasses.replace(segment, name=f"my {segment.name}") for segment in HEART.segments)
    renamed = dataclasses.replace(HEART, segments=others)
    _, heard = run(workshop, write_exchange(renamed, tmp_path / "renamed"), ONE)
    assert workshop._engine is engine
    assert workshop._twin is not encoded
    assert read_exchange(heard.of("sibling")[0]["stem"]).segments == renamed.segments


def test_hearts_without_a_twin(workshop: Service, models: Path) -> None:
    result, heard = run(workshop, None, Request("generate", steps=2, repair=False))
    assert [row["map"] for row in result["rows"]] == ["sibling_0000"]
    assert result["record"]["twin"] is None
    assert heard.of("twin") == []
    assert {s.tissue for s in read_exchange(heard.of("sibling")[0]["stem"]).segments} == set(HEART.tissues)


def test_a_replay_says_identical_and_notices_a_change(workshop: Service, twin: Path) -> None:
    result, heard = run(workshop, twin, PERTURB)
    record = result["record"]
    again, told = do(workshop, "replay", record=record, twin=str(twin))
    assert [row["verdict"] for row in again["rows"]] == ["identical"] * 2
    assert len(told.of("replayed")) == 2
    record["runs"][0]["request"]["seed"] = 9
    folder = str(Path(heard.of("sibling")[0]["stem"]).parent)
    other, _ = do(workshop, "replay", record=record, twin=str(twin), siblings=folder)
    assert {row["verdict"] for row in other["rows"]} == {"different"}
    assert all(row["least Dice"] < 1 for row in other["rows"])


def test_a_replay_wants_the_twin_of_the_record(workshop: Service, twin: Path, tmp_path: Path) -> None:
    record = run(workshop, twin, ONE)[0]["record"]
    with pytest.raises(InputError, match="not there"):
        do(workshop, "replay", record=record, twin=None)
    changed = HEART.with_labels(np.where(np.indices(HEART.labels.shape)[0] == 20, 0, HEART.labels).astype(np.uint8))
    with pytest.raises(InputError, match="not the twin"):
        do(workshop, "replay", record=record, twin=str(write_exchange(changed, tmp_path / "changed")))


def test_label_maps_are_measured_as_they_are(workshop: Service, twin: Path) -> None:
    result, _ = do(workshop, "measure", maps=[str(twin), str(twin)], names=["one", "two"])
    measured = run(workshop, twin, ONE)[0]["rows"][0]
    assert [row["map"] for row in result["rows"]] == ["one", "two"]
    assert result["rows"][0]["LV volume [ml]"] == measured["LV volume [ml]"]


def test_where_measures_are_is_written_into_a_file(workshop: Service, twin: Path, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    result, heard = do(workshop, "draw", map=str(twin), out=str(tmp_path / "drawing.npz"), title="one")
    drawing = read_drawing(result["drawing"])
    assert drawing.lines or drawing.missing
    assert "one" in heard.of("progress")[0]["what"]


def test_hello_names_each_graphics_card(workshop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_available", True), ("device_count", 2)):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda card: f"RTX {card}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: (card + 1, 8))
    result, _ = do(workshop, "hello")
    cards = [device for device in result["devices"] if device["id"] != "cpu"]
    assert [(device["id"], device["name"], device["free"]) for device in cards] == [
        ("cuda:0", "RTX 0", 1), ("cuda:1", "RTX 1", 2)]


def test_hello_names_versions_and_devices(workshop: Service) -> None:
    result, _ = do(workshop, "hello")
    assert result["torch"] == torch.__version__
    assert "cpu" in {device["id"] for device in result["devices"]}


@pytest.mark.parametrize(("command", "message"), [
    ({"command": "dance"}, "does not know"), ({"command": "run", "requests": []}, "out is missing"),
    ({"command": "run", "requests": [], "out": "x"}, "has no request"),
    ({"command": "run", "requests": [{"edit": "perturb"}], "out": "x", "model": "small"}, "needs a twin"),
    ({"command": "run", "requests": [{"edit": "perturb", "ratio": 3}], "out": "x"}, "ratio"),
    ({"command": "run", "requests": [{"edit": "perturb"}], "out": "x", "twin": "nowhere"}, "nowhere"),
])
def test_a_command_that_cannot_be_done_is_refused(workshop: Service, command: dict, message: str) -> None:
    with pytest.raises(SiblingsError, match=message):
        workshop.do(command, Listener(), lambda course: None)


def test_a_twin_that_lacks_a_tissue_is_refused(workshop: Service, tmp_path: Path) -> None:
    lacking = dataclasses.replace(HEART, segments=tuple(s for s in HEART.segments if s.tissue != "LA"))
    with pytest.raises(InputError, match="LA"):
        run(workshop, write_exchange(lacking, tmp_path / "lacking"), ONE)


def test_without_memory_the_run_is_refused_before_it_starts(workshop: Service, twin: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 50 * memory.MIB)
    with pytest.raises(DeviceError, match=r"0\.0 GB free") as caught:
        run(workshop, twin, ONE)
    assert "crop" in caught.value.hint
    large, _ = do(workshop, "estimate", shape=[400, 512, 512])
    small, _ = do(workshop, "estimate", shape=[100, 100, 100])
    assert large["needed"] > 2e9 > small["needed"]
    assert not large["enough"]
    monkeypatch.undo()
    assert run(workshop, twin, ONE)[0]["record"]["complete"]


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
                                   RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 B")])
def test_memory_that_runs_out_ends_in_a_message_and_the_worker_works_on(
        workshop: Service, twin: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Engine, "run", no_memory)
    with pytest.raises(type(error)) as caught:
        run(workshop, twin, ONE)
    explained = workshop.explain(caught.value)
    assert isinstance(explained, DeviceError)
    assert "close other programs" in explained.hint
    assert workshop._engine is None  # given up, so that there is room for the next one
    monkeypatch.undo()
    assert run(workshop, twin, ONE)[0]["record"]["complete"]


def test_progress_grows_over_the_whole_job_and_names_what_is_done(workshop: Service, twin: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("DiffusionSiblingsLib.apps.worker.progress.EVERY", 0.0)
    workshop._engine = workshop._twin = None
    _, heard = run(workshop, twin, PERTURB, Request("inpaint", tissues=("RV",), steps=4, ratio=1.0))
    told = heard.of("progress")
    done = [event["done"] for event in told]
    assert done == sorted(done)
    assert done[0] < 0.1
    assert 0.5 < done[-1] < 1
    assert all(event["seconds_left"] >= 0 for event in told)
    order = list(dict.fromkeys(event["what"] for event in told))
    assert order[0].startswith("Opening")
    assert order[-2:] == ["Sampling sibling 3 of 3", "Checking sibling 3 of 3"]


def test_progress_of_siblings_that_are_sampled_together(workshop: Service, twin: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("DiffusionSiblingsLib.apps.worker.progress.EVERY", 0.0)
    monkeypatch.setattr("DiffusionSiblingsLib.engine.compute.Compute.batch", property(lambda self: 2))
    _, heard = run(workshop, twin, Request("perturb", count=3, steps=4))
    order = list(dict.fromkeys(event["what"] for event in heard.of("progress")))
    assert order[-5:] == ["Sampling sibling 1 of 3", "Checking sibling 1 of 3", "Checking sibling 2 of 3",
                          "Sampling sibling 3 of 3", "Checking sibling 3 of 3"]


def test_time_left_is_that_of_the_planned_work_at_the_pace_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    costs, told = Costs(), []
    course = JobProgress(costs, lambda done, what, left: told.append((done, left)))
    course.plan("open", 1)
    course.plan("sample", 200)
    assert course.seconds_left() == pytest.approx(1.5 + 200 * 0.1)
    course.start("open", "Opening", 1)
    clock[0] += 4
    course.start("sample", "Sampling", 100)
    for step in range(1, 101):
        clock[0] += 0.02
        course.advance(step)
    assert course.seconds_left() == pytest.approx(100 * 0.1, rel=0.01)  # the other hundred, until this one is taken in
    course.finish()
    assert costs.seconds["open"] == pytest.approx(4)
    assert costs.seconds["sample"] == pytest.approx(0.02)
    assert course.seconds_left() == pytest.approx(100 * 0.02)
    assert told[-1][0] > 0.3
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_least_of_container_and_machine_counts(tmp_path: Path) -> None:
    assert 0 < memory.free_memory() < 2**50  # type: ignore[operator]
    inner = tmp_path / "v2" / "pod" / "box"
    inner.mkdir(parents=True)
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/box\n")
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("100\n")
    assert memory._container(tmp_path / "v2", own) is None
    (inner.parent / "memory.max").write_text("1000\n")
    (inner.parent / "memory.current").write_text("700\n")
    (inner.parent / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    assert memory._container(tmp_path / "v2", own) == 500
    old = tmp_path / "v1" / "memory" / "box"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("900")
    (old / "memory.usage_in_bytes").write_text("600")
    own.write_text("9:cpu,cpuacct:/box\n8:memory:/box\n")
    assert memory._container(tmp_path / "v1", own) == 300
    assert memory._container(tmp_path / "nowhere", tmp_path / "none") is None


def test_an_error_of_the_program_travels_with_its_place() -> None:
    try:
        raise ZeroDivisionError("5 / 0")
    except ZeroDivisionError as error:
        told = failure(error)
    assert told["kind"] == "SiblingsError"
    assert "ZeroDivisionError: 5 / 0" in told["value"]
    assert "test_worker.py" in told["log"]
    assert failure(InputError("x", value=1, rule="y", hint="z")) == {
        "kind": "InputError", "what": "x", "value": "1", "rule": "y", "hint": "z", "log": ""}
    assert "requirements" in failure(ImportError("no torch"))["rule"]


def test_cancelled_is_no_error_that_anything_catches_on_its_way() -> None:
    assert not issubclass(Cancelled, Exception)
