"""Whether the program still makes the same siblings: 40 runs of the command line, each told by a hash of its voxels.

Meant for changes that must not change results: record the hashes before the first move, compare after each.

    python Testing/benchmarks/same_voxels.py --write hashes.json [--jobs 2]     # goes on where it was stopped
    python Testing/benchmarks/same_voxels.py --against hashes.json [--jobs 2] [--only replay design] [--keep DIR]

Only the command line is used, so that this file works unchanged before and after the program is built anew. Each run
has two hashes: one of the voxels and the place in space of all sibling maps, one of the numbers of its metrics.csv,
where a changed layout shows too; runs with `words` have a third one, of the words that they print. The file also has
the exit codes. The hashes hold for one machine and one torch build only (and with or without numba, which decides how
topology is guided): other processors and builds round differently. Exit code 1 where any voxels or exit codes differ.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")  # .seg.nrrd is among them
FINISHED = (0, 3)  # exit codes of a run that was made; 3: something is short or different, as the program means it
PACKAGES = ("torch", "numpy", "scipy", "SimpleITK", "gudhi", "numba", "connected-components-3d")
MASKS = {1: "aorta", 2: "heart_myocardium", 3: "heart_ventricle_left", 4: "heart_ventricle_right",
         5: "heart_atrium_left", 6: "heart_atrium_right"}  # file names of TotalSegmentator
UNKNOWN = 7  # a value of the twin {unknown} that is no tissue of the model
LABELS = "--labels Ao=1,Myo=2,LV=3,RV=4,LA=5,RA=6"  # of that twin
GATED_TWIN = "--ratio 0.7 --gate contacts,thin-walls:4.7 --gate-limit 4"  # sets the first of three siblings aside
GATED_NEW = "--first 4 --gate components,contacts,thin-walls:3,loops --gate-limit 4"  # sets two of four aside


@dataclass(frozen=True)
class Run:
    """One run. name: as the file of hashes has it. commands: what follows `siblings`, one after the other, with places
    to be filled in: {ships}, {toronto}, {rodero}, {masks}, {unknown} (twins), {mask} (a region), {work} (its folder).

    maps: folder in {work} whose maps and tables are hashed. words: whether what the last command prints is hashed.
    """
    name: str
    commands: tuple[str, ...]
    maps: str = "out"
    words: bool = False


def run(name: str, *commands: str, maps: str = "out", words: bool = False) -> Run:
    """A run, by Heun's solver; a command that does not say where its results go writes into {work}/out."""
    solved = [command if command.startswith("replay") else f"{command} --solver heun" for command in commands]
    placed = [command if "{work}" in command else f"{command} --out {{work}}/out" for command in solved]
    return Run(name, tuple(placed), maps, words)


