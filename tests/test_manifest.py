import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from conftest import write_files
from digest_files import entry, titled

from rag.digests import named_files
from rag.errors import IndexDamaged
from rag.manifest import Manifest, fingerprints, read_manifest, sources, staleness
from rag.settings import Settings, project_dir


@pytest.fixture
def digests(tmp_path: Path) -> Path:
    folder = tmp_path / "digests"
    write_files(folder, {"a.md": titled([entry()]), "b.md": titled([entry("2501.00002")])})
    return folder


@pytest.fixture
def manifest(digests: Path) -> Manifest:
    return Manifest(
        generation="20260101T000000000000",
        built="2026-01-01T00:00:00+00:00",
        sources=(str(digests),),
        digests=fingerprints(named_files([digests]))[0],
        encoder="default",
        encoder_fingerprint="x",
        dimension=64,
        truncate_dim=0,
        entries=2,
        papers=2,
        passages=2,
        incomplete=0,
        failed=0,
    )


def test_a_manifest_survives_its_file(tmp_path: Path, manifest: Manifest) -> None:
    manifest.write(tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_a_fresh_manifest_is_not_stale(manifest: Manifest, digests: Path) -> None:
    assert staleness(manifest, Settings()) == ""
    assert staleness(manifest, Settings(digests=(digests,))) == ""


@pytest.mark.parametrize(
    ("changes", "settings", "reason"),
    [
        ({"format": 0}, {}, "it was built by another version of digest-rag"),
        ({"tokens": 0}, {}, "it was built by another version of digest-rag"),
        ({"layouts": {"sections": 0}}, {}, "the digest layouts have changed"),
        (
            {"encoder": "other/model"},
            {},
            "it was built with the encoder 'other/model', not 'default'",
        ),
        (
            {},
            {"truncate_dim": 128},
            "it was built with all dimensions of the encoder, not 128",
        ),
        (
            {"truncate_dim": 256},
            {},
            "it was built with 256 dimensions of the encoder, not all",
        ),
        (
            {},
            {"digests": (Path("/elsewhere"),)},
            "it was built from other folders than RAG_DIGESTS names",
        ),
    ],
)
def test_each_cause_of_staleness_has_its_sentence(
    manifest: Manifest, changes: dict[str, object], settings: dict[str, object], reason: str
) -> None:
    changed = replace(manifest, **changes)  # type: ignore[arg-type]
    assert staleness(changed, Settings(**settings)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        (lambda d: write_files(d, {"c.md": "new"}), "1 new"),
        (lambda d: write_files(d, {"a.md": "changed"}), "1 changed"),
        (lambda d: (d / "a.md").unlink(), "1 removed"),
        (lambda d: (d / "a.md").rename(d / "c.md"), "1 new, 1 removed"),
        (lambda d: write_files(d, dict.fromkeys([f"{n}.md" for n in range(10)], "")), "10 new"),
    ],
)
def test_changed_digests_are_counted(
    manifest: Manifest, digests: Path, change: Callable[[Path], object], counted: str
) -> None:
    change(digests)
    assert staleness(manifest, Settings()) == f"the digests have changed ({counted})"


def test_other_files_and_other_settings_make_nothing_stale(
    manifest: Manifest, digests: Path
) -> None:
    write_files(digests, {"notes.pdf": "x", ".hidden.md": "x"})
    (digests / "a.md").touch()
    assert staleness(manifest, Settings(dense_weight=0.1, llm="ollama:x", port=1)) == ""


def test_an_index_outlives_its_digests(manifest: Manifest, digests: Path) -> None:
    digests.rename(digests.with_name("gone"))
    assert staleness(manifest, Settings()) == ""


def test_every_field_that_decides_what_is_indexed_is_in_the_manifest() -> None:
    # Whoever adds a setting decides here whether it makes an index stale.
    fingerprinted = {"digests", "encoder", "truncate_dim", "chroma_url"}
    harmless = {
        *(
            "index_dir",
            "chroma_token",
            "chroma_database",
            "dense_weight",
            "false_refusals",
            "llm",
            "llm_key",
            "openai_key",
            "ollama_host",
        ),
        *("llm_timeout", "llm_first_token", "llm_context", "llm_choice", "max_question"),
        *("host", "port"),
    }
    assert {f.name for f in fields(Settings)} == fingerprinted | harmless


def test_a_file_of_known_size_and_time_is_not_read_again(manifest: Manifest, digests: Path) -> None:
    named = named_files([digests])
    for _, path in named:
        os.utime(path, ns=(0, 10**18))
    before = replace(manifest, stats=fingerprints(named)[1])
    assert before.stats.keys() == {"a", "b"}
    (digests / "a.md").write_bytes(b"x" * (digests / "a.md").stat().st_size)
    os.utime(digests / "a.md", ns=(0, 10**18))
    assert fingerprints(named, before)[0] == manifest.digests
    os.utime(digests / "a.md", ns=(0, 10**18 + 1))
    assert fingerprints(named, before)[0]["a"] != manifest.digests["a"]


def test_the_time_of_a_file_just_written_is_not_believed(digests: Path) -> None:
    assert fingerprints(named_files([digests]))[1] == {}


def test_a_flipped_bit_in_a_manifest_is_damage(tmp_path: Path, manifest: Manifest) -> None:
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"papers": 2', '"papers": 3'))
    with pytest.raises(IndexDamaged):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[]", b"null", b"{}", b'{"sources": []}', b"\xff\xfe", b'{"sources": 1}'],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(IndexDamaged, match=r"manifest .* is missing or damaged"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", [f.name for f in fields(Manifest)])
def test_a_value_of_the_wrong_kind_is_damage(tmp_path: Path, manifest: Manifest, name: str) -> None:
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: None}))
    with pytest.raises(IndexDamaged):
        read_manifest(tmp_path)


def test_sources_are_the_settings_else_the_last_else_the_seeds(
    manifest: Manifest, digests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sources(Settings(digests=(Path("digests"),)), manifest) == (digests,)
    assert sources(Settings(), manifest) == (digests,)
    assert sources(Settings()) == (project_dir() / "seeds",)
