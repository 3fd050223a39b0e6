"""What a question asks for beside the words that ask; details that entries seldom tell."""

from __future__ import annotations

import re

from rag.lexical import tokens

_ASKING = frozenset(
    tokens(
        "use used uses many much name named exact exactly specific specifically particular long "
        "large big far often number value amount kind type give state report say mention people "
        "team someone get make run take need author authors which paper"
    )
)
HAN_ASKING = re.compile(
    r"请问|具体|分别|到底|究竟|各自|哪[些个种几家]?|什么|多少|几[个种类项篇层张步道条位名组轮次块倍]?|怎么样?|如何|"
    r"为什么|是否|有没有|吗|呢|吧|的|了|是|在|里|上|中|用|有|和|跟|与|给|把|被|由|做|个|一|这|那|它|都|也|篇|"
    r"论文|文章|作者|他们|主要|以及|还有|出|到|来|对|为|让|说|提到|介绍"
)

_Sign = tuple[re.Pattern[str], re.Pattern[str]]


def _signs(*pairs: tuple[str, str]) -> tuple[_Sign, ...]:
    flags = re.IGNORECASE
    return tuple((re.compile(asked, flags), re.compile(sign, flags)) for asked, sign in pairs)


_MODELS = (
    r"llama|qwen|\bgpt|gemma|gemini|mistral|mixtral|\bphi-?\d|deepseek|\w*bert\b|\bt5\b|\bclip\b|"
    r"\bvit\b|resnet|\bdino|llava|claude|whisper|stable diffusion|\bsdxl\b|internvl|vicuna|mamba|"
    r"u-?net\b|wav2vec"
)
# Details that readers ask for, and what an entry that tells them shows, both in English
# and Chinese.
DETAILS: tuple[_Sign, ...] = _signs(
    (
        r"\b[gt]pus?\b|\bhardware\b|graphics cards?|\b[avh]\d{2,3}s?\b|显卡|[张块几]卡|多少卡|卡训|"
        r"算力|硬件",
        r"\b[gnt]pus?\b|hardware|nvidia|\b[avh]\d{2,3}s?\b|\bdevices?\b|\bcpus?\b|显卡|硬件|处理器|"
        r"芯片|[张块]卡",
    ),
    (r"learning rate|学习率", r"learning rate|学习率"),
    (r"batch[ -]?size|批(?:次|量|处理)?大小|\bbatch\b", r"batch|批(?:次|量|处理)"),
    (r"optimi[sz]er\b|优化器", r"optimi[sz]er\b|\badamw?\b|\bsgd\b|优化器"),
    (r"weight decay|dropout|warm-?up|权重衰减|预热", r"weight decay|dropout|warm|衰减|预热"),
    (r"hyper-?param|超参", r"hyper-?param|超参"),
    (
        r"\bepochs?\b|training steps|how many (?:steps|iterations|updates)|多少步|几步|几轮|多少轮|"
        r"轮数|步数|几个?epoch",
        r"\bepochs?\b|\d[\d,k]* (?:\w+ )?(?:steps|iterations|updates)|\d\s*[步轮]|轮次|步数|轮数",
    ),
    (r"\bseeds?\b|随机种子", r"\bseeds\b|random seed|随机种子"),
    (r"\btemperature\b|温度", r"\btemperature\b|温度"),
    (
        r"how (?:many )?(?:hours|days|minutes|seconds|weeks)|how much time|training time|latency|"
        r"\bfps\b|frames per second|wall-?clock|how long (?:did|does|do|was|is|it)|"
        r"(?:多少|几)个?(?:小时|天|分钟|秒|毫秒|钟头)|多长时间|多久|耗时|延迟|每秒|训练时间",
        r"\d\s*(?:h|ms|s|min|fps|hz)\b|\b(?:hours?|days?|minutes?|seconds?|weeks?|milliseconds?|"
        r"fps|real.?time|latency|faster|speed-?ups?)\b|\btime (?:\w+ ){0,3}\d|小时|分钟|秒|\d\s*天|"
        r"几天|延迟|实时|加速|时间.{0,8}\d",
    ),
    (
        r"licen[cs]e|许可证|许可协议|开源协议|什么协议",
        r"licen[cs]e|apache|\bMIT licen|creative commons|\bcc[- ]by|许可",
    ),
    (
        r"\bfund(?:s|ed|ers?|ing)?\b|\bgrants?\b|\bsponsor|资助|基金|赞助|出资",
        r"\bfund|\bgrants?\b|sponsor|资助|基金|赞助",
    ),
    (
        r"\bvenue\b|which (?:conference|journal|workshop)|\baccepted\b|"
        r"\bpublished (?:at|in)\b|[哪什].?(?:个|么)?(?:会议|期刊|顶会|会上)|中稿|录用|发表在|发在",
        r"\baccepted\b|conference|journal|workshop|\bpublished\b|"
        r"\b(?:neurips|icml|iclr|acl|emnlp|cvpr|iccv|eccv|aaai|ijcai|naacl|coling)\b|会议|期刊|录用",
    ),
    (
        r"how much (?:\w+ ){0,3}costs?\b|\bcosts? (?:\w+ ){0,3}(?:dollars?|money|usd)|\bprice|"
        r"\bdollars?\b|\bpaid\b|\bpay\b|\bfees?\b|"
        r"\bsalary|\bbudget|多少钱|费用|花费|报酬|价格|单价|工资|预算|美元|多少元",
        r"[$￥¥€]\s?\d|\d.{0,12}(?:dollars?|\busd\b|cents)|\bcosts?\b.{0,30}\d|成本.{0,12}\d|免费|"
        r"\bpaid\b|\bprice|\bbudget|美元|"
        r"费用|报酬|价格|预算",
    ),
    (
        r"\bannotat(?:or|ed by)|\bwho (?:annotat|labell?ed|rated|graded|checked)|\bparticipants?\b|"
        r"\bvolunteers?\b|\braters?\b|\bhow many (?:people|persons|humans|users|subjects)|标注人|"
        r"标注员|标注者|谁.{0,3}标|人标|参与者|受试者|被试|志愿者|评审员|(?:多少|几)个?人",
        r"annotator|annotated by|participants?\b|volunteer|\bsubjects\b|\braters?\b|"
        r"\d[\d,]* (?:\w+ ){0,2}(?:experts|physicians|clinicians|students|workers|people|humans|"
        r"users)|\b(?:experts?|students|crowd\w*|physicians|clinicians)\b|标注[者员人]|参与者|受试|"
        r"志愿|专家|学生|医生|众包|[\d一二三四五六七八九十百千]+[名位]",
    ),
    (
        r"how many parameters|number of parameters|parameter count|model size|参数量|参数规模|"
        r"多少(?:亿|个)?参数|几[bB]\b|多大的?模型|模型(?:有)?多大",
        r"\d\s*[BM]\b|billion|million|\d[\d.,]*k? param|参数.{0,6}\d|\d\s*亿|百万|\d.{0,6}参数",
    ),
    (
        r"\bcode\b|github|\brepo(?:sitory)?\b|open.?sourced?\b|hugging ?face|download|代码|仓库|"
        r"下载|开源了|开源吗|公开了吗",
        r"https?://|github|\bcodes?\b|open.?sourc|releas|publicly|hugging ?face|代码|开源|公开|"
        r"发布",
    ),
    (
        r"\b(?:base|backbone|pre-?trained|foundation|underlying|starting) (?:\w+ )?(?:model|llm|"
        r"network|encoder|checkpoint)s?\b|\bbackbones?\b|fine-?tuned (?:from|on top)|"
        r"底座|基座|骨干|主干|哪个?.{0,8}模型.{0,6}(?:微调|训|初始化)|预训练模型",
        rf"{_MODELS}|backbone|骨干|主干",
    ),
    (
        r"\baffiliat|\bwhich (?:lab|universit|compan|institut)|\bemails?\b|\bcontact\b|单位|"
        r"哪个?机构|哪所|大学|公司|邮箱|联系方式",
        r"\buniversit|\binstitute of|google|microsoft|openai|大学|研究院|公司",
    ),
)


