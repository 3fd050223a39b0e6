"""The language model that a spec names, as a LlamaIndex LLM; opened once per process.

    none                        no model: answers are extracts
    openai:MODEL                OpenAI, key in OPENAI_API_KEY
    ollama:MODEL                Ollama at OLLAMA_HOST
    http://HOST:PORT/v1#MODEL   any OpenAI-compatible address, key in RAG_LLM_KEY
    hf:MODEL_OR_PATH            transformers in this process

Nothing falls back to OpenAI. A key travels in the request's header alone: it is
no field of the model, so that no repr, log or exception can hold it.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from rag.errors import LLMError, SettingError
from rag.once import once
from rag.settings import Settings

if TYPE_CHECKING:
    import httpx
    from llama_index.core.llms.llm import LLM

Kind = Literal["none", "openai", "ollama", "http", "hf"]

OPENAI_ADDRESS = "https://api.openai.com/v1"
_OPENAI_CONTEXT = 128_000
# What a server that does not tell its context is trusted with.
_UNKNOWN_CONTEXT = 8192
_CONNECT_SECONDS, _PROBE_SECONDS = 5.0, 10.0
_TEMPERATURE = 0.1
_LOCAL = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1)$")


def parse_spec(spec: str) -> tuple[Kind, str, str]:
    """Return the kind, the address ("" where the kind implies it) and the model's name.

    Raises `SettingError` for a spec that can't be meant.
    """
    text = spec.strip()
    if text.lower() in {"", "none"}:
        return "none", "", ""
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme in {"http", "https"}:
        return "http", *_address(text)
    if not rest.strip():
        raise _bad_spec(spec)
    match scheme:
        case "openai" | "ollama" | "hf":
            return scheme, "", rest.strip()
        case _:
            raise _bad_spec(spec)


def load_llm(spec: str, settings: Settings) -> LLM | None:
    """Return the model that `spec` names, None for "none"; the same one every time.

    Raises `SettingError` for a spec or key that can't be used and `LLMError` when
    the server can't be reached or does not have the model.
    """
    kind, address, model = parse_spec(spec)
    if kind == "none":
        return None
    return _load(kind, address, model, settings)


@once
def _load(kind: Kind, address: str, model: str, settings: Settings) -> LLM:
    match kind:
        case "openai":
            return _openai(model, settings)
        case "ollama":
            return _ollama(model, settings)
        case "hf":
            from rag.local import load_local

            return load_local(model, settings)
        case _:
            return _compatible(address, model, settings)


def _openai(model: str, settings: Settings) -> LLM:
    if not settings.openai_key:
        raise SettingError(
            "openai:… needs a key.", "Set OPENAI_API_KEY, or choose another model in RAG_LLM."
        )
    context = settings.llm_context or _OPENAI_CONTEXT
    return _openai_like(OPENAI_ADDRESS, model, context, settings.openai_key, settings)


def _compatible(address: str, model: str, settings: Settings) -> LLM:
    listed = _listed_models(address, settings)
    if not model:
        model = _only_model(listed, address)
    context = settings.llm_context or _context_of(listed, model) or _UNKNOWN_CONTEXT
    return _openai_like(address, model, context, settings.llm_key, settings)


def _openai_like(address: str, model: str, context: int, key: str, settings: Settings) -> LLM:
    import httpx
    from llama_index.llms.openai_like import OpenAILike

    official = address == OPENAI_ADDRESS

    class Compatible(OpenAILike):  # type: ignore[misc]  # the package has no types
        """OpenAILike that sends a temperature only where every model takes one."""

        def _get_model_kwargs(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
            wanted: dict[str, Any] = super()._get_model_kwargs(**kwargs)
            if official:
                del wanted["temperature"]
            return wanted

    options: dict[str, Any] = {
        "timeout": httpx.Timeout(settings.llm_timeout, connect=_CONNECT_SECONDS),
        "auth": bearer(key),
        "trust_env": not is_local(address),
    }
    llm = Compatible(
        model=model,
        api_base=address,
        api_key="none",
        is_chat_model=True,
        context_window=context,
        temperature=_TEMPERATURE,
        max_retries=0,
        timeout=settings.llm_timeout,
        additional_kwargs={"stream_options": {"include_usage": True}},
        http_client=httpx.Client(**options),
        async_http_client=httpx.AsyncClient(**options),
    )
    # Imports what the first request needs, so that its reader does not wait for it.
    _ = llm._get_aclient().chat.completions
    return cast("LLM", llm)


def _ollama(model: str, settings: Settings) -> LLM:
    address = ollama_address(settings.ollama_host)
    try:
        shown = _ask(f"{address}/api/show", settings, {"model": model})
    except LLMError as error:
        raise LLMError(error.message, "Run 'ollama serve', or set OLLAMA_HOST.") from None
    if shown.status_code == 404:
        raise LLMError(f"Ollama does not have the model '{model}'.", f"Run 'ollama pull {model}'.")
    info = _json(shown).get("model_info")
    trained = [v for k, v in (info or {}).items() if k.endswith(".context_length")]
    # The whole trained context would claim gigabytes for a short prompt.
    context = settings.llm_context or min([int(v) for v in trained] + [_UNKNOWN_CONTEXT])
    try:
        import ollama
        from llama_index.llms.ollama import Ollama
    except ImportError:
        raise LLMError(
            "The package for Ollama is not installed.", "Run pip install 'digest-rag[ollama]'."
        ) from None
    options: dict[str, Any] = {
        "host": address,
        "timeout": settings.llm_timeout,
        "trust_env": not is_local(address),
    }
    llm: LLM = Ollama(
        model=model,
        base_url=address,
        context_window=context,
        request_timeout=settings.llm_timeout,
        temperature=_TEMPERATURE,
        client=ollama.Client(**options),
        async_client=ollama.AsyncClient(**options),
    )
    return llm


def _listed_models(address: str, settings: Settings) -> list[dict[str, Any]]:
    """Return what the address's list of models says of each; [] where it has no list."""
    answer = _ask(f"{address}/models", settings)
    if answer.status_code in {401, 403}:
        raise LLMError(
            f"The server at {_shown(address)} refuses the key.", "Set RAG_LLM_KEY to a valid one."
        )
    data = _json(answer).get("data") if answer.status_code == 200 else None
    return [m for m in data if isinstance(m, dict)] if isinstance(data, list) else []


