"""The data set that the shipped model was trained on, from a neighbouring folder of hearts: `siblings prepare` on it.

    python Testing/benchmarks/default_dataset.py --out build/heart [--only N]
    siblings train build/heart --config compact --out build/heart-compact \
        --about Resources/Models/heart-compact/about.json

Reads ../shared/data/hearts (or $SIBLINGS_SHARED_DATA/hearts): `drawn.tar.xz`, `drawn.json` and `real/`. The held-out
hearts and the `test` draws stay out. --only N takes the first N drawn hearts, to try it.
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
WEIGHTS = {"rodero": 3.0, "toronto": 8.0}  # rare and detailed cases are drawn more often


def main() -> None:
    """Collects the hearts below OUT/source and prepares them."""
    from DiffusionSiblingsLib.core.anatomy import load_anatomy
    from DiffusionSiblingsLib.training.prepare.run import prepare

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int)
    arguments = parser.parse_args()
    source = arguments.out / "source"
    source.mkdir(parents=True, exist_ok=True)
    drawn = [case["name"] for case in json.loads((HEARTS / "drawn.json").read_text()) if case["split"] == "train"]
    entries = [*collect_drawn(source, drawn[: arguments.only]), *collect_real(source)]
    (source / "cases.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    print(prepare(source, arguments.out, load_anatomy("heart")))


def collect_drawn(source: Path, names: list[str]) -> list[dict[str, object]]:
    """Unpacks the drawn hearts that are not there yet -> their entries of cases.json."""
    missing = {name for name in names if not (source / name).exists()}
    if missing:
        with tarfile.open(HEARTS / "drawn.tar.xz") as archive:
            for member in archive:
                if Path(member.name).name in missing and (file := archive.extractfile(member)):
                    (source / Path(member.name).name).write_bytes(file.read())
    return [{"name": name, "split": "train", "source": "drawn from a shape model"} for name in names]


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
