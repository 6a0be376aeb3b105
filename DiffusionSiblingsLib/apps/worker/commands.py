"""What each command may hold, and the types of it: a command is checked here before anything acts on it.

Fields that a command does not have are ignored. What lies deeper, a request, a control or a record, is checked by what
reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, cast

from ...core.codec import from_plain
from ...core.defaults import DEFAULT_MODEL, GATE_LIMIT
from ...core.errors import InputError
from ...core.labelmap import LabelValues

Values = dict[str, Any]


@dataclass(frozen=True)
class Hello:
    """Versions and devices."""


@dataclass(frozen=True)
class Run:
    """The siblings of some requests."""

    requests: list[Values]
    out: str
    exchange: str | None = None
    twin: str | None = None
    labels: LabelValues | None = None
    model: str = DEFAULT_MODEL
    device: str = "auto"
    format: str = "same"
    gate: str = ""
    limit: int = GATE_LIMIT
    jobs: int = 1
    resume: bool = False
    replace: bool = False
    overview: bool = True


@dataclass(frozen=True)
class Replay:
    """The siblings of a record again."""

    record: Values
    twin: str | None = None
    labels: LabelValues | None = None
    region: str | None = None
    siblings: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Measure:
    """Rows of some label maps."""

    maps: list[str]
    names: list[str] | None = None
    control: Values | None = None
    anatomy: str = "heart"


@dataclass(frozen=True)
class Draw:
    """Where the measures of a label map are."""

    map: str
    out: str
    title: str = ""
    anatomy: str = "heart"


@dataclass(frozen=True)
class Estimate:
    """Memory that a run would take."""

    model: str = DEFAULT_MODEL
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Cohort:
    """Rows of the members of a cohort."""

    folder: str
    model: str = DEFAULT_MODEL
    cache: str | None = None


@dataclass(frozen=True)
class Member:
    """One label map of a cohort."""

    file: str
    out: str
    anatomy: str = "heart"


@dataclass(frozen=True)
class Source:
    """Where a cohort is: a folder, or maps that were handed over."""

    folder: str | None = None
    maps: list[str] = field(default_factory=list)
    record: Values | None = None
    name: str | None = None


@dataclass(frozen=True)
class Compare:
    """Two cohorts compared."""

    real: Source
    synthetic: Source
    out: str
    maps: str
    model: str = DEFAULT_MODEL
    cache: str | None = None
    question: str = ""
    emd: bool = False


@dataclass(frozen=True)
class Report:
    """The report of a cohort."""

    source: Source
    out: str
    maps: str
    model: str = DEFAULT_MODEL
    cache: str | None = None
    question: str = ""
    use: str = ""


@dataclass(frozen=True)
class Mesh:
    """Meshes of some label maps. formats to grade: as `MeshSettings` has them."""

    source: Source
    out: str
    maps: str
    formats: list[str] = field(default_factory=lambda: ["vtk"])
    fill: str = "surfaces"
    edge_mm: float | None = None
    walls: dict[str, float] = field(default_factory=dict)
    valves_mm: float | None = None
    numbering: str = ""
    space: str = "LPS"
    grade: int = 1
    anatomy: str = "heart"
    jobs: int = 1
    resume: bool = False
    replace: bool = False


COMMANDS = {"hello": Hello, "run": Run, "replay": Replay, "measure": Measure, "draw": Draw, "estimate": Estimate,
            "cohort": Cohort, "member": Member, "compare": Compare, "report": Report, "mesh": Mesh}


def check_command(command: Values) -> None:
    """Raises InputError for a command that is unknown, lacks something, or has a value of a wrong type."""
    kind = COMMANDS.get(command["command"])
    if kind is None:
        raise InputError("The worker does not know this command", value=command["command"][:200],
                         rule=f"one of {', '.join(COMMANDS)}, cancel, quit")
    known = {one.name for one in fields(cast(Any, kind))}
    try:
        from_plain(cast(Any, kind), {name: value for name, value in command.items() if name in known})
    except ValueError as error:
        raise InputError(f"The command {command['command']} cannot be used", value=error,
                         rule=f"its fields are {', '.join(sorted(known)) or 'none'}") from error
