"""Answers and questions as HTML. All text in it is escaped, whoever wrote it.

A chat message is one `<div>` without a line break, which Markdown takes for an
HTML block and leaves alone. What Markdown an answer may use is decided here:
lists, tables, bold, headings, code. Links go to arXiv only, images nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from html import escape as _escape_html

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

import rag
from ui.texts import Language, text

_ID = r"\d{4}\.\d{4,5}"
_MARKER = re.compile(rf"\[({_ID})\]")
_IS_ID = re.compile(rf"{_ID}\Z")
# Braces, `$` and back-ticks mean something to templates, formulas and Markdown.
_RISKY = re.compile(r"[${}`\\]")
# Left alone, these reorder, hide or overlay the text around them.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def escape(raw: str) -> str:
    """Return untrusted text as HTML text, also fit for a quoted attribute."""
    escaped = _escape_html(_INVISIBLE.sub("", raw), quote=True)
    return _RISKY.sub(lambda m: f"&#{ord(m[0])};", escaped)


def link(arxiv_id: str, label: str, css: str = "", hint: str = "") -> str:
    """Return a link to a paper on arXiv; plain escaped text when the id is none."""
    if not _IS_ID.match(arxiv_id):
        return escape(label)
    return (
        f'<a class="{css}" href="https://arxiv.org/abs/{arxiv_id}" title="{escape(hint)}" '
        f'target="_blank" rel="noopener noreferrer">{escape(label)}</a>'
    )


def question_html(question: str) -> str:
    """Return a reader's question as one HTML block."""
    return f'<div class="question">{_inline_breaks(escape(question.strip()))}</div>'


def message_html(message: str, css: str = "") -> str:
    """Return a sentence of the program's own as one HTML block."""
    return f'<div class="answer {css}"><p>{_inline_breaks(escape(message))}</p></div>'


def partial_html(markdown: str, known: Collection[str]) -> str:
    """Return an answer that is still being written; ids in `known` become links."""
    return f'<div class="answer writing">{answer_body(markdown, dict.fromkeys(known, ""))}</div>'


def answer_html(answer: rag.Answer, language: Language, seconds: float | None = None) -> str:
    """Return a whole answer as one HTML block: text, notes, and how it came to be."""
    titles = {c.arxiv_id: c.title for c in answer.citations}
    titles |= {p.arxiv_id: p.title for p in answer.nearest if p.arxiv_id not in titles}
    css = "answer refusal" if answer.is_refusal else "answer"
    notes = "".join(f'<p class="note">{_inline_breaks(escape(n))}</p>' for n in answer.notes)
    facts = [_source_count(answer, language)]
    if seconds is not None:
        facts.append(text(language, "seconds", s=f"{seconds:.1f}"))
    return (
        f'<div class="{css}">{answer_body(answer.text, titles)}{notes}'
        f'<p class="facts">{escape(" · ".join(facts))}</p></div>'
    )


def answer_body(markdown: str, titles: dict[str, str]) -> str:
    """Return an answer's Markdown as HTML without a line break.

    A marker `[id]` becomes a link, with its title as the hint, if the id is a
    key of `titles`; any other stays text.
    """
    rendered = str(_parser().render(_INVISIBLE.sub("", markdown), {"titles": titles}))
    return rendered.strip().replace("\n", "&#10;")


@cache
def _parser() -> MarkdownIt:
    # "zero" knows nothing, above all no HTML, link or image; the rest is chosen.
    parser = MarkdownIt("zero", renderer_cls=_Renderer)
    return parser.enable(
        ["table", "list", "heading", "fence", "backticks", "emphasis", "escape", "hr"]
    )


class _Renderer(RendererHTML):
    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Return the text escaped, its citation markers as links."""
        del options
        titles = env["titles"]
        pieces = _MARKER.split(tokens[idx].content)
        for n, piece in enumerate(pieces):
            if n % 2 == 0:
                pieces[n] = escape(piece)
            elif piece in titles:
                pieces[n] = link(piece, piece, "cite", titles[piece])
            else:
                pieces[n] = escape(f"[{piece}]")
        return "".join(pieces)

    def code_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        """Return a code span, escaped."""
        del options, env
        return f"<code>{escape(tokens[idx].content)}</code>"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Return a code block, escaped, without its language."""
        del options, env
        return f"<pre><code>{escape(tokens[idx].content)}</code></pre>"

    def softbreak(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        """Keep the line breaks of an answer: they were meant."""
        del tokens, idx, options, env
        return "<br>"


def _inline_breaks(escaped: str) -> str:
    return re.sub(r"[ \t]*\n\s*", "<br>", escaped)


def _source_count(answer: rag.Answer, language: Language) -> str:
    if answer.is_refusal:
        return text(language, "refused")
    match len(answer.citations):
        case 0:
            return text(language, "no_sources")
        case 1:
            return text(language, "one_source")
        case n:
            return text(language, "many_sources", n=n)