RUNS = (
    run("perturb", "perturb {ships} --steps 8 --count 2"),
    run("perturb-default", "perturb {toronto}"),
    run("perturb-ratios", "perturb {ships} --ratio 0 0.3 0.8 1 --steps 8"),
    run("perturb-ratio-0", "perturb {toronto} --ratio 0 --format nrrd"),
    run("perturb-ratio-1", "perturb {rodero} --ratio 1 --steps 12"),
    run("perturb-seed-first", "perturb {rodero} --ratio 0.4 --steps 20 --seed 11 --first 5 --count 2"),
    run("perturb-hold-all", "perturb {rodero} --ratio 0.5 --hold all --steps 10"),
    run("perturb-no-repair", "perturb {toronto} --ratio 0.8 --steps 8 --no-repair --count 2 --format mha"),
    run("perturb-unknown", f"perturb {{unknown}} {LABELS} --ratio 0.7 --steps 8"),
    run("perturb-overwrite", f"perturb {{unknown}} {LABELS} --ratio 0.7 --steps 8 --overwrite"),
    run("perturb-masks", "perturb {masks} --steps 8"),
    run("perturb-jobs-2", "perturb {ships} --ratio 0.3 0.6 --steps 8 --count 2 --jobs 2 --format seg.nrrd"),
    run("perturb-gated", f"perturb {{ships}} --steps 8 --seed 3 --count 2 {GATED_TWIN}"),
    run("perturb-gated-jobs-2", f"perturb {{ships}} --steps 8 --seed 3 --count 2 {GATED_TWIN} --jobs 2"),
    run("inpaint-lv", "inpaint {ships} --edit LV --steps 8 --count 2"),
    run("inpaint-rv", "inpaint {rodero} --edit RV --steps 12"),
    run("inpaint-both-held", "inpaint {toronto} --edit LV,RV --hold LA,RA --steps 8"),
    run("inpaint-box", 'inpaint {ships} --box=-60,12,-50,50,-72,25 --steps 8 --format nii.gz'),
    run("inpaint-region", "inpaint {ships} --region {mask} --steps 8 --overwrite"),
    run("inpaint-guidance", "inpaint {rodero} --edit LA --method guidance --steps 8"),
    run("inpaint-ratio", "inpaint {toronto} --edit LV --ratio 0.6 --steps 12"),
    run("inpaint-resample", "inpaint {ships} --edit RA --resample 2 --steps 8 --jobs 2 --count 2"),
    run("generate-default", "generate"),
    run("generate-jobs-2", "generate --steps 8 --seed 7 --count 3 --jobs 2 --format seg.nrrd"),
    run("generate-gated", f"generate --steps 8 --seed 3 --count 2 {GATED_NEW}"),
    run("generate-gated-jobs-2", f"generate --steps 8 --seed 3 --count 2 {GATED_NEW} --jobs 2"),
    run("generate-resumed", "generate --steps 8 --seed 5 --count 1", "generate --steps 8 --seed 5 --count 3 --resume"),
    run("reconstruct", "reconstruct {toronto} --format nrrd"),
    run("guide-enlarge-rv", "guide {ships} --preset enlarge-rv --hold all --steps 10 --count 2 --jobs 2"),
    run("guide-mitral", "guide {ships} --preset mitral-valve-fixed --steps 10"),
    run("guide-aorta-points", "guide {rodero} --preset aortic-trunk-fixed --amount 0.1 --parsing L --steps 8"),
    run("guide-wall", "guide {ships} --preset thicken-myo,myo-wall-fixed --amount 0.1 --ratio 0.5 --steps 8"),
    run("guide-separate-atria", "guide {toronto} --preset atria-separate --steps 8"),
    run("guide-control-file", "measure {toronto} --preset aortic-trunk-fixed --write {work}/control.json",
        "guide {toronto} --control {work}/control.json --preset shrink-lv --ratio 0.6 --steps 8 --out {work}/out"),
    run("guide-inpaint", "guide {ships} --preset enlarge-la --hold RA --edit LA --steps 8"),
    run("guide-generate", "guide --preset enlarge-lv --steps 8 --count 2"),
    run("guide-gradient", "guide {ships} --preset enlarge-rv --guider gradient --parsing V --steps 8"),
    run("design", "design {ships} --edit LV whole --ratio 0.5 --magnitude 0.1 --count 1 --steps 6"),
    run("augment", "perturb {ships} --ratio 0.7 --steps 6 --out {work}/seeds",
        'augment --target "RV>190" --strategy guided --seeds {work}/seeds --count 1 --most 3 --steps 8 --jobs 1'
        " --out {work}/out", maps="out/accepted"),
    run("replay", "perturb {ships} --ratio 0.4 0.7 --steps 8 --out {work}/first",
        "replay {work}/first/record.json --out {work}/out", words=True),
)


NAMES = tuple(each.name for each in RUNS)


@dataclass(frozen=True)
class Found:
    """What came of a run. voxels, table, words: SHA-256, "" where there is none. exit: the last command's exit code.

    maps: how many were hashed. seconds: of all commands. error: the last line that a failed command wrote.
    """

    voxels: str
    table: str
    words: str
    exit: int
    maps: int
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Place:
    """Where runs are made. root: the clone whose program runs. scratch: folder of all results. inputs: of commands."""

    root: Path
    scratch: Path
    inputs: dict[str, str]

    def lacks(self, chosen: Run) -> bool:
        """Whether a twin of the run is not on this machine."""
        names = {name for command in chosen.commands for name in re.findall(r"\{(\w+)\}", command)}
        return not names <= {*self.inputs, "work"}


def main() -> int:
    """Makes the runs, writes or compares their hashes -> 1 where voxels or exit codes differ or a run failed."""
    arguments = parse()
    facts = facts_of(arguments.root.resolve())
    there = recorded_runs(arguments.write, facts) if arguments.write else {}
    chosen = [each for each in RUNS if each.name not in there and each.name in (arguments.only or NAMES)]
    with scratch_folder(arguments.keep) as scratch:
        place = Place(arguments.root.resolve(), scratch, inputs_of(arguments.root.resolve(), scratch))
        made = [each for each in chosen if not place.lacks(each)]
        for left in (each.name for each in chosen if each not in made):
            print(f"{left:<24} skipped: its twin is not on this machine")
        found = each_of(made, place, arguments.jobs)
        if arguments.write:
            return write(arguments.write, facts, there, found)
        return against(arguments.against, facts, found)


