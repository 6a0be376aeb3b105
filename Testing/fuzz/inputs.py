"""What is fuzzed: sound files of every kind that is read, how each is damaged, and everything that then reads it.

A reader may refuse with an error of this project's own family and with nothing else. Sound files are made anew for
every run, in a folder of the run's.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hearts import ellipsoid_heart, small_model
from json_mutations import VALUES, json_text, tensor_header
from labelmap_cases import FILES, HEART, heart
from mutations import LINES, WORDS, flipped, lined, packed_nifti, plain_nifti, torn
from nibabel.nifti2 import Nifti2Header

from DiffusionSiblingsLib.apps.worker.commands import COMMANDS, check_command
from DiffusionSiblingsLib.apps.worker.protocol import parse
from DiffusionSiblingsLib.cohorts.dataset_file import PackCase, read_pack, write_pack
from DiffusionSiblingsLib.cohorts.members import find_members
from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistanceMeter
from DiffusionSiblingsLib.cohorts.training_statistics import SCHEMA, read_training_statistics
from DiffusionSiblingsLib.cohorts.wanted import parse_wanted
from DiffusionSiblingsLib.control.builders import around_tissue
from DiffusionSiblingsLib.control.control import Control, read_control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.editing.design import parse_region
from DiffusionSiblingsLib.editing.record_entries import extension_in, rows_of
from DiffusionSiblingsLib.editing.result import known_request
from DiffusionSiblingsLib.labelmaps.geometry.reference import starting_reference
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange
from DiffusionSiblingsLib.labelmaps.label_options import parse_labels
from DiffusionSiblingsLib.labelmaps.read import read_labelmap, read_mask
from DiffusionSiblingsLib.labelmaps.region import parse_box, read_region
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.acceptance import Acceptance
from DiffusionSiblingsLib.models.card import read_card
from DiffusionSiblingsLib.models.networks.checkpoint import load_networks
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.models.store import add_model, check_weight_file
from DiffusionSiblingsLib.runs.resume import require_same
from DiffusionSiblingsLib.runs.views import Tally

RECORDS = Path(__file__).resolve().parents[1] / "lib" / "core" / "records"
LIKE = heart()
ELLIPSOIDS = ellipsoid_heart((38, 30, 34), 4.9)
Mutate = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Input:
    """One kind of input. file: its path in the folder of a run. share: of all mutations, in parts.

    sound: makes whole files in a folder -> their bytes. mutate: damages one of them. read: does everything that reads
    the damaged file at its path, with choices drawn from the case's own randomness.
    """

    file: str
    share: int
    sound: Callable[[Path], Sequence[bytes]]
    mutate: Mutate
    read: Callable[[Path, random.Random], object]



# label maps, regions, folders of masks


def second_version(raw: bytes) -> bytes:
    """The same map as NIfTI-2."""
    header = Nifti2Header(bytes(540), "<", check=False)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 540, b"n+2\0\r\n\x1a\n", 544
    header["dim"], header["datatype"], header["bitpix"], header["pixdim"] = [3, 12, 10, 8, 1, 1, 1, 1], 2, 8, [1] * 8
    return header.binaryblock + bytes(4) + raw[-960:]


def maps(format: str, folder: Path) -> list[bytes]:
    """Whole files of a format: named and unnamed, of one and of two bytes a voxel, and those of its own kinds."""
    several = [heart(), heart(named=False), heart(heart().labels.astype(np.int16))]
    files = [write_labelmap(one, folder / f"sound{n}", format).read_bytes() for n, one in enumerate(several)]
    if format == "nii":
        files.append(second_version(files[1]))
    if "nrrd" in format:
        layers = np.stack([heart().labels == tissue.label for tissue in HEART.tissues], axis=-1).astype(np.uint8)
        pairs = [f"Segment{n}_{key}:={value}" for n, tissue in enumerate(HEART.tissues)
                 for key, value in (("Name", tissue.name), ("LabelValue", 1), ("Layer", n))]
        head = ["NRRD0005", "type: uchar", "dimension: 4", "space: left-posterior-superior", "sizes: 6 12 10 8",
                "space directions: none (1,0,0) (0,1,0) (0,0,1)", "kinds: list domain domain domain", "encoding: raw",
                "space origin: (0,0,0)", *pairs, "", ""]
        files.append("\n".join(head).encode() + layers.tobytes())
    return files


def read_map(path: Path, rng: random.Random) -> None:
    """Read as a twin and as a mask, and written again."""
    read_mask(path)
    labelmap = read_labelmap(path, HEART, rng.choice((None, {t.id: t.label for t in HEART.tissues})),
                             whole=rng.random() < 0.7)
    write_labelmap(labelmap, path.parent / "again", rng.choice(("same", "nii.gz", "nrrd", "seg.nrrd", "mha", "folder")))


def masks(folder: Path) -> list[bytes]:
    """A folder of masks beside which the damaged one comes."""
    written = write_labelmap(heart(), folder / "case", "folder")
    return [(written / "heart_atrium_left.nii.gz").read_bytes()]


def tables_beside(folder: Path) -> list[bytes]:
    """Names for a map without any, as Slicer, BIDS and colour tables give them."""
    write_labelmap(heart(named=False), folder / "twin.nii.gz")
    rows = [(tissue.label, tissue.name) for tissue in HEART.tissues]
    return [("LabelValue,Name,Color_R\n" + "".join(f"{value},{name},7\n" for value, name in rows)).encode(),
            ("index\tname\n" + "".join(f"{value}\t{name}\n" for value, name in rows)).encode(),
            "".join(f"{value} {name.replace(' ', '_')} 12 34 56 255\n" for value, name in rows).encode(),
            "".join(f'{value} 12 34 56 1 1 1 "{name}"\n' for value, name in rows).encode()]


def json_beside(folder: Path) -> list[bytes]:
    """The same as nnU-Net gives them, either way round."""
    write_labelmap(heart(named=False), folder / "twin.nii.gz")
    rows = {tissue.name: tissue.label for tissue in HEART.tissues}
    return [json.dumps({"labels": labels}).encode() for labels in (rows, {str(v): name for name, v in rows.items()})]


def read_beside(path: Path, rng: random.Random) -> None:
    """The map that the table is of."""
    read_labelmap(path.with_name("twin.nii.gz"), HEART)


# records, controls, models


def records(folder: Path) -> list[bytes]:
    """Records of every version."""
    return [path.read_bytes() for path in sorted(RECORDS.glob("*.json"))]


def read_run(path: Path, rng: random.Random) -> None:
    """Everything that reads a record before it acts on it."""
    record = read_record(path)
    tally = Tally()
    for run in record.runs:
        known_request(run["request"]).describe()
        for entry in run["siblings"]:
            tally.add(str(entry["file"]), entry)
    tally.doubts()
    extension_in(record.twin or {})
    settled = [{**run, "request": known_request(run["request"]).to_json()} for run in record.runs]
    require_same(record, replace(record, runs=settled), path.parent)
    list(rows_of(record.twin, record.runs))
    find_members(path.parent, anatomy=HEART)


def controls(folder: Path) -> list[bytes]:
    """Controls of boxes, planes and lines."""
    box = around_tissue(ELLIPSOIDS.labels, ELLIPSOIDS.affine, HEART, ("LV",), most_points=8)
    plain = box.to_json()
    flat = {**plain, "name": "plane", "template": [6, 6, 1], "size": [*plain["size"][:2], 0]}
    domains = (box, ControlDomain.from_json(flat))
    terms = (Term(box.name, "mass", Target(times=1.2)), Term("plane", "mass", Target(value=5.0)),
             Term(box.name, "betti", Target(value=(1, 0, None))),
             Term(box.name, "position", Target(plus=(1.0, 0.0, 0.0)), tolerance=0.5, weight=2.0))
    return [json.dumps(control.to_json()).encode() for control in (Control(domains, terms), Control(domains[:1], ()))]


def follow_control(path: Path, rng: random.Random) -> None:
    """A control, measured on a heart and resolved."""
    control = read_control(path, HEART)
    ground = Placement.of_map(ELLIPSOIDS.labels, ELLIPSOIDS.affine, HEART)
    small = [domain for domain in control.domains if np.prod(domain.template) < 50_000]
    if control.frame == "world" and len(small) == len(control.domains) < 20:
        control.resolve(ground.measured(control))
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    Control.from_json(control.moved(turn, "world").merged(control).to_json())


def model(folder: Path) -> Path:
    """The folder of a small model; it is made once a run."""
    if not (folder / "small" / "model.json").is_file():
        small_model(folder / "small")
    return folder / "small"


def part_of_model(name: str, folder: Path) -> list[bytes]:
    """One file of a small model."""
    return [(model(folder) / name).read_bytes()]


def read_models(path: Path, rng: random.Random) -> None:
    """A card, and what it says."""
    card = read_card(path.parent)
    find_model(str(path.parent))
    assert isinstance(card.identity, dict) and card.size_bytes >= 0 and card.licence + card.summary is not None
    card.reference()


def read_weights(path: Path, rng: random.Random) -> None:
    """A weight file by its header, and as networks."""
    check_weight_file(path)
    load_networks(path)


def archives(folder: Path) -> list[bytes]:
    """A model in a zip file."""
    with zipfile.ZipFile(folder / "sound.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(model(folder).iterdir()):
            if path.name in ("model.json", "weights.safetensors"):
                archive.write(path, f"small/{path.name}")
    return [(folder / "sound.zip").read_bytes()]


def statistics(folder: Path) -> list[bytes]:
    """Measurements of training hearts."""
    from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap, measure
    from DiffusionSiblingsLib.metrics.morphology import all_measurements

    found = measure(LIKE)
    assert isinstance(found, MeasuredMap)
    values = all_measurements(found.features, found.volumes)
    rows = [[value * (1 + n / 10) for value in values.values()] for n in range(5)]
    return [json.dumps({"schema": SCHEMA, "anatomy": "heart", "columns": [key.title for key in values],
                        "rows": np.nan_to_num(np.array(rows)).tolist()}).encode()]


def read_statistics(path: Path, rng: random.Random) -> None:
    """The training hearts, and the meter that compares with them."""
    found = read_training_statistics(path.parent)
    meter = TrainingDistanceMeter.of(found, HEART)
    if meter is not None:
        assert meter.too_near >= 0


# between programs


def exchanged(folder: Path) -> list[bytes]:
    """The description of a map that one process hands to another."""
    write_exchange(heart(), folder / "handed")
    return [(folder / "handed.json").read_bytes()]


def commands(folder: Path) -> list[bytes]:
    """Lines for the worker."""
    request = {"edit": "perturb", "count": 1, "seed": 0, "ratio": 0.5}
    lines: list[dict[str, Any]] = [{"id": 1, "command": "run", "requests": [request], "out": "o", "twin": "t"},
                                   {"id": 2, "command": "estimate", "shape": [1, 2, 3]}]
    whole = {"requests": [request], "out": "o", "record": {"runs": []}, "maps": ["a"], "map": "m", "folder": "f",
             "file": "m.nii", "source": {"folder": "x"}, "real": {"folder": "r"},
             "synthetic": {"maps": ["b"], "record": {"runs": []}}}
    several = {name: {**whole, "maps": "m"} if name in ("compare", "report", "mesh") else whole for name in COMMANDS}
    lines += [{"id": 9, "command": name, **values} for name, values in several.items()]
    return [json.dumps(line).encode() for line in lines]


def follow_command(path: Path, rng: random.Random) -> None:
    """A line, up to where its work begins."""
    command = parse(path.read_bytes())
    check_command(command)
    for request in command["requests"] if command["command"] == "run" else ():
        known_request(request)


def packs(folder: Path) -> list[bytes]:
    """A data set of two cases."""
    labels = ELLIPSOIDS.labels
    cases = [(PackCase(name=name, subject=name, split="train"), labels) for name in ("a", "b")]
    reference = starting_reference(labels, ELLIPSOIDS.affine, HEART)
    write_pack(folder / "sound.safetensors", cases, reference, shape=labels.shape)
    return [(folder / "sound.safetensors").read_bytes()]


def read_cases(path: Path, rng: random.Random) -> None:
    """A data set and its label maps."""
    pack = read_pack(path)
    for index in range(min(3, len(pack))):
        pack.labels(index)


LANGUAGES: tuple[tuple[Callable[[str], object], tuple[str, ...]], ...] = (
    (parse_labels, ("LV=3,RV=4", "LA=420")), (parse_box, ("1,2,3,4,5,6",)),
    (Acceptance.parse, ("components,contacts,thin-walls:2",)), (find_model, ("heart-compact",)),
    (partial(parse_region, anatomy=HEART), ("LV,RV", "whole")),
    (partial(parse_wanted, anatomy=HEART), ("LV volume > 120 ml", "RV volume < 100 ml")),
)  # fmt: skip


def texts(folder: Path) -> list[bytes]:
    """What people type for options that are small languages, after the number of the language."""
    return [f"{number}|{text}".encode() for number, (_, several) in enumerate(LANGUAGES) for text in several]


def typed(rng: random.Random, raw: bytes) -> bytes:
    """A text with a piece of it replaced."""
    at = rng.randrange(min(2, len(raw)), len(raw) + 1)
    piece = rng.choice((*WORDS, *LINES, *(str(value) for value in VALUES)))
    replaced = raw[:at] + piece.encode("utf-8", "replace") + raw[at + 2 :]
    return rng.choice((flipped(rng, raw), torn(rng, raw), replaced, replaced))


def read_texts(path: Path, rng: random.Random) -> None:
    """A text in the place of an option."""
    number, _, text = path.read_bytes().decode("utf-8", "surrogateescape").partition("|")
    known = number.isascii() and number.isdecimal() and len(number) == 1
    read, _ = LANGUAGES[int(number) % len(LANGUAGES)] if known else rng.choice(LANGUAGES)
    read(text)


def one_line(rng: random.Random, raw: bytes) -> bytes:
    """A line of JSON, or of nearly that."""
    return json_text(rng, raw).replace(b"\n", b" ")


def any_bytes(rng: random.Random, raw: bytes) -> bytes:
    """A file whose structure is left to chance."""
    return rng.choice((flipped, torn))(rng, raw)


LABEL_MAPS = {"nii.gz": packed_nifti, "nii": plain_nifti, "nrrd": lined, "seg.nrrd": lined, "mha": lined}
INPUTS: dict[str, Input] = {
    **{format: Input(f"twin.{format}", 24, partial(maps, format), LABEL_MAPS[format], read_map) for format in FILES},
    "region": Input("region.seg.nrrd", 12, partial(maps, "seg.nrrd"), lined,
                    lambda path, rng: read_region(path, LIKE)),
    "masks": Input("case/heart_atrium_left.nii.gz", 12, masks, packed_nifti,
                    lambda path, rng: read_labelmap(path.parent, HEART)),
    "table": Input("twin.csv", 12, tables_beside, typed, read_beside),
    "dataset": Input("dataset.json", 12, json_beside, json_text, read_beside),
    "record": Input("run/record.json", 24, records, json_text, read_run),
    "control": Input("control.json", 24, controls, json_text, follow_control),
    "card": Input("small/model.json", 8, partial(part_of_model, "model.json"), json_text, read_models),
    "weights": Input("weights/weights.safetensors", 12, partial(part_of_model, "weights.safetensors"), tensor_header,
                      read_weights),
    "statistics": Input("cohort.json", 8, statistics, json_text, read_statistics),
    "exchange": Input("handed.json", 8, exchanged, json_text, lambda path, rng: read_exchange(path.with_suffix(""))),
    "command": Input("line", 24, commands, one_line, follow_command),
    "pack": Input("pack.safetensors", 8, packs, tensor_header, read_cases),
    "text": Input("text", 24, texts, typed, read_texts),
    "zip": Input("model.zip", 4, archives, any_bytes, lambda path, rng: add_model(path, replace=True)),
}
