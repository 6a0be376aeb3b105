"""Options of commands that make many siblings: processes, clusters, going on, and the gate."""

from __future__ import annotations

import argparse
from typing import Any

from ...metrics.acceptance import gate_help

LIMIT = 10


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """--jobs, --cluster, --resume, --gate and --gate-limit."""
    batch = parser.add_argument_group("many siblings")
    batch.add_argument("--jobs", type=int, metavar="N", help="processes, each with its own copy of the model (about "
                       "0.5 GB) and its share of the cores (default 1; with --cluster: as many as it has room for)")
    batch.add_argument("--cluster", default="", metavar="ADDRESS", help="make them with Ray (pip install "
                       "diffusion-siblings[cluster]): ray for this machine, ray://head:10001 to join a cluster")
    batch.add_argument("--resume", action="store_true", help="go on with the run that DIR holds, if it holds one: "
                       "nothing is made twice; a larger --count adds to it")
    checks = "; ".join(f"{name}: {words}" for name, words in gate_help().items()).replace("%", "%%")
    batch.add_argument("--gate", default="", metavar="CHECKS", help="set aside siblings that fail one of these checks, "
                       "such as components,contacts,thin-walls:2, and draw others until --count have passed. Checks: "
                       f"{checks}")
    batch.add_argument("--gate-limit", type=int, default=LIMIT, metavar="N", help="with --gate, draw at most N times "
                       f"--count (default {LIMIT}); exit code 3 where that was too few")


def batch_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What they say, as `batch.make` takes it."""
    if not hasattr(arguments, "jobs"):  # a command without them
        return {}
    jobs = arguments.jobs if arguments.jobs is not None else 0 if arguments.cluster else 1
    return {"jobs": jobs, "cluster": arguments.cluster, "resume": arguments.resume, "gate": arguments.gate,
            "limit": arguments.gate_limit}