def parse() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--write", type=Path, metavar="FILE", help="record the hashes of runs that FILE does not have")
    kind.add_argument("--against", type=Path, metavar="FILE", help="compare with the hashes of a file")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs made at a time (default 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=NAMES, help="these runs")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep all results in this folder, which must be new")
    parser.add_argument("--root", type=Path, default=ROOT, help="the clone whose program runs (default: this one)")
    arguments = parser.parse_args()
    if arguments.keep and arguments.keep.exists():
        parser.error(f"{arguments.keep} exists: choose another name, or remove it")
    return arguments


@contextmanager
def scratch_folder(kept: Path | None) -> Iterator[Path]:
    """A folder for the results, which stays only if it was named."""
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="same-voxels-") as folder:
        yield Path(folder)


def inputs_of(root: Path, scratch: Path) -> dict[str, str]:
    """What commands can name -> its path: twins that are on this machine, and what is made of the one that ships."""
    ships = root / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"
    shared = Path(os.environ.get("SIBLINGS_SHARED_DATA") or root.parent / "shared" / "data")
    twins = {name: shared / "hearts" / "real" / f"{file}.nii.gz"
             for name, file in (("toronto", "toronto_normal"), ("rodero", "rodero_ct_14"))}
    inputs = {"ships": ships, **derived(ships, scratch / "inputs"), **twins}
    return {name: str(path) for name, path in inputs.items() if path.exists()}


