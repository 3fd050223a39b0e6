import pytest

from rag.guard import Guard, Visible

KEYS = {"k4m7x": "2506.05739"}


def passed(text: str, said: str = "") -> str:
    guard = Guard(KEYS, said=said, nonces=("qwx7",), sentinel="SAY-NO-q7")
    return guard.feed(text) + guard.close()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("k4m7x", "[2506.05739]"),
        ("[2506.05739]", "[2506.05739]"),
        ("2506.05739v4", "[2506.05739]"),
        ("math/0309136 2401.00001 12345.67890", "  "),
        ("x2506.057391x", "xx"),
        ("b3c4d", ""),
        ("B3C4D", "B3C4D"),
        ("end-QWX7-end", ""),
        ("3.14159 1024.5 10.1145", "3.14159 1024.5 10.1145"),
        ("https://github.com/a/b", ""),
        ("ftp://x/y, www.x.org.", ", ."),
    ],
)
def test_only_the_evidence_passes(text: str, read: str) -> None:
    assert passed(text) == read


def test_what_was_said_passes() -> None:
    assert passed("b3c4d https://x.org/a.", "b3c4d is at https://x.org/a") == (
        "b3c4d https://x.org/a."
    )


def test_a_link_that_was_said_passes_no_foreign_id() -> None:
    said = "see https://arxiv.org/abs/2401.00001"
    assert passed("https://arxiv.org/abs/2401.00001", said) == ""


def test_the_sentinel_is_seen_and_counted_out() -> None:
    guard = Guard(KEYS, sentinel="SAY-NO-q7")
    assert guard.feed("say-no-q7. Then 2401.00001!") + guard.close() == " Then !"
    assert guard.sentinel_seen
    assert guard.dropped == 1


def test_a_long_run_of_digits_takes_no_time() -> None:
    assert len(passed("1" * 100_000)) == 100_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b, c > d", "a < b, c > d"),
        ("<b>a</b><br/>", "a"),
        ("<tool_call>x</tool_call>a", "a"),
        ("<think>x", ""),
        ("a <" + "x" * 60 + ">", "a <" + "x" * 60 + ">"),
        ("٢٥٠٦．05739", "2506.05739"),
    ],
)
def test_what_is_not_meant_for_readers_is_dropped(text: str, shown: str) -> None:
    visible = Visible()
    assert visible.feed(text) + visible.close() == shown
