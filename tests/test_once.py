"""What is made once, whoever asks and whatever comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rag.once import once

READERS = 10


class Slow:
    """Makes a new object once it is let; counts how often it was asked to."""

    def __init__(self, fails: int = 0) -> None:
        self.calls = 0
        self.fails = fails
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, name: str) -> object:
        self.calls += 1
        self.begun.set()
        assert self.let.wait(30)
        if self.calls <= self.fails:
            raise ValueError(name)
        return object()


def gathered(get: Callable[[str], object], slow: Slow) -> list[object]:
    """Have ten ask while the first is still waiting; return what each got, or its error."""
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(get("a"))
        except ValueError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(READERS)]
    threads[0].start()
    assert slow.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    slow.let.set()
    for thread in threads:
        thread.join(30)
    return found


def test_those_who_ask_at_the_same_moment_get_the_same_one() -> None:
    slow = Slow()
    get = once(slow)
    found = gathered(get, slow)
    assert len(found) == READERS
    assert len(set(map(id, found))) == slow.calls == 1
    assert get("a") is found[0]
    assert get("b") is not found[0]


def test_a_failure_is_told_to_all_who_waited_and_not_kept() -> None:
    slow = Slow(fails=1)
    get = once(slow)
    found = gathered(get, slow)
    # Who came after the failure tried again, and shared what came of that.
    failed = [one for one in found if isinstance(one, ValueError)]
    assert failed
    assert slow.calls <= 2
    assert get("a") is get("a")
    assert slow.calls == 2


def test_what_asks_for_itself_with_other_arguments_is_not_stuck() -> None:
    @once
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert factorial(20) == 2432902008176640000


def test_an_interrupt_is_passed_on() -> None:
    @once
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
