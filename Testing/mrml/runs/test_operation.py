"""Operations: long work in steps, cancelled without a trace, its errors ready for a person."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest
from DiffusionSiblingsUI.runs.operation import Operation, OperationCancelled, Status, part

from DiffusionSiblingsLib.core.errors import InputError, SiblingsError


def steps(log: list[str], count: int = 3) -> Generator[Status | None, None, str]:
    """Counts up to `count`, and says in `log` how it ended."""
    try:
        for number in range(count):
            yield Status(number / count, f"step {number}", float(count - number))
            yield None
        log.append("end")
        return "result"
    except GeneratorExit:
        log.append("taken back")
        raise


def failing(error: Exception) -> Generator[Status | None, None, None]:
    yield Status(0.5)
    raise error


def test_waiting_gives_the_result_and_tells_each_change() -> None:
    told: list[tuple[float, str]] = []
    ended: list[str] = []
    operation = Operation(steps([]), on_update=lambda o: told.append((o.progress, o.what)),
                          on_finished=lambda o: ended.append(o.state))
    assert operation.wait() == "result"
    assert told == [(0.0, "step 0"), (1 / 3, "step 1"), (2 / 3, "step 2")]
    assert ended == ["done"] and operation.progress == 1.0 and operation.finished


def test_a_cancelled_operation_takes_back_what_it_began_and_says_so_once() -> None:
    log: list[str] = []
    ended: list[str] = []
    operation = Operation(steps(log), on_finished=lambda o: ended.append(o.state))
    operation.step(budget=1e-9)
    operation.cancel()
    operation.cancel()
    assert log == ["taken back"] and ended == ["cancelled"]
    with pytest.raises(OperationCancelled):
        operation.wait()


def test_cancel_from_within_a_step_takes_effect_after_it() -> None:
    log: list[str] = []
    operation = Operation(steps(log), on_update=lambda o: o.cancel() if o.what == "step 1" else None)
    with pytest.raises(OperationCancelled):
        operation.wait()
    assert log == ["taken back"] and operation.what == "step 1"


def test_an_event_during_a_step_does_not_step_again() -> None:
    operation = Operation(steps([]))
    operation.on_update.append(lambda o: o.step())  # as a timer would, if a step let the event loop turn
    assert operation.wait() == "result"


def test_an_error_for_users_is_raised_as_it_is() -> None:
    error = InputError("No twin", value="none")
    with pytest.raises(InputError) as caught:
        Operation(failing(error)).wait()
    assert caught.value is error


@pytest.mark.parametrize("error, word", [(ZeroDivisionError("zero"), "ZeroDivisionError"), (MemoryError(), "memory")])
def test_other_errors_become_messages_that_say_what_to_do(error: Exception, word: str) -> None:
    operation = Operation(failing(error))
    with pytest.raises(SiblingsError, match=word) as caught:
        operation.wait()
    assert operation.state == "failed" and caught.value.hint and caught.value.__cause__ is error


def test_a_fault_in_a_display_does_not_end_the_work() -> None:
    def fault(_: Operation) -> None:
        raise RuntimeError("deleted widget")

    assert Operation(steps([]), on_update=fault, on_finished=fault).wait() == "result"


def test_steps_stop_when_their_time_is_over() -> None:
    def slow() -> Generator[None, None, None]:
        while True:
            time.sleep(0.004)
            yield None

    operation = Operation(slow())
    began = time.perf_counter()
    operation.step(budget=0.02)
    assert 0.01 < time.perf_counter() - began < 0.1
    assert 0.004 <= operation.longest_step < 0.1
    operation.cancel()


def test_an_operation_that_waits_leaves_its_step_at_once() -> None:
    def waiting() -> Generator[Status, None, None]:
        for _ in range(5):
            yield Status(idle=True)

    operation = Operation(waiting())
    operation.step(budget=10.0)
    assert operation.idle and not operation.finished
    operation.wait()


def test_parts_share_the_progress_of_the_whole_and_hand_on_results_and_ends() -> None:
    log: list[str] = []

    def whole() -> Generator[Status | None, None, list[Any]]:
        first = yield from part(steps(log, 2), 0.0, 0.5, "first")
        second = yield from part(steps(log, 2), 0.5, 1.0)
        return [first, second]

    seen: list[float] = []
    operation = Operation(whole(), on_update=lambda o: seen.append(o.progress))
    assert operation.wait() == ["result", "result"]
    assert seen == sorted(seen) and set(seen) == {0.0, 0.25, 0.5, 0.75}
    operation = Operation(whole())
    operation.step(budget=1e-9)
    operation.step(budget=1e-9)
    operation.cancel()
    assert log == ["end", "end", "taken back"]
