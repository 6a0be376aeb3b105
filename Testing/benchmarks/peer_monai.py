"""One sibling by this project against one by the MONAI peer: the same steps, threads and machine, in one run.

The peer is what a user would build from MONAI by the papers: AutoencoderKL [64, 128, 192] with 32^3 x 4 latents and
DiffusionModelUNet [64, 128, 192] (27.6 M parameters) at 128^3, two residual blocks a level as in the latent diffusion
code that the papers started from, with random weights, which cost as much as trained ones.
Both sides are charged the same number of network evaluations. One sibling is: encode the twin, sample, decode. A full
run of the peer takes minutes, so a few steps, one encoding and one decoding are timed and added up. Each side has a
process of its own, one after the other. Usage: python Testing/benchmarks/peer_monai.py [--threads N] [--twin FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from common import GIB, ROOT, Measured, cores, embedded_twin, load, machine, report_of, verdict

RATIO_BAR = 30.0
REPEATS = 3
CLASSES, SIZE, CHANNELS, LATENT, LATENT_SIZE = 7, 128, (64, 128, 192), 4, 32


def main() -> int:
    """Runs the sides one after the other and prints their ratio; returns 1 where the bar was missed."""
    arguments = parse()
    if arguments.side:
        print(json.dumps(ours(arguments) if arguments.side == "ours" else peer(arguments)))
        return 0
    print(f"{machine(arguments.threads)}; {load()}")
    own, measured = side(arguments, "ours", None)
    arguments.evaluations = own["evaluations"]
    print(f"{arguments.steps} Heun steps at ratio {arguments.ratio:g}: {own['evaluations']} network evaluations each\n")
    print("one sibling      encode   evaluation    decode     total   peak memory      ratio")
    print(line(f"ours {own['dtype']}", own, measured.peak, own), flush=True)
    ratios = {}
    for dtype in arguments.peer_dtypes:
        other, measured = side(arguments, "peer", dtype)
        ratios[dtype] = total(other) / total(own)
        print(line(f"peer {dtype}", other, measured.peak, own), flush=True)
    print(f"\nthe peer's total is timed in parts and added up: encode + {own['evaluations']} x evaluation + decode")
    for dtype, ratio in ratios.items():
        name = f"{dtype} (as MONAI comes)" if dtype == "float32" else dtype
        print(f"against the peer in {name}: {ratio:.0f} times faster   {verdict(ratio, RATIO_BAR, at_least=True)}")
    return int(ratios.get("float32", RATIO_BAR) < RATIO_BAR)


def ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """One sibling through the public Python API, after one to warm up -> median seconds and network evaluations."""
    import torch

    from DiffusionSiblingsLib.editing.request import Request
    from DiffusionSiblingsLib.engine.engine import Engine

    engine = Engine.open(arguments.model, "cpu")
    torch.set_num_threads(arguments.threads)
    twin = engine.twin(arguments.twin)
    request = Request("perturb", ratio=arguments.ratio, steps=arguments.steps, solver="heun")
    evaluations = count_calls(engine.networks.denoiser)
    list(engine.run(request, twin))
    calls = evaluations()
    made = [next(engine.run(request, twin)).timings for _ in range(REPEATS)]
    labels = torch.from_numpy(twin.twin.canonical.labels)[None]
    encode = [seconds(lambda: engine.networks.autoencoder.encode(labels)) for _ in range(REPEATS)]
    return {"encode": median(encode), "step": median(t["sample"] for t in made) / calls,
            "decode": median(t["decode"] for t in made), "evaluations": calls,
            "dtype": str(engine.compute.dtype).removeprefix("torch.")}


def peer(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parts of one sibling by the MONAI networks -> seconds."""
    import torch
    from monai.networks.nets import AutoencoderKL, DiffusionModelUNet

    torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    plain = (False,) * len(CHANNELS)
    autoencoder = AutoencoderKL(
        spatial_dims=3, in_channels=CLASSES, out_channels=CLASSES, channels=CHANNELS, latent_channels=LATENT,
        num_res_blocks=arguments.blocks, attention_levels=plain, with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval().to(dtype)
    denoiser = DiffusionModelUNet(
        spatial_dims=3, in_channels=LATENT, out_channels=LATENT, channels=CHANNELS, num_res_blocks=2,
        attention_levels=(False, True, True), num_head_channels=64,
    ).eval().to(dtype)
    volume = torch.zeros(1, CLASSES, SIZE, SIZE, SIZE, dtype=dtype)
    z = torch.randn(1, LATENT, *(LATENT_SIZE,) * 3).to(dtype)
    t = torch.zeros(1)
    with torch.inference_mode():
        steps = [seconds(lambda: denoiser(z, t)) for _ in range(arguments.timed_steps + 1)][1:]
        encode, decode = seconds(lambda: autoencoder.encode(volume)), seconds(lambda: autoencoder.decode(z))
    return {"encode": encode, "step": median(steps), "decode": decode, "evaluations": arguments.evaluations,
            "parameters": sum(p.numel() for net in (autoencoder, denoiser) for p in net.parameters())}


def side(arguments: argparse.Namespace, name: str, dtype: str | None) -> tuple[dict[str, Any], Measured]:
    """One side in a process of its own, with the threads that the other side has."""
    command = [sys.executable, str(Path(__file__).resolve()), "--side", name]
    for key, value in {**vars(arguments), "side": None, "peer_dtypes": None, "dtype": dtype}.items():
        if value is not None:
            command += [f"--{key.replace('_', '-')}", str(value)]
    return report_of(command, OMP_NUM_THREADS=str(arguments.threads), PYTHONPATH=str(ROOT))


def count_calls(module: Any) -> Callable[[], int]:
    """Counts how often a network is evaluated from now until the returned function is called."""
    calls = []
    handle = module.register_forward_hook(lambda *_: calls.append(1))

    def stop() -> int:
        handle.remove()
        return len(calls)

    return stop


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def total(parts: dict[str, Any]) -> float:
    """Seconds of one sibling."""
    return float(parts["encode"] + parts["evaluations"] * parts["step"] + parts["decode"])


def line(name: str, parts: dict[str, Any], peak: int, own: dict[str, Any]) -> str:
    """One row of the table."""
    return (f"{name:15s} {parts['encode']:6.2f} s    {parts['step']:7.3f} s  {parts['decode']:6.2f} s  "
            f"{total(parts):6.1f} s    {peak / GIB:6.2f} GiB   {total(parts) / total(own):6.1f} x")


def parse() -> argparse.Namespace:
    """The options; the hidden ones are how the script calls itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--twin", type=Path, default=embedded_twin())
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--timed-steps", type=int, default=3, help="steps of the peer that are timed")
    parser.add_argument("--blocks", type=int, default=2, help="residual blocks a level of the peer's autoencoder")
    parser.add_argument("--peer-dtypes", nargs="+", default=["float32", "bfloat16"], choices=("float32", "bfloat16"))
    for own_use in ("--dtype", "--evaluations", "--side"):
        parser.add_argument(own_use, type=int if own_use == "--evaluations" else str, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
