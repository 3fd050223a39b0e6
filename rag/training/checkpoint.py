"""Training state on disk, so that a stopped run goes on where it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

# Steps between two saves.
EVERY = 25


def save(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write the state after `step` steps, replacing the last one at once."""
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    scratch = path.with_suffix(".tmp")
    torch.save(state, scratch)
    os.replace(scratch, path)


def resume(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the state at `path`, if there is one, and return the steps already done."""
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
