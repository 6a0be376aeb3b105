"""What listens to a job of the worker in tests."""

from __future__ import annotations

from typing import Any

from DiffusionSiblingsLib.apps.worker.protocol import Cancelled


class Listener:
    """Stands for the server's task: keeps the events, and may be cancelled after some of them."""

    def __init__(self, patience: int = 1 << 30) -> None:
        self.events: list[dict[str, Any]] = []
        self.patience = patience

    def emit(self, event: str, **values: Any) -> None:
        """Keeps an event."""
        self.events.append({"event": event, **values})

    def check(self) -> None:
        """Raises Cancelled once the patience is over."""
        self.patience -= 1
        if self.patience < 0:
            raise Cancelled
