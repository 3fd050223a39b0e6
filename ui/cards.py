"""The panel of sources: a card for each paper behind an answer, quotes marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import rag
from ui.render import escape, link
from ui.texts import Language, text

_AUTHORS = 6
_ENTRIES = 3
_OTHERS = 5


def panel_html(
    answer: rag.Answer | None, papers: Mapping[str, rag.Paper], language: Language
) -> str:
    """Return the panel for `answer`; `papers` holds those cited, by arXiv id."""
    if answer is None:
        return f'<p class="hint">{escape(text(language, "sources_empty"))}</p>'
    scores = {hit.paper.arxiv_id: hit.score for hit in answer.hits}
    cited = {c.arxiv_id for c in answer.citations}
    parts = [f'<p class="for">{escape(answer.question)}</p>']
    parts += [_card(c, papers.get(c.arxiv_id), scores, language) for c in answer.citations]
    nearest = [p for p in answer.nearest if p.arxiv_id not in cited]
    if nearest:
        parts.append(_heading("nearest", language))
        parts += [_paper_card(paper, scores, language) for paper in nearest]
    shown = cited | {p.arxiv_id for p in nearest}
    others = [hit for hit in answer.hits if hit.paper.arxiv_id not in shown][:_OTHERS]
    if others and not answer.is_refusal:
        parts.append(_heading("also", language))
        parts.append(f'<ul class="others">{"".join(_other(hit) for hit in others)}</ul>')
    return "".join(parts)


def _heading(key: str, language: Language) -> str:
    return f"<h4>{escape(text(language, key))}</h4>"


def _card(
    citation: rag.Citation,
    paper: rag.Paper | None,
    scores: Mapping[str, float],
    language: Language,
) -> str:
    body = _quotes(citation.quotes, paper, language)
    if paper and paper.abstract and not citation.quotes:
        body = _folded(text(language, "about"), escape(paper.abstract), "en")
    return (
        f'<article class="card" data-arxiv="{escape(citation.arxiv_id)}">'
        f"{_head(citation.arxiv_id, citation.title, scores, language)}"
        f"{_about(paper, language) if paper else ''}{body}</article>"
    )


def _paper_card(paper: rag.Paper, scores: Mapping[str, float], language: Language) -> str:
    citation = rag.Citation(paper.arxiv_id, paper.title, paper.url)
    return _card(citation, paper, scores, language)


def _head(arxiv_id: str, title: str, scores: Mapping[str, float], language: Language) -> str:
    score = ""
    if arxiv_id in scores:
        hint, name = escape(text(language, "score_hint")), escape(text(language, "score"))
        score = f'<span class="score" title="{hint}">{name} {scores[arxiv_id]:.2f}</span>'
    return (
        f'<header><span class="id">{link(arxiv_id, arxiv_id, "cite")}</span>{score}</header>'
        f"<h3>{link(arxiv_id, title)}</h3>"
    )


def _about(paper: rag.Paper, language: Language) -> str:
    names = ", ".join(paper.authors[:_AUTHORS])
    if len(paper.authors) > _AUTHORS:
        names += " " + text(language, "more", n=_more(len(paper.authors), language))
    entries = [_entry(appearance, language) for appearance in paper.appearances[:_ENTRIES]]
    if len(paper.appearances) > _ENTRIES:
        more = text(language, "more_entries", n=len(paper.appearances) - _ENTRIES)
        entries.append(f"<li>{escape(more)}</li>")
    return (
        f'<p class="authors">{escape(names or text(language, "no_authors"))}</p>'
        f'<ul class="entries">{"".join(entries)}</ul>'
    )


def _more(count: int, language: Language) -> int:
    """Return the number that the phrase wants: all of them in Chinese, else the rest."""
    return count if language == "zh" else count - _AUTHORS


def _entry(appearance: rag.Appearance, language: Language) -> str:
    facts = [escape(appearance.digest), text(language, "entry", n=appearance.position)]
    if appearance.date:
        facts.append(appearance.date.isoformat())
    tags = [appearance.category] if appearance.category else []
    if appearance.announce:
        tags.append(text(language, appearance.announce))
    labels = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in tags)
    return f"<li>{labels}{' · '.join(facts)}</li>"


def _other(hit: rag.Hit) -> str:
    paper = hit.paper
    return (
        f"<li>{link(paper.arxiv_id, paper.arxiv_id, 'cite')} {escape(paper.title)} "
        f'<span class="score">{hit.score:.2f}</span></li>'
    )


def _quotes(quotes: Sequence[rag.Quote], paper: rag.Paper | None, language: Language) -> str:
    """Return the quotes by passage, each passage whole below, folded."""
    by_passage: dict[str, list[rag.Quote]] = {}
    for quote in quotes:
        by_passage.setdefault(quote.passage_id, []).append(quote)
    return "".join(_passage(group, paper, language) for group in by_passage.values())


def _passage(quotes: Sequence[rag.Quote], paper: rag.Paper | None, language: Language) -> str:
    space = "" if quotes[0].language == "zh" else " "
    marked = space.join(f"<mark>{escape(quote.text)}</mark>" for quote in quotes)
    whole = _whole(quotes[0], paper) if paper else ""
    folded = ""
    if whole and whole != quotes[0].text:
        body = mark(whole, [quote.text for quote in quotes])
        folded = _folded(text(language, "passage"), body, quotes[0].language)
    return (
        f'<p class="part">{_part(quotes[0], language)}</p>'
        f'<blockquote lang="{quotes[0].language}">{marked}</blockquote>{folded}'
    )


def _part(quote: rag.Quote, language: Language) -> str:
    name = escape(text(language, "title_part" if quote.part == "title" else quote.part))
    if quote.part in ("title", "abstract"):
        return name
    return f'{name} <span class="machine">{escape(text(language, "machine"))}</span>'


def _folded(summary: str, body: str, lang: str) -> str:
    return (
        f"<details><summary>{escape(summary)}</summary>"
        f'<p class="whole" lang="{lang}">{body}</p></details>'
    )


def _whole(quote: rag.Quote, paper: rag.Paper) -> str:
    """Return the text of the passage that a quote was taken from, "" if it is gone."""
    if quote.part == "title":
        return ""
    if quote.part == "abstract":
        return paper.abstract
    texts = (r.text for r in paper.renditions if r.part == quote.part and quote.text in r.text)
    return next(texts, "")


def mark(passage: str, quotes: Iterable[str]) -> str:
    """Return a passage escaped, with every quote that stands in it marked."""
    spans = sorted((passage.find(q), passage.find(q) + len(q)) for q in quotes if q in passage)
    pieces, end = [], 0
    for start, stop in spans:
        if start < end:
            continue
        pieces += [escape(passage[end:start]), f"<mark>{escape(passage[start:stop])}</mark>"]
        end = stop
    return "".join([*pieces, escape(passage[end:])])
