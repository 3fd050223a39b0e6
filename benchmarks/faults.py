"""What becomes of an index that is killed, starved of disk, or damaged, file by file.

    python benchmarks/faults.py [--kills 200] [--flips 20] [--only kills,disk,damage]

Two small digests out of seeds/ are indexed; then a third comes, one is corrected
and one is renamed. Every trial has an index of its own: a writer is killed, or
writes to a full or read-only disk, or one file is damaged; then questions are
asked, the index is brought up to date, and they are asked again. A right answer
is, to the last passage and score, that of an index built from scratch of the
digests before or after. Writes benchmarks/faults.md; exits with 1 when any trial
went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import victims
from victims import Ran, same

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "seeds"
FIRST, SECOND, THIRD = "000_132876c306dddd66", "004_550b361b9cc0b56f", "001_f473a27d6f69c3da"
_ENTRY = re.compile(r"^(?=### \[\d+\] \[|## \[)", re.MULTILINE)
_KINDS = (
    (re.compile(r"\d{8}T\d{6,}"), "NAME"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"), "UUID"),
    (re.compile(r"[0-9a-f]{16,}"), "HASH"),
)
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """What was done, what was seen right after, and what was wrong, "" if nothing."""

    kind: str
    after: str
    wrong: str = ""
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Lab:
    """The digests in two states, the right answers to each, and indexes to copy."""

    place: Path
    commands: list[list[str]] = field(default_factory=list)
    right: dict[str, list[object]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    new_passages: int = 0
    doctor: bool = False

    @contextmanager
    def copy(self, state: str = "old") -> Iterator[Bed]:
        """Give a trial digests and an index of its own ("" for no index)."""
        with tempfile.TemporaryDirectory(dir=self.place) as name:
            bed = Bed(self, Path(name))
            shutil.copytree(self.place / "old", bed.digests)
            if state:
                shutil.copytree(self.place / f"{state}-index", bed.index, symlinks=True)
            else:
                bed.index.mkdir()
                encoders = self.place / "old-index" / "encoders"
                if encoders.is_dir():
                    shutil.copytree(encoders, bed.index / "encoders")
            yield bed


@dataclass(frozen=True, slots=True)
class Bed:
    """One trial's folder."""

    lab: Lab
    place: Path

    @property
    def digests(self) -> Path:
        """Return the digests' folder."""
        return self.place / "digests"

    @property
    def index(self) -> Path:
        """Return the index's folder."""
        return self.place / "index"

    @property
    def environment(self) -> dict[str, str]:
        """Return what tells digest-rag where the index is."""
        return {"RAG_INDEX": str(self.index)}

    def renew(self) -> None:
        """Put the digests into their later state."""
        shutil.rmtree(self.digests)
        shutil.copytree(self.lab.place / "new", self.digests)

    def write(self, *, repair: bool = False) -> list[str]:
        """Return the command that writes the index."""
        return ["doctor", "--repair"] if repair else ["index", str(self.digests), "--json"]

    def bring_up_to_date(self) -> tuple[str, dict[str, object]]:
        """Run `index`, and where it fails do what it says; return what is wrong, and the ledger."""
        ran = victims.run([self.write()], self.environment)[0]
        if ran.code == 1 and ran.clear and self.lab.doctor:
            mended = victims.run([self.write(repair=True)], self.environment)[0]
            if mended.code != 0:
                return f"doctor --repair: {mended.last}", {}
            ran = victims.run([self.write()], self.environment)[0]
        if ran.code != 0:
            return f"index: {_short(ran)}", {}
        return "", json.loads(ran.out)

    def examine_and_repair(self) -> bool:
        """Return whether `doctor` finds damage, after having it mended."""
        sick = victims.run([["doctor"]], self.environment)[0]
        if sick.code != 0:
            victims.run([self.write(repair=True)], self.environment)
        return sick.code != 0

    def look(self) -> tuple[str, str]:
        """Ask all questions; return what was seen and what is wrong with it.

        The digests are out of sight meanwhile: the index answers for itself.
        """
        self.digests.rename(self.place / "away")
        try:
            found = victims.run(self.lab.commands, self.environment)
        finally:
            (self.place / "away").rename(self.digests)
        return self._judged(found)

    def _judged(self, found: Sequence[Ran]) -> tuple[str, str]:
        for ran, arguments in zip(found, self.lab.commands, strict=True):
            if not ran.clear:
                return "failure", f"{arguments[0]}: {_short(ran)}"
        answered = [(place, ran) for place, ran in enumerate(found) if ran.code == 0]
        for state, right in self.lab.right.items():
            if all(same(_plain(ran), right[place]) for place, ran in answered):
                if len(answered) == len(found):
                    return state, ""
                if answered:
                    return "clear error", ""
        if answered:
            wrong = [self.lab.commands[place][0] for place, _ in answered]
            return "wrong answer", f"{', '.join(wrong)} gave neither the old nor the new"
        none_yet = all("There is no index yet" in ran.err for ran in found)
        return ("nothing yet" if none_yet else "clear error"), ""


