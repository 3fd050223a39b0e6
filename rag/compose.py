"""The words of an answer that no model wrote: leads, lists, tables, refusals.

Sentences of papers stand verbatim, each followed by its paper's marker. What we
say ourselves is in `_PHRASES`, in English and Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rag.dates import span
from rag.types import Citation, Filters, Language, Paper, Quote

_PHRASES: dict[str, dict[Language, str]] = {
    "refusal": {
        "en": "The digests don't hold an answer to this.",
        "zh": "这些摘要里没有能回答这个问题的内容。",
    },
    "no_detail": {
        "en": "The digest entry of “{title}” (arXiv:{id}) does not state this.",
        "zh": "摘要条目《{title}》（arXiv:{id}）没有给出这一信息。",
    },
    "does_say": {"en": "What it does say:", "zh": "条目中提到的是："},
    "nearest": {"en": "Nearest papers:", "zh": "最接近的论文："},
    "unknown": {
        "en": "{what} is not in the digests.",
        "zh": "这些摘要里没有 {what}。",
    },
    "no_words": {
        "en": "The question holds no words to search for. Ask in a sentence, please.",
        "zh": "问题里没有可以检索的文字，请用一句话提问。",
    },
    "english_only": {
        "en": "",
        "zh": "（该论文没有中文摘要，以下为英文原文。）",
    },
    "found": {"en": "{n} papers fit:", "zh": "有 {n} 篇相关论文："},
    "found_one": {"en": "One paper fits:", "zh": "有 1 篇相关论文："},
    "count": {"en": "{n} distinct papers{scope}.", "zh": "{scope}共有 {n} 篇不同的论文。"},
    "count_one": {"en": "One paper{scope}.", "zh": "{scope}共有 1 篇论文。"},
    "none": {"en": "No paper in the digests fits{scope}.", "zh": "这些摘要里没有{scope}的论文。"},
    "none_of_them": {
        "en": "None of these papers clearly fits.",
        "zh": "这些论文中没有明显符合的。",
    },
    "more": {"en": "… and {n} more.", "zh": "……另有 {n} 篇。"},
    "no_category": {
        "en": "Digests that print no category: {names}.",
        "zh": "以下摘要没有标注类别：{names}。",
    },
    "authors": {
        "en": "“{title}” [{id}] is by {names}.",
        "zh": "《{title}》[{id}] 的作者是 {names}。",
    },
    "no_authors": {
        "en": "The digest of “{title}” (arXiv:{id}) prints no authors or affiliations.",
        "zh": "收录《{title}》（arXiv:{id}）的摘要没有给出作者和单位。",
    },
    "category_of": {
        "en": "“{title}” [{id}] is printed under {value}.",
        "zh": "《{title}》[{id}] 的类别是 {value}。",
    },
    "no_category_of": {
        "en": "The digest of “{title}” (arXiv:{id}) prints no category.",
        "zh": "收录《{title}》（arXiv:{id}）的摘要没有标注类别。",
    },
    "date_of": {
        "en": "“{title}” [{id}] stands in the digest of {value}.",
        "zh": "《{title}》[{id}] 收录于 {value} 的摘要。",
    },
    "no_date_of": {
        "en": "The digest of “{title}” (arXiv:{id}) prints no date.",
        "zh": "收录《{title}》（arXiv:{id}）的摘要没有标注日期。",
    },
    "announce_of": {
        "en": "“{title}” [{id}] was announced as {value}.",
        "zh": "《{title}》[{id}] 的公告类型是 {value}。",
    },
    "no_announce_of": {
        "en": "The digest of “{title}” (arXiv:{id}) does not print how it was announced.",
        "zh": "收录《{title}》（arXiv:{id}）的摘要没有标注公告类型。",
    },
    "digest_of": {
        "en": "“{title}” [{id}] stands in {value}.",
        "zh": "《{title}》[{id}] 收录于 {value}。",
    },
    "link_of": {"en": "“{title}” [{id}]: {value}", "zh": "《{title}》[{id}]：{value}"},
    "unsigned": {
        "en": "Digests that print no authors: {names}.",
        "zh": "以下摘要没有标注作者：{names}。",
    },
    "undated": {
        "en": "Digests that print no date: {names}.",
        "zh": "以下摘要没有标注日期：{names}。",
    },
    "library": {
        "en": "{n} digests with {papers} distinct papers{days}.",
        "zh": "共有 {n} 份摘要、{papers} 篇不同的论文{days}。",
    },
    "library_one": {
        "en": "One digest with {papers} distinct papers{days}.",
        "zh": "共有 1 份摘要、{papers} 篇不同的论文{days}。",
    },
    "one_day": {"en": ", of {first}", "zh": "，日期为 {first}"},
    "from_to": {"en": ", from {first} to {last}", "zh": "，日期从 {first} 到 {last}"},
    "newest": {"en": "The newest day is {day}:", "zh": "最新的日期是 {day}："},
    "oldest": {"en": "The oldest day is {day}:", "zh": "最早的日期是 {day}："},
    "no_days": {"en": "The digests print no dates.", "zh": "这些摘要都没有标注日期。"},
    "no_date": {"en": "no date", "zh": "无日期"},
    "digest": {"en": "- {name} ({day}, {n} papers)", "zh": "- {name}（{day}，{n} 篇）"},
    "digest_one": {"en": "- {name} ({day}, 1 paper)", "zh": "- {name}（{day}，1 篇）"},
    "not_about": {
        "en": "That is not about the digests. Ask about the papers in them, please.",
        "zh": "这与摘要无关，请就摘要中的论文提问。",
    },
    "small_talk": {
        "en": "Ask about the papers in the digests whenever you like.",
        "zh": "欢迎随时就摘要中的论文提问。",
    },
    "about_program": {
        "en": "This answers questions about the papers in the indexed arXiv digests, from the "
        "digests alone and with the arXiv id of every paper: ask what a paper says, for papers on "
        "a topic or by an author, day or category, or for a comparison.",
        "zh": "这里只根据已收录的 arXiv 摘要回答问题，并注明论文的 arXiv 编号："
        "可以问某篇论文讲了什么，"
        "按主题、作者、日期或类别找论文，也可以比较几篇论文。",
    },
    "no_referent": {
        "en": "It is not clear which paper is meant. Name it, please, or say what it is about.",
        "zh": "不清楚指的是哪篇论文，请给出名称或说明内容。",
    },
    "by_search": {
        "en": "Counted by search: the digests print no topics, so the number is a judgement.",
        "zh": "以上由检索得出，摘要并未标注主题，数量仅供参考。",
    },
    "row_asked": {"en": "On your question", "zh": "针对问题"},
    "row_what": {"en": "What it does", "zh": "做了什么"},
    "row_result": {"en": "Results", "zh": "结果"},
}
_SEPARATOR: dict[Language, str] = {"en": " ", "zh": ""}
_LISTED = 30


def phrase(name: str, language: Language, /, **values: object) -> str:
    """Return one of our own sentences in the reader's language."""
    return _PHRASES[name][language].format(**values)


