"""What an index was built from, and whether that still holds."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from rag.digests import fingerprint, layout_versions
from rag.errors import DigestError, IndexDamaged
from rag.lexical import TOKENS_VERSION
from rag.settings import Settings, project_dir

FORMAT = 2
NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The identity of one generation; written into its folder as JSON."""

    generation: str
    built: str
    sources: tuple[str, ...]
    digests: dict[str, str]
    encoder: str
    encoder_fingerprint: str
    dimension: int
    truncate_dim: int
    entries: int
    papers: int
    passages: int
    incomplete: int
    failed: int
    calibration: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    layouts: dict[str, int] = dataclasses.field(default_factory=layout_versions)
    tokens: int = TOKENS_VERSION
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest into a generation's folder."""
        text = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)
        (folder / NAME).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a generation; raises `IndexDamaged` if unreadable."""
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        data["sources"] = tuple(data["sources"])
        manifest = Manifest(**data)
        for f in dataclasses.fields(manifest):
            kind = type(getattr(manifest, f.name)).__name__
            if kind != str(f.type).partition("[")[0]:
                raise TypeError(f"{f.name} is {kind}")
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamaged(
            f"The index's manifest in '{folder.name}' is missing or damaged.",
            "Run 'digest-rag index' to build the index again from the digests.",
        ) from error


def sources(settings: Settings, current: Manifest | None = None) -> tuple[Path, ...]:
    """Return what to read: the setting's digests, else the last ones, else seeds/."""
    if settings.digests:
        return tuple(path.resolve() for path in settings.digests)
    if current is not None:
        return tuple(Path(source) for source in current.sources)
    return (project_dir() / "seeds",)


def staleness(manifest: Manifest, settings: Settings) -> str:
    """Return in a clause why the index no longer fits, "" when it does."""
    if (manifest.format, manifest.tokens) != (FORMAT, TOKENS_VERSION):
        return "it was built by another version of digest-rag"
    if manifest.layouts != layout_versions():
        return "the digest layouts have changed"
    if manifest.encoder != settings.encoder:
        return f"it was built with the encoder '{manifest.encoder}', not '{settings.encoder}'"
    if manifest.truncate_dim != settings.truncate_dim:
        before, now = (n or "all" for n in (manifest.truncate_dim, settings.truncate_dim))
        return f"it was built with {before} dimensions of the encoder, not {now}"
    wanted = sources(settings, manifest)
    if tuple(map(str, wanted)) != manifest.sources:
        return "it was built from other folders than RAG_DIGESTS names"
    return _changes(manifest, wanted)


def _changes(manifest: Manifest, wanted: tuple[Path, ...]) -> str:
    try:
        now = fingerprint(wanted)
    except DigestError:
        # The folder is gone (a moved disk, say): what was indexed still answers.
        return ""
    if now == manifest.digests:
        return ""
    added = len(now.keys() - manifest.digests.keys())
    gone = len(manifest.digests.keys() - now.keys())
    changed = sum(manifest.digests[name] != now[name] for name in now.keys() & manifest.digests)
    counts = [
        f"{n} {what}" for n, what in ((added, "new"), (changed, "changed"), (gone, "removed"))
    ]
    return "the digests have changed (" + ", ".join(c for c in counts if c[0] != "0") + ")"