def _short(ran: Ran) -> str:
    return " … ".join(ran.err.strip().splitlines()[-3:])[-300:] or ran.last


def _plain(ran: Ran) -> object:
    try:
        found = json.loads(ran.out)
    except ValueError:
        return ran.out
    if isinstance(found, list):
        return sorted(found, key=lambda row: str(row["arxiv_id"])) if "raw" in ran.out else found
    return found


def set_up(place: Path) -> Lab:
    """Write the digests in both states, build both indexes, and learn the right answers."""
    lab = Lab(place)
    old, new = place / "old", place / "new"
    old.mkdir()
    new.mkdir()
    first, second, third = (_cut(name, count) for name, count in _CUTS)
    (old / "first.md").write_text(first, encoding="utf-8")
    (old / "second.md").write_text(second, encoding="utf-8")
    (new / "first.md").write_text(_corrected(first), encoding="utf-8")
    (new / "renamed.md").write_text(second, encoding="utf-8")
    (new / "third.md").write_text(third, encoding="utf-8")
    lab.commands = _questions(first, second, third)
    lab.doctor = "--repair" in _help("doctor")
    for state in ("old", "new"):
        index = place / f"{state}-index"
        environment = {"RAG_INDEX": str(index)}
        wrote = victims.run([["index", str(place / state), "--json"]], environment)[0]
        assert wrote.code == 0, wrote.err
        found = victims.run(lab.commands, environment)
        assert all(ran.code == 0 for ran in found), [ran.err for ran in found]
        lab.right[state] = [_plain(ran) for ran in found]
    with lab.copy() as bed:
        bed.renew()
        problem, ledger = bed.bring_up_to_date()
        assert not problem, problem
        lab.new_passages = int(str(ledger["embedded"]))
        assert bed.look() == ("new", ""), bed.look()
    return lab


_CUTS = ((FIRST, 4), (SECOND, 5), (THIRD, 3))


def _cut(name: str, count: int) -> str:
    """Return the first entries of a seed."""
    head, *entries = _ENTRY.split((SEEDS / f"{name}.txt").read_text(encoding="utf-8"))
    return head + "".join(entries[:count])


def _corrected(text: str) -> str:
    """Return a digest with one entry gone and every summary corrected."""
    head, *entries = _ENTRY.split(text)
    return (head + "".join(entries[:-1])).replace("\nMethod: ", "\nMethod: 更正：")


def _questions(*digests: str) -> list[list[str]]:
    """Return commands that show every part of the index."""
    titles = [re.findall(r"^##+ (?:\[\d+\] )?\[(.+)\]\(", text, re.MULTILINE) for text in digests]
    chinese = re.findall(r"^Result: (.{20,60})", digests[0], re.MULTILINE)
    return [
        ["search", titles[0][0], "--json"],
        ["search", chinese[1], "--json"],
        ["search", f"{titles[1][1]} {titles[2][0]}", "--json"],
        ["search", titles[0][1], "--category", "cs.LG", "--json"],
        ["search", titles[1][0], "--since", "2025-06-01", "--json"],
        ["ask", f"What is the main result of {titles[1][2]}?"],
        ["papers", "--json"],
    ]


def _help(command: str) -> str:
    return victims.run([[command, "--help"]], {})[0].out


# The writers and where to wait in their work before the clock starts.
MARKS = {
    "build": (".", "segments", "generations"),
    "update": (".", "segments", "generations"),
    "swap": ("generations", "CURRENT.new", "CURRENT"),
    "repair": (".", "segments", "generations"),
}


def time_writers(lab: Lab) -> None:
    """Learn how long each writer works after its mark, for the clocks of the kills."""
    for kind, marks in MARKS.items():
        if kind == "repair" and not lab.doctor:
            continue
        with lab.copy("" if kind == "build" else "old") as bed:
            child, result = _writer(bed, kind, random.Random(0))  # noqa: S311
            lab.seconds[kind] = _time_after(child, bed.index, marks)
            result.unlink(missing_ok=True)


