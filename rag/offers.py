"""Which models the configured back end offers, so that a reader of the chat can pick one."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from rag.llm import bearer, is_local, ollama_address, parse_spec
from rag.settings import Settings

# A page that is being opened waits for this; a list that takes longer is not shown.
_SECONDS, _MOST_BYTES, _MOST_MODELS = 2.0, 1_000_000, 50
# For so many seconds a list is not asked for again, nor a server that gave none.
_KEPT = 30.0
# What a model may be called: it is shown, and put behind `#` into a spec.
_NAME = re.compile(r"[\w.:/@+~-]{1,120}")
# Servers list what makes vectors beside what writes.
_WRITES_NOT = re.compile(r"embed|rerank|whisper|(?:^|[/-])bge-", re.IGNORECASE)

_known: dict[Settings, tuple[float, tuple[str, ...]]] = {}
_lock = threading.Lock()


def models(settings: Settings | None = None) -> Mapping[str, str]:
    """Return {name: spec} of the models to choose from; each spec is one for `answer(llm=)`.

    The setting's own model comes first, with the name "" where only its server knows
    it. The others are those that its Ollama or OpenAI-compatible address lists, all at
    that same address; none when `settings.llm_choice` is 0. A server that is silent,
    slow or gives no list adds none, and raises nothing. Raises `SettingError` for a
    setting that can't be meant.
    """
    settings = settings or Settings.from_env()
    kind, address, own = parse_spec(settings.llm)
    if kind == "none":
        return {}
    listed = _listed(settings) if settings.llm_choice and kind in {"ollama", "http"} else ()
    if not own and len(listed) == 1:
        own = listed[0]
    others = [name for name in listed if name not in {own, f"{own}:latest"}]
    head = "ollama:" if kind == "ollama" else f"{address}#"
    return {own: settings.llm} | {name: head + name for name in others}


def _listed(settings: Settings) -> tuple[str, ...]:
    with _lock:
        asked, names = _known.get(settings, (0.0, ()))
    if asked and time.monotonic() - asked < _KEPT:
        return names
    names = _ask(settings)
    with _lock:
        _known[settings] = (time.monotonic(), names)
    return names


def _ask(settings: Settings) -> tuple[str, ...]:
    """Return the names in Ollama's /api/tags or in an OpenAI-compatible /models."""
    kind, address, _ = parse_spec(settings.llm)
    if kind == "ollama":
        listed = _fetched(f"{ollama_address(settings.ollama_host)}/api/tags", "")
        rows = _rows(listed, "models")
        names = [_field(entry, "model") or _field(entry, "name") for entry in rows]
    else:
        listed = _fetched(f"{address}/models", settings.llm_key)
        names = [_field(entry, "id") for entry in _rows(listed, "data")]
    fit = [n for n in names if _NAME.fullmatch(n) and not _WRITES_NOT.search(n)]
    return tuple(dict.fromkeys(fit))[:_MOST_MODELS]


def _fetched(url: str, key: str) -> object:
    """Return the JSON at `url`, None where there is none of a bearable size in time."""
    import httpx

    start, body = time.monotonic(), b""
    options: dict[str, Any] = {
        "auth": bearer(key),
        "timeout": _SECONDS,
        "trust_env": not is_local(url),
    }
    try:
        with httpx.stream("GET", url, **options) as answer:
            if answer.status_code != httpx.codes.OK:
                return None
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES or time.monotonic() - start > _SECONDS:
                    return None
        found: object = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return None
    return found


def _rows(listed: object, name: str) -> list[object]:
    rows = listed.get(name) if isinstance(listed, dict) else None
    return rows if isinstance(rows, list) else []


def _field(entry: object, name: str) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""
