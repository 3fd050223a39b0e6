import copy
import inspect
import pickle
import re

import pytest

from rag import errors
from rag.errors import DigestRagError, NoPapers
from rag.types import Failure

CLASSES = [
    cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, DigestRagError)
]


def test_every_error_stands_in_the_tree_that_the_module_draws() -> None:
    drawn = re.findall(r"^[ │├└─]+(\w+)|^ {4}(\w+)$", errors.__doc__ or "", re.MULTILINE)
    assert {a or b for a, b in drawn} == {cls.__name__ for cls in CLASSES}


def test_the_drawn_parents_are_the_real_ones() -> None:
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").split("\n"):
        match = re.match(r"^( {4}[ │├└─]*)([A-Z]\w+)", line)
        if match is None:
            continue
        depth, name = len(match[1]), match[2]
        parents = [(d, n) for d, n in parents if d < depth]
        if parents:
            assert getattr(errors, name).__bases__ == (getattr(errors, parents[-1][1]),)
        parents.append((depth, name))


def test_the_text_is_the_sentence_and_the_hint() -> None:
    error = DigestRagError("It broke.", "Mend it.")
    assert str(error) == "It broke. Mend it."
    assert (error.message, error.hint) == ("It broke.", "Mend it.")
    assert str(DigestRagError("It broke.")) == "It broke."


def test_no_papers_says_why_and_what_to_do() -> None:
    failure = Failure("a.md", 0, "it is empty")
    error = NoPapers((failure,))
    assert error.failed == (failure,)
    assert "digest-rag index PATH" in error.hint


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_crosses_processes(cls: type[DigestRagError]) -> None:
    error = NoPapers((Failure("a", 1, "b"),)) if cls is NoPapers else cls("It broke.", "Mend it.")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(twin) is cls
        assert (str(twin), vars(twin)) == (str(error), vars(error))
