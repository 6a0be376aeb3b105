"""Kills a command before every single file operation, and looks at what is left and at what the next call makes of it.

    python Testing/fuzz/crash_points.py [--every N] [--real] [COMMAND ...]

Of each command (generate, perturb, replace, grow, augment, study, prepare) a process is forked for each file operation
under its folder, and ends just before that operation as SIGKILL would end it: no block is left, no buffer written, no
lock given back. Then it must hold that

- no file of the user's, in the folder or beside it, has changed;
- every file under its final name is whole: records and tables can be read, label maps too;
- the same command again ends with exactly the files that a run without a kill has, byte for byte but for times;
- nothing else is left: no temporary file, no parts.

Siblings come from an engine without networks (`quick_runs`), so that thousands of calls take minutes; with --real from
the small untrained model. --every 5 tries every fifth operation. It needs a system that can fork.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "lib")]

import numpy as np  # noqa: E402
from hearts import ellipsoid_heart, small_model  # noqa: E402
from quick_runs import ANATOMY, HEART, QuickEngine  # noqa: E402

from DiffusionSiblingsLib.apps.cli.main import main as siblings  # noqa: E402
from DiffusionSiblingsLib.core.files import is_temporary  # noqa: E402
from DiffusionSiblingsLib.editing.result import Sibling  # noqa: E402
from DiffusionSiblingsLib.labelmaps.write import write_labelmap  # noqa: E402
from DiffusionSiblingsLib.metrics.morphology import features  # noqa: E402
from DiffusionSiblingsLib.reports import chart_style  # noqa: E402
from DiffusionSiblingsLib.runs import run_folder, sampler_loop  # noqa: E402
from DiffusionSiblingsLib.studies import settings as studies  # noqa: E402
from DiffusionSiblingsLib.studies.context import StudyContext  # noqa: E402

KILLED, FAILED = 77, 78
MINE = ("notes.txt", "photos/heart.jpg", "sibling_0000.txt", ".hidden", "record.json.bak", "sibling.nii.gz",
        ".record.1a2b3c4d.json", "metrics.csv.old", "accepted/heart_of_mine.nii.gz", "made/notes.txt",
        "d.work/mine.txt")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
VOLATILE = ("created", "timings_s", "compute", "written", "command", "whole", "core seconds", "core s", "key")


class ComparedEngine(QuickEngine):
    """The same, whose siblings are measured whole and compared with a twin, as studies want to see it."""

    def run(self, planned: Any, twin: Any = None, **given: Any) -> Iterator[Sibling]:
        measured = features(HEART.labels, HEART.affine, ANATOMY)
        for sibling in super().run(planned, twin, **given):
            yield replace(sibling, changes={"inside": 1, "outside": 0}, dice_to_twin={"LV": 0.9}, features=measured,
                          raw_features=measured)


@dataclass(frozen=True)
class Command:
    """One command to be killed. first: what was there before it. call: the command. again: the call that follows a
    kill, by default the same.
    """

    call: list[str]
    first: list[str] | None = None
    again: list[str] | None = None


def commands(work: Path) -> dict[str, Command]:
    """All commands; {out} is the folder that they write into."""
    twin, model = str(work / "twin.nii.gz"), ["--model", "small", "--device", "cpu"]
    generate = ["generate", "--count", "3", "--steps", "2", "--out", "{out}", *model]
    perturb = ["perturb", twin, "--ratio", "0.3", "0.6", "--steps", "2", "--out", "{out}", *model]
    masks = [*perturb, "--format", "folder"]
    augment = ["augment", "--target", "LV>0", "--strategy", "generate", "--count", "2", "--steps", "2", "--jobs", "1",
               "--out", "{out}", *model]
    study = ["study", "perturb", "--quick", "--count", "2", "--steps", "2", "--jobs", "1", "--seeds",
             str(work / "hearts"), "--out", "{out}", *model]
    prepare = ["prepare", str(work / "hearts"), "--out", "{out}/d.safetensors", "--jobs", "1", "--like", "small"]
    resumed: Callable[[list[str]], list[str]] = lambda words: [*words, "--resume"]  # noqa: E731
    return {
        "generate": Command(generate, again=resumed(generate)),
        "perturb": Command(perturb, again=resumed(perturb)),
        "masks": Command(masks, again=resumed(masks)),
        "replace": Command([*perturb, "--replace"], first=generate),
        "grow": Command([*generate, "--count", "5", "--resume"], first=generate),
        "augment": Command(augment), "study": Command(study), "prepare": Command(prepare),
    }


def furnish(work: Path, *, real: bool) -> None:
    """The files that the commands read, and an engine without networks in place of the real one."""
    os.environ.update(SIBLINGS_MODELS=str(work / "models"), OMP_NUM_THREADS="1", MPLBACKEND="Agg")
    small_model(work / "models" / "small")
    write_labelmap(ellipsoid_heart((40, 36, 44), 3.4), work / "twin.nii.gz")
    for number, spacing in enumerate((3.4, 3.3)):
        write_labelmap(ellipsoid_heart((40, 36, 44), spacing), work / "hearts" / f"heart_{number}.nii.gz")
    if not real:
        sampler_loop.Engine = ComparedEngine  # type: ignore[misc,assignment]
        run_folder.overview = lambda path, *_, **__: path.write_bytes(b"a picture")  # type: ignore[assignment]
        chart_style.SHARP = 0.3  # drawing is most of a study's time
        studies.QUICK = replace(studies.QUICK, count=2, held=1, pool=4, reference=4, ratios=(0.35,))
        StudyContext.held = lambda self, request, twin: replace(request, ratio=0.66)  # type: ignore[method-assign]


def called(words: list[str], out: Path, *, kill: int | None = None) -> tuple[int, int, str]:
    """A command in a process of its own -> exit code (KILLED where it was), its file operations, and what it said.

    kill: number of the file operation, from 1 on, before which the process ends.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with contextlib.suppress(BaseException):
            _run([word.format(out=out) for word in words], out, kill, write)
        os._exit(FAILED)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count, _, rest = said.partition("\n")
    return code, int(count or 0), rest


