"""The index as the chat shows it: its state, its choices, its rebuilding."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator

import rag
from ui.render import escape
from ui.texts import KEYS, Language, text

Choices = list[tuple[str, str]]

# A coined name: "UDora", "VTool-R1", "ARMOR", but not "Position" or "A survey".
_NAMED = re.compile(r"((?=\S+[A-Z0-9])[A-Z][\w.+-]{2,24}): ")
_NAMES = 6
_GENERIC = {
    "en": "Which papers here are about large language model agents?",
    "zh": "有哪些关于大语言模型推理的论文？",
}


def state_html(status: rag.Status, language: Language) -> str:
    """Return what the index holds and whether it is up to date."""
    badge = "missing" if not status.usable else "outdated" if status.problem else "current"
    rows = "".join(
        f"<dt>{escape(text(language, key))}</dt><dd>{escape(value)}</dd>"
        for key, value in _facts(status, language)
    )
    problem = f'<p class="note">{escape(status.problem)}</p>' if status.problem else ""
    label = escape(text(language, badge))
    return f'<p><span class="badge {badge}">{label}</span></p>{problem}<dl>{rows}</dl>'


def state_line(status: rag.Status, language: Language) -> str:
    """Return the state in a few words, for a heading."""
    if not status.usable:
        return f"{text(language, 'index')} · {text(language, 'missing')}"
    state = text(language, "outdated" if status.problem else "current")
    return f"{text(language, 'index')} · {text(language, 'n_papers', n=status.papers)} · {state}"


def _facts(status: rag.Status, language: Language) -> Iterator[tuple[str, str]]:
    if not status.usable:
        return
    yield "papers", text(language, "of_entries", papers=status.papers, entries=status.entries)
    names = [f"{name} ({n})" for name, n in status.digests.items()]
    if len(names) > _NAMES:
        names = [text(language, "n_digests", n=len(names)), *names[:1], "…", *names[-_NAMES + 2 :]]
    yield "digests", ", ".join(names)
    days = sorted(status.days)
    span = [days[0].isoformat(), days[-1].isoformat()] if days else [text(language, "no_days")]
    yield "days", " – ".join(dict.fromkeys(span))
    yield "passages", f"{status.passages:,}"
    if status.built:
        yield "built", status.built.astimezone().strftime("%Y-%m-%d %H:%M")
    yield "encoder", status.encoder
    if status.incomplete:
        yield "incomplete", str(status.incomplete)
    if status.failed:
        yield "entries_failed", str(status.failed)


def choices(status: rag.Status, language: Language) -> dict[str, Choices]:
    """Return the (label, value) choices of each filter, with their paper counts."""
    days: Choices = [(day.isoformat(), day.isoformat()) for day in sorted(status.days)]
    anything: Choices = [(text(language, "any"), "")]
    return {
        "categories": [(f"{name} ({n})", name) for name, n in status.categories.items()],
        "digests": [(f"{name} ({n})", name) for name, n in status.digests.items()],
        "since": anything + days,
        "until": anything + days,
        "announce": [
            (f"{text(language, kind)} ({n})", kind) for kind, n in status.announce.items()
        ],
    }


def writers(settings: rag.Settings, language: Language) -> Choices:
    """Return (label, value) of who may write the answer; "" is the setting's model."""
    offered = rag.models(settings)
    written: Choices = [
        (_written_by(name, language), "" if spec == settings.llm else spec)
        for name, spec in offered.items()
    ]
    return [*written, (text(language, "writer_quotes"), "none")]


def _written_by(name: str, language: Language) -> str:
    return text(language, "writer_model", model=name) if name else text(language, "writer_any")


def example_questions(settings: rag.Settings, language: Language) -> list[str]:
    """Return questions that the reader's own index can answer, in both languages.

    The reader's language comes first. Papers of the last digest whose title names
    a system, as in "UDora: ...", make the best ones.
    """
    last = tuple(rag.status(settings=settings).digests)[-1:]
    try:
        papers = rag.papers(filters=rag.Filters(digests=last), settings=settings) if last else []
    except rag.DigestRagError:
        papers = []
    named = [(m[1], p) for p in papers if (m := _NAMED.match(p.title))]
    chinese = [name for name, paper in named if paper.renditions]
    english = [name for name, _ in reversed(named)]
    by_language = {
        "en": [f"What is {name} and how does it work?" for name in english[:1]] + [_GENERIC["en"]],
        "zh": [f"{name} 的主要结果是什么？" for name in chinese[:1]] + [_GENERIC["zh"]],
    }
    other = "en" if language == "zh" else "zh"
    return by_language[language] + by_language[other]


def check_html(settings: rag.Settings, language: Language, llm: str = "") -> Iterator[str]:
    """Yield what works and what to do about what does not, as it becomes known."""
    lines = ""
    waiting = f"<p>{escape(text(language, 'checking'))}</p>"
    yield waiting
    for finding in rag.check(settings, llm=llm or None):
        state = "works" if finding.ok else "fails"
        name = text(language, f"part_{finding.part}")
        told = " ".join(part for part in (finding.sentence, finding.todo) if part)
        lines += (
            f'<p class="finding {state}"><b>{"✓" if finding.ok else "✗"} {escape(name)}</b> '
            f'<span class="state">{escape(text(language, state))}</span><br>{escape(told)}</p>'
        )
        yield lines + waiting
    yield lines


def rebuild(settings: rag.Settings, language: Language) -> Iterator[str]:
    """Build the index anew and yield what is being done, then how it ended.

    Questions go on being answered from the old index until the new one stands.
    """
    reports: queue.Queue[str | None] = queue.Queue()
    ends: list[str] = []

    def report(stage: str, done: int, total: int) -> None:
        key = f"stage_{stage}"
        name = text(language, key if key in KEYS else "stage_other")
        reports.put(f"{name} … {done}/{total}" if total > 1 else f"{name} …")

    def work() -> None:
        try:
            ledger = rag.build_index(settings=settings, progress=report)
            counts = {"entries": ledger.entries, "papers": ledger.papers}
            ends.append(text(language, "rebuilt", **counts, failed=len(ledger.failed)))
        except rag.DigestRagError as error:
            ends.append(str(error))
        except Exception:
            ends.append(text(language, "failed"))
            raise
        finally:
            reports.put(None)

    threading.Thread(target=work, name="rebuild", daemon=True).start()
    while (line := reports.get()) is not None:
        yield line
    yield from ends
