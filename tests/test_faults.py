"""A small round of benchmarks/faults.py: kills, full disks and damaged files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_index_outlives_kills_full_disks_and_damage(tmp_path: Path) -> None:
    report = tmp_path / "faults.md"
    size = ["--kills", "6", "--disks", "2", "--flips", "1", "--most", "16"]
    script = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), *size]
    command = [*script, "--report", str(report)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [line.split("|") for line in report.read_text().splitlines() if line.startswith("| ")]
    trials = {row[1].strip(): int(row[2]) for row in rows[2:]}
    assert sum(trials[kind] for kind in trials if kind in {"build", "update", "swap"}) >= 4
    assert trials["no file may grow"] == 2
    assert sum(":" in kind for kind in trials) > 8
