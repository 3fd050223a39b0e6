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