def _time_after(child: victims.BaseProcess, index: Path, marks: Sequence[str]) -> float:
    before = [victims.stamp(index / mark) for mark in marks]
    while child.is_alive() and [victims.stamp(index / mark) for mark in marks] == before:
        time.sleep(0.001)
    start = time.monotonic()
    child.join()
    return time.monotonic() - start


def _writer(bed: Bed, kind: str, dice: random.Random) -> tuple[victims.BaseProcess, Path]:
    """Start the writer of that kind; return it and where it says how it ended."""
    if kind == "repair":
        harm(dice.choice(derived_files(bed.index)), "half", dice)
    elif kind != "build":
        bed.renew()
    result = bed.place / "writer.json"
    command = bed.write(repair=kind == "repair")
    return victims.start([command], bed.environment, result), result


def kill(lab: Lab, kind: str, seed: int) -> Trial | None:
    """Kill a writer at a random moment; None when it was done before."""
    dice = random.Random(f"{kind} {seed}")  # noqa: S311 (nothing secret)
    with lab.copy("" if kind == "build" else "old") as bed:
        child, result = _writer(bed, kind, dice)
        killed = victims.kill_when(
            child, bed.index, MARKS[kind], dice.uniform(0, lab.seconds[kind])
        )
        wrote = victims.finished(result, child, 1)[0]
        acknowledged = wrote.code == 0
        after, wrong = bed.look()
        if not killed and not acknowledged:
            wrong = wrong or f"{kind} failed by itself: {_short(wrote)}"
        allowed = _allowed(kind, acknowledged)
        if not wrong and after not in allowed:
            wrong = f"'{after}' after {'the end' if acknowledged else 'the kill'}"
        if not wrong:
            bed.renew()
            wrong, ledger = bed.bring_up_to_date()
            if not wrong and kind != "build" and int(str(ledger["embedded"])) > lab.new_passages:
                wrong = f"vectors were lost: {ledger['embedded']} texts encoded"
        if not wrong:
            end, wrong = bed.look()
            wrong = wrong or ("" if end == "new" else f"'{end}' after the next update")
        return Trial(kind, after, wrong) if killed or wrong else None


def _allowed(kind: str, acknowledged: bool) -> set[str]:
    if kind == "build":
        return {"old"} if acknowledged else {"old", "nothing yet"}
    if kind == "repair":
        return {"old"} if acknowledged else {"old", "clear error"}
    return {"new"} if acknowledged else {"old", "new"}


def kind_of(path: Path, index: Path) -> str:
    """Return the kind of a file: its path with what is made up for it taken out."""
    kind = path.relative_to(index).as_posix()
    for pattern, word in _KINDS:
        kind = pattern.sub(word, kind)
    return kind


def files(index: Path) -> dict[str, list[Path]]:
    """Return the files of an index by kind; locks hold nothing and are left out."""
    found: dict[str, list[Path]] = {}
    for path in sorted(index.rglob("*")):
        if path.is_file() and path.suffix != ".lock" and path.stat().st_size:
            found.setdefault(kind_of(path, index), []).append(path)
    return found


def derived_files(index: Path) -> list[Path]:
    """Return the files that `doctor --repair` can make again."""
    folders = ("segments", "generations")
    return [p for p in sorted(index.rglob("*")) if p.is_file() and _under(p, index) in folders]


def _under(path: Path, index: Path) -> str:
    return path.relative_to(index).parts[0]


def harm(path: Path, how: str, dice: random.Random) -> None:
    """Damage one file: missing, zero or half its length, a bit flipped, silently or not.

    A silent flip leaves the file's times as they were, as a failing disk does.
    """
    times = path.stat()
    if how == "missing":
        path.unlink()
    elif how in {"zero", "half"}:
        os.truncate(path, 0 if how == "zero" else times.st_size // 2)
    else:
        with path.open("r+b") as file:
            place = dice.randrange(times.st_size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << dice.randrange(8)]))
        if how == "silent flip":
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def damage(lab: Lab, kind: str, how: str, seed: int) -> Trial:
    """Damage one file of the kind, look, bring the index up to date, and look again.

    What changes no file's size or time is found by reading all of it through, which
    is `doctor`'s to do: wrong is what that does not find or does not mend.
    """
    dice = random.Random(f"{kind} {how} {seed}")  # noqa: S311 (nothing secret)
    with lab.copy() as bed:
        harm(dice.choice(files(bed.index)[kind]), how, dice)
        after, wrong = bed.look()
        if not wrong and after == "new":
            wrong = "the new state before it was there"
        after = "right" if after == "old" else after
        if how == "silent flip" and lab.doctor:
            found = bed.examine_and_repair()
            if wrong and found:
                after, wrong = "not noticed, found by doctor", ""
        if not wrong:
            bed.renew()
            wrong, _ = bed.bring_up_to_date()
        if not wrong:
            end, wrong = bed.look()
            wrong = wrong or ("" if end == "new" else f"'{end}' after the next update")
        return Trial(f"{kind}: {how}", after, wrong)


