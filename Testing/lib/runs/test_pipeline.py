"""Batches in one process: going on, growing, replacing, and workers that are lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from quick_runs import ANATOMY, ASKED, HEART, QuickEngine, StoppedError, after, lasting, quicken, record, run, stamps

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.core.errors import DeviceError, InputError, OutputError, SiblingsError
from DiffusionSiblingsLib.core.files import Streamed, write_json
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.runs import pipeline, sampler_loop, views
from DiffusionSiblingsLib.runs import resume as resuming
from DiffusionSiblingsLib.runs.lock import locked
from DiffusionSiblingsLib.runs.messages import Idle, Lost, Ready, RunJob, SamplingTask


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


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
    from DiffusionSiblingsLib.runs.run_folder import RunFolder

    with monkeypatch.context() as patch, pytest.raises(StoppedError):  # as after SIGKILL: nothing is tidied up
        patch.setattr(RunFolder, "finish", lambda *_, **__: None)
        patch.setattr("DiffusionSiblingsLib.runs.run_folder.SHARE", 1e-9)
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


class AimingEngine(QuickEngine):
    """One whose siblings miss a target, each request's in another chamber."""

    def run(self, planned: Any, twin: Any = None, **given: Any) -> Iterator[Sibling]:
        tissue = "RV" if planned.request.seed == 3 else "LV"
        aimed = Achieved(tissue, "mass", "ml", 100.0, 120.0, 110.0, 0.08, 0.01, False)
        for sibling in super().run(planned, twin, **given):
            yield replace(sibling, guidance=(aimed,), guidance_notes=("out of reach",))


