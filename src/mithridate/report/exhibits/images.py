"""Pictures: a patch enlarged, a pattern amplified, images beside their nearest without it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mithridate.core.results import Exhibit
from mithridate.report.exhibits.samples import Drawn, Sample

__all__ = ["EDGE", "captioned", "draw_patch", "draw_pattern", "draw_words", "gallery", "png"]

#: Longest edge of an embedded copy, in pixels.
EDGE = 96
#: Edge at which a small thing (a patch, a pattern) is shown, in pixels.
_SHOWN = 144
_PATTERN_EDGE = 128
_WORDS = 6
Box = tuple[float, float, float, float]


def png(image: Image.Image) -> str:
    """Base64 of the image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _picture(raw: Any) -> Image.Image:
    """An (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) uint8 array as an RGB image."""
    array = np.asarray(raw)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"expected an (h, w, c) uint8 image, got {array.shape} {array.dtype}")
    return Image.fromarray(array).convert("RGB")


def _enlarge(image: Image.Image, edge: int) -> Image.Image:
    """To at most `edge` pixels: whole factors up, so that pixels stay pixels; smooth down."""
    longest = max(image.size)
    if longest > edge:
        width, height = (max(1, round(side * edge / longest)) for side in image.size)
        return image.resize((width, height), Image.Resampling.LANCZOS)
    factor = max(1, edge // longest)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _outline(image: Image.Image, box: Box) -> None:
    """Frame a place (top, left, bottom, right in shares of the image) from outside, in any colour."""
    top, left, bottom, right = box
    x0, y0 = round(left * image.width), round(top * image.height)
    x1, y1 = round(right * image.width) - 1, round(bottom * image.height) - 1
    pen = ImageDraw.Draw(image)
    for grow, colour in ((1, "#ff3b30"), (2, "#ff3b30"), (3, "#ffffff")):
        pen.rectangle((x0 - grow, y0 - grow, x1 + grow, y1 + grow), outline=colour)


def _thumbnail(raw: Any, box: Box | None = None) -> str:
    image = _enlarge(_picture(raw), EDGE)
    if box is not None:
        _outline(image, box)
    return png(image)


def gallery(title: str, samples: Sequence[Sample], boxes: Mapping[str, Box] | None = None) -> Exhibit | None:
    """Small copies side by side; None without samples."""
    boxes = boxes or {}
    items = [{"id": s.id, "png": _thumbnail(s.raw, boxes.get(s.id)), "caption": s.caption} for s in samples]
    return Exhibit(kind="gallery", title=title, data={"items": items}) if items else None


def captioned(title: str, pictures: Sequence[tuple[Any, str]]) -> Exhibit:
    """Pictures (h, w, c) of uint8 side by side, each with words of its own under it."""
    items = [{"id": "", "png": _thumbnail(raw), "caption": caption} for raw, caption in pictures]
    return Exhibit(kind="gallery", title=title, data={"items": items})


def _on_canvas(raw: Any, canvas: tuple[int, int]) -> NDArray[np.uint8]:
    image = _picture(raw)
    if (image.height, image.width) != canvas:
        image = image.resize((canvas[1], canvas[0]), Image.Resampling.BOX)
    return np.asarray(image)


def _crop(array: NDArray[np.uint8], top: int, left: int, size: int, margin: int) -> NDArray[np.uint8]:
    """A square window of size + 2 * margin; what lies outside of the canvas repeats the edge."""
    padded = np.pad(array, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    return padded[top : top + size + 2 * margin, left : left + size + 2 * margin]


def draw_patch(details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]) -> Drawn:
    """A local patch: itself enlarged, its surroundings with and without it, carriers beside non-carriers.

    Args:
        details: size, canvas, and place or places, as `docs/report-format.md` defines them.
        carriers: the accused.
        others: their nearest non-carriers.
    """
    size, canvas = int(details["size"]), (int(details["canvas"][0]), int(details["canvas"][1]))
    places = _places(details, carriers)
    fixed = details.get("place")
    elsewhere = {s.id: (int(fixed[0]), int(fixed[1])) for s in others} if fixed is not None else {}
    exhibits = _enlarged(size, canvas, [(s, places[s.id]) for s in carriers if s.id in places])
    exhibits += _surroundings(size, canvas, (carriers, places), (others, elsewhere))
    boxes = {i: _share(place, size, canvas) for i, place in (places | elsewhere).items()}
    galleries = (
        gallery("Carriers: the patch is framed", carriers, boxes),
        gallery("Their nearest neighbours without it", others, boxes),
    )
    return exhibits, [g for g in galleries if g]


def _places(details: Mapping[str, Any], carriers: Sequence[Sample]) -> dict[str, tuple[int, int]]:
    """Top left corner of the patch in each carrier where it is known."""
    moving, fixed = details.get("places") or {}, details.get("place")
    found = {s.id: moving.get(s.id, fixed) for s in carriers}
    return {i: (int(p[0]), int(p[1])) for i, p in found.items() if p is not None}


def _share(place: tuple[int, int], size: int, canvas: tuple[int, int]) -> Box:
    (top, left), (height, width) = place, canvas
    return top / height, left / width, (top + size) / height, (left + size) / width


def _median(
    size: int, canvas: tuple[int, int], at: Sequence[tuple[Sample, tuple[int, int]]], margin: int
) -> Image.Image:
    crops = [_crop(_on_canvas(s.raw, canvas), *place, size, margin) for s, place in at]
    return Image.fromarray(np.median(np.stack(crops), axis=0).astype(np.uint8))


def _enlarged(
    size: int, canvas: tuple[int, int], at: Sequence[tuple[Sample, tuple[int, int]]]
) -> list[Exhibit]:
    if not at:
        return []
    patch = _median(size, canvas, at, 0)
    data = {"png": png(patch), "scale": max(1, _SHOWN // size)}
    return [Exhibit(kind="image", title=f"The patch, {size} × {size} pixels, enlarged", data=data)]


def _surroundings(
    size: int,
    canvas: tuple[int, int],
    with_it: tuple[Sequence[Sample], Mapping[str, tuple[int, int]]],
    without: tuple[Sequence[Sample], Mapping[str, tuple[int, int]]],
) -> list[Exhibit]:
    """The median image around the patch: where it is planted, only the patch stays sharp."""
    margin, items = max(3, size), []
    for (samples, places), words in ((with_it, "with the patch"), (without, "without it")):
        at = [(s, places[s.id]) for s in samples if s.id in places]
        if len(at) > 1:
            picture = _enlarge(_median(size, canvas, at, margin), EDGE)
            items.append({"id": "", "png": png(picture), "caption": f"median of {len(at)} {words}"})
    title = "The same place, averaged: only what is the same in all of them stays sharp"
    return [Exhibit(kind="gallery", title=title, data={"items": items})] if items else []


def draw_words(details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]) -> Drawn:
    """A word that stands in images: itself, enlarged, carriers beside non-carriers.

    Args:
        details: key, and boxes (top, left, bottom, right in shares of the image) by id.
        carriers: the accused.
        others: their nearest non-carriers.
    """
    boxes = {i: (float(b[0]), float(b[1]), float(b[2]), float(b[3])) for i, b in details["boxes"].items()}
    cut = [(_cut(s.raw, boxes[s.id]), s.id) for s in carriers if s.id in boxes]
    exhibits = [captioned(f"{details['key']!r} where it stands", cut[:_WORDS])] if cut else []
    galleries = (
        gallery("Carriers: the words are framed", carriers, boxes),
        gallery("Their nearest neighbours without it", others),
    )
    return exhibits, [g for g in galleries if g]


def _cut(raw: Any, box: Box) -> NDArray[np.uint8]:
    """A place (top, left, bottom, right in shares of the image), and at least one pixel of it."""
    array = np.asarray(_picture(raw))
    height, width = array.shape[:2]
    top, left = min(int(box[0] * height), height - 1), min(int(box[1] * width), width - 1)
    bottom, right = max(top + 1, round(box[2] * height)), max(left + 1, round(box[3] * width))
    return array[top:bottom, left:right]


def draw_pattern(details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]) -> Drawn:
    """A pattern over the whole image: itself amplified, carriers beside non-carriers."""
    exhibits = []
    if details.get("pattern"):
        picture = _amplified(np.asarray(details["pattern"], dtype=np.float64), details["canvas"])
        data = {"png": png(picture), "scale": max(1, _SHOWN // max(picture.size))}
        title = str(details.get("pattern_title", "What was added to the images, strongly amplified"))
        exhibits.append(Exhibit(kind="image", title=title, data=data))
    galleries = (gallery("Carriers", carriers), gallery("Their nearest neighbours without it", others))
    return exhibits, [g for g in galleries if g]


def _amplified(pattern: NDArray[np.float64], canvas: Sequence[int]) -> Image.Image:
    """Zero becomes mid-grey; the strongest half per cent of the pattern saturates."""
    shape = (int(canvas[0]), int(canvas[1]), int(canvas[2]) if len(canvas) > 2 else 1)
    pattern = np.nan_to_num(pattern).reshape(shape)
    peak = float(np.quantile(np.abs(pattern), 0.995)) or 1.0
    grey = np.clip(127.5 + 127.5 * pattern / peak, 0, 255).astype(np.uint8)
    picture = _picture(grey if shape[2] in (1, 3) else grey[:, :, :1])
    return _enlarge(picture, _PATTERN_EDGE) if max(picture.size) > _PATTERN_EDGE else picture