# What any paper has, so that a word for it tells no new subject.
_PARTS = frozenset(
    tokens(
        "result finding outcome score method approach technique algorithm architecture design idea "
        "detail step dataset data benchmark baseline experiment evaluation metric performance "
        "accuracy ablation limitation weakness drawback strength advantage benefit contribution "
        "novelty motivation reason purpose goal aim problem challenge question conclusion summary "
        "introduction abstract title future next direction application example usage code cost "
        "speed training trained train test tested testing compare compared comparison contrast "
        "difference different differ versus good better best bad worse work works effective help "
        "explain describe elaborate summarize continue more further main key ok okay yes no thanks "
        "thank now please chinese english say mean meaning happen happens sure really interesting "
        "improve improvement gain importance important significance matter second first last third "
        "robust robustness scalability generalization generalisation efficiency "
        "two three former latter both all each other another"
    )
)
_HAN_PARTS = re.compile(
    r"结果|效果|性能|表现|指标|得分|准确率|方法|做法|思路|想法|算法|架构|结构|设计|原理|机制|细节|步骤|流程|数据集?|基准|基线|"
    r"实验|评估|评测|消融|局限性?|不足|缺点|缺陷|优点|优势|好处|贡献|创新点?|亮点|动机|原因|目的|目标|意义|问题|挑战|"
    r"结论|总结|概括|摘要|标题|未来|下一步|展望|应用|场景|例子|代码|开源|成本|速度|效率|训练|测试|相?比较?|对比|区别|差别|"
    r"不同|差异|解释|详细|继续|更多|重要|关键|核心|有效|好用?|厉害|提升|改进|解决|使用|实现|谢谢|明白|知道|那么|为何|"
    r"具体|另外|第[一二三四五六七八九十]|最后|前者|后者|两|几|比|能|可以|说说|讲讲|详细|一点|下|请|再|还|呀|啊|嗯|所以|然后"
)


def own_topic(question: str) -> bool:
    """Return whether the question has a subject beside what any paper has, such as results."""
    bare = _HAN_PARTS.sub(" ", question)
    return any(token not in _PARTS and not token.isdigit() for token in content(bare))


def content(question: str) -> list[str]:
    """Return the question's tokens without those that only ask, once each, in order."""
    found = tokens(HAN_ASKING.sub(" ", question))
    return [token for token in dict.fromkeys(found) if token not in _ASKING]
