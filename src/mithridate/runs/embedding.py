"""Embeddings for an audit: a file of them or an encoder, opened before the work and asked after the first pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.core.results import Result, Skip
from mithridate.core.wording import several
from mithridate.evidence.roll import Gathered
from mithridate.models.encoders.base import Encoder, EncoderError
from mithridate.sources.base import RowSource
from mithridate.sources.embeddings import Embeddings, open_embeddings

__all__ = ["Wanted", "wanted"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for.

    Attributes:
        vectors: a file of embeddings or an encoder; None where nothing was asked for, or it cannot be had.
        judges: whether they may judge labels.
        skips: why it cannot be had.
    """

    vectors: Embeddings | Encoder | None = None
    judges: bool = True
    skips: tuple[Result, ...] = ()

    def added(
        self,
        gathered: Gathered,
        source: RowSource,
        folder: Path,
        jobs: int,
        progress: Callable[[str, int, int | None], None],
    ) -> tuple[Gathered, tuple[Result, ...]]:
        """Evidence with the embeddings in it, and what could not be embedded.

        Raises:
            UsageError: a file that does not belong to these samples.
        """
        if self.vectors is None:
            return gathered, self.skips
        from mithridate.evidence.embedding.gather import embedded

        try:
            gathered, broken = embedded(
                gathered, source, self.vectors, judges=self.judges, store_dir=folder, jobs=jobs, progress=progress
            )  # fmt: skip
        except EncoderError as error:
            return gathered, (_skip(error),)
        if not broken:
            return gathered, ()
        return gathered, (
            Skip(
                check="encoder",
                reason=f"no vector for {several(len(broken), 'sample')}: {broken[0].reason}",
                remedy="Look at these samples, or name another encoder.",
                items=tuple(item.id for item in broken),
                count=len(broken),
            ),
        )


def wanted(
    embeddings: str | Path | NDArray[Any] | None,
    encoder: str | Path | Callable[..., Any] | None,
    saw_labels: bool,
) -> Wanted:
    """Open what was asked for.

    Args:
        embeddings: a file of them, or an array (n, d).
        encoder: as in `models.encoders.open.open_encoder`; or MODULE:FUNCTION, code of the user, which is imported.
        saw_labels: whether they were learned from the labels of this data.

    Raises:
        UsageError: both, nothing there, or a file that holds no embeddings.
    """
    if embeddings is not None and encoder is not None:
        raise UsageError("embeddings or an encoder", "both", "audit", "Leave one of them out.")
    if embeddings is not None:
        return Wanted(vectors=open_embeddings(embeddings), judges=not saw_labels)
    if encoder is None:
        if saw_labels:
            remedy = "Name them with --encoder or --embeddings, or leave --saw-labels out."
            raise UsageError("embeddings that saw the labels", "none", "audit", remedy)
        return Wanted()
    from mithridate.models.encoders.open import open_encoder

    try:
        name = str(encoder) if isinstance(encoder, str | Path) else ""
        found = _function(name) if name and _is_function(name) else encoder
        return Wanted(vectors=open_encoder(found, name), judges=not saw_labels)
    except EncoderError as error:
        return Wanted(skips=(_skip(error),))


def _is_function(name: str) -> bool:
    module, colon, function = name.partition(":")
    dotted = all(part.isidentifier() for part in (*module.split("."), *function.split(".")))
    return bool(colon) and dotted and not Path(name).exists()


def _function(name: str) -> Callable[..., Any]:
    from mithridate.runs.drill.trainer import load_function

    try:
        return load_function(name)
    except ModuleNotFoundError as error:
        if error.name == name.partition(":")[0].partition(".")[0]:
            remedy = "Is its folder the current one?"
            raise UsageError(
                "a module that can be imported", str(error), f"--encoder {name}", remedy
            ) from error
        raise _failed(name, error) from error
    except AttributeError as error:
        raise UsageError("a function of that name", str(error), f"--encoder {name}", "Check it.") from error
    except Exception as error:  # code of the user may raise anything
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> EncoderError:
    got = f"{type(error).__name__}: {str(error)[:300]}"
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    extra = {"torch": "torch", "transformers": "encoder", "onnxruntime": "onnx"}.get(missing or "")
    remedy = (
        f"Install it: pip install 'mithridate[{extra}]'." if extra else "Mend it, or name another encoder."
    )
    return EncoderError("a module that can be imported", got, f"--encoder {name}", remedy)


def _skip(error: EncoderError) -> Skip:
    return Skip(
        check="encoder",
        reason=f"no embeddings: {error.where}: expected {error.expected}, got {error.got}",
        remedy=error.remedy,
    )
