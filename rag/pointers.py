"""The words by which a question points at the turns before it, or turns away from them."""

from __future__ import annotations

import re

_ORDINALS = {
    "first": 0, "1st": 0, "former": 0, "second": 1, "2nd": 1, "latter": 1, "third": 2, "3rd": 2,
    "fourth": 3, "fifth": 4, "last": -1, "一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "后": -1,
}  # fmt: skip
_ORDINAL = re.compile(
    r"\bthe (?P<en>first|1st|former|second|2nd|latter|third|3rd|fourth|fifth|last)\b"
    r"(?! (?:two|three|2|3)\b)(?: one| paper)?"
    r"|第(?P<zh>[一二三四五])[篇个]|(?P<pair>前者|后者)|最(?P<last>后)一[篇个]",
    re.IGNORECASE,
)
# One of several that were listed, not the first paper to do something.
ONE_OF_THEM = re.compile(
    r"\bthe (?:first|1st|second|2nd|third|3rd|fourth|fifth|last) (?:one|paper)\b"
    r"(?! (?:to|that|which|who|on|about)\b)|\bthe (?:former|latter)\b"
    r"|第[一二三四五六七八九十][篇个]|最后一[篇个]|前者|后者",
    re.IGNORECASE,
)
POINTS = re.compile(
    r"\b(?:it|its|they|their|them|this (?:paper|work|method|model|approach|one)|that (?:paper|work|"
    r"method|model|approach|one)|these|those|the (?:paper|authors|same|method|model|approach))\b"
    r"|它们?|他们|其(?!他|它|中|实|余)|这篇|该(?:论文|文|方法|模型|工作|框架)|这个(?:方法|模型|"
    r"工作|框架)?|作者",
    re.IGNORECASE,
)
IT = re.compile(r"\b(?:it|this|that)\b|它(?!们)|这篇", re.IGNORECASE)
CONTINUES = re.compile(
    r"^\s*(?:and\b|so\b|but\b|also\b|then\b|what about|how about|why\b|ok(?:ay)?[,.\s]+(?:and|so|"
    r"but)\b|"
    r"那么?(?!篇)|还有(?!一篇|别的)|另外它|然后|所以|具体|效果|结果|代码|开源)",
    re.IGNORECASE,
)
CHANGES = re.compile(
    r"\b(?:different (?:thing|topic|question|subject)|something else|change (?:of )?(?:the "
    r")?(?:topic|"
    r"subject)|new topic|unrelated|by the way|another (?:topic|question)|moving on|switching)\b"
    r"|换个(?:话题|问题|方向)|换一个|另一个问题|另外问|题外|顺便问|再问一个|话说",
    re.IGNORECASE,
)
SEARCHES = re.compile(
    r"\b(?:is|are) there\b|\bany(?:one|body|thing)?\b (?:\w+ )?(?:paper|work|on|that|who|about)|"
    r"\bwhich (?:paper|one|work)|\banother (?:paper|one)|\bother (?:papers|works?)|\bhas "
    r"anyone\b|\bpapers?\b (?:on|about)"
    r"|有没有|有木有|有人|[哪那]一?篇|还有一篇|另一篇|别的|其他|求|(?<![它其这该])有(?![效用趣]).{0,12}吗",
    re.IGNORECASE,
)
PAIR = re.compile(r"\bthe (?:former|latter)\b|前者|后者", re.IGNORECASE)
COMPARES = re.compile(
    r"\bwhich (?:one |paper |of \w+ (?:two )?)?(?:is|performs|works|does|has|gives) (?:\w+ )?"
    r"(?:better|worse|best|more|less|fewer|higher|lower|faster|cheaper|stronger)\b|"
    r"(?:[哪那]一?[个篇种]|谁)(?:更|比较)|"
    r"\b(?:compar\w+|versus|vs\.?|differ\w*)\b|相比|对比|比较|区别|不同|差别|跟.{1,30}比|"
    r"和.{1,30}比",
    re.IGNORECASE,
)
# Two papers or more that were talked about, no single one.
BOTH = re.compile(
    r"\b(?:them|they|these|those|each other|the two|both)\b|[两几][篇个者种]|二者|它们|他们|彼此",
    re.IGNORECASE,
)
TWO = re.compile(
    r"\b(?:the|these|those) two\b|\bboth (?:papers|of them)\b|[这那]两[篇个者种]|两者|二者",
    re.IGNORECASE,
)
# What it is compared to stands in the question, not in the turns before.
TO_OTHERS = re.compile(
    r"\b(?:compar\w+|differ\w*)\b.{0,20}?\b(?:to|with|against|from)\b"
    r"(?! (?:each other|one another))",
    re.IGNORECASE,
)
_NUMBERS = {"two": 2, "three": 3, "2": 2, "3": 3, "两": 2, "二": 2, "三": 3}
_SEVERAL = re.compile(
    r"\b(?:first|top|(?P<en_last>last)) (?P<en>two|three|2|3)\b"
    r"(?! (?:\w+ )?(?:layers|steps|stages))"
    r"|(?:[前头]|(?P<zh_last>[后末]))(?P<zh>[两二三23])[篇个]",
    re.IGNORECASE,
)
OF_THEM = re.compile(
    r"\b(?:which|any|some|one|ones|many|most|all|each|what|who|none)(?: \w+)? (?:of|among|from) "
    r"(?:those|these|them)\b(?! (?:data|bench|model|method|baseline|task|metric))|"
    r"\b(?:which|any) of the (?:papers|above|list)\b|"
    r"\bamong (?:those|these|them)\b|\b(?:which|any) ones? (?:is|are|do|does|uses?|have|has)\b|"
    r"其中(?:的|又|还)?(?:[哪有]|多少|几)|"
    r"(?:这些|它们|上述|上面|以上|这几[篇个])(?:论文|文章|工作|研究)?(?:之?中|里面?|当中)?"
    r"(?:的|又|还)?(?:[哪]|有多少|有没有|多少|有几|几篇)",
    re.IGNORECASE,
)
# Asks for more about a subject, whatever was talked about before.
BROACHES = re.compile(
    r"\b(?:tell (?:me|us) (?:more |something )?about|let['’]?s (?:talk|turn)|now (?:to|on to)\b|"
    r"(?:now|next),? (?:explain|describe|show|find|list|what))",
    re.IGNORECASE,
)
PAPERS = re.compile(r"\b(?:papers?|works?|articles?|stud(?:y|ies))\b|论文|文章|篇", re.IGNORECASE)


def counted_out(question: str, listed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the papers of the list that the question counts out: the second, the first two.

    They come as they are counted; none for a list of fewer than two papers.
    """
    if len(listed) < 2:
        return ()
    if several := _SEVERAL.search(question):
        count = min(_NUMBERS[several["en"] or several["zh"]], len(listed))
        return listed[-count:] if several["en_last"] or several["zh_last"] else listed[:count]
    places = (_place(match) for match in _ORDINAL.finditer(question))
    found = (listed[p] for p in places if -len(listed) <= p < len(listed))
    return tuple(dict.fromkeys(found))


def _place(match: re.Match[str]) -> int:
    if match["pair"]:
        return 0 if match["pair"] == "前者" else 1
    word = next(g for g in (match["en"], match["zh"], match["last"]) if g).casefold()
    return _ORDINALS[word]
