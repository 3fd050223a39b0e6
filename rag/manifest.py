"""What an index generation consists of, what it was built from, and whether that holds."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag.digests import fingerprint, layout_versions, named_files
from rag.durable import data_sum, write_whole
from rag.errors import DigestError, IndexDamaged
from rag.lexical import TOKENS_VERSION
from rag.settings import Settings, project_dir

FORMAT = 6
NAME = "manifest.json"
# A file that was touched this shortly before it was read may have been changed
# again within the clock's tick; its time is not believed.
_TICK_NS = 2_000_000_000

Stats = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation; written into its folder as JSON with its own checksum.

    `digests` are SHA-256 by digest name, in the order in which papers are listed;
    `stats` size and time (ns) of those files whose time can be believed. `segments`
    are names in the order in which papers are numbered, `dead` the local numbers
    of superseded papers by segment; `chroma` is the service that holds the vectors,
    "" when the segments do. `calibration` is what `rag.calibrate` measured.
    """

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
    calibration: dict[str, list[float]] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    dead: dict[str, list[int]] = field(default_factory=dict)
    stats: Stats = field(default_factory=dict)
    chroma: str = ""
    layouts: dict[str, int] = field(default_factory=layout_versions)
    tokens: int = TOKENS_VERSION
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest into a generation's folder."""
        data = dataclasses.asdict(self)
        text = json.dumps({**data, "sum": data_sum(data)}, indent=1)
        write_whole(folder / NAME, text)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a generation; raises `IndexDamaged` if unreadable.

    One that another version wrote is read as far as it goes: `staleness` tells.
    """
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        total = data.pop("sum", None)
        if data.get("format") == FORMAT and total != data_sum(data):
            raise ValueError("checksum")
        for name in ("sources", "segments"):
            data[name] = tuple(data.get(name, ()))
        manifest = Manifest(**data)
        for f in dataclasses.fields(manifest):
            kind = type(getattr(manifest, f.name)).__name__
            if kind != str(f.type).partition("[")[0].replace("Stats", "dict"):
                raise TypeError(f"{f.name} is {kind}")
        return manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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


def fingerprints(
    named: Sequence[tuple[str, Path]], before: Manifest | None = None
) -> tuple[dict[str, str], Stats]:
    """Return {digest name: SHA-256} and {digest name: [size, time]} of the files.

    A file with the size and time that `before` knows is not read again.
    """
    prints: dict[str, str] = {}
    stats: Stats = {}
    now = time.time_ns()
    for name, path in named:
        stat = _stat(path)
        if stat and now - stat[1] > _TICK_NS:
            stats[name] = stat
        if before and stat and before.stats.get(name) == stat:
            prints[name] = before.digests[name]
        else:
            prints[name] = fingerprint(path)
    return prints, stats


def misfit(manifest: Manifest, settings: Settings) -> str:
    """Return in a clause why no part of the index can be used, "" when it can."""
    if (manifest.format, manifest.tokens) != (FORMAT, TOKENS_VERSION):
        return "it was built by another version of digest-rag"
    if manifest.layouts != layout_versions():
        return "the digest layouts have changed"
    if manifest.encoder != settings.encoder:
        return f"it was built with the encoder '{manifest.encoder}', not '{settings.encoder}'"
    if manifest.truncate_dim != settings.truncate_dim:
        before, now = (n or "all" for n in (manifest.truncate_dim, settings.truncate_dim))
        return f"it was built with {before} dimensions of the encoder, not {now}"
    if manifest.chroma != settings.chroma_url:
        return "RAG_CHROMA_URL has changed since it was built"
    return ""


def staleness(manifest: Manifest, settings: Settings) -> str:
    """Return in a clause why the index no longer fits, "" when it does."""
    if reason := misfit(manifest, settings):
        return reason
    wanted = sources(settings, manifest)
    if tuple(map(str, wanted)) != manifest.sources:
        return "it was built from other folders than RAG_DIGESTS names"
    return _changes(manifest, wanted)


def _changes(manifest: Manifest, wanted: tuple[Path, ...]) -> str:
    try:
        now, _ = fingerprints(named_files(wanted), manifest)
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


def _stat(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