def full_by_limit(lab: Lab, bytes_: int) -> Trial:
    """Update an index where no file may grow beyond `bytes_`."""
    with lab.copy() as bed:
        bed.renew()
        ran = victims.run([bed.write()], bed.environment, file_limit=bytes_)[0]
        return _after_failure(bed, "no file may grow", ran)


def full_disk(lab: Lab, room: int) -> Trial:
    """Update an index on a disk that has `room` bytes left."""
    with lab.copy() as bed, _disk(bed) as remount:
        bed.renew()
        remount(f"size={_used(bed.index) + room}")
        ran = victims.run([bed.write()], bed.environment)[0]
        trial = _looked(bed, "full disk", ran)
        remount("size=1g")
        return trial if trial.wrong else _mended(bed, trial)


def read_only(lab: Lab, *, changed: bool) -> Trial:
    """Ask, and update, an index on a disk that can't be written."""
    with lab.copy() as bed, _disk(bed) as remount:
        if changed:
            bed.renew()
        remount("ro")
        ran = victims.run([bed.write()], bed.environment)[0]
        kind = "read-only disk, digests changed" if changed else "read-only disk"
        trial = _looked(bed, kind, ran)
        remount("rw")
        return trial if trial.wrong else _mended(bed, trial)


def _after_failure(bed: Bed, kind: str, ran: Ran) -> Trial:
    trial = _looked(bed, kind, ran)
    return trial if trial.wrong else _mended(bed, trial)


def _looked(bed: Bed, kind: str, ran: Ran) -> Trial:
    """Judge a writer that may have failed, and what the index says after it."""
    said = "done" if ran.code == 0 else _anonymous(ran.last.removeprefix("digest-rag: "), bed)
    if not ran.clear:
        return Trial(kind, "failure", _short(ran))
    after, wrong = bed.look()
    if not wrong and after not in ({"new", "old"} if ran.code == 0 else {"old"}):
        wrong = f"'{after}' after: {said}"
    if not wrong and ran.code == 0 and after == "old" and kind != "read-only disk":
        wrong = "an update said it was done and was not"
    return Trial(kind, f"{after}; {'done' if ran.code == 0 else 'clear error'}", wrong, (said,))


def _anonymous(text: str, bed: Bed) -> str:
    text = text.replace(str(bed.index), "index_store")
    for pattern, word in _KINDS:
        text = pattern.sub(word, text)
    return text


def _mended(bed: Bed, trial: Trial) -> Trial:
    bed.renew()
    wrong, _ = bed.bring_up_to_date()
    if not wrong:
        end, wrong = bed.look()
        wrong = wrong or ("" if end == "new" else f"'{end}' once there was room")
    return Trial(trial.kind, trial.after, wrong, trial.notes)


@contextmanager
def _disk(bed: Bed) -> Iterator[Callable[[str], object]]:
    """Put the trial's index on a disk of its own; yield what changes its options."""
    aside = bed.place / "aside"
    bed.index.rename(aside)
    bed.index.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", bed.index], check=True)
    try:
        shutil.copytree(aside, bed.index, symlinks=True, dirs_exist_ok=True)
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", bed.index], check=True
        )
    finally:
        subprocess.run(["umount", "-l", bed.index], check=True)


def can_mount() -> bool:
    """Return whether this process may mount a disk."""
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", name]
        if shutil.which("mount") is None:
            return False
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", name], check=True)
        return True


