"""Batches in one process: going on, growing, gates and redraws; and who draws which sibling, in any order."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.anatomy import load_anatomy
from DiffusionSiblingsLib.batch import make, maker, making
from DiffusionSiblingsLib.batch.draws import Draws
from DiffusionSiblingsLib.batch.job import Idle, Job, Lost, Ready, Task
from DiffusionSiblingsLib.batch.lock import locked
from DiffusionSiblingsLib.cli import main, running
from DiffusionSiblingsLib.compute import find_compute
from DiffusionSiblingsLib.errors import DeviceError, InputError, OutputError, SiblingsError
from DiffusionSiblingsLib.export import run_folder
from DiffusionSiblingsLib.export.streamed import write_json
from DiffusionSiblingsLib.gate import Verdict
from DiffusionSiblingsLib.labelmap import LabelMap
from DiffusionSiblingsLib.metrics.topology import check_both
from DiffusionSiblingsLib.request import Request
from DiffusionSiblingsLib.result import Sibling

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
CHECKS = check_both(HEART.labels, ANATOMY)
CANONICAL = np.zeros((128, 128, 128), np.uint8)
ASKED = [Request("generate", count=4, seed=3), Request("generate", count=2, seed=5)]
VOLATILE = ("created", "timings_s", "compute", "count")


class StoppedError(Exception):
    """Raised by a test in the middle of a run."""


class QuickEngine:
    """An engine whose siblings are one heart with a few voxels of their own."""

    def __init__(self) -> None:
        self.compute, self.anatomy = find_compute("cpu"), ANATOMY

    @classmethod
    def open(cls, *_: Any, **__: Any) -> QuickEngine:
        return cls()

    def run(self, request: Request, twin: Any = None, progress: Any = None) -> Iterator[Sibling]:
        for k in range(request.first, request.first + request.count):
            rng = np.random.default_rng([request.seed, k])
            labels = HEART.labels.copy()
            labels[0, 0, :3] = rng.integers(0, 7, 3)
            volumes = {tissue: float(rng.uniform(50, 150)) for tissue in ANATOMY.ids}
            features = {f"{tissue} volume [ml]": value for tissue, value in volumes.items()}
            progress(1, 2)
            yield Sibling(request, k, HEART.with_labels(labels), labels, CANONICAL, 80.0, features, features, volumes,
                          CHECKS, CHECKS, None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No networks and no pictures: what is tested is who makes what, and what is left in the folder."""
    monkeypatch.setattr(maker, "Engine", QuickEngine)
    monkeypatch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))


class SomeGate:
    """A gate that keeps out about a third of all maps, by their voxels."""

    @classmethod
    def parse(cls, text: str) -> SomeGate:
        return cls()

    def check(self, labels: np.ndarray, affine: np.ndarray, anatomy: Any) -> Verdict:
        return Verdict(True) if int(labels.astype(np.int64).sum()) % 3 else Verdict(False, ("a third",), ("some",))


class NoGate(SomeGate):
    """A gate that nothing passes."""

    def check(self, labels: np.ndarray, affine: np.ndarray, anatomy: Any) -> Verdict:
        return Verdict(False, ("none",), ("none",))


@pytest.fixture
def some_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "Gate", SomeGate)


def run(out: Path, requests: list[Request] = ASKED, twin: LabelMap | None = None, **settings: Any) -> Any:
    return make(requests, twin, out, model="small", device="cpu", **settings)


def after(siblings: int, out: Path) -> Any:
    """A progress callback that stops a run when so many are there."""
    def show(done: float, asked: int, words: str) -> None:
        if len(stamps(out)) >= siblings:
            raise StoppedError
    return show


def record(out: Path) -> dict[str, Any]:
    return json.loads((out / "record.json").read_text(encoding="utf-8"))


def lasting(values: Any) -> Any:
    """A record without what differs between two runs of the same."""
    if isinstance(values, dict):
        return {key: lasting(value) for key, value in values.items() if key not in VOLATILE}
    return [lasting(value) for value in values] if isinstance(values, list) else values


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("sibling_*")}


@pytest.fixture
def whole(models: Path, tmp_path: Path) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path / "whole"
    made = run(out)
    assert (made.complete, made.asked, made.accepted, made.made, made.short) == (True, 6, 6, 6, 0)
    return out


