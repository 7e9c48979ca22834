"""What a file of Hugging Face's `datasets` says of its columns: names of classes, and which columns hold files.

Arrow and Parquet files carry it as JSON under the key "huggingface" of their schema, a folder as `dataset_info.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["class_names", "features_of"]

_KEY = b"huggingface"


def features_of(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """The features that a schema's metadata tell, by column; none where there are none, or what is there is broken."""
    try:
        told = json.loads((metadata or {}).get(_KEY, b"{}"))
        features = told["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def class_names(file: Any) -> Mapping[str, tuple[str, ...]]:
    """{column: names of its classes in the order of their numbers} of a `frames.FrameFile`.

    A file knows them by its attribute `metadata` (of its Arrow schema), `features` (told beside it), or not at all.
    """
    features = getattr(file, "features", None) or features_of(getattr(file, "metadata", None))
    named = {}
    for column, feature in features.items():
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and names and len({str(n) for n in names}) == len(names):
            named[column] = tuple(str(n) for n in names)
    return named