def test_what_was_missed_is_told_again_by_a_run_that_goes_on(models: Path, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_loop, "Engine", AimingEngine)
    whole = run(tmp_path / "whole", twin=HEART)
    assert {words.split(": ")[1] for words in whole.remarks} == {
        "RV volume 110 ml, asked 120 ml (8.0 % off)", "LV volume 110 ml, asked 120 ml (8.0 % off)", "out of reach"}
    run(tmp_path / "run", [Request("generate", count=3, seed=3), ASKED[1]], twin=HEART)
    grown = run(tmp_path / "run", twin=HEART, resume=True)
    assert (grown.made, sorted(grown.remarks)) == (1, sorted(whole.remarks))
    assert (tmp_path / "run" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()
    assert run(tmp_path / "run", twin=HEART, resume=True).remarks == whole.remarks


def test_a_complete_run_is_left_as_it_is_without_loading_a_model(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    monkeypatch.setattr(sampler_loop, "SamplerLoop", None)
    made = run(whole, resume=True)
    assert (made.made, made.accepted, made.complete, len(made.rows)) == (0, 6, True, 6)
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


@pytest.mark.parametrize(("changes", "words"), [
    ({"requests": [Request("generate", count=4, seed=4), ASKED[1]]}, "seed"),
    ({"requests": [ASKED[0]]}, "number of requests"),
    ({"twin": HEART}, "twin"),
    ({"gate": "components"}, "acceptance checks"),
    ({"format": "mha"}, "format"),
])
def test_another_run_is_not_resumed(whole: Path, changes: dict[str, Any], words: str) -> None:
    before = record(whole)
    with pytest.raises(InputError, match=f"differs in its {words}"):
        run(whole, resume=True, **changes)
    assert record(whole) == before


def test_a_twin_whose_labels_mean_something_else_is_another(models: Path, tmp_path: Path) -> None:
    twin, out = write_labelmap(HEART, tmp_path / "heart.mha", "mha"), tmp_path / "run"
    numbers = {tissue.id: tissue.label for tissue in ANATOMY.tissues}
    swapped = {**numbers, "LA": numbers["RA"], "RA": numbers["LA"]}
    run(out, twin=twin, labels=numbers)
    with pytest.raises(InputError, match=r"differs in its meaning of the twin's labels.*= LA, . = RA"):
        run(out, twin=twin, labels=swapped, resume=True)
    assert run(out, twin=twin, labels=numbers, resume=True).made == 0
    before = record(out)
    del before["twin"]["segments"]  # as of a program that did not record them
    (out / "record.json").write_text(json.dumps(before))
    assert run(out, twin=twin, labels=swapped, resume=True).made == 0


def test_another_format_is_seen_in_parts_too(whole: Path) -> None:
    def stop(done: float, asked: int, words: str) -> None:
        raise StoppedError

    more = [Request("generate", count=5, seed=3), ASKED[1]]
    with pytest.raises(StoppedError):
        run(whole, more, resume=True, progress=stop)
    values = record(whole)
    assert (whole / ".parts").exists() and not values["complete"]
    values["runs"][0]["siblings"] = values["runs"][1]["siblings"] = []  # as it stands some time after a kill
    (whole / "record.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="differs in its format"):
        run(whole, more, resume=True, format="nrrd")
    assert run(whole, more, resume=True, format="nii.gz").made == 1


def test_cavities_that_repair_left_are_told_of_a_resumed_run_too() -> None:
    left = {"kind": "cavity", "what": "Myo", "voxels": 277, "reason": "0.76 ml", "inherited": False}
    tally = views.Tally()
    tally.add("one", {"repair": {"left": [left, {**left, "inherited": True}, {**left, "kind": "piece"}]}})
    tally.add("other", {"repair": None})
    tally.add("third", {"repair": {"left": [{**left, "ras_mm": [-12.34, 4, 60.1]}]}})
    assert tally.remarks == ["one: background is enclosed in Myo (0.76 ml)",
                             "third: background is enclosed in Myo at -12.3, 4.0, 60.1 mm (RAS) (0.76 ml)"]


def test_a_folder_in_use_or_of_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--resume"):
        run(whole)
    with pytest.raises(InputError, match="replaced at once"):
        run(whole, resume=True, replace=True)
    with pytest.raises(StoppedError):
        run(tmp_path / "run", progress=after(1, tmp_path / "run"))
    before = record(tmp_path / "run")
    for way in ({"resume": True}, {"replace": True}):
        with locked(tmp_path / "run" / ".parts"), pytest.raises(InputError, match="uses this folder"):
            run(tmp_path / "run", **way)
        assert record(tmp_path / "run") == before and stamps(tmp_path / "run")


@pytest.mark.parametrize("name", ["metrics.csv", "overview.png", "sibling_0001.nii.gz", "sibling_0007.masks",
                                  ".parts/0000-000000.json"])
def test_files_without_a_record_are_lost_only_where_that_is_asked_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    if path.suffix == ".masks":
        path.mkdir()
        path /= "LV.nii.gz"
    path.write_bytes(b"somebody's own")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"would write over.*--replace"):
            run(tmp_path / "run", resume=resume)
        assert path.read_bytes() == b"somebody's own"
    assert run(tmp_path / "run", replace=True).made == 6
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "notes.txt", "record.json", "metrics.csv", "overview.png", *(f"sibling_{n:04d}.nii.gz" for n in range(6))}


def test_a_run_that_replaces_another_holds_its_lock(whole: Path) -> None:
    (whole / ".parts").mkdir()
    (whole / ".parts" / "0000-000003.json").write_text("{}")  # of a run that was killed
    refused: list[str] = []

    def second(done: float, asked: int, words: str) -> None:
        if not refused:
            with pytest.raises(InputError, match="uses this folder"):
                run(whole, replace=True)
            refused.append(words)

    made = run(whole, replace=True, progress=second)
    assert refused and (made.made, made.accepted) == (6, 6)


def test_parts_without_their_record_are_not_taken_for_a_new_runs(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    resuming.restore(tmp_path / "run", read_record(tmp_path / "run" / "record.json"))
    (tmp_path / "run" / "record.json").unlink()
    stopped: list[float] = []

    def stop(done: float, asked: int, words: str) -> None:
        if done >= 1 and not stopped:
            stopped.append(done)
            raise StoppedError

    with pytest.raises(StoppedError):
        run(tmp_path / "run", [Request("generate", count=6, seed=9)], replace=True, progress=stop)
    assert [entry["k"] for entry in record(tmp_path / "run")["runs"][0]["siblings"]] == [0]


@pytest.mark.parametrize("settings", [{"jobs": 0}, {"jobs": -2}, {"limit": 0}, {"gate": "beauty"},
                                      {"requests": [Request("perturb")]}, {"requests": []},
                                      {"cluster": "nowhere:1", "jobs": -1}])
def test_bad_settings_are_refused_before_anything_is_written(models: Path, tmp_path: Path,
                                                             settings: dict[str, Any]) -> None:
    with pytest.raises(SiblingsError):
        run(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


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
    monkeypatch.setattr(pipeline, "open_pool", lambda *_: crew)
    with pytest.raises(DeviceError, match=r"stopped 3 times at sibling 0.*SIGKILL.*fewer --jobs"):
        run(tmp_path / "run", jobs=2)
    assert crew.started <= 3 * 2
    assert not record(tmp_path / "run")["complete"]


class Moody:
    """Worker 0 makes everything; what the others say is told first."""

    size, scheduler = 4, "moods"

    def __init__(self, job: RunJob, said: str) -> None:
        self.loop = sampler_loop.SamplerLoop(job)
        self.said = [(0, self.loop.ready)]
        self.said += [(int(word[0]), Lost("gone") if word[1] == "-" else self.loop.ready) for word in said.split()]
        self.given: dict[int, SamplingTask] = {}

    def start(self) -> None:
        pass

    def replace(self, worker: int) -> None:
        self.given.pop(worker, None)

    def give(self, worker: int, task: SamplingTask) -> None:
        self.given[worker] = task

    def wait(self) -> list[tuple[int, Any]]:
        if self.said:
            return [self.said.pop(0)]
        worker, task = self.given.popitem()
        return [(worker, finished) for finished in self.loop.run(task, lambda _: None)] + [(worker, Idle())]

    def close(self, *, at_once: bool) -> None:
        pass


@pytest.mark.parametrize(("said", "lost"), [
    ("1- 2- 3-", 3),  # each once at its start
    ("1+ 1- 1+ 1- 1+ 1-", 3),  # while there was nothing for it to do
    ("1- 1- 1+ 1- 1- 1-", 5),  # it was ready between them, and once idle
    ("1- 1- 1+ 1- 1- 1- 1-", 0),
    ("1- 2- 1- 2- 1-", 0),
])
def test_only_losses_in_a_row_before_a_worker_is_ready_end_the_run(models: Path, tmp_path: Path, said: str, lost: int,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "open_pool", lambda job, *_: Moody(job, said))
    if lost:
        made = run(tmp_path, [Request("generate")])
        assert (made.complete, made.lost) == (True, lost)
        return
    with pytest.raises(DeviceError, match="stopped 3 times in a row before it was ready"):
        run(tmp_path, [Request("generate")])


def test_lists_written_item_by_item_give_the_same_file_as_json(tmp_path: Path) -> None:
    def value(first: Any, second: Any) -> dict[str, Any]:
        return {"a": 1, "runs": [{"siblings": first, "n": "\u00e4\n\""}, {"siblings": second}], "end": None}

    items = [{"k": 0, "deep": {"list": [1, 2.5], "text": "two\nlines"}}, {"k": 1}]
    write_json(tmp_path / "a.json", value(Streamed(lambda: iter(items)), Streamed(lambda: iter([]))))
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == json.dumps(value(items, []), indent=1) + "\n"


@pytest.mark.parametrize("again", [False, True])
def test_the_closing_words_count_siblings_that_are_to_be_doubted(models: Path, tmp_path: Path, again: bool,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--count", "4", "--model", "small", "--device", "cpu", "--out", str(tmp_path / "run")]
    for arguments in (words, [*words, "--resume"])[: 1 + again]:
        capsys.readouterr()
        assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "\n1 of 4 siblings: beyond every training heart in a measurement\n" in said
    assert "\n2 of 4 siblings: suspiciously near to a training heart" in said
    assert ("already complete" in said) == again
    assert run(tmp_path / "one", [Request("generate", count=1)]).doubts == ()
