"""Looking at HTML pages: what they point to, and what a browser makes of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Links(HTMLParser):
    """Everything in a page that may make a browser ask for something, and the elements that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.links += re.findall(r"url\(([^)]*)\)|@import", text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.links += [value or "" for key, value in attributes if key in ("src", "href", "srcset", "data", "action")]


def assert_self_contained(path: Path) -> None:
    """Nothing in the page points outside of it, and nothing runs in it."""
    found = Links(path.read_text(encoding="utf-8"))
    assert [link[:60] for link in found.links if not link.startswith(("data:", "#"))] == []
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(found.tags)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def one_line(text: str) -> str:
    """The text as a browser lays it out: line ends of the template are spaces."""
    return re.sub(r"[ \n]+", " ", text)


def browser() -> str:
    found = next((name for name in BROWSERS if shutil.which(name)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def opened(path: Path, folder: Path, *, dark: bool = False, height: int = 1600) -> tuple[Path, list[str], list[str]]:
    """A page in headless Chromium -> screenshot, what the page asked of the network, what its console said."""
    folder.mkdir(parents=True, exist_ok=True)
    shot, log = folder / "shot.png", folder / "net.json"
    run = subprocess.run(
        [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update",
         "--disable-background-networking", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
         f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={folder / 'profile'}",
         f"--log-net-log={log}", f"--window-size=1060,{height}", f"--screenshot={shot}", path.resolve().as_uri()],
        capture_output=True, text=True, timeout=120, check=False)
    assert shot.exists(), run.stderr[-2000:]
    # The browser has errands of its own; those of a page from a file carry "file://" beside their address.
    entries = (entry for entry in re.findall(r'"params":\{[^}]*\}', text_of(log)) if "file://" in entry)
    asked = sorted({found for entry in entries for found in re.findall(r"(?:https?|wss?)://[^\s\"\\]+", entry)})
    return shot, asked, [line for line in run.stderr.splitlines() if ":CONSOLE" in line]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
