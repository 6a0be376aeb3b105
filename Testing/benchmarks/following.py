"""Targets that follow the heart, measured anew in the delivered files: errors by task, heart and ratio; and a trial.

    python Testing/benchmarks/following.py --out build/following [--hearts NAME ...] [--ratios 0.4 0.6] [--count 2]
    python Testing/benchmarks/following.py --out build/following --trial 40 [--hearts rodero_ct_14]

Each task is one run of `siblings guide` below --out; a finished one is not made again. The delivered file is then read
by nibabel and measured by `metrics.measures`, which has no part in the guidance. Hearts are real ones of
../shared/data that were never trained on, or `generated_K`: a heart that the model draws with seed K. The same tasks by
the presets of fixed planes and lines stand beside, for contrast. --trial N: N siblings with all volumes held and the
aortic annulus asked to span 21 to 29 mm evenly, and N with nothing asked of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import nibabel
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.measure import measure  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.names import find_named  # noqa: E402

HEARTS = Path(os.environ.get("SIBLINGS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "hearts" / "real"
ANATOMY = load_anatomy("heart")
TEN = ("aortic annulus diameter=+5%", "mitral annulus area=+10%", "LVOT diameter=+1mm", "sinus diameter=+2mm",
       "tricuspid annulus area=-5%", "LV length=-3mm", "aorto-mitral angle=-4deg", "wall thickness=+1mm",
       "RV basal diameter=-2mm", "LA length=+2mm")
TASKS: dict[str, tuple[str, ...]] = {  # name -> arguments of `siblings guide`
    "annulus": ("--want", "aortic annulus area=+10%"),
    "mitral": ("--want", "mitral annulus area=+15%"),
    "mitral, fixed plane": ("--preset", "mitral-valve-fixed", "--amount", "0.15"),
    "wall": ("--want", "wall thickness=+2mm"),
    "wall, fixed lines": ("--preset", "myo-wall-fixed", "--amount", "0.2"),
    "ten": tuple(word for want in TEN for word in ("--want", want)),
}
CONTRAST = {"mitral, fixed plane": ("mitral annulus area", 1.15), "wall, fixed lines": ("wall thickness", 1.2)}
LOW, HIGH = 21.0, 29.0


def main() -> None:
    """Makes what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hearts", nargs="+", default=["rodero_ct_13", "rodero_ct_14", "rodero_ct_15",
                                                        "toronto_normal", "generated_1", "generated_2"])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.4, 0.6])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--solver", default="dpmpp-2m")
    parser.add_argument("--trial", type=int)
    arguments = parser.parse_args()
    if arguments.trial:
        trial(arguments.out, arguments.hearts[0], arguments.trial, arguments.solver)
        return
    print("| task | heart | ratio | siblings | reached | worst error: area % | length mm | angle deg | volume % |"
          "\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in arguments.hearts:
        heart = heart_of(arguments.out, name)
        for ratio in arguments.ratios:
            for task in arguments.tasks:
                folder = arguments.out / f"{name} {ratio:g} {task}"
                run(folder, heart, "--ratio", f"{ratio:g}", "--hold", "all", "--count", str(arguments.count),
                    "--solver", arguments.solver, *TASKS[task])
                print(row(task, name, ratio, folder, measured(heart)), flush=True)


def heart_of(out: Path, name: str) -> Path:
    """The file of a heart; a generated one is drawn first."""
    if not name.startswith("generated_"):
        return HEARTS / f"{name}.nii.gz"
    folder = out / name
    siblings(folder, "generate", "--seed", name.removeprefix("generated_"), "--count", "1", "--format", "nii.gz")
    return folder / "sibling_0000.nii.gz"


def run(folder: Path, heart: Path, *arguments: str) -> None:
    """One run of `siblings guide`, unless it has been made."""
    siblings(folder, "guide", str(heart), "--format", "nii.gz", *arguments)


def siblings(folder: Path, command: str, *arguments: str) -> None:
    """One command of the product into a folder, unless it has been run; a refusal is kept as text."""
    if (folder / "record.json").exists() or (folder / "refused.txt").exists():
        return
    made = subprocess.run([sys.executable, "-m", "DiffusionSiblingsLib", command, *arguments, "--out", str(folder)],
                          cwd=ROOT, text=True, capture_output=True, check=False)
    if not (folder / "record.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "refused.txt").write_text(made.stderr, encoding="utf-8")


def measured(path: Path) -> Mapping[MeasurementKey, float]:
    """All measures of a file, and its tissues' volumes, by nibabel's voxels and its matrix."""
    image = nibabel.load(path)
    labels = np.asarray(image.dataobj).astype(np.int16).transpose(2, 1, 0)
    affine = np.asarray(image.affine, dtype=np.float64)
    cell = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    volumes = {MeasurementKey("volume", tissue.id, "ml"): float((labels == tissue.label).sum()) * cell
               for tissue in ANATOMY.tissues}
    return {**measure(labels, affine, ANATOMY).values, **volumes}


def row(task: str, name: str, ratio: float, folder: Path, before: Mapping[MeasurementKey, float]) -> str:
    """A row of the table, every error from the delivered files."""
    if (folder / "refused.txt").exists():
        said = (folder / "refused.txt").read_text(encoding="utf-8").strip().replace("\n", " ")[:120]
        return f"| {task} | {name} | {ratio:g} | refused: {said} |"
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    asked, worst = wanted(task, before, record), {"%": 0.0, "mm": 0.0, "deg": 0.0, "ml": 0.0}
    files, reached, lost = sorted(folder.glob("sibling_*.nii.gz")), 0, 0
    for path in files:
        after = measured(path)
        good = True
        for key, (value, kind, allowed) in asked.items():
            if key not in after:
                lost, good = lost + 1, False
                continue
            error = abs(after[key] - value) / (value / 100 if kind in ("%", "ml") else 1.0)
            worst[kind] = max(worst[kind], error)
            good &= error <= allowed
        reached += good
    cells = " | ".join(f"{worst[kind]:.2f}" for kind in ("%", "mm", "deg", "ml"))
    return (f"| {task} | {name} | {ratio:g} | {len(files)} | {reached}{f' ({lost} not found)' if lost else ''} | "
            f"{cells} |")


def wanted(task: str, before: Mapping[MeasurementKey, float], record: Mapping[str, object]
           ) -> dict[MeasurementKey, tuple[float, str, float]]:
    """Key -> value asked, kind of its error, and the bar: areas 2 %, lengths 0.3 mm, angles 2 degrees, volumes 0.5 %.
    """
    found: dict[MeasurementKey, tuple[float, str, float]] = {}
    kinds = {"mm^2": ("%", 2.0), "mm": ("mm", 0.3), "deg": ("deg", 2.0)}
    if task in CONTRAST:
        words, times = CONTRAST[task]
        key = find_named(words, ANATOMY)
        assert key is not None
        if key in before:
            found[key] = (before[key] * times, *kinds[key.unit])
    runs = record["runs"]
    assert isinstance(runs, list)
    for item in runs[0]["siblings"][0]["guidance"]:
        if item.get("follows"):
            key = MeasurementKey(item["quantity"], item["domain"], item["unit"])
            found[key] = (item["asked"], *kinds[key.unit])
        elif item["quantity"] == "mass" and item["unit"] == "ml" and item["asked"] == item["before"]:
            key = MeasurementKey("volume", item["domain"], "ml")
            found[key] = (before[key], "ml", 0.5)
    return found


def trial(out: Path, name: str, count: int, solver: str) -> None:
    """How wide the annulus is among siblings that are asked to span a range evenly, and among those that are not."""
    heart, key = heart_of(out, name), find_named("aortic annulus diameter", ANATOMY)
    assert key is not None
    asked = np.linspace(LOW, HIGH, count)
    for number, value in enumerate(asked):
        run(out / f"trial {name}" / f"{number:03d}", heart, "--ratio", "0.6", "--hold", "all", "--count", "1",
            "--first", str(number), "--solver", solver, "--want", f"aortic annulus diameter={value:.3f}mm")
    siblings(out / f"trial {name} free", "perturb", str(heart), "--ratio", "0.6", "--hold", "all",
             "--solver", solver, "--count", str(count), "--format", "nii.gz")
    found = [measured(path).get(key) for number in range(count)
             for path in (out / f"trial {name}" / f"{number:03d}").glob("sibling_*.nii.gz")]
    free = [measured(path).get(key) for path in sorted((out / f"trial {name} free").glob("sibling_*.nii.gz"))]
    with (out / f"trial {name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("asked mm", "achieved mm"), *zip(asked, found, strict=True)])
    errors = [abs(got - want) for want, got in zip(asked, found, strict=True) if got is not None]
    print(f"{name}: {len(errors)} of {count} have an annulus; median error {median(errors):.2f} mm, greatest "
          f"{max(errors):.2f} mm, within 0.3 mm {sum(error <= 0.3 for error in errors)}")
    edges = np.arange(LOW - 2, HIGH + 3)
    for title, values in (("asked", asked), ("achieved", found), ("nothing asked", free)):
        counts, _ = np.histogram([value for value in values if value is not None], edges)
        print(f"{title:>14}: " + " ".join(f"{edge:g}:{number}" for edge, number in zip(edges, counts, strict=False)))


if __name__ == "__main__":
    main()
