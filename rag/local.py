"""A transformers model in this process, as a LlamaIndex LLM that streams and can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from rag.errors import LLMError
from rag.settings import Settings

if TYPE_CHECKING:
    from llama_index.core.llms.llm import LLM

_NEW_TOKENS = 512
# What a processor reads within the patience of a reader, whatever the model could hold.
_READ_TOKENS = 4096


def load_local(name: str, settings: Settings) -> LLM:
    """Return the model `name`, a path or a name in the local Hugging Face cache.

    Raises `LLMError` when it can't be loaded. Nothing is downloaded: a model
    costs gigabytes, and fetching it is the reader's decision.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(name, local_files_only=True, dtype="auto")
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise LLMError(
            f"The model '{name}' can't be loaded ({type(error).__name__}).",
            "Give a folder with its files, or fetch it once with 'hf download NAME'.",
        ) from None
    limit = min(getattr(model.config, "max_position_embeddings", _READ_TOKENS), _READ_TOKENS)
    return _wrapped(name, tokenizer, model.eval(), settings.llm_context or limit)


def _wrapped(name: str, tokenizer: Any, model: Any, context: int) -> LLM:  # noqa: ANN401
    from llama_index.core.llms import (
        ChatMessage,
        ChatResponse,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseGen,
        CustomLLM,
        LLMMetadata,
    )

    # One generation at a time: two would each take twice as long, and more memory.
    busy = threading.Lock()

    class Local(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(
                context_window=context,
                num_output=_NEW_TOKENS,
                is_chat_model=True,
                model_name=name,
            )

        def stream_chat(self, messages: Sequence[ChatMessage], **_: object) -> ChatResponseGen:
            text = ""
            for piece in _pieces(tokenizer, model, _rendered(tokenizer, messages), busy):
                text += piece
                yield ChatResponse(message=ChatMessage(role="assistant", content=text), delta=piece)

        def chat(self, messages: Sequence[ChatMessage], **_: object) -> ChatResponse:
            *_earlier, last = self.stream_chat(messages)
            return last

        def stream_complete(
            self, prompt: str, formatted: bool = False, **_: object
        ) -> CompletionResponseGen:
            message = ChatMessage(role="user", content=prompt)
            for reply in self.stream_chat([message]):
                yield CompletionResponse(text=reply.message.content or "", delta=reply.delta)

        def complete(self, prompt: str, formatted: bool = False, **_: object) -> CompletionResponse:
            *_earlier, last = self.stream_complete(prompt)
            return last

    return Local()


def _rendered(tokenizer: Any, messages: Sequence[Any]) -> str:  # noqa: ANN401
    """Return the messages in the model's chat format, or plainly where it has none."""
    turns = [{"role": m.role.value, "content": m.content or ""} for m in messages]
    if not tokenizer.chat_template:
        return "\n\n".join(turn["content"] for turn in turns) + "\n\n"
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception:
        # Some templates refuse the system's role: the first user turn then says it all.
        system, first, *rest = turns
        joined = {"role": "user", "content": f"{system['content']}\n\n{first['content']}"}
        return str(
            tokenizer.apply_chat_template(
                [joined, *rest], tokenize=False, add_generation_prompt=True
            )
        )


def _pieces(
    tokenizer: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    prompt: str,
    busy: threading.Lock,
) -> Generator[str, None, None]:
    """Yield the model's text as it is generated; closing stops it at the next token."""
    from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

    stop = threading.Event()

    class Stopped(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: object) -> Any:  # noqa: ANN401
            return stop.is_set()

    streamer: Any = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    failed: list[Exception] = []

    def generate() -> None:
        try:
            inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
            model.generate(
                **inputs.to(model.device),
                streamer=streamer,
                max_new_tokens=_NEW_TOKENS,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([Stopped()]),
            )
        except Exception as error:
            failed.append(error)
        finally:
            streamer.end()

    with busy:
        # Not a daemon: torch aborts the process when it is killed in the middle.
        worker = threading.Thread(target=generate, name="rag-llm-local", daemon=False)
        worker.start()
        try:
            yield from streamer
        finally:
            stop.set()
            worker.join()
    if failed:
        raise failed[0]
