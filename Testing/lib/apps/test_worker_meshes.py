"""What the worker does for meshes: the files of `siblings mesh`, of maps that were handed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hearts import ellipsoid_heart
from worker_listener import Listener

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.apps.worker.commands import check_command
from DiffusionSiblingsLib.apps.worker.mesh_service import mesh, settings_of
from DiffusionSiblingsLib.apps.worker.progress import Costs, JobProgress
from DiffusionSiblingsLib.apps.worker.protocol import Cancelled
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import write_exchange
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

HEART = ellipsoid_heart((32, 24, 28), 5.6, extra=True)


def course(told: list[Any] | None = None) -> JobProgress:
    return JobProgress(Costs(), lambda *said: told.append(said) if told is not None else None)


def command(tmp_path: Path, names: tuple[str, ...] = ("heart",), **values: Any) -> dict[str, Any]:
    stems = [str(write_exchange(HEART, tmp_path / "hearts" / name)) for name in names]
    made = {"command": "mesh", "source": {"maps": stems}, "maps": str(tmp_path / "maps"), "out": str(tmp_path / "out"),
            **values}
    check_command(made)
    return made


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "hearts").mkdir()


def test_the_files_are_those_of_the_command_line(tmp_path: Path) -> None:
    heard, told = Listener(), list[Any]()
    done = mesh(command(tmp_path, formats=["vtk", "stl"]), heard, course(told))
    folder = Path(done["meshes"][0]["folder"])
    assert heard.events == [{"event": "meshed", "name": "heart", "folder": str(folder)}] and not done["failed"]
    path = write_labelmap(HEART, tmp_path / "cli" / "heart.nrrd")
    assert main(["mesh", str(path), "--out", str(tmp_path / "other"), "--for", "vtk,stl", "--surface"]) == 0
    one, two = (json.loads((each / "mesh.json").read_text(encoding="utf-8")) for each in (folder,
                                                                                         tmp_path / "other" / "heart"))
    assert one["files"] == two["files"] and len(one["files"]) > 5
    assert [one[key] == two[key] for key in ("settings", "tissues", "patches", "repaired", "space")] == [True] * 5
    assert told[0][0] < 0.5 and "Meshing heart" in {said[1] for said in told}


def test_a_mesh_is_kept_or_replaced_only_when_it_is_said(tmp_path: Path) -> None:
    mesh(command(tmp_path), Listener(), course())
    again = command(tmp_path)
    with pytest.raises(InputError, match="holds a mesh"):
        mesh(again, Listener(), course())
    report = tmp_path / "out" / "heart" / "mesh.json"
    written = report.stat().st_mtime_ns
    mesh({**again, "resume": True}, Listener(), course())
    assert report.stat().st_mtime_ns == written
    mesh({**again, "resume": True, "space": "RAS"}, Listener(), course())
    assert json.loads(report.read_text(encoding="utf-8"))["space"] == "RAS"


def test_cancelling_ends_it_between_two_hearts(tmp_path: Path) -> None:
    heard = Listener(patience=1)
    with pytest.raises(Cancelled):
        mesh(command(tmp_path, ("one", "two")), heard, course())
    assert [event["name"] for event in heard.events] == ["one"]
    assert not (tmp_path / "out" / "two").exists()


@pytest.mark.parametrize("values", [{"fill": "jelly"}, {"space": "XYZ"}, {"edge_mm": 100.0}, {"walls": {"Myo": 2.0}},
                                    {"formats": ["obj"]}, {"formats": ["febio"]}])
def test_settings_that_cannot_be_are_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        mesh(command(tmp_path, **values), Listener(), course())
    assert not (tmp_path / "out").exists()


def test_settings_keep_their_defaults(tmp_path: Path) -> None:
    found = settings_of(command(tmp_path, walls={"RV": 3}))
    assert (found.formats, found.fill, dict(found.walls), found.space) == (("vtk",), "surfaces", {"RV": 3.0}, "LPS")
