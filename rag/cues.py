"""The words by which a question shows what it asks for, in English and Chinese."""

from __future__ import annotations

import re
import unicodedata

from rag.lexical import tokens

LIST = re.compile(
    r"\b(?:papers|works|articles|studies|results|entries|examples|approaches|methods|benchmarks|"
    r"everything|anything new|overview of|what(?:['’]s| is) new|new (?:work|research))\b|"
    r"\b(?:list|all (?:the|of)|who (?:is|are|else)|which ones)\b|"
    r"哪些|哪几[篇个种]|几篇|有哪|都有|列出|列一下|汇总|盘点|梳理|所有|全部|分别有|"
    r"有(?:什么|啥).{0,20}(?:论文|文章|工作|研究|进展)|(?:一些|推荐).{0,12}(?:论文|文章|工作|研究)",
    re.IGNORECASE,
)
SINGLE = re.compile(
    r"\b(?:which|what|the|that|this|one|a) (?:paper|work|article|study|method|one)\b|哪一?篇|"
    r"那篇|这篇",
    re.IGNORECASE,
)
COMPARE = re.compile(
    r"\b(?:differ\w*|compar\w+|versus|vs\.?|against|contrast|distinguish\w*)\b|"
    r"区别|差别|不同|不一样|对比|相比|比较|差在|差异|异同|分别",
    re.IGNORECASE,
)
COUNT = re.compile(
    r"\bhow many (?:\S+ ){0,3}(?:papers?|entries|articles|preprints)\b|\bnumber of (?:\S+ ){0,2}"
    r"(?:papers|entries)\b|多少篇|几篇|多少(?:个)?(?:论文|文章|条目)|论文数",
    re.IGNORECASE,
)
# The archives with subject classes: https://arxiv.org/category_taxonomy
CATEGORY = re.compile(
    r"(?<![\w.-])(?:(?P<archive>cs|math|stat|eess|econ|nlin|q-bio|q-fin|"
    r"astro-ph)\.(?P<two>[a-z]{2})"
    r"|(?:physics|cond-mat)\.[a-z]{2,6}(?:-[a-z]{2,4})?)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
ANNOUNCE = re.compile(
    r"(?P<rc>(?:announced? (?:as )?(?:plain )?['‘“\"]?)?replace-cross|replaced cross|"
    r"cross.?replac\w+|替换交叉|交叉替换)"
    r"|(?P<cross>cross-?list\w*|\bcrosses\b|announced? (?:as )?(?:plain )?['‘“\"]?cross\b|"
    r"交叉(?:列表|提交|公告))"
    r"|(?P<rep>\breplacements\b(?! (?:for|of)\b)|\breplacement (?:papers|entries|"
    r"versions)\b|announced? (?:as )?(?:plain )?['‘“\"]?replaced?\b|"
    r"\bplain ['‘“\"]?replace\b|替换(?:版|稿|公告|类))"
    r"|(?P<new>newly announced|announced? (?:as )?(?:plain )?['‘“\"]?new\b|new (?:submissions|"
    r"announcements)|"
    r"新(?:提交|公告)|announce type:? new)",
    re.IGNORECASE,
)
NOT = re.compile(
    r"(?:\bnot\s+(?:an?\s+|any\s+|the\s+)?|n['’]t\s+|\bexcept\s+|\bwithout\s+|不是|不包括|除了|"
    r"非|不)$",
    re.IGNORECASE,
)
AUTHOR = re.compile(
    r"\b(?:by|written by|authored by|co-?authored by|authors? (?:is|are|named)|from author)\s+"
    r"(?P<en>(?:[A-Z\u00c0-\u024f][\w.'’-]*\s?){1,4})"
    r"|(?:作者(?:是|为|叫|有)?|"
    r"第一作者是)\s*[:：]?\s*(?P<zh>[A-Za-z\u00c0-\u024f.'’-]+(?:\s+[A-Za-z\u00c0-\u024f.'’-]+)*)"
    r"|(?P<of>[A-Z][\w.'’-]+(?:\s+[A-Z\u00c0-\u024f][\w.'’-]+)+)\s*(?:的|写的|发表的|"
    r"参与的)\s*(?:论文|文章|那篇|工作|paper)"
)
FIRST_AUTHOR = re.compile(r"\bfirst[- ]author|第一作者|一作", re.IGNORECASE)
FIELD = re.compile(
    r"\bauthors? of\b|\bwho (?:wrote|are the authors|is the author|were the authors)|"
    r"\bauthors?\b.*\?|"
    r"\baffiliat\w+|"
    r"\bwhich (?:lab|university|institution)|"
    r"作者(?:们|都|分别|具体)*[是有叫]?(?:谁|哪[些几]?[个位]?人?(?!\w))|"
    r"(?:谁是|有[哪几][些几]?[个位]?)作者|谁(?:写|发表|提出)的|作者(?:名单|列表|信息)|"
    r"^\W*作者(?:呢|是)?\W*$|哪个(?:机构|学校|团队|实验室)|哪家机构",
    re.IGNORECASE,
)
HOUSEKEEPING = frozenset(
    tokens(
        "list lists entries entry digest digests announced announce kind plain category categories "
        "arxiv count number total date dated day today yesterday week month last latest appear "
        "appeared from author authors first written authored title called name named everything "
        "all "
        "distinct different hold holds came come comes out new published released submitted "
        "collected altogether between "
        "anything many much summary summarise summarize explain describe about abstract link url "
        "abs pdf "
        "摘要 类别 分类 作者 第一作者 多少 几篇 列出 全部 所有 今天 昨天 上周 本周 最新 标题 "
        "名字 叫什么 "
        "收录 总共 一共 属于 日期 发布 公告 类型 讲的 讲的是 的是 是什么 是啥 说的 说了 内容 "
        "总结 概括 给我 看看"
    )
)


# Said to be polite; nothing is asked.
SMALL_TALK = re.compile(
    r"[\W_]*(?:(?:hello|hi|hey|good (?:morning|evening)|thanks|thank you|thx|cheers|ok(?:ay)?|"
    r"great|cool|nice|perfect|good|bye|goodbye|so much|a lot|very much|there)[\W_]*|"
    r"(?:你好|您好|早上好|晚上好|谢谢|多谢|感谢|好的|好|嗯|明白了?|知道了|再见|你|您|啊|呀|啦)[\W_]*)+",
    re.IGNORECASE,
)
# Asked of the program itself: what it is and what it is for.
_GREETING = r"[\W_]*(?:(?:hello|hi|hey|please|ok(?:ay)?|thanks|你好|您好|请问|那)[\W_]+|请问|那)*"
ABOUT_PROGRAM = re.compile(
    _GREETING + r"(?:help(?: me)?|(?:what|who) are you|what(?: else)? (?:can|do) you do|"
    r"what(?: is|['’]s) this (?:program|tool|chat|app)|how (?:can|do) you (?:help|work)(?: me)?|"
    r"what can (?:i|you) (?:ask|help|answer)(?: you| me)?(?: with| about)?|"
    r"how (?:do|can|should) i use (?:you|this (?:program|tool|chat|app))|"
    r"(?:introduce|tell me about|describe) yourself|are you (?:an? )?(?:ai|bot|robot|human|"
    r"chatgpt|gpt|llm|language model)|"
    r"[你您](?:到底)?(?:是|叫)(?:谁|什么|啥|做什么的|干什么的|干嘛的|什么名字)|"
    r"[你您](?:都|还)?(?:能|会|可以)"
    r"(?:帮我)?(?:做|干|回答|帮)?(?:些|点|到)?(?:什么|啥|哪些)(?:事情?|忙|问题)?|"
    r"[你您]有(?:什么|哪些)"
    r"(?:功能|用|用处|本领|能力)|(?:自我介绍|介绍一?下?你自己)|帮助|使用(?:说明|方法|帮助)|"
    r"(?:怎么|如何)(?:使用|用)(?:你|这个)?)(?:呢|啊|呀|吗)?[\W_]*(?:please|for)?[\W_]*",
    re.IGNORECASE,
)
NAME_LIKE = re.compile(r"(?<![\w./-])[A-Z][A-Za-z0-9-]{4,}(?![\w/])")
# Chinese that asks without saying about what; taken out before looking for a topic.
HAN_FILLER = re.compile(
    r"加起来|合计|新(?=论文|文章|的)|不同|之间|期间|加上|其中|所有|全部|请问|请|帮我|给我|一下|总共|一共|共有|都有|有没有|有|是|的|了|吗|呢|吧|里面?|中|"
    r"被|和|以及|与|哪些|哪几|"
    r"几|多少|什么|论文|文章|条目|摘要|日报|类别|分类|作者|第一|列出|看看|写|发表|参与|收录|叫|"
    r"名字|标题|篇|个|条|那|这"
)

# Asked of the program rather than of the papers: its prompt, its rules.
_PROMPT = re.compile(
    r"\b(?:your|you were given|given to you)\b.{0,30}(?:\b|system)(?:prompts?|"
    r"instructions?|rules|guidelines|configuration)\b"
    r"|\b(?:prompts?|instructions?|rules) (?:(?:that )?you (?:were|are|have been)|"
    r"(?:were|are|have) you)\b"
    r"|\b(?:ignore|disregard|forget)\b.{0,30}\b(?:instructions?|prompts?|rules)\b"
    r"|\b(?:print|show|reveal|repeat|output|display|leak|dump|write out|tell me)\b.{0,20}"
    r"\b(?:system|hidden|initial|secret|developer) (?:prompts?|instructions?|messages?)\b"
    r"|\b(?:repeat|print|output)\b.{0,20}\b(?:everything|text|words|lines?)\b.{0,10}\babove\b"
    r"|(?:你的?|您的?|给你的?).{0,8}(?:系统提示|提示词|系统指令|初始指令|隐藏指令|设定|规则)"
    r"|(?:输出|打印|显示|重复|告诉我|泄露|说出|复述).{0,8}(?:系统提示|系统指令|初始指令|隐藏指令|"
    r"上面的?(?:全部|所有)?(?:内容|文字|指令))"
    r"|(?:忽略|无视|忘记|忘掉).{0,10}(?:指令|提示|要求|规则)",
    re.IGNORECASE,
)
_OF_PAPERS = re.compile(
    r"\b(?:papers?|digests?|research|works?|stud(?:y|ies)|articles?|attacks?|defen[cs]es?|defend\w*|"
    r"arxiv)\b|论文|文章|哪篇|哪些|研究|攻击|防御|工作|摘要",
    re.IGNORECASE,
)
_SPACED = re.compile(r"\b(?:\w[\s._*-]){2,}\w\b")
_LEET = str.maketrans("013457@$", "oieastas")


def asks_for_prompt(question: str) -> bool:
    """Return whether the question is for the program's own instructions, also disguised.

    Disguises are letters set apart and digits in place of letters. A question that
    speaks of papers is one about papers.
    """
    plain = unicodedata.normalize("NFKC", question)
    if _OF_PAPERS.search(plain):
        return False
    closed = _SPACED.sub(lambda m: re.sub(r"[\s._*-]", "", m[0]), plain)
    forms = (plain, closed, plain.translate(_LEET), closed.translate(_LEET))
    return any(_PROMPT.search(form) for form in forms)


# {what the digests print of a paper: how it is asked for}; the authors are in `FIELD`.
_SORT = r"(?:(?:arxiv|main|primary|subject) )*categor(?:y|ies)\b"
_CODE = r"(?:the |its |their )?(?:code|data|dataset|repo|github|source|project|demo|weights|model)"
FIELDS: dict[str, re.Pattern[str]] = {
    name: re.compile(words, re.IGNORECASE)
    for name, words in (
        (
            "category",
            rf"\b(?:in|under|to) (?:which|what) {_SORT}"
            rf"|\b(?:which|what) {_SORT}.{{1,200}}\b(?:in|under|belong\w*(?: to)?|listed|filed)\W*$"
            rf"|\b(?:what(?:['’]s| is| are| was)|give me|tell me|show me) (?:its|their|the) {_SORT}"
            rf"(?: of\b|\W*$)|^\W*(?:the )?{_SORT} of\b"
            r"|(?:属于|归[在为入]|在)(?:哪[一个些]*|什么)\s*(?:arxiv\s*)?(?:主?类别|分类)"
            r"|是(?:哪[一个些]*|什么)(?:类别|分类)|^\W*\w\S{0,80} categor(?:y|ies)\W*$"
            r"|(?:类别|分类)(?:是|为)?(?:什么|哪[一个些]*|啥)[呢啊呀]?\W*$",
        ),
        (
            "date",
            r"\b(?:when|(?:on )?(?:which|what) (?:day|date)) (?:was|were|did|is) .{1,200}?"
            r"\b(?:announced|published|released|posted|appear(?:ed)?|listed|submitted|come out|"
            r"came out)\b(?: in the digests?| on arxiv)?(?:\W*$|[,;]| and\b)"
            r"|\b(?:announcement|publication|release|submission|digest) date\b"
            r"|(?:什么时候|何时|哪一?[天日]|几月几[日号]).{0,4}(?:发布|公布|公告|发表|出现|收录|上线|提交|出)"
            r"|(?:发布|公告|发表|收录|公布|提交)的?(?:日期|时间)|是(?:什么时候|何时|哪一?天)的",
        ),
        (
            "announce",
            r"\bnew(?:ly announced)?(?: (?:paper|submission|entry|one))?,? or (?:an? )?"
            r"(?:replac\w+|cross-?list\w*|revised|updated)\b"
            r"|\b(?:replac\w+|cross-?list\w*|revised|updated)(?: (?:paper|entry|one|version))?,?"
            r" or (?:an? )?new\b|\bannounce(?:ment)? (?:type|kind)\b"
            r"|\bhow (?:was|were) .{1,200} announced\b"
            r"|^\W*(?:is|was) .{1,200}? (?:announced as|an? (?:replacement|cross-?list\w*|"
            r"new (?:paper|submission)))\b|是(?:替换|交叉|新(?:论文|提交|公告))\S{0,4}吗\W*$"
            r"|新(?:的|提交|论文|公告|发布)*[，,]?还是(?:替换|更新|修订|交叉|旧)"
            r"|(?:替换|交叉|更新|修订)\S{0,6}还是\S{0,3}新|公告(?:的)?(?:类型|类别|种类)",
        ),
        (
            "digest",
            r"\b(?:which|what) digests?\b(?! (?:do|are) (?:you|there))"
            r"|哪(?:一?[个份期]|些|几[个份期])(?:摘要|日报)|什么日报",
        ),
        (
            "link",
            rf"\b(?:link|url) (?:to|of|for) (?!{_CODE})"
            r"|\b(?:the|its|their|arxiv|abs|pdf|paper['’]?s?) (?:link|url|pdf)\W*$"
            r"|\barxiv (?:link|url|page|id|identifier|number) (?:of|for)\b"
            r"|\bwhat(?:['’]s| is) (?:its|the|their) arxiv "
            r"(?:link|url|page|id|identifier|number)\W*$"
            rf"|\bwhere can (?:i|we|one) (?:find|read|download|get) (?!.{{0,200}}\b{_CODE})"
            r".{1,200}\W*$"
            r"|(?<!代码)(?<!代码的)(?<!项目)(?<!项目的)(?<!数据集)(?<!数据集的)(?:链接|网址)"
            r"|arxiv\s*(?:编号|号|id)(?:是|为)?(?:多少|什么|几)",
        ),
    )
}


# What is left of such a question without these names or describes a paper.
FIELD_WORDS = re.compile(
    r"\b(?:posted|appear\w*|submitted|submission|publication|release|come|came|belong\w*|filed|"
    r"listed|contains?|files?|primary|main|subject|or|new\w*|replac\w+|cross\w*|revised|updated|"
    r"version|announce\w*|arxiv|type|kind|page|identifier|id|find|read|download)\b"
    r"|什么时候|何时|[几哪][一月]?[天日号个份期些]?|属于|归[在为入]|公布|发[布表]|公告|出[现来]|上线|提交|"
    r"替换|更新|修订|交叉|还是|版|新|旧|链接|网址|编号|文件|收录|时间|日期|它们?|这篇|那篇|该",
    re.IGNORECASE,
)


def fields_of(question: str) -> tuple[str, ...]:
    """Return what is asked of a paper that its digests print: "authors" or `FIELDS`."""
    found = ["authors"] if FIELD.search(question) else []
    return (*found, *(name for name, words in FIELDS.items() if words.search(question)))


_EDGE = r"(?:(?P<{0}new>newest|latest|most recent|last)|(?P<{0}old>oldest|earliest|first))"
_HAN_EDGE = r"最(?:(?P<{0}new>[新近后])|(?P<{0}old>[早旧老先]))"
_OURS = r"(?:digests?|library|index|collection|corpus)"
_ASKING = (
    r"(?:what|which|show|list|give|tell|me|is|are|was|were|s|the|your|title|name|of|please|and)\W+"
)
_LIBRARY: dict[str, re.Pattern[str]] = {
    name: re.compile(words, re.IGNORECASE)
    for name, words in (
        (
            "digest",
            rf"\b(?:date|day) of (?:the|your) {_EDGE.format('a')} digest\b"
            rf"|\b{_EDGE.format('b')} digest['’]?s? (?:date|day)\b"
            rf"|\bwhen (?:is|was) (?:the|your) {_EDGE.format('c')} digest(?: from| dated)?\W*$"
            rf"|\b(?:what|which)(?:['’]s| is| (?:day|date) is) (?:the|your) {_EDGE.format('d')}"
            r" digest(?: from| of)?\W*$"
            rf"|{_HAN_EDGE.format('e')}的?(?:一[期份个])?的?(?:摘要|日报)(?:文件)?的?(?:是|日期)*"
            r"(?:日期|哪一?[天期份个]|什么时候|几号|是什么)[的呢啊]?\W*$"
            rf"|{_HAN_EDGE.format('f')}的?(?:一[期份个])?的?(?:摘要|日报)(?:文件)?的?日期\W*$",
        ),
        (
            "paper",
            rf"^\W*(?:{_ASKING})*(?:(?P<new>newest|latest|most recent)|(?P<old>oldest|earliest))"
            rf" (?:papers?|articles?|entry|entries)(?: (?:you have|(?:in|of|from) (?:the|your) "
            rf"{_OURS}))?\W*$"
            r"|^\W*(?:请|给我|列出|看看|哪一?篇是?)*最(?:(?P<hnew>[新近])|(?P<hold>[早旧老]))的?(?:一篇)?"
            r"(?:论文|文章)(?:有|是)*(?:哪一?篇|哪些|什么)?[呢啊]?\W*$",
        ),
        (
            "days",
            rf"\b(?:what|which)\b.{{0,20}}\b(?:dates?|days?|period|time|range|months?|weeks?)\b.{{0,30}}"
            rf"\b(?:{_OURS}|you)\b.{{0,10}}\b(?:cover|span|from|range|include|hold|have|go)\w*\W*$"
            rf"|\b(?:date|time) (?:range|span)\b.{{0,20}}\b(?:{_OURS}|papers)\W*$"
            r"|\b(?:which|what) (?:dates?|days?|period)\b.{0,12}\b(?:covered|included)\W*$"
            r"|(?:收录|包含|有)了?哪[些几]天的?(?:摘要|日报)"
            rf"|\bhow far back do(?:es)? (?:the |your )*{_OURS}\b"
            rf"|\bhow (?:recent|old|up[- ]to[- ]date) (?:is|are) (?:the|your) {_OURS}\W*$"
            r"|(?:摘要|日报|资料|数据|索引|库)(?:文件)?\S{0,6}(?:覆盖|包括|包含|涵盖|跨)\S{0,4}"
            r"(?:哪些|什么|哪段|多长|哪几[个天])\S{0,3}(?:日期|时间|天|时段)"
            r"|(?:摘要|日报)(?:文件)?\S{0,4}(?:日期|时间)范围"
            r"|(?:摘要|日报)(?:文件)?\S{0,3}从(?:哪天|哪一天|什么时候|何时|几号)到",
        ),
        (
            "digests",
            r"\b(?:which|what|how many) (?:(?:daily|arxiv|different) )*(?:digests|digest files)"
            r"(?: (?:do|are|have|can|you|i|we|there|available|loaded|indexed|in|here|stored|hold|"
            r"read|use|know|search|searched|included|covered|the|index|library|your|this|got))+\W*$"
            r"|^\W*(?:please )?(?:list|show|name)(?: (?:me|all|of|the|your|available))* "
            r"(?:digests|digest files)\W*$"
            r"|(?:有|收录了?|包含|索引了?|读了?|加载了?)(?:哪[些几]|什么|多少|几)[个份期]?"
            r"(?:日报|摘要)(?:文件)?[呢啊]?\W*$"
            r"|^\W*(?:请)?(?:列出|显示)(?:所有|全部)?的?(?:日报|摘要)(?:文件)?\W*$",
        ),
    )
}


def library_of(question: str) -> tuple[str, str]:
    """Return what is asked of the library itself, ("", "") when nothing is.

    That is ("digests", "") for the digests, ("days", "") for the days they cover,
    ("digest" or "paper", "newest" or "oldest") for those of the last or first day.
    """
    for name, words in _LIBRARY.items():
        if match := words.search(question):
            groups = [group for group, text in match.groupdict().items() if text]
            return name, {"n": "newest", "o": "oldest"}.get(groups[0][-3], "") if groups else ""
    return "", ""
