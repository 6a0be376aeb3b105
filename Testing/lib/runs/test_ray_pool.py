"""Batches made with Ray: several actors of this machine, one of them killed; and workers that do not see the folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from DiffusionSiblingsLib.core.errors import DeviceError, InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.runs import ray_pool as ray_crew
from DiffusionSiblingsLib.runs import run_folder
from DiffusionSiblingsLib.runs.messages import Failed, Finished, Idle, Lost, Ready, RunJob, SamplingTask
from DiffusionSiblingsLib.runs.partial_results import PartialResults
from DiffusionSiblingsLib.runs.pipeline import run
from DiffusionSiblingsLib.runs.plan import Plan
from DiffusionSiblingsLib.runs.ray_pool import RayPool, RayWorker
from DiffusionSiblingsLib.runs.scheduler import Hooks
from DiffusionSiblingsLib.runs.settings import RunSettings

ASKED = Request("generate", count=5, steps=2, repair=False)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which a worker sets in its own process


def entries(out: Path) -> list[tuple[Any, ...]]:
    found = json.loads((out / "record.json").read_text())["runs"][0]["siblings"]
    return [(entry["file"], entry["k"], entry["labels_sha256"], entry["features"]) for entry in found]


def job(out: Path, device: str = "cpu") -> RunJob:
    return RunJob(Plan.of([ASKED], None, RunSettings("small", device, "nrrd")), out, None, 1)


def test_a_worker_that_does_not_see_the_folder_sends_what_it_made(models: Path, tmp_path: Path) -> None:
    hand, parts = RayWorker(), PartialResults(tmp_path / "here")
    assert isinstance(hand.begin(job(tmp_path / "there"))[0], Ready)
    first, second, idle = hand.run(SamplingTask(0, (0, 3)), "a token that is not there")
    assert isinstance(first, Finished) and isinstance(second, Finished) and isinstance(idle, Idle)
    assert set(second.files) == {"0000-000003.json", "0000-000003.nrrd"}
    parts.receive(second.files)
    assert parts.all() == [(0, 3)]
    assert not (tmp_path / "there").exists()
    (tmp_path / "there" / ".parts").mkdir(parents=True)
    (tmp_path / "there" / ".parts" / ray_crew.TOKEN).write_text("seen")
    (near, _) = hand.run(SamplingTask(0, (3,)), "seen")
    assert isinstance(near, Finished) and not near.files
    written = PartialResults(tmp_path / "there")
    assert written.all() == [(0, 3)]
    assert written.map_of(0, 3, "nrrd").read_bytes() == parts.map_of(0, 3, "nrrd").read_bytes()


class NoRay:
    """Ray's functions without Ray: an actor is a RayWorker here, a call is done when it is made."""

    def __init__(self) -> None:
        self.exceptions = pytest.importorskip("ray.exceptions")
        self.errors: list[Exception] = []
        self.started, self.killed = list[Any](), list[Any]()

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2}

    def remote(self, kind: type[RayWorker]) -> Any:
        def start() -> Any:
            hand = kind()
            self.started.append(SimpleNamespace(begin=SimpleNamespace(remote=partial(self.call, hand.begin)),
                                                run=SimpleNamespace(remote=partial(self.call, hand.run))))
            return self.started[-1]

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=start))

    def call(self, method: Any, *given: Any) -> Any:
        return partial(method, *given)

    def put(self, value: Any) -> Any:
        return value

    def wait(self, calls: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return calls[:1], calls[1:]

    def get(self, call: Any) -> Any:
        if self.errors:
            raise self.errors.pop()
        return call()

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> NoRay:
    ray = NoRay()
    monkeypatch.setattr(ray_crew, "_ray", lambda address: ray)
    return ray


def test_what_a_killed_run_left_hides_the_folder_from_no_worker(models: Path, tmp_path: Path, no_ray: NoRay) -> None:
    parts = PartialResults(tmp_path)
    parts.folder.mkdir()
    (parts.folder / ray_crew.TOKEN).write_text("of the run that was killed")
    crew = RayPool(job(tmp_path), 1, "ray")
    crew.start()
    assert isinstance(crew.wait()[0][1], Ready)
    crew.give(0, SamplingTask(0, (2,)))
    (_, finished), (_, idle) = crew.wait()
    assert isinstance(finished, Finished) and not finished.files and isinstance(idle, Idle)
    assert parts.all() == [(0, 2)]


@pytest.mark.parametrize(("kind", "said", "why"), [
    ("ActorDiedError", "The actor died.\nIts node too.", "The actor died."), ("OutOfMemoryError", "Memory", "Memory"),
    ("NodeDiedError", "A node", "A node"), ("WorkerCrashedError", "", "WorkerCrashedError"),
    ("OwnerDiedError", " \n", "OwnerDiedError"),
])
def test_a_loss_of_any_kind_is_told_and_another_worker_started(models: Path, tmp_path: Path, no_ray: NoRay, kind: str,
                                                               said: str, why: str) -> None:
    class LossError(getattr(no_ray.exceptions, kind)):  # type: ignore[misc]  # each has other arguments of its own
        def __init__(self) -> None:
            pass

        def __str__(self) -> str:
            return said

    LossError.__name__ = kind
    crew = RayPool(job(tmp_path), 1, "ray")
    crew.start()
    no_ray.errors.append(LossError())
    assert crew.wait() == [(0, Lost(why))]
    crew.replace(0)
    assert no_ray.killed == no_ray.started[:1]
    assert isinstance(crew.wait()[0][1], Ready)


def test_a_worker_says_what_went_wrong(models: Path, tmp_path: Path) -> None:
    (message,) = RayWorker().begin(job(tmp_path, "mps"))
    assert isinstance(message, Failed) and isinstance(message.error, DeviceError)


def test_a_cluster_that_is_not_there_is_said_at_once(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(DeviceError, match=r"cannot be joined.*Connection refused"):
        run([ASKED], None, tmp_path / "out", RunSettings("small", "cpu", cluster="ray://127.0.0.1:9", jobs=0))
    assert not (tmp_path / "out").exists()


def test_without_ray_the_way_to_get_it_is_said(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"diffusion-siblings\[cluster\]"):
        run([ASKED], None, tmp_path / "out", RunSettings("small", "cpu", cluster="ray", jobs=2))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="actors are found through /proc")
def test_of_several_actors_one_may_be_killed(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    killed: list[int] = []

    def kill(done: float, asked: int, words: str) -> None:
        if done >= 1 and not killed:
            killed.append(actors()[0])
            os.kill(killed[0], signal.SIGKILL)

    run([ASKED], None, tmp_path / "serial", RunSettings("small", "cpu"))
    made = run([ASKED], None, tmp_path / "ray", RunSettings("small", "cpu", cluster="ray", jobs=2), Hooks(kill))
    assert killed and (made.lost, made.complete, made.made, made.accepted) == (1, True, 5, 5)
    assert entries(tmp_path / "ray") == entries(tmp_path / "serial")
    record = json.loads((tmp_path / "ray" / "record.json").read_text())
    assert (record["compute"]["scheduler"], record["compute"]["workers"]) == ("ray", 2)
    assert not actors()


def actors() -> list[int]:
    """Process ids of the actors that descend from this process: of this test's own Ray, and no other."""
    parents, hands = dict[int, int](), list[int]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if (process / "cmdline").read_bytes().startswith(b"ray::RayWorker"):
                hands.append(int(process.name))
        except OSError:
            continue
    return [hand for hand in hands if os.getpid() in _ancestors(hand, parents)]


def _ancestors(process: int, parents: dict[int, int]) -> list[int]:
    found = []
    while (process := parents.get(process, 0)) > 1:
        found.append(process)
    return found


def test_ray_that_is_started_for_this_machine_listens_to_no_other(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    program = f"""
import psutil
from pathlib import Path
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.runs.messages import RunJob
from DiffusionSiblingsLib.runs.plan import Plan
from DiffusionSiblingsLib.runs.ray_pool import RayPool
from DiffusionSiblingsLib.runs.settings import RunSettings
plan = Plan.of([Request("generate", steps=2)], None, RunSettings("small", "cpu", cluster="ray", jobs=1))
pool = RayPool(RunJob(plan, Path({str(tmp_path)!r}), None, 1), 1, "ray")
pool.start()
me = psutil.Process()
own = {{me.pid, *(child.pid for child in me.children(recursive=True))}}
heard = [c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in own]
pool.close(at_once=True)
print(sorted(set(heard)))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3]) + os.pathsep
                   + os.environ.get("PYTHONPATH", "")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300)
    heard = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert heard and all(ip.removeprefix("::ffff:") in ("127.0.0.1", "::1") for ip in heard), done.stderr
