"""A fitted estimator as a file from which nothing has to be unpickled."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError

__all__ = ["estimator_file", "refuse_format", "to_trust"]

_FORMATS = {
    "xgboost": ((".json", ".ubj"), "XGBoost's own format, .json or .ubj"),
    "lightgbm": ((".txt",), "LightGBM's own format, .txt"),
}
_SKOPS = ".skops"


def refuse_format(estimator: Any, path: Path) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        UsageError: no format for this estimator, a missing extra, or an estimator that the format does not hold.
    """
    suffixes, words = _own(estimator)
    suffix = path.suffix.lower()
    if suffix in suffixes:
        return
    if suffix != _SKOPS:
        got = f"{path.name!r}; a pickle, as joblib also writes, would run whatever it holds when it is read"
        remedy = "In Python, mithridate.forget(...).model is the estimator itself."
        raise UsageError(" or ".join(filter(None, [".skops", words])), got, "--to", remedy)
    estimator_file(estimator, path)


def estimator_file(estimator: Any, path: Path) -> bytes:
    """The content of a file: of skops (read it with `skops.io.load`), or a booster's own format.

    Args:
        estimator: fitted.
        path: its suffix says the format; nothing is written there.

    Raises:
        UsageError: the extra is missing, or the format does not hold this estimator.
    """
    if path.suffix.lower() != _SKOPS:
        return _boosted(estimator, path.suffix.lower())
    try:
        from skops.io import dumps
    except ImportError as error:
        remedy = "Install it: pip install 'mithridate[skops]'."
        raise UsageError("skops, which writes scikit-learn's models", "none", "--to", remedy) from error
    try:
        return bytes(dumps(estimator))
    except Exception as error:  # of whatever it does not know
        got = f"{type(error).__name__}: {str(error)[:200]}"
        remedy = "In Python, mithridate.forget(...).model is the estimator itself."
        raise UsageError("an estimator that skops can write", got, "--to", remedy) from error


def to_trust(content: bytes, path: Path) -> list[str]:
    """Types that skops makes from this file only where its reader trusts them; none of other formats."""
    if path.suffix.lower() != _SKOPS:
        return []
    from skops.io import get_untrusted_types

    return sorted(map(str, get_untrusted_types(data=content)))


def _own(estimator: Any) -> tuple[tuple[str, ...], str]:
    """Suffixes of a booster's own format, and what it is called; none of others."""
    return _FORMATS.get(type(estimator).__module__.partition(".")[0], ((), ""))


def _boosted(estimator: Any, suffix: str) -> bytes:
    if suffix == ".txt":
        return str(estimator.booster_.model_to_string()).encode()
    with tempfile.TemporaryDirectory(prefix="mithridate-") as folder:
        file = Path(folder) / f"model{suffix}"
        estimator.save_model(file)
        return file.read_bytes()
