"""A changed copy of image files: untouched files byte by byte, changed ones encoded as they were."""

from __future__ import annotations

import csv
import shutil
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import ItemError, UsageError
from mithridate.sources.decode import decode, read_bytes
from mithridate.sources.edits import Edits
from mithridate.sources.folder import ImageFiles, ImageItem, shown

__all__ = ["encoded", "write_image_files"]

_SUFFIXES = {"JPEG": (".jpg", ".jpeg", ".jpe"), "PNG": (".png",), "BMP": (".bmp",), "WEBP": (".webp",)}
_KINDS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes} | {
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pbm": "PPM",
}


def write_image_files(source: ImageFiles, folder: Path, edits: Edits) -> dict[str, str]:
    """Write the copy into an empty folder.

    Args:
        source: what is copied.
        folder: exists and is empty.
        edits: what changes. A new label moves the file to that class's folder, and so changes its id.

    Returns:
        {id: id in the copy} of the images written. Items that lead outside the folder are left out.

    Raises:
        UsageError: a label that cannot be the name of a folder.
    """
    taken: dict[str, str] = {}
    folders = (
        i for i in source.items if i.label is not None and i.path is not None and source.listing is None
    )
    names = {i.label: _parts(source, i)[0] for i in folders}
    used = set[str]()
    for item in source.items:
        if item.id in edits.drop or item.path is None:
            continue
        target = _target(source, item, edits, names)
        while target.as_posix() in used:
            target = target.with_name(f"{target.stem}~{target.suffix}")
        used.add(target.as_posix())
        taken[item.id] = target.as_posix()
        _write_one(item, folder / target, edits, source)
    if source.listing is not None:
        _write_list(source, folder, edits, taken)
    named = source.listing is not None and "id" in source.options
    return {old: old if named else "/".join(shown(p) for p in Path(new).parts) for old, new in taken.items()}


def _parts(source: ImageFiles, item: ImageItem) -> tuple[str, ...]:
    assert item.path is not None
    if source.listing is not None:  # a list may say "../here/a.png"; the copy must not leave its folder
        return item.path.resolve().relative_to(source.root.resolve()).parts
    return item.path.relative_to(source.root).parts


def _target(source: ImageFiles, item: ImageItem, edits: Edits, names: dict[str | None, str]) -> PurePosixPath:
    parts = _parts(source, item)
    if item.id in edits.relabel and source.listing is None:
        label = edits.relabel[item.id]
        inner = parts[1:] if item.label is not None else parts
        parts = inner if label is None else (names.get(label, _folder_name(label)), *inner)
    target = PurePosixPath(*parts)
    if edits.encode is not None:
        suffixes = _SUFFIXES[edits.encode[0].upper()]
        target = target if target.suffix.lower() in suffixes else target.with_suffix(suffixes[0])
    return target


def _folder_name(label: str) -> str:
    if not label or label.startswith(".") or "/" in label or "\0" in label:
        raise UsageError(
            "a label that can be the name of a folder", repr(label), "relabel", "Choose another one."
        )
    return label


def _write_one(item: ImageItem, target: Path, edits: Edits, source: ImageFiles) -> None:
    assert item.path is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    path = item.path

    def old() -> NDArray[np.uint8]:
        return decode(read_bytes(path, item.id, source.limits), item.id, source.limits)

    try:
        pixels = edits.raw(item.id, old)
        if pixels is None and edits.encode is not None:
            pixels = old()
    except ItemError:  # what cannot be read is not changed, and not lost
        pixels = None
    if pixels is None:
        shutil.copyfile(path, target)
    elif edits.encode is not None:
        target.write_bytes(encoded(pixels, edits.encode[0].upper(), edits.encode[1]))
    else:
        target.write_bytes(_encoded_alike(pixels, path))


def encoded(pixels: NDArray[np.uint8], kind: str, quality: int | None = None, **settings: Any) -> bytes:
    """Encode an image.

    Args:
        pixels: (h, w, 1) or (h, w, 3) uint8.
        kind: a format of Pillow, e.g. "JPEG".
        quality: of a lossy format; None for the encoder's default.
        settings: for the encoder.
    """
    from PIL import Image

    array = np.ascontiguousarray(pixels, dtype=np.uint8)
    image = Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    if quality is not None:
        settings["quality"] = quality
    stream = BytesIO()
    image.save(stream, format=kind, **settings)
    return stream.getvalue()


def _encoded_alike(pixels: NDArray[np.uint8], path: Path) -> bytes:
    """Encode in the format the file has; a JPEG with its own quantisation tables and subsampling."""
    from PIL import Image, JpegImagePlugin

    with Image.open(path) as old:
        kind = old.format or _KINDS.get(path.suffix.lower(), "PNG")
        settings: dict[str, Any] = {}
        if kind in ("JPEG", "MPO"):
            kind = "JPEG"
            settings = {"qtables": old.quantization}  # type: ignore[attr-defined]
            sampling = JpegImagePlugin.get_sampling(old)
            same_channels = (pixels.shape[-1] == 1) == (old.mode == "L")
            settings |= {"subsampling": sampling} if sampling >= 0 and same_channels else {}
        elif kind == "WEBP":
            settings = {"lossless": True}
    return encoded(pixels, kind, None, **settings)


def _write_list(source: ImageFiles, folder: Path, edits: Edits, taken: dict[str, str]) -> None:
    """The CSV file that lists the images, with the same name and columns."""
    assert source.listing is not None
    from mithridate.sources.delimited import DelimitedFile

    path_column, label = source.path_column, source.options.get("label")
    id_column = source.options.get("id")
    file = DelimitedFile(source.listing)
    at = {name: k for k, name in enumerate(file.types)}
    id_at, label_at = at[id_column or path_column], None if label is None else at[label]
    with (folder / source.listing.name).open("w", encoding=file.encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=file.separator, lineterminator="\n")
        writer.writerow(at)
        for chunk in file.raw_chunks():
            for row in zip(*(c.to_pylist() for c in chunk.table.columns), strict=True):
                cells, name = list(row), row[id_at]
                if name not in taken:
                    continue
                cells[at[path_column]] = taken[name]
                if label_at is not None and name in edits.relabel:
                    cells[label_at] = edits.relabel[name] or ""
                writer.writerow(cells)