def _used(folder: Path) -> int:
    """Return the bytes that a folder takes on a disk of pages."""
    return sum(-(-p.lstat().st_size // 4096) * 4096 + 4096 for p in folder.rglob("*"))


def kills(lab: Lab, count: int, pool: ThreadPoolExecutor) -> list[Trial]:
    """Kill writers of each kind in turn, until `count` died."""
    time_writers(lab)
    kinds = [kind for kind in MARKS if kind in lab.seconds]
    quota = {kind: len(range(n, count, len(kinds))) for n, kind in enumerate(kinds)}
    found: list[Trial] = []
    seed = 0
    while any(quota.values()):
        # Whoever is done before its clock is up was not killed, and another takes its place.
        jobs = [(kind, seed + n) for kind, wanted in quota.items() for n in range(wanted)]
        seed += count
        if seed > _ROUNDS * count:
            raise RuntimeError(f"these are done before they can be killed: {quota}")
        for trial in pool.map(lambda job: kill(lab, *job), jobs):
            if trial is not None:
                found.append(trial)
                quota[trial.kind] -= 1
                if len(found) % 20 == 0 or trial.wrong:
                    _say(f"{len(found)} kills; {trial}")
        _say(f"{len(found)} of {count} kills")
    return sorted(found, key=lambda trial: trial.kind)


def disks(lab: Lab, steps: int, pool: ThreadPoolExecutor) -> list[Trial]:
    """Try full and read-only disks; those that must be mounted only where that is allowed."""
    with lab.copy() as bed:
        before = _used(bed.index)
        bed.renew()
        bed.bring_up_to_date()
        grown = max(_used(bed.index) - before, 1 << 20)
        largest = max(p.stat().st_size for p in bed.index.rglob("*") if "encoders" not in p.parts)
    found = list(pool.map(lambda n: full_by_limit(lab, max(1, n * largest // steps)), range(steps)))
    if not can_mount():
        _say("disks of their own can't be mounted here: those trials are left out")
        return found
    found += pool.map(lambda n: full_disk(lab, n * grown // steps), range(steps))
    found += [read_only(lab, changed=changed) for changed in (False, True)]
    return found


def damages(lab: Lab, flips: int, pool: ThreadPoolExecutor, most: int = 0) -> list[Trial]:
    """Damage each kind of file in every way, or in `most` ways drawn at random."""
    with lab.copy() as bed:
        kinds = list(files(bed.index))
    jobs = [
        (kind, how, seed)
        for kind in kinds
        for how, count in _HARMS
        for seed in range(count or flips)
    ]
    if most:
        jobs = random.Random(0).sample(jobs, min(most, len(jobs)))  # noqa: S311
    _say(f"{len(kinds)} kinds of files, {len(jobs)} damages")
    found = []
    for trial in pool.map(lambda job: damage(lab, *job), jobs):
        found.append(trial)
        if len(found) % 20 == 0 or trial.wrong:
            _say(f"{len(found)} damages; {trial}")
    return found


_HARMS = (("missing", 1), ("zero", 1), ("half", 1), ("flip", 0), ("silent flip", 0))


def report(trials: Iterable[Trial]) -> str:
    """Return the outcomes in Markdown."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.kind, []).append(trial)
    outcomes = list(dict.fromkeys(t.after for group in groups.values() for t in group))
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, by `benchmarks/faults.py`.",
        "",
        "What the index said right after the fault, and in how many trials anything was wrong "
        "then or after the next `digest-rag index`.",
        "",
        "| fault | trials | " + " | ".join(outcomes) + " | wrong |",
        "| --- |" + " --- |" * (len(outcomes) + 2),
    ]
    for kind, group in groups.items():
        counts = Counter(t.after for t in group)
        wrong = sum(bool(t.wrong) for t in group)
        cells = [str(counts[o] or "") for o in outcomes]
        lines.append(f"| {kind} | {len(group)} | {' | '.join(cells)} | {wrong} |")
    said = sorted({note for group in groups.values() for t in group for note in t.notes})
    if said:
        lines += ["", "What the writers said:", "", *(f"- {note}" for note in said)]
    bad = [f"- {t.kind}: {t.wrong}" for group in groups.values() for t in group if t.wrong]
    if bad:
        lines += ["", "Wrong:", "", *bad]
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the trials and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--flips", type=int, default=20)
    parser.add_argument("--most", type=int, default=0, help="damages drawn at random; 0 is all")
    parser.add_argument("--disks", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="kills,disks,damages")
    parser.add_argument("--report", type=Path, default=ROOT / "benchmarks" / "faults.md")
    given = parser.parse_args()
    victims.prepare()
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.jobs) as pool:
        lab = set_up(Path(name))
        for what in given.only.split(","):
            ways = {
                "kills": (kills, given.kills),
                "disks": (disks, given.disks),
                "damages": (partial(damages, most=given.most), given.flips),
            }
            way, count = ways[what]
            trials += way(lab, count, pool)
            given.report.write_text(report(trials), encoding="utf-8")
    print(report(trials))
    sys.exit(any(trial.wrong for trial in trials))


if __name__ == "__main__":
    main()