def _run(words: list[str], out: Path, kill: int | None, pipe: int) -> None:
    """What the child does: it counts its file operations under the folder, and ends itself at one of them."""
    done, where = 0, str(out.parent)

    def watch(event: str, values: tuple[Any, ...]) -> None:
        nonlocal done
        path = values[0] if values else None
        if event == "open" and not int(values[2] or 0) & WRITING:
            return
        named = isinstance(path, (str, bytes, os.PathLike)) and (event == "open" or event in CHANGES)
        if named and os.fsdecode(path).startswith(where):
            done += 1
            if done == kill:
                os._exit(KILLED)

    said = io.StringIO()
    sys.addaudithook(watch)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = siblings(words)
        except BaseException:
            code = FAILED
            said.write(traceback.format_exc())
    os.write(pipe, f"{done}\n{said.getvalue()[-3000:]}".encode())
    os._exit(code)


def plant(folder: Path) -> dict[Path, bytes]:
    """Files of the user's in a folder and beside it -> their contents."""
    mine = {folder / name: f"my own {name}".encode() for name in MINE} | {folder.parent / "precious.txt": b"precious"}
    for path, data in mine.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return mine


def contents(folder: Path) -> dict[str, Any]:
    """Name -> what a file holds, without times and places, which differ between two runs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name != "lock" and name not in MINE:
            data = path.read_bytes().replace(str(folder).encode(), b"OUT")
            if path.suffix == ".json":
                found[name] = _lasting(json.loads(data))
            elif path.suffix == ".gz":
                found[name] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            else:
                found[name] = data if path.suffix not in (".md", ".html", ".png") and "augment" not in path.name else 0
    return found


def _lasting(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _lasting(value) for key, value in values.items() if key not in VOLATILE}
    return [_lasting(value) for value in values] if isinstance(values, list) else values


def faults_after_kill(folder: Path, mine: dict[Path, bytes]) -> list[str]:
    """What must not be, right after a kill."""
    found = [f"{path} is the user's and has changed" for path, data in mine.items()
             if not path.is_file() or path.read_bytes() != data]
    for path in folder.rglob("*"):
        if path in mine or is_temporary(path) or any(map(is_temporary, path.parents)) or not path.is_file():
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.name.endswith(".nii.gz"):
                gzip.decompress(path.read_bytes())
            elif path.suffix == ".npz":
                np.load(path).close()
        except Exception as error:
            found.append(f"{path} is not whole: {error!r}")
    return found


def faults_after_resume(folder: Path, mine: dict[Path, bytes], whole: dict[str, Any]) -> list[str]:
    """What must not be, after the command was given again."""
    found = faults_after_kill(folder, mine)
    found += [f"{path} is litter" for path in folder.rglob("*") if is_temporary(path) or path.name == ".parts"]
    now = contents(folder)
    found += [f"{name} is missing" for name in whole.keys() - now.keys()]
    found += [f"{name} should not be there" for name in now.keys() - whole.keys()]
    found += [f"{name} is another" for name in whole.keys() & now.keys() if whole[name] != now[name]]
    return found


def crash(name: str, command: Command, work: Path, *, every: int = 1, start: int = 1) -> tuple[int, list[str]]:
    """Kills a command at its file operations -> how many were tried, and all faults."""
    def fresh(label: str) -> tuple[Path, dict[Path, bytes]]:
        folder = work / "runs" / f"{name}-{label}" / "out"
        mine = plant(folder)
        if command.first is not None and (found := called(command.first, folder))[0] != 0:
            raise RuntimeError(f"{name}: the first command failed: {found[2]}")
        return folder, mine

    folder, mine = fresh("whole")
    code, count, said = called(command.call, folder)
    if code != 0:
        raise RuntimeError(f"{name} failed without a kill: {said}")
    faults = [f"{name}, no kill: {fault}" for fault in faults_after_resume(folder, mine, contents(folder))]
    whole, tried = contents(folder), 0
    for at in range(start, count + 1, every):
        folder, mine = fresh(str(at))
        code, _, said = called(command.call, folder, kill=at)
        # How often a run writes its record depends on its speed: it may end before it comes to this operation.
        found = [] if code in (KILLED, 0) else [f"it was not killed but ended with {code}: {said}"]
        found += faults_after_kill(folder, mine)
        code, _, said = called(command.again or command.call, folder)
        found += [f"the next call ended with {code}: {said}"] if code != 0 else faults_after_resume(folder, mine, whole)
        faults += [f"{name}, operation {at} of {count}: {fault}" for fault in found]
        tried += 1
        shutil.rmtree(folder.parent)
    return tried, faults


def main() -> int:
    """Prints a line for each command -> 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="crash-points-") as folder:
        work = Path(folder)
        furnish(work, real=options.real)
        for name, command in commands(work).items():
            if options.commands and name not in options.commands:
                continue
            tried, faults = crash(name, command, work, every=options.every)
            print(f"{name}: {tried} crash points, {len(faults)} faults", *faults[:20], sep="\n  ", flush=True)
            failed += len(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