def lead(paper: Paper, language: Language) -> str:
    """Return the words that name the paper before its sentences."""
    if language == "zh":
        return f"《{paper.title}》[{paper.arxiv_id}]："
    return f"“{paper.title}” [{paper.arxiv_id}]: "


def quoted(quotes: Sequence[Quote], arxiv_id: str, language: Language) -> str:
    """Return the sentences, each with the paper's marker."""
    return _SEPARATOR[language].join(f"{quote.text} [{arxiv_id}]" for quote in quotes)


def one_paper(paper: Paper, quotes: Sequence[Quote], language: Language) -> str:
    """Return an answer from one paper: the lead and its sentences."""
    foreign = language == "zh" and all(q.language == "en" for q in quotes)
    note = phrase("english_only", language) if foreign and quotes else ""
    spoken: Language = "en" if foreign else language
    return lead(paper, language) + note + quoted(quotes, paper.arxiv_id, spoken)


def many_papers(items: Sequence[tuple[Paper, Sequence[Quote]]], language: Language) -> str:
    """Return a list, a line and a marker per paper."""
    head = phrase("found_one" if len(items) == 1 else "found", language, n=len(items))
    lines = [f"- {one_paper(paper, quotes, language)}" for paper, quotes in items]
    return "\n".join([head, *lines])


def titles(papers: Sequence[Paper], language: Language) -> str:
    """Return a line per paper with its title and marker, a long list cut short."""
    return listed([f"- {paper.title} [{paper.arxiv_id}]" for paper in papers], language)


def listed(lines: Sequence[str], language: Language) -> str:
    """Return the lines, a long list cut short with how many more there are."""
    more = [phrase("more", language, n=len(lines) - _LISTED)] if len(lines) > _LISTED else []
    return "\n".join([*lines[:_LISTED], *more])


def comparison(
    papers: Sequence[Paper],
    rows: Sequence[tuple[str, Sequence[Sequence[Quote]]]],
    language: Language,
) -> str:
    """Return a Markdown table, a column per paper, a row per (phrase name, quotes by paper)."""
    header = "|  | " + " | ".join(_cell(f"{p.title} [{p.arxiv_id}]") for p in papers) + " |"
    lines = [header, "| --- " * (len(papers) + 1) + "|"]
    for name, cells in rows:
        texts = [
            _cell(quoted(quotes, paper.arxiv_id, language)) or "–"
            for paper, quotes in zip(papers, cells, strict=True)
        ]
        lines.append(f"| {phrase(name, language)} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def refusal(language: Language, nearest: Iterable[Paper], reason: str = "") -> str:
    """Return a refusal that names the nearest papers, without markers: none is cited."""
    lines = [reason or phrase("refusal", language)]
    near = [f"- {paper.title} (arXiv:{paper.arxiv_id})" for paper in nearest]
    if near:
        lines += [phrase("nearest", language), *near]
    return "\n".join(lines)


def scope(filters: Filters, language: Language) -> str:
    """Return in words what a look-up was restricted to, "" when to nothing."""
    values = [
        ", ".join(filters.categories),
        ", ".join(filters.announce),
        ", ".join(filters.authors),
        span(filters.since, filters.until),
        ", ".join(filters.digests),
        ", ".join(filters.arxiv_ids),
    ]
    inner = "; ".join(value for value in values if value)
    if not inner:
        return ""
    return f" ({inner})" if language == "en" else f"（{inner}）"


def cite(paper: Paper, quotes: Sequence[Quote] = ()) -> Citation:
    """Return the citation of `paper` with the sentences quoted from it."""
    return Citation(paper.arxiv_id, paper.title, paper.url, tuple(quotes))


def _cell(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text.replace("|", "\\|"))
