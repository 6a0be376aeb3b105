"""Gates of a batch: redraws, stops and limits; and who draws which sibling, in any order."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick_runs import StoppedError, after, lasting, quicken, record, run, stamps

from DiffusionSiblingsLib.apps.cli import running
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.progress import ProgressBar
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.metrics.acceptance import Verdict
from DiffusionSiblingsLib.runs import pipeline, run_folder, sampler_loop
from DiffusionSiblingsLib.runs.messages import Idle, RunJob, SamplingTask
from DiffusionSiblingsLib.runs.rejection import SamplingBudget


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


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


class NanGate(SomeGate):
    """A gate that all pass, one of whose figures is no number."""

    def check(self, labels: np.ndarray, affine: np.ndarray, anatomy: Any) -> Verdict:
        return Verdict(True, figures={"thickness [mm]": float("nan"), "share": np.float32("inf"), "pieces": 1.0})


@pytest.fixture
def some_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_loop, "Acceptance", SomeGate)


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

    def __init__(self, job: RunJob) -> None:
        self.loop, self.given = sampler_loop.SamplerLoop(job), list[tuple[int, SamplingTask]]()

    def start(self) -> None:
        self.begun = False

    def give(self, worker: int, task: SamplingTask) -> None:
        self.given.append((worker, task))

    def wait(self) -> list[tuple[int, Any]]:
        if not self.begun:
            self.begun = True
            return [(worker, self.loop.ready) for worker in range(self.size)]
        worker, task = self.given.pop()
        return [(worker, finished) for finished in self.loop.run(task, lambda _: None)] + [(worker, Idle())]

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
        patch.setattr(pipeline, "open_pool", lambda job, *_: Backwards(job))
        run(out, asked, gate="contacts", progress=stop, report=told.append)
    (held,) = record(out)["runs"]
    kept, aside = len(held["siblings"]), len(held.get("rejected", []))
    assert (held["gate"]["accepted"], held["gate"]["drawn"]) == (kept, kept + aside)
    assert (told[0].accepted, told[0].drawn) == (kept, kept + aside)
    assert (kept, told[0].unplaced) == (0, at) and not stamps(out)
    running._report(ProgressBar("", shown=False), False, told[0])
    assert f"{at} more are finished but wait" in capsys.readouterr().out
    assert run(out, asked, gate="contacts", resume=True).made == whole.made - at - aside
    assert lasting(record(out)) == lasting(record(tmp_path / "whole"))
    assert not (out / ".parts").exists()


def test_a_figure_that_is_no_number_is_null_and_no_run_ends_on_it(models: Path, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_loop, "Acceptance", NanGate)
    asked = [Request("generate", count=2)]
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(run_folder.RunFolder, "finish", lambda *_, **__: None)
        run(tmp_path, asked, gate="contacts", progress=after(1, tmp_path))
    part = next((tmp_path / ".parts").glob("*.json"))
    part.write_text(part.read_text().replace('"thickness [mm]": null', '"thickness [mm]": NaN'))  # as of earlier runs
    assert run(tmp_path, asked, gate="contacts", resume=True).complete
    figures = [entry["gate"]["figures"] for entry in record(tmp_path)["runs"][0]["siblings"]]
    assert figures == [{"thickness [mm]": None, "share": None, "pieces": 1.0}] * 2


def test_a_gate_that_nothing_passes_ends_at_its_limit(models: Path, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sampler_loop, "Acceptance", NoGate)
    arguments = ["generate", "--count", "1", "--steps", "2", "--model", "small", "--device", "cpu",
                 "--gate", "components", "--gate-limit", "2", "--out", str(tmp_path / "run")]
    assert main(arguments) == 3
    shown = capsys.readouterr().out
    assert "accepted 0 of 2 siblings" in shown and "1 of 1 siblings are missing" in shown
    found = record(tmp_path / "run")["runs"][0]
    assert (len(found["siblings"]), len(found["rejected"]), found["gate"]["drawn"]) == (0, 2, 2)
    assert found["rejected"][0]["rejected"] == ["none"]
    assert main([*arguments, "--resume"]) == 3
    assert "already complete" in capsys.readouterr().out
    assert main([*arguments, "--resume", "--gate-limit", "3"]) == 3
    assert record(tmp_path / "run")["runs"][0]["gate"]["drawn"] == 3


def test_a_lower_limit_takes_nothing_away_that_an_earlier_run_accepted() -> None:
    draws = SamplingBudget(10, 3, 0, 4)
    draws.known({10: True, 11: False, 12: False, 13: False, 14: False, 16: True})
    assert draws.take(9) == (15,)  # below what was drawn already
    draws.decide(15, False)
    assert draws.done and draws.settled() == [(10, 0), (16, 1)]


@pytest.mark.parametrize("seed", range(40))
def test_the_same_siblings_are_drawn_in_whatever_order_they_come(seed: int) -> None:
    rng = random.Random(seed)
    count, batch, workers = rng.randint(1, 12), rng.choice([1, 1, 4]), rng.randint(1, 5)
    good = [rng.random() < 0.6 for _ in range(200)]
    draws, numbers, under_way = SamplingBudget(10, count, 100, 8 * count), dict[int, int](), list[int]()
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
            draws, verdicts, under_way = SamplingBudget(10, count, 100, 8 * count), draws.verdicts, []
            draws.known(verdicts)
            assert {k: n for k, n in dict(draws.settled()).items() if k in numbers} == numbers
    wanted = [10 + n for n in range(8 * count) if good[n]][:count]
    assert numbers == {k: 100 + n for n, k in enumerate(wanted)}
    last = wanted[-1] if len(wanted) == count else 10 + 8 * count - 1
    assert sorted(draws.verdicts) == list(range(10, last + 1))