def derived(ships: Path, folder: Path) -> dict[str, Path]:
    """Maps made of a twin: a region, the twin as a folder of masks, and the twin with a tissue that no model knows."""
    image = SimpleITK.ReadImage(str(ships))
    labels = SimpleITK.GetArrayFromImage(image)
    upper, middle = np.zeros_like(labels), np.zeros_like(labels)
    upper[3 * len(labels) // 5:] = 1  # slices, from the middle of the heart to its base
    middle[len(labels) // 3:len(labels) // 2] = UNKNOWN
    write_map(folder / "mask.nii.gz", upper, image)
    write_map(folder / "unknown.nii.gz", np.where(labels > 0, labels, middle), image)
    for value, name in MASKS.items():
        write_map(folder / "masks" / f"{name}.nii.gz", labels == value, image)
    return {"mask": folder / "mask.nii.gz", "unknown": folder / "unknown.nii.gz", "masks": folder / "masks"}


def write_map(path: Path, voxels: np.ndarray, like: SimpleITK.Image) -> None:
    """Writes voxels on the grid of an image."""
    written = SimpleITK.GetImageFromArray(voxels.astype(np.uint8))
    written.CopyInformation(like)
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(written, str(path))


def each_of(runs: list[Run], place: Place, jobs: int) -> Iterator[tuple[str, Found]]:
    """Every run's name and what came of it, in the order of the runs; `jobs` are made at a time."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        yield from zip([each.name for each in runs], pool.map(partial(make, place=place), runs), strict=True)


def make(chosen: Run, place: Place) -> Found:
    """Runs all commands of a run, unless one fails, and hashes what they wrote."""
    work = place.scratch / chosen.name
    work.mkdir()
    filled = {name: shlex.quote(path) for name, path in place.inputs.items()} | {"work": shlex.quote(str(work))}
    began = time.monotonic()
    for command in chosen.commands:
        done = siblings(shlex.split(command.format(**filled)), place.root)
        if done.returncode not in FINISHED:
            break
    seconds = round(time.monotonic() - began, 1)
    if done.returncode not in FINISHED:
        return Found("", "", "", done.returncode, 0, seconds, (done.stderr.strip().splitlines() or [""])[-1])
    maps, tables = files_of(work / chosen.maps, ENDINGS), files_of(work / "out", ("metrics.csv",))
    said = hash_words(done.stdout, work) if chosen.words else ""
    return Found(hash_maps(maps), hash_tables(tables), said, done.returncode, len(maps), seconds)


def siblings(words: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    """`siblings` with these words, with one quiet thread and the models that the clone ships."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIBLINGS_")}
    environment |= {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run([sys.executable, "-m", "DiffusionSiblingsLib", *words], cwd=root, env=environment, text=True,
                          encoding="utf-8", capture_output=True, check=False)


def files_of(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Files below a folder whose names end so, sorted by their path."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(endings))


def hash_maps(paths: list[Path]) -> str:
    """SHA-256 of voxels (as 32-bit numbers, whatever their type) and affines (to 1e-5 mm) of maps, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        image = SimpleITK.ReadImage(str(path))
        voxels = SimpleITK.GetArrayFromImage(image)
        affine = [round(number, 5) + 0.0 for number in (*image.GetOrigin(), *image.GetSpacing(), *image.GetDirection())]
        digest.update(f"{voxels.shape} {affine}".encode())
        digest.update(voxels.astype("<i4").tobytes())
    return digest.hexdigest() if paths else ""


def hash_tables(paths: list[Path]) -> str:
    """SHA-256 of the column headers and of all cells that are numbers, as they are written, with their columns."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        numbers = [[(name, cell) for name, cell in zip(header, row, strict=True) if is_number(cell)] for row in rows]
        digest.update(json.dumps([header, numbers]).encode())
    return digest.hexdigest() if paths else ""


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def hash_words(text: str, work: Path) -> str:
    """SHA-256 of all words and numbers of a text, sorted: rules, gaps and line ends of a table do not count."""
    found = sorted(re.findall(r"\w[\w.%/-]*", text.replace(str(work), "WORK")))
    return hashlib.sha256(" ".join(found).encode()).hexdigest()


def facts_of(root: Path) -> dict[str, str]:
    """What decides the hashes: processor, Python, packages; and the commit, with `+` where files were changed."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    facts = {"cpu": models[0] if models else platform.processor(), "python": platform.python_version()}
    return facts | {name: version_of(name) for name in PACKAGES} | {"commit": commit_of(root)}


def version_of(package: str) -> str:
    """Its version, or "none"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def commit_of(root: Path) -> str:
    """The commit that is checked out; `+` after it where files in git were changed. "" without git."""
    try:
        git = partial(subprocess.run, cwd=root, text=True, capture_output=True, check=True)
        changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
        return git(["git", "rev-parse", "HEAD"]).stdout.strip() + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return ""


def recorded_runs(path: Path, facts: dict[str, str]) -> dict[str, dict[str, object]]:
    """The runs of a file of hashes, which are never made anew: later changes are held to them. SystemExit where they
    are of another machine, build or commit.
    """
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text(encoding="utf-8"))
    if recorded["facts"] != facts:
        sys.exit(f"{path} has hashes of another machine, build or commit: choose another name, or remove it")
    return dict(recorded["runs"])


def write(path: Path, facts: dict[str, str], there: dict[str, dict[str, object]],
          found: Iterator[tuple[str, Found]]) -> int:
    """Records the hashes of each run as soon as it is made, after those that are there -> 1 where a run failed."""
    failed = 0
    for name, each in found:
        tell(name, verdict_alone(each), each)
        if each.error or not each.maps:
            failed += 1
            continue
        there[name] = {key: value for key, value in asdict(each).items() if key != "error" and value != ""}
        path.write_text(json.dumps({"facts": facts, "runs": there}, indent=1) + "\n", encoding="utf-8")
    print(f"{len(there)} runs are recorded in {path}" + (f"; {failed} FAILED and are not" if failed else ""))
    return int(failed > 0)


def against(path: Path, facts: dict[str, str], found: Iterator[tuple[str, Found]]) -> int:
    """Compares runs with those of a file, one line for each -> 1 where voxels or exit codes differ or a run failed."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    for name, was in recorded["facts"].items():
        if name != "commit" and facts.get(name) != was:
            print(f"note: {name} was {was} and is {facts.get(name)}: the hashes may differ for that alone")
    verdicts = []
    for name, each in found:
        verdicts.append(verdict(recorded["runs"].get(name), each))
        tell(name, verdicts[-1], each)
    differing = sum(words[0].isupper() for words in verdicts)
    print(f"{verdicts.count('same')} of {len(verdicts)} runs are the same, {differing} differ in voxels or exit code")
    return int(differing > 0)


def verdict(was: dict[str, str] | None, now: Found) -> str:
    """same, table differs, words differ, or in capitals what must not be: VOXELS DIFFER, EXIT CODE DIFFERS, FAILED."""
    if was is None:
        return "not recorded"
    if now.error or not now.maps:
        return verdict_alone(now)
    if now.voxels != was["voxels"]:
        return "VOXELS DIFFER"
    if now.exit != was["exit"]:
        return "EXIT CODE DIFFERS"
    parts = [name for name, hashed in (("table", now.table), ("words", now.words)) if hashed != was.get(name, "")]
    return " and ".join(parts) + (" differs" if parts == ["table"] else " differ") if parts else "same"


def verdict_alone(now: Found) -> str:
    """What can be said of a run without one to compare it with."""
    if now.error:
        return f"FAILED ({now.exit}): {now.error}"
    return "made" if now.maps else "FAILED: no maps were written"


def tell(name: str, words: str, found: Found) -> None:
    """One line for one run."""
    print(f"{name:<24} {found.seconds:6.1f} s {found.maps:3d} maps  {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
