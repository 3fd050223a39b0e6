"""What is costly to make is made once per process, however many ask for it at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import wraps
from typing import TypeVar, TypeVarTuple

_Arguments = TypeVarTuple("_Arguments")
_Made = TypeVar("_Made")


def once(make: Callable[[*_Arguments], _Made]) -> Callable[[*_Arguments], _Made]:
    """Return `make` so that it runs once for the same arguments, which must be hashable.

    `functools.cache` lets all run who ask before the first has ended. Here they wait
    for the first and get what it got, its exception too. An exception is not kept:
    who asks later tries again.
    """
    made: dict[Hashable, Future[_Made]] = {}
    lock = threading.Lock()

    @wraps(make)
    def kept(*arguments: *_Arguments) -> _Made:
        with lock:
            future = made.get(arguments)
            mine = future is None
            if future is None:
                future = made[arguments] = Future()
        if mine:
            try:
                future.set_result(make(*arguments))
            except BaseException as error:
                with lock:
                    del made[arguments]
                future.set_exception(error)
        return future.result()

    return kept
