"""Images of any size → one canvas of equal size on disk, in two layouts, and who they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Batch, Source
from mithridate.core.errors import SourceError
from mithridate.engines.threads import in_order, side_by_side
from mithridate.evidence.image.traces import compression
from mithridate.evidence.roll import Roll
from mithridate.evidence.stages import load_arrays, load_roll, save_arrays, save_roll
from mithridate.evidence.store import new_map, old_map

__all__ = [
    "LARGEST_SIDE",
    "Canvas",
    "at_once",
    "canvas_shape",
    "load_canvas",
    "on_canvas",
    "paint",
    "save_canvas",
    "traces",
]

#: Larger images are reduced to this; what is smaller than a few pixels then is out of sight, and the limits say so.
LARGEST_SIDE = 64
_PIXELS, _PLANES, _FACTS, _ROLL = "canvas.u1", "planes.u1", "canvas.npz", "roll.json"
_READ, _FIRST = 512, 8  # images read at once; those that tell how large they are
_READ_BYTES = 1 << 27
_BAND_BYTES = 1 << 27

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """Images brought to one size.

    Attributes:
        pixels: (n, h, w, c) uint8, image-major, memory-mapped.
        planes: (h, w, c, n) uint8, position-major, memory-mapped.
        digests: (n,) uint64 of each image as it was read, size included.
        reduced: how many images were resized.
    """

    pixels: NDArray[np.uint8]
    planes: NDArray[np.uint8]
    digests: NDArray[np.uint64]
    reduced: int


def paint(
    source: Source, folder: Path, progress: Callable[[str, int, int | None], None], jobs: int = 1
) -> tuple[Canvas, Roll]:
    """Read an image source once.

    Args:
        source: yields batches whose `raw` is a list of (h, w, c) uint8, or that went through `on_canvas`.
        folder: where the canvas goes: 2 * h * w * c bytes per image.
        progress: told (stage, done, total or None).
        jobs: threads; the result does not depend on it.

    Raises:
        SourceError: no image could be read.
    """
    roll, digests, reduced = Roll(), [], 0
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _PIXELS
    shape: Shape | None = None

    size = at_once(source)

    def shaped() -> Iterator[tuple[Batch, Shape | None]]:
        nonlocal shape
        for batch in source.batches(size):
            shape = shape or _shape(batch)
            yield batch, shape

    with path.open("wb") as file:
        for batch, fitted in in_order(_prepared, shaped(), jobs):
            roll.add(batch)
            if fitted is not None:
                reduced += int(fitted.evidence["reduced"].sum())
                digests.append(fitted.evidence["digest"])
                file.write(np.ascontiguousarray(fitted.raw).data)
            progress("reading", len(roll.ids) + len(roll.bad), source.count)
    if shape is None:
        raise SourceError("at least one readable image", roll.unreadable(), source.uri, "Check the files.")
    n = len(roll.ids)
    pixels = old_map(path, np.uint8, (n, *shape))
    progress("turning", 0, n)
    planes = _turn(pixels, folder / _PLANES, jobs)
    return Canvas(pixels=pixels, planes=planes, digests=np.concatenate(digests), reduced=reduced), roll


def _prepared(read: tuple[Batch, Shape | None]) -> tuple[Batch, Batch | None]:
    """What is noted of a batch, and its images on the canvas; None where there is none of them."""
    batch, shape = read
    noted = _traced(batch)
    if shape is None or not len(noted):
        return noted, None
    return noted, noted if "digest" in noted.evidence else on_canvas(noted, shape)


def at_once(source: Source) -> int:
    """How many images to read at once: fewer where the first are large, as those of cameras are."""
    first = next(iter(source.batches(_FIRST)), None)
    if first is None or not len(first):
        return _READ
    usual = sum(image.nbytes for image in first.raw) // len(first)
    return int(np.clip(_READ_BYTES // max(usual, 1), _FIRST, _READ))


def canvas_shape(source: Source) -> Shape | None:
    """(h, w, c) that all images of a source are brought to; None where none can be read."""
    shapes = (_shape(batch) for batch in source.batches(at_once(source)))
    return next((shape for shape in shapes if shape is not None), None)


def on_canvas(batch: Batch, shape: Shape) -> Batch:
    """Bring images to one size.

    Args:
        batch: `raw` is a list of (h, w, c) uint8.
        shape: of the canvas.

    Returns:
        The same with `raw` an array (b, *shape), and as evidence "digest" (b,) uint64 of each image as it was and
        "reduced" (b,) whether it was resized.
    """
    fitted, changed = _fit(batch, shape)
    return replace(batch, raw=fitted, evidence={"digest": _digests(batch), "reduced": changed})


def save_canvas(painted: tuple[Canvas, Roll], folder: Path) -> None:
    """Write what `paint` did not write itself."""
    canvas, roll = painted
    save_arrays(
        folder / _FACTS, shape=np.array(canvas.pixels.shape), digests=canvas.digests, reduced=canvas.reduced
    )
    save_roll(roll, folder / _ROLL)


def load_canvas(folder: Path) -> tuple[Canvas, Roll]:
    """Open what `paint` and `save_canvas` wrote.

    Raises:
        OSError: a file is missing.
        ValueError: a file was cut.
    """
    facts = load_arrays(folder / _FACTS)
    n, h, w, c = facts["shape"].tolist()
    canvas = Canvas(
        pixels=old_map(folder / _PIXELS, np.uint8, (n, h, w, c)),
        planes=old_map(folder / _PLANES, np.uint8, (h, w, c, n)),
        digests=facts["digests"],
        reduced=int(facts["reduced"]),
    )
    return canvas, load_roll(folder / _ROLL)


def traces(images: Sequence[NDArray[np.uint8]]) -> list[dict[str, str]]:
    """What earlier compression left in pixels, as properties of each image; nothing where none is left."""
    return [
        {"JPEG traces": f"quality {q}", "JPEG traces, about": f"quality {q // 10}0 to {q // 10}9"}
        if q
        else {}
        for q in compression(images).tolist()
    ]


def _traced(batch: Batch) -> Batch:
    """With what earlier compression left in the pixels beside what the files say."""
    said = batch.metadata or ({},) * len(batch)
    return replace(
        batch, metadata=tuple({**one, **more} for one, more in zip(said, traces(batch.raw), strict=True))
    )


def _shape(batch: Batch) -> Shape | None:
    """Median size of the first readable batch, the longer side at most `LARGEST_SIDE`; colour if any image has it."""
    if not len(batch):
        return None
    if "digest" in batch.evidence:
        return tuple(batch.raw.shape[1:])
    h, w = (float(np.median([image.shape[axis] for image in batch.raw])) for axis in (0, 1))
    scale = min(1.0, LARGEST_SIDE / max(h, w))
    colour = any(image.shape[2] == 3 for image in batch.raw)
    return max(1, round(h * scale)), max(1, round(w * scale)), 3 if colour else 1


def _fit(batch: Batch, shape: Shape) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    from PIL import Image

    fitted = np.empty((len(batch), *shape), dtype=np.uint8)
    changed = np.zeros(len(batch), dtype=np.bool_)
    for number, (out, image) in enumerate(zip(fitted, batch.raw, strict=True)):
        if image.shape[:2] != shape[:2]:
            changed[number] = True
            squeezed = image[..., 0] if image.shape[2] == 1 else image
            resized = Image.fromarray(squeezed).resize((shape[1], shape[0]), Image.Resampling.BOX)
            image = np.asarray(resized).reshape(*shape[:2], -1)
        if image.shape[2] == shape[2]:
            out[:] = image
        else:
            out[:] = image if shape[2] == 3 else image.mean(axis=2, keepdims=True).astype(np.uint8)
    return fitted, changed


def _digests(batch: Batch) -> NDArray[np.uint64]:
    from hashlib import blake2b

    def digest(image: NDArray[np.uint8]) -> bytes:
        return blake2b(
            np.ascontiguousarray(image).data, digest_size=8, key=str(image.shape).encode()
        ).digest()

    return np.frombuffer(b"".join(digest(image) for image in batch.raw), dtype="<u8").astype(np.uint64)


def _turn(pixels: NDArray[Any], path: Path, jobs: int) -> NDArray[np.uint8]:
    n, h, w, c = pixels.shape
    planes = new_map(path, np.uint8, (h, w, c, n))
    step = max(1, _BAND_BYTES // max(h * w * c, 1))

    def turn(start: int) -> None:
        planes[..., start : start + step] = pixels[start : start + step].transpose(1, 2, 3, 0)

    side_by_side(turn, range(0, n, step), jobs)
    planes.flush()
    return old_map(path, np.uint8, (h, w, c, n))
