"""Items for tests, from bytes."""

import io

from mithridate.models.files.item import Item


def item(content, name="file", kind="unknown"):
    return Item(name=name, kind=kind, size=len(content), opener=lambda: io.BytesIO(content))
