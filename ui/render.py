"""Answers and questions as HTML. All text in it is escaped, whoever wrote it.

A chat message is one `<div>` without a line break, which Markdown takes for an
HTML block and leaves alone. What Markdown an answer may use is decided here:
lists, tables, bold, headings, code blocks. Links go to arXiv only, images nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from html import escape as _escape_html

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

import rag
from ui import verdicts
from ui.texts import Language, text

_ID = r"\d{4}\.\d{4,5}"
_MARKER = re.compile(rf"\[({_ID})\]")
_FORMULA = re.compile(r"\$(?![\s\d.,]+\s)[^\s$](?:[^$\n]{0,200}[^\s$])?\$(?!\d)")
_IS_ID = re.compile(rf"{_ID}\Z")
# These mean something to templates, formulas or Markdown; an empty line ends an HTML block.
_RISKY = re.compile(r"[${}`\\\n]")
# Left alone, these reorder, hide or overlay the text around them.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def escape(raw: str) -> str:
    """Return untrusted text as HTML text, also fit for a quoted attribute."""
    escaped = _escape_html(_INVISIBLE.sub("", raw), quote=True)
    return _RISKY.sub(lambda m: f"&#{ord(m[0])};", escaped)


def link(arxiv_id: str, label: str, css: str = "title", hint: str = "") -> str:
    """Return a link to a paper on arXiv; plain escaped text when the id is none."""
    if not _IS_ID.match(arxiv_id):
        return escape(label)
    shown = f' title="{escape(hint)}"' if hint else ""
    return (
        f'<a class="{css}" href="https://arxiv.org/abs/{arxiv_id}"{shown} '
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
    facts = [text(language, "refused" if answer.is_refusal else answer.mode)]
    if not answer.is_refusal:
        facts.append(_source_count(answer, language))
    if seconds is not None:
        facts.append(text(language, "seconds", s=f"{max(seconds, 0.1):.1f}"))
    return (
        f'<div class="{css}">{_chips(answer, language)}{_checked_body(answer, titles, language)}'
        f"{verdicts.legend(answer, language)}{notes}"
        f'<p class="facts">{escape(" · ".join(facts))}</p></div>'
    )


def _checked_body(answer: rag.Answer, titles: dict[str, str], language: Language) -> str:
    marked = verdicts.with_marks(_INVISIBLE.sub("", answer.text), answer)
    return verdicts.as_html(_rendered(marked, titles), language)


def _chips(answer: rag.Answer, language: Language) -> str:
    """Return what the question was understood to ask for, as tags."""
    tags = "".join(
        f'<span class="chip">{escape(text(language, f"chip_{chip.field}"))}: '
        f"{escape(chip.value)}</span>"
        for chip in answer.chips
    )
    return f'<p class="chips">{tags}</p>' if tags else ""


def answer_body(markdown: str, titles: dict[str, str]) -> str:
    """Return an answer's Markdown as HTML without a line break.

    A marker `[id]` becomes a link, with its title as the hint, if the id is a
    key of `titles`; any other stays text.
    """
    return _rendered(_INVISIBLE.sub("", markdown), titles)


def _rendered(markdown: str, titles: dict[str, str]) -> str:
    rendered = str(_parser().render(markdown, {"titles": titles}))
    return rendered.strip().replace("\n", "&#10;")


@cache
def _parser() -> MarkdownIt:
    # "zero" knows nothing, above all no HTML, link or image; the rest is chosen.
    # Escapes and code spans are not: abstracts say \alpha and ``this''.
    parser = MarkdownIt("zero", renderer_cls=_Renderer)
    parser.enable(["table", "list", "heading", "fence", "emphasis", "hr", "newline"])
    parser.inline.ruler.before("emphasis", "math", _math)
    return parser


def _math(state: StateInline, silent: bool) -> bool:
    """Keep a formula, `$x^*_i$`, from being read as Markdown."""
    found = _FORMULA.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        state.push("math_inline", "", 0).content = found[0]
    state.pos = found.end()
    return True


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

    def math_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        """Return a formula as it was written, escaped."""
        del options, env
        return f'<span class="math">{escape(tokens[idx].content)}</span>'

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
    return re.sub(r"[ \t]*&#10;(?:\s|&#10;)*", "<br>", escaped)


def _source_count(answer: rag.Answer, language: Language) -> str:
    match len(answer.citations):
        case 0:
            return text(language, "no_sources")
        case 1:
            return text(language, "one_source")
        case n:
            return text(language, "many_sources", n=n)
