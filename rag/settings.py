"""All settings in one frozen record; the only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rag.errors import SettingError

DEFAULT_ENCODER = "default"


def project_dir() -> Path:
    """Return where `seeds/` and `index_store/` lie by default.

    The checkout when the package runs from one, else the working directory.
    """
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


@dataclass(frozen=True, slots=True)
class Settings:
    """How to read, index, search and answer; `variable` names what sets a field.

    Times are seconds, sizes are characters; `range` is inclusive.
    """

    digests: tuple[Path, ...] = field(
        default=(),
        metadata={
            "variable": "RAG_DIGESTS",
            "help": "Digest files or folders, separated by ':'; else the last ones, or seeds/.",
        },
    )
    index_dir: Path = field(
        default_factory=lambda: project_dir() / "index_store",
        metadata={"variable": "RAG_INDEX", "help": "Folder that holds the index."},
    )
    chroma_url: str = field(
        default="",
        metadata={
            "variable": "RAG_CHROMA_URL",
            "help": "Chroma service that holds the vectors, http(s)://HOST:PORT; else the index.",
        },
    )
    chroma_token: str = field(
        default="",
        repr=False,
        metadata={"variable": "RAG_CHROMA_TOKEN", "help": "Token of that service (secret)."},
    )
    chroma_database: str = field(
        default="",
        metadata={
            "variable": "RAG_CHROMA_DATABASE",
            "help": "TENANT/DATABASE there; else Chroma's default ones.",
        },
    )
    encoder: str = field(
        default=DEFAULT_ENCODER,
        metadata={
            "variable": "RAG_ENCODER",
            "help": "Sentence Transformers model, by name or path; 'default' is built in.",
        },
    )
    truncate_dim: int = field(
        default=0,
        metadata={
            "variable": "RAG_TRUNCATE_DIM",
            "range": (0, 65536),
            "help": "Keep only this many dimensions of a Matryoshka model; 0 keeps all.",
        },
    )
    dense_weight: float = field(
        default=0.6,
        metadata={
            "variable": "RAG_DENSE_WEIGHT",
            "range": (0.0, 1.0),
            "help": "Weight of meaning against words in the fused score, 0 to 1.",
        },
    )
    false_refusals: float = field(
        default=0.05,
        metadata={
            "variable": "RAG_FALSE_REFUSALS",
            "range": (0.0, 0.5),
            "help": "Share of answerable questions that may be refused, 0 to 0.5; 0 refuses none.",
        },
    )
    llm: str = field(
        default="none",
        metadata={
            "variable": "RAG_LLM",
            "help": "none, openai:MODEL, ollama:MODEL, hf:MODEL or http://HOST:PORT/v1#MODEL.",
        },
    )
    llm_key: str = field(
        default="",
        repr=False,
        metadata={"variable": "RAG_LLM_KEY", "help": "Key of the model's address (secret)."},
    )
    openai_key: str = field(
        default="",
        repr=False,
        metadata={"variable": "OPENAI_API_KEY", "help": "Key for openai:MODEL (secret)."},
    )
    ollama_host: str = field(
        default="http://127.0.0.1:11434",
        metadata={"variable": "OLLAMA_HOST", "help": "Address of Ollama."},
    )
    llm_timeout: float = field(
        default=60.0,
        metadata={
            "variable": "RAG_LLM_TIMEOUT",
            "range": (0.001, 86400.0),
            "help": "Seconds a model's answer may take.",
        },
    )
    llm_first_token: float = field(
        default=30.0,
        metadata={
            "variable": "RAG_LLM_FIRST_TOKEN",
            "help": "Seconds a model may take to begin its answer.",
        },
    )
    llm_context: int = field(
        default=0,
        metadata={
            "variable": "RAG_LLM_CONTEXT",
            "help": "Size of the model's context in tokens; 0 asks its server.",
        },
    )
    llm_choice: int = field(
        default=1,
        metadata={
            "variable": "RAG_LLM_CHOICE",
            "range": (0, 1),
            "help": "1 offers the other models of the back end in the chat, 0 does not.",
        },
    )
    max_question: int = field(
        default=8000,
        metadata={
            "variable": "RAG_MAX_QUESTION",
            "range": (1, 1_000_000),
            "help": "Longest question, in characters.",
        },
    )
    host: str = field(
        default="127.0.0.1",
        metadata={"variable": "RAG_HOST", "help": "Address the chat listens on."},
    )
    port: int = field(
        default=7860,
        metadata={"variable": "RAG_PORT", "range": (0, 65535), "help": "Port the chat listens on."},
    )

    def __post_init__(self) -> None:
        """Raise `SettingError` for a value out of range."""
        for f in fields(self):
            low, high = f.metadata.get("range", (None, None))
            if low is not None and not low <= getattr(self, f.name) <= high:
                raise SettingError(
                    f"{f.metadata['variable']} is {getattr(self, f.name)}, "
                    f"not between {low} and {high}.",
                    "Correct it or unset it.",
                )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings that the environment's variables ask for.

        Raises `SettingError` for a value that is not of the field's kind.
        """
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for f in fields(cls):
            raw = source.get(f.metadata["variable"], "").strip()
            if raw:
                values[f.name] = _parse(f.name, f.metadata["variable"], raw)
        return cls(**values)


def _parse(name: str, variable: str, raw: str) -> object:
    try:
        match name:
            case "digests":
                return tuple(Path(p) for p in raw.split(os.pathsep) if p)
            case "index_dir":
                return Path(raw)
            case "dense_weight" | "false_refusals" | "llm_timeout" | "llm_first_token":
                return float(raw)
            case "port" | "max_question" | "truncate_dim" | "llm_context" | "llm_choice":
                return int(raw)
            case _:
                return raw
    except ValueError:
        shown = "its value" if "key" in name else f"'{raw}'"
        raise SettingError(
            f"{variable} can't be read: {shown} is not a number.", "Correct it or unset it."
        ) from None