@pytest.mark.parametrize("at", [1, 5])
def test_a_stopped_run_goes_on_to_the_same_folder(whole: Path, tmp_path: Path, at: int) -> None:
    with pytest.raises(StoppedError):
        run(tmp_path / "run", progress=after(at, tmp_path / "run"))
    stopped, before = record(tmp_path / "run"), stamps(tmp_path / "run")
    assert not stopped["complete"] and not (tmp_path / "run" / ".parts").exists()
    assert sum(len(entry["siblings"]) for entry in stopped["runs"]) == len(before) == at
    made = run(tmp_path / "run", resume=True)
    assert (made.made, made.accepted, made.complete) == (6 - at, 6, True)
    assert stamps(tmp_path / "run").items() >= before.items()  # none is made twice
    assert lasting(record(tmp_path / "run")) == lasting(record(whole))
    assert (tmp_path / "run" / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(path.name for path in whole.iterdir())


def test_what_a_killed_run_had_not_recorded_is_found_in_its_parts(whole: Path, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    from DiffusionSiblingsLib.export.run_folder import RunFolder

    with monkeypatch.context() as patch, pytest.raises(StoppedError):  # as after SIGKILL: nothing is tidied up
        patch.setattr(RunFolder, "finish", lambda *_, **__: None)
        patch.setattr("DiffusionSiblingsLib.export.run_folder.SHARE", 1e-9)
        run(tmp_path / "run", progress=after(3, tmp_path / "run"))
    assert (tmp_path / "run" / ".parts").exists()
    assert not record(tmp_path / "run")["runs"][0]["siblings"]
    (tmp_path / "run" / "sibling_0001.nii.gz").unlink()  # and one that somebody took away is made again
    made = run(tmp_path / "run", resume=True)
    assert made.made == 4
    assert lasting(record(tmp_path / "run")) == lasting(record(whole))


def test_a_stop_while_a_run_is_taken_up_again_loses_nothing(whole: Path, tmp_path: Path) -> None:
    def stop(done: float, asked: int, words: str) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(tmp_path / "run", progress=after(4, tmp_path / "run"))
    with pytest.raises(StoppedError):
        run(tmp_path / "run", resume=True, progress=stop)
    assert run(tmp_path / "run", resume=True).made == 2
    assert lasting(record(tmp_path / "run")) == lasting(record(whole))


def test_a_run_grows_when_more_is_asked_for(whole: Path, tmp_path: Path) -> None:
    small = [Request("generate", count=2, seed=3), Request("generate", count=1, seed=5)]
    run(tmp_path / "run", small)
    assert run(tmp_path / "run", resume=True).made == 3
    assert lasting(record(tmp_path / "run")) == lasting(record(whole))
    with pytest.raises(InputError, match="more siblings"):
        run(tmp_path / "run", small, resume=True)


def test_a_complete_run_is_left_as_it_is_without_loading_a_model(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    monkeypatch.setattr(maker, "Maker", None)
    made = run(whole, resume=True)
    assert (made.made, made.accepted, made.complete, len(made.rows)) == (0, 6, True, 6)
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


@pytest.mark.parametrize(("changes", "words"), [
    ({"requests": [Request("generate", count=4, seed=4), ASKED[1]]}, "seed"),
    ({"requests": [ASKED[0]]}, "number of requests"),
    ({"twin": HEART}, "twin"),
    ({"gate": "components"}, "gate"),
])
def test_another_run_is_not_gone_on_with(whole: Path, changes: dict[str, Any], words: str) -> None:
    before = record(whole)
    with pytest.raises(InputError, match=f"another {words}"):
        run(whole, resume=True, **changes)
    assert record(whole) == before


def test_a_folder_in_use_or_of_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--resume"):
        run(whole)
    with pytest.raises(InputError, match="replaced"):
        run(whole, resume=True, replace=True)
    with pytest.raises(StoppedError):
        run(tmp_path / "run", progress=after(1, tmp_path / "run"))
    with locked(tmp_path / "run" / ".parts"), pytest.raises(InputError, match="at work"):
        run(tmp_path / "run", resume=True)


@pytest.mark.parametrize("settings", [{"jobs": 0}, {"jobs": -2}, {"limit": 0}, {"gate": "beauty"},
                                      {"requests": [Request("perturb")]}, {"requests": []},
                                      {"cluster": "nowhere:1", "jobs": -1}])
def test_bad_settings_are_refused_before_anything_is_written(models: Path, tmp_path: Path,
                                                             settings: dict[str, Any]) -> None:
    with pytest.raises(SiblingsError):
        run(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_gate_sets_aside_with_reasons_and_others_are_drawn(models: Path, tmp_path: Path, some_gate: None) -> None:
    asked = [Request("generate", count=15), Request("generate", count=4, seed=1)]
    made = run(tmp_path / "run", asked, gate="contacts", limit=10)
    assert made.complete and made.accepted == 19 and not made.short
    found = record(tmp_path / "run")
    for number, entry in enumerate(found["runs"]):
        kept, out = [s["k"] for s in entry["siblings"]], [s["k"] for s in entry.get("rejected", [])]
        assert sorted([*kept, *out]) == list(range(len(kept) + len(out)))  # no k left out, none beyond the last needed
        assert max(kept) > max(out, default=-1)
        assert len(kept) == asked[number].count
        for entry_aside in entry.get("rejected", []):
            assert entry_aside["rejected"] == ["a third"] and entry_aside["file"] is None and entry_aside["features"]
        gate = entry["gate"]
        assert (gate["checks"], gate["accepted"], gate["drawn"]) == ("contacts", len(kept), len(kept) + len(out))
        assert gate["acceptance"] == pytest.approx(len(kept) / gate["drawn"], abs=1e-4)
    assert made.drawn > made.accepted
    assert [s["file"] for entry in found["runs"] for s in entry["siblings"]] == sorted(stamps(tmp_path / "run"))
    assert [row["map"] for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open())] == [
        name.split(".")[0] for name in sorted(stamps(tmp_path / "run"))]


def test_a_gated_run_that_was_stopped_draws_the_same(models: Path, tmp_path: Path, some_gate: None) -> None:
    asked = [Request("generate", count=9)]
    run(tmp_path / "whole", asked, gate="contacts")
    with pytest.raises(StoppedError):
        run(tmp_path / "stopped", asked, gate="contacts", progress=after(3, tmp_path / "stopped"))
    run(tmp_path / "stopped", asked, gate="contacts", resume=True)
    assert lasting(record(tmp_path / "stopped")) == lasting(record(tmp_path / "whole"))


class Backwards:
    """Three workers of which the one that was given its task last is ready first."""

    size, scheduler = 3, "backwards"

    def __init__(self, job: Job) -> None:
        self.maker, self.given = maker.Maker(job), list[tuple[int, Task]]()

    def start(self) -> None:
        self.begun = False

    def give(self, worker: int, task: Task) -> None:
        self.given.append((worker, task))

    def wait(self) -> list[tuple[int, Any]]:
        if not self.begun:
            self.begun = True
            return [(worker, self.maker.ready) for worker in range(self.size)]
        worker, task = self.given.pop()
        return [(worker, finished) for finished in self.maker.make(task, lambda _: None)] + [(worker, Idle())]

    def close(self, *, at_once: bool) -> None:
        pass


@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_stopped_gated_run_keeps_what_waits_for_its_number(models: Path, tmp_path: Path, some_gate: None, at: int,
                                                             monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    asked, out, told = [Request("generate", count=9)], tmp_path / "run", list[Any]()
    whole = run(tmp_path / "whole", asked, gate="contacts")

    def stop(done: float, asked: int, words: str) -> None:
        if done >= at:
            raise StoppedError

    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(making, "_crew", lambda job, *_: Backwards(job))
        run(out, asked, gate="contacts", progress=stop, report=told.append)
    (held,) = record(out)["runs"]
    kept, aside = len(held["siblings"]), len(held.get("rejected", []))
    assert (held["gate"]["accepted"], held["gate"]["drawn"]) == (kept, kept + aside)
    assert (told[0].accepted, told[0].drawn) == (kept, kept + aside)
    assert (kept, told[0].unplaced) == (0, at) and not stamps(out)
    running._report(told[0], False)
    assert f"{at} more are finished" in capsys.readouterr().out
    assert run(out, asked, gate="contacts", resume=True).made == whole.made - at - aside
    assert lasting(record(out)) == lasting(record(tmp_path / "whole"))
    assert not (out / ".parts").exists()


def test_a_gate_that_nothing_passes_ends_at_its_limit(models: Path, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(maker, "Gate", NoGate)
    arguments = ["generate", "--count", "1", "--steps", "2", "--model", "small", "--device", "cpu",
                 "--gate", "components", "--gate-limit", "2", "--out", str(tmp_path / "run")]
    assert main(arguments) == 3
    shown = capsys.readouterr().out
    assert "0 of 2 siblings through" in shown and "1 of 1 siblings are missing" in shown
    found = record(tmp_path / "run")["runs"][0]
    assert (len(found["siblings"]), len(found["rejected"]), found["gate"]["drawn"]) == (0, 2, 2)
    assert found["rejected"][0]["rejected"] == ["none"]
    assert main([*arguments, "--resume"]) == 3
    assert "complete already" in capsys.readouterr().out
    assert main([*arguments, "--resume", "--gate-limit", "3"]) == 3
    assert record(tmp_path / "run")["runs"][0]["gate"]["drawn"] == 3


class Doomed:
    """Workers that die as soon as they have begun."""

    size, scheduler = 2, "doom"

    def __init__(self) -> None:
        self.said: list[tuple[int, Any]] = []
        self.started = 0

    def start(self) -> None:
        for worker in range(self.size):
            self.replace(worker)

    def replace(self, worker: int) -> None:
        self.started += 1
        self.said.append((worker, Ready({"dtype": "float32"}, 1)))

    def give(self, worker: int, task: Any) -> None:
        self.said.append((worker, Lost("ended by SIGKILL")))

    def wait(self) -> list[tuple[int, Any]]:
        said, self.said = self.said, []
        return said

    def close(self, *, at_once: bool) -> None:
        pass


def test_workers_that_die_again_and_again_end_the_run(models: Path, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Doomed()
    monkeypatch.setattr(making, "_crew", lambda *_: crew)
    with pytest.raises(DeviceError, match=r"lost 3 times at sibling 0.*SIGKILL.*fewer --jobs"):
        run(tmp_path / "run", jobs=2)
    assert crew.started <= 3 * 2
    assert not record(tmp_path / "run")["complete"]


@pytest.mark.parametrize("seed", range(40))
def test_the_same_siblings_are_drawn_in_whatever_order_they_come(seed: int) -> None:
    rng = random.Random(seed)
    count, batch, workers = rng.randint(1, 12), rng.choice([1, 1, 4]), rng.randint(1, 5)
    good = [rng.random() < 0.6 for _ in range(200)]
    draws, numbers, under_way = Draws(10, count, 100, 8 * count), dict[int, int](), list[int]()
    while not draws.done:
        while draws.waiting and len(under_way) < workers * batch:
            under_way += draws.take(batch)
        k = under_way.pop(rng.randrange(len(under_way)))
        if rng.random() < 0.2:
            draws.put_back([k])  # its worker was killed
            continue
        draws.decide(k, good[k - 10])
        numbers |= dict(draws.settled())
        if rng.random() < 0.1:  # the run was stopped and goes on
            draws, verdicts, under_way = Draws(10, count, 100, 8 * count), draws.verdicts, []
            draws.known(verdicts)
            assert {k: n for k, n in dict(draws.settled()).items() if k in numbers} == numbers
    wanted = [10 + n for n in range(8 * count) if good[n]][:count]
    assert numbers == {k: 100 + n for n, k in enumerate(wanted)}
    last = wanted[-1] if len(wanted) == count else 10 + 8 * count - 1
    assert sorted(draws.verdicts) == list(range(10, last + 1))


def test_lists_written_item_by_item_give_the_same_file_as_json(tmp_path: Path) -> None:
    def value(first: Any, second: Any) -> dict[str, Any]:
        return {"a": 1, "runs": [{"siblings": first, "n": "\u00e4\n\""}, {"siblings": second}], "end": None}

    items = [{"k": 0, "deep": {"list": [1, 2.5], "text": "two\nlines"}}, {"k": 1}]
    write_json(tmp_path / "a.json", value("\0 0", "\0 1"), {"\0 0": iter(items), "\0 1": iter([])})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == json.dumps(value(items, []), indent=1) + "\n"
