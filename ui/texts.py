"""Every word of the chat's own, in English and Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Digest chat", "论文速递问答"),
    "tagline": (
        "Ask about the papers in your arXiv digests. Every sentence is cited.",
        "就 arXiv 每日速递里的论文提问，每句话都有出处。",
    ),
    "language": ("Language", "语言"),
    "chat": ("Conversation", "对话"),
    "empty": (
        "### What would you like to know?\nAsk in English or Chinese, or try one of these:",
        "### 想了解什么？\n中英文提问均可，也可以点击下面的例子：",
    ),
    "ask": ("Ask about the papers …", "输入问题，例如论文的方法、结果或数据集……"),
    "question": ("Question", "问题"),
    "clear": ("New chat", "新对话"),
    "save": ("Save Markdown", "导出 Markdown"),
    "bibtex": ("Save BibTeX", "导出 BibTeX"),
    "filters": ("Filters", "筛选"),
    "filters_on": ("Filters ({n} active)", "筛选（已启用 {n} 项）"),
    "filters_reset": ("Clear filters", "清除筛选"),
    "categories": ("Category", "类别"),
    "digests": ("Digest", "速递文件"),
    "chip_categories": ("Category", "类别"),
    "chip_authors": ("Author", "作者"),
    "chip_announce": ("Announcement", "公告类型"),
    "chip_days": ("Days", "日期"),
    "chip_digests": ("Digest", "摘要"),
    "chip_about": ("About", "关于"),
    "chips": ("Understood as (remove to ask without it)", "理解为（删去即可不按此重新提问）"),
    "chip_spelling": ("Read as", "理解为"),
    "since": ("From", "起始日期"),
    "until": ("Until", "截止日期"),
    "announce": ("Announcement", "公告类型"),
    "authors": ("Author", "作者"),
    "authors_hint": (
        "Whole name or surname; separate several by commas",
        "姓名或姓氏，多个用逗号分隔",
    ),
    "ids": ("arXiv id", "arXiv 编号"),
    "ids_hint": ("2506.05739, or a link", "2506.05739，或论文链接"),
    "any": ("Any", "不限"),
    "new": ("new", "新论文"),
    "cross": ("cross-list", "交叉投稿"),
    "replace": ("replacement", "更新版本"),
    "replace-cross": ("replaced cross-list", "交叉投稿更新"),
    "sources": ("Sources", "来源"),
    "sources_empty": (
        "The papers behind an answer appear here, with the quoted sentences marked.",
        "回答所依据的论文会显示在这里，引用的句子会标出。",
    ),
    "nearest": ("Nearest papers", "最接近的论文"),
    "also": ("Also found", "其他相关论文"),
    "passage": ("whole passage", "查看全文段落"),
    "about": ("abstract", "查看摘要"),
    "score": ("score", "相关度"),
    "score_hint": ("How well the paper fits the question, 0 to 1", "论文与问题的相关程度，0 到 1"),
    "more": ("and {n} more", "等共 {n} 位"),
    "more_entries": ("{n} more entries", "另有 {n} 处"),
    "no_authors": ("authors not given in the digest", "速递中未列作者"),
    "entry": ("entry {n}", "第 {n} 条"),
    "machine": ("machine-made", "机器生成"),
    "title_part": ("Title", "标题"),
    "abstract": ("Abstract", "英文摘要"),
    "tldr": ("Summary", "速览"),
    "motivation": ("Motivation", "动机"),
    "method": ("Method", "方法"),
    "result": ("Result", "结果"),
    "conclusion": ("Conclusion", "结论"),
    "translation": ("Chinese abstract", "中文摘要"),
    "reading": ("Reading the digests …", "正在查阅速递……"),
    "extractive": ("quoted from the digests", "摘自速递原文"),
    "generated": ("written by a language model", "由语言模型撰写"),
    "lookup": ("looked up", "精确查询"),
    "supported": ("supported by the cited paper", "所引论文支持"),
    "partly": ("supported in part", "部分支持"),
    "unsupported": ("not supported by the cited paper", "所引论文不支持"),
    "check": ("Check the parts", "检查各部分"),
    "checking": ("Checking …", "正在检查……"),
    "works": ("works", "正常"),
    "fails": ("does not work", "有问题"),
    "part_encoder": ("Encoder", "编码模型"),
    "part_index": ("Index", "索引"),
    "part_language model": ("Language model", "语言模型"),
    "writer": ("Answers are", "回答方式"),
    "writer_quotes": ("Quoted, without a model", "只摘录原文"),
    "writer_any": ("Written by a language model", "由语言模型撰写"),
    "writer_model": ("Written by {model}", "由 {model} 撰写"),
    "no_sources": ("no source", "无来源"),
    "one_source": ("1 source", "1 个来源"),
    "many_sources": ("{n} sources", "{n} 个来源"),
    "seconds": ("{s} s", "{s} 秒"),
    "refused": ("not in the digests", "速递中未找到"),
    "stopped": ("Stopped.", "已停止。"),
    "failed": (
        "Something went wrong inside; the program's log says what.",
        "程序内部出错，详情见运行日志。",
    ),
    "index": ("Index", "索引"),
    "rebuild": ("Rebuild the index", "重建索引"),
    "rebuilt": (
        "Rebuilt: {entries} entries, {papers} papers, {failed} failed.",
        "重建完成：{entries} 条记录，{papers} 篇论文，{failed} 处失败。",
    ),
    "current": ("up to date", "最新"),
    "outdated": ("out of date", "已过期"),
    "missing": ("none yet", "尚未建立"),
    "papers": ("Papers", "论文"),
    "n_digests": ("{n} in all", "共 {n} 个"),
    "n_papers": ("{n} papers", "{n} 篇论文"),
    "of_entries": ("{papers} from {entries} entries", "{papers} 篇，来自 {entries} 条记录"),
    "passages": ("Passages", "段落"),
    "days": ("Dates", "日期"),
    "built": ("Built", "建立时间"),
    "encoder": ("Encoder", "编码模型"),
    "incomplete": ("Incomplete", "不完整"),
    "entries_failed": ("Unreadable", "无法读取"),
    "no_days": ("not given", "未标注"),
    "stage_reading": ("Reading the digests", "读取速递"),
    "stage_embedding": ("Computing vectors", "计算向量"),
    "stage_writing": ("Writing", "写入"),
    "stage_verifying": ("Verifying", "校验"),
    "stage_calibrating": ("Fitting when to say no", "校准拒答"),
    "stage_other": ("Waiting for another build", "等待另一个重建任务"),
}

KEYS = tuple(_TEXTS)


def text(language: Language, key: str, **values: object) -> str:
    """Return the text of `key` in `language`, with `values` put in."""
    return _TEXTS[key][language == "zh"].format(**values)


def preferred(accept_language: str) -> Language:
    """Return the chat's language for a browser's Accept-Language header."""
    return "zh" if accept_language.strip().lower().startswith("zh") else "en"
