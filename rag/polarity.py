"""Which way a sentence points, and the same sentence turned into its opposite.

A claim and its negation use the same words and mean nearly the same to an
encoder. What tells them apart is which of the two lies closer to a text.
"""

from __future__ import annotations

import re

# Each word with its opposite; the first opposite given for a word is used.
_OPPOSITES = """
increase/decrease increases/decreases increased/decreased increasing/decreasing reduce/increase
reduces/increases reduced/increased reducing/increasing reduction/increase higher/lower high/low
more/less greater/smaller raise/lower raises/lowers elevated/reduced improve/worsen
improves/worsens improved/worsened improving/worsening improvement/deterioration enhance/impair
enhances/impairs enhanced/impaired impair/improve impairs/improves impaired/improved
promote/inhibit promotes/inhibits promoted/inhibited induce/suppress induces/suppresses
induced/suppressed suppress/promote suppresses/promotes prevent/cause prevents/causes cause/prevent
causes/prevents inhibit/promote inhibits/promotes inhibited/promoted activate/inactivate
activates/inactivates activated/inactivated activation/inhibition inhibition/activation
upregulated/downregulated stimulate/inhibit stimulates/inhibits block/allow blocks/allows
better/worse best/worst longer/shorter long/short faster/slower larger/smaller large/small
strong/weak stronger/weaker gain/loss gains/losses presence/absence present/absent lack/presence
lacks/has lacking/having benefit/harm benefits/harms beneficial/harmful protect/harm protects/harms
protective/harmful positive/negative positively/negatively success/failure succeed/fail
succeeds/fails outperform/underperform outperforms/underperforms exceeds/trails early/late
susceptible/resistant sensitive/insensitive dependent/independent
sufficient/insufficient
efficient/inefficient effective/ineffective superior/inferior robust/fragile stable/unstable
accurate/inaccurate reliable/unreliable cheap/costly simple/complex always/never all/none
with/without most/few many/few fewer/more least/most important/unimportant necessary/unnecessary
required/unnecessary requires/avoids needs/avoids facilitate/hinder facilitates/hinders
accelerate/slow accelerates/slows rapid/slow slow/fast fast/slow common/rare attenuate/enhance
attenuates/enhances diminish/increase diminishes/increases diminished/increased deficiency/excess
unable/able incapable/capable unaffected/affected negligible/large similar/different same/different
mitigates/worsens mitigate/worsen degrade/improve degrades/improves hurts/helps helps/hurts
"""
_PAIRS: dict[str, str] = {}
for _pair in _OPPOSITES.split():
    _one, _other = _pair.split("/")
    _PAIRS.setdefault(_one, _other)
    _PAIRS.setdefault(_other, _one)

_WORD = re.compile(r"[A-Za-z]+")
_NOT = re.compile(
    r"\b(?:(?:do|does|did|can|could|is|are|was|were|has|have|had|will|would) not"
    r"|cannot|not|no|never)\b ?",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|can|could|does|do|did|has|have|had|may|will|would|should|must)\b",
    re.IGNORECASE,
)
_NOT_HAN = re.compile(r"不(?!仅|但|同|断|止|只|过)|没有|无法|未能|并非|无需|未")
_VERB_HAN = re.compile(r"能够|可以|能|会|是|提高|提升|降低|减少|优于|需要|使用|实现")
_HAN_PAIRS = {"提高": "降低", "提升": "降低", "降低": "提高", "减少": "增加", "增加": "减少",
              "优于": "不如", "改善": "恶化", "增强": "削弱", "更好": "更差", "更高": "更低",
              "更低": "更高", "更快": "更慢", "更少": "更多", "更多": "更少"}  # fmt: skip

_UP = re.compile(
    r"\b(?:increas|rais|elevat|high|enhanc|promot|induc|activat|stimulat|improv|up-?regulat|more|"
    r"great|facilitat|accelerat|longer|larger|strong|gain|augment|benefi|rise|enabl|trigger|amplif|"
    r"expan|faster|better|superior|success|outperform|surpass|exceed)\w*"
    r"|提高|提升|增加|增强|优于|改善|更好|更高",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"\b(?:decreas|reduc|low|inhibit|suppress|prevent|impair|block|attenuat|down-?regulat|less|few|"
    r"loss|lack|deficien|diminish|abolish|disrupt|shorter|smaller|weak|declin|protect|restrict|"
    r"limit|hinder|absence|slow|worse|inferior|poor|fail|drop|minim|mitigat|allevi|avoid|eliminat|"
    r"degrad|underperform)\w*"
    r"|降低|减少|削弱|不如|恶化|更差|更低",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|cannot|without|fails?|failed|lacks?|neither|nor|unable|incapable|"
    r"independent|unaffected|unchanged|absence)\b|n't\b"
    r"|不(?!仅|但|同|断|止|只|过)|没有|无法|未能|并非|无需|缺乏",
    re.IGNORECASE,
)
_MAX_OPPOSITES = 6


def is_negated(text: str) -> bool:
    """Return whether an odd number of negations stands in `text`."""
    return len(_NEGATION.findall(text)) % 2 == 1


def direction(text: str) -> int:
    """Return 1, 0 or -1: more words of increase, as many, or more of decrease."""
    balance = len(_UP.findall(text)) - len(_DOWN.findall(text))
    return (balance > 0) - (balance < 0)


def opposites(text: str) -> list[str]:
    """Return `text` turned into its opposite in up to six ways, one change each."""
    turned = [
        text[: m.start()] + _PAIRS[m[0].lower()] + text[m.end() :]
        for m in _WORD.finditer(text)
        if m[0].lower() in _PAIRS
    ]
    turned += [
        text[: m.start()] + other + text[m.end() :]
        for word, other in _HAN_PAIRS.items()
        for m in re.finditer(word, text)
    ]
    return [*_negations(text), *turned][:_MAX_OPPOSITES]


def _negations(text: str) -> list[str]:
    for negation in (_NOT, _NOT_HAN):
        if found := negation.search(text):
            return [(text[: found.start()] + text[found.end() :]).strip()]
    if found := _AUXILIARY.search(text):
        return [f"{text[: found.end()]} not{text[found.end() :]}"]
    if found := _VERB_HAN.search(text):
        return [f"{text[: found.start()]}不{text[found.start() :]}"]
    return [f"It is not true that {text[:1].lower()}{text[1:]}"]