def _only_model(listed: list[dict[str, Any]], address: str) -> str:
    names = [str(m["id"]) for m in listed if m.get("id")]
    if len(names) == 1:
        return names[0]
    known = f" It has {', '.join(names[:8])}." if names else ""
    raise SettingError(
        f"RAG_LLM names no model of {_shown(address)}.{known}", "Write ADDRESS#MODEL."
    )


def _context_of(listed: list[dict[str, Any]], model: str) -> int:
    """Return the context that vLLM, llama.cpp or OpenRouter tells of a model, or 0."""
    for entry in listed:
        if entry.get("id") == model:
            meta = entry.get("meta")
            nested = meta if isinstance(meta, dict) else {}
            for told in (
                entry.get("max_model_len"),
                nested.get("n_ctx"),
                entry.get("context_length"),
            ):
                if isinstance(told, int) and told > 0:
                    return told
    return 0


def _ask(url: str, settings: Settings, body: dict[str, str] | None = None) -> httpx.Response:
    import httpx

    try:
        return httpx.request(
            "POST" if body else "GET",
            url,
            json=body,
            auth=bearer(settings.llm_key) if body is None else None,
            timeout=httpx.Timeout(
                min(_PROBE_SECONDS, settings.llm_timeout), connect=_CONNECT_SECONDS
            ),
            trust_env=not is_local(url),
        )
    except (httpx.HTTPError, httpx.InvalidURL):
        # `from None`: the request in the cause holds the key.
        raise unreachable(url) from None


def unreachable(address: str) -> LLMError:
    """Return the error for a server that does not answer."""
    return LLMError(
        f"No language model answers at {_shown(address)}.",
        "Start its server, correct RAG_LLM, or set RAG_LLM=none.",
    )


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def bearer(key: str) -> httpx.Auth:
    """Return what puts `key` into a request's header, and no key of another's making."""
    import httpx

    class Bearer(httpx.Auth):
        def auth_flow(
            self, request: httpx.Request
        ) -> Generator[httpx.Request, httpx.Response, None]:
            request.headers.pop("Authorization", None)
            # The OpenAI client adds these from its own environment variables.
            if request.url.host != "api.openai.com":
                request.headers.pop("OpenAI-Organization", None)
                request.headers.pop("OpenAI-Project", None)
            if key:
                request.headers["Authorization"] = f"Bearer {key}"
            yield request

    return Bearer()


def _address(text: str) -> tuple[str, str]:
    url, _, model = text.partition("#")
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise SettingError("RAG_LLM holds a key in its address.", "Set RAG_LLM_KEY instead.")
    try:
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise _bad_spec(text)
    return url.rstrip("/"), model.strip()


def ollama_address(host: str) -> str:
    """Return Ollama's address for what may stand in OLLAMA_HOST: with or without a port."""
    text = host.strip().rstrip("/")
    text = text if "://" in text else f"http://{text}"
    # Servers listen on 0.0.0.0; nobody can call it.
    text = text.replace("://0.0.0.0", "://127.0.0.1")
    return text if re.search(r":\d+$", text) or text.startswith("https") else f"{text}:11434"


def is_local(url: str) -> bool:
    """Return whether the address is this machine, which no proxy is asked for."""
    return bool(_LOCAL.match(urlsplit(url).hostname or ""))


def _shown(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _bad_spec(spec: str) -> SettingError:
    return SettingError(
        f"RAG_LLM can't be '{spec[:80]}'.",
        "Use none, openai:MODEL, ollama:MODEL, hf:MODEL_OR_PATH or http://HOST:PORT/v1#MODEL.",
    )
