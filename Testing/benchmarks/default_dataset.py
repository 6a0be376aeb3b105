"""The data set that the shipped model was trained on, from a neighbouring folder of hearts: `siblings prepare` on it.

    python Testing/benchmarks/default_dataset.py --out build/heart [--only N] [--more FOLDER] [--like MODEL] [--jobs N]
    siblings train build/heart --config compact --out build/heart-compact \
        --about Resources/Models/heart-compact/about.json

Reads ../shared/data/hearts (or $SIBLINGS_SHARED_DATA/hearts): `drawn.tar.xz`, `drawn.json` and `real/`. The held-out
hearts and the `test` draws stay out. --only N takes the first N drawn hearts, to try it. --more adds draws of a folder
(`draw_NNNN.nii` from number 2000 on, as ../shared/data/make/hearts makes them) to the training maps. --like takes the
pose of a model, to train it further.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEARTS = Path(os.environ.get("SIBLINGS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "hearts"
HELD_OUT = ("rodero_ct_13", "rodero_ct_14", "rodero_ct_15", "toronto_normal")
FIRST_OWN = 2000  # number of a draw from which on it is nobody's test case
WEIGHTS = {"rodero": 3.0, "toronto": 8.0}  # rare and detailed cases are drawn more often


def main() -> None:
    """Collects the hearts below OUT/source and prepares them."""
    from DiffusionSiblingsLib.core.anatomy import load_anatomy
    from DiffusionSiblingsLib.models.registry import find_model
    from DiffusionSiblingsLib.training.prepare.run import prepare

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int)
    parser.add_argument("--more", type=Path)
    parser.add_argument("--like")
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    source = arguments.out / "source"
    source.mkdir(parents=True, exist_ok=True)
    drawn = [case["name"] for case in json.loads((HEARTS / "drawn.json").read_text()) if case["split"] == "train"]
    entries = [*collect_drawn(source, drawn[: arguments.only]), *collect_real(source)]
    if arguments.more:
        entries += collect_more(source, arguments.more)
    (source / "cases.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    reference = find_model(arguments.like).reference() if arguments.like else None
    print(prepare(source, arguments.out, load_anatomy("heart"), jobs=arguments.jobs, reference=reference))


def collect_drawn(source: Path, names: list[str]) -> list[dict[str, object]]:
    """Unpacks the drawn hearts that are not there yet -> their entries of cases.json."""
    missing = {name for name in names if not (source / name).exists()}
    if missing:
        with tarfile.open(HEARTS / "drawn.tar.xz") as archive:
            for member in archive:
                if Path(member.name).name in missing and (file := archive.extractfile(member)):
                    (source / Path(member.name).name).write_bytes(file.read())
    return [{"name": name, "split": "train", "source": "drawn from a shape model"} for name in names]


def collect_more(source: Path, folder: Path) -> list[dict[str, object]]:
    """Copies further draws -> their entries. Numbers below FIRST_OWN are of draws that are known, some held out."""
    entries: list[dict[str, object]] = []
    for path in sorted(folder.glob("draw_*.nii*")):
        number = int(path.name.split("_")[1].split(".")[0])
        if number < FIRST_OWN:
            raise SystemExit(f"{path} has a number below {FIRST_OWN}: it may be one of the held-out draws")
        if not (source / path.name).exists():
            shutil.copyfile(path, source / path.name)
        entries.append({"name": path.name, "split": "train", "source": "drawn from a shape model"})
    return entries


def collect_real(source: Path) -> list[dict[str, object]]:
    """Copies the real hearts that may be trained on -> their entries. Both maps of one patient are one subject."""
    entries: list[dict[str, object]] = []
    for path in sorted((HEARTS / "real").glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        if name in HELD_OUT:
            continue
        shutil.copyfile(path, source / path.name)
        subject = "toronto_case001" if name.startswith("toronto") else name
        entries.append({"name": path.name, "subject": subject, "split": "train", "weight": WEIGHTS[name.split("_")[0]],
                        "source": "Toronto Heart Atlas" if name.startswith("toronto") else "Rodero et al. 2021"})
    return entries


if __name__ == "__main__":
    main()
