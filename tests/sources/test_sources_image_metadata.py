"""What image files say beside their pixels: told where it is true, left out where it is broken or private."""

import io

import numpy as np
import pytest
from PIL import Image

from mithridate.sources.image_metadata import image_metadata
from mithridate.sources.open import open_source

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8))


def encoded(kind, **options):
    buffer = io.BytesIO()
    PICTURE.save(buffer, format=kind, **options)
    return buffer.getvalue()


def exif():
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0131] = "Acme", "Eye 7", "Darkroom 2"
    tags[0x013B], tags[0xA430], tags[0xA431] = "Jane Roe", "Jane Roe", "SN-4711"
    tags.get_ifd(0x8825)[1] = "N"
    return tags


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            encoded("JPEG", quality=75, exif=exif()),
            {
                "format": "JPEG",
                "JPEG tables": "quality 75",
                "chroma subsampling": "4:2:0",
                "JPEG process": "baseline",
                "size": "40x24",
                "camera make": "Acme",
                "camera model": "Eye 7",
                "software": "Darkroom 2",
            },
        ),
        (
            encoded("JPEG", quality=31, subsampling=0, progressive=True),
            {"JPEG tables": "quality 31", "chroma subsampling": "4:4:4", "JPEG process": "progressive"},
        ),
        (encoded("PNG"), {"format": "PNG", "size": "40x24", "colours": "RGB 8 bit", "PNG order": "plain"}),
        (encoded("GIF"), {"format": "GIF", "size": "40x24"}),
        (encoded("BMP"), {"format": "BMP"}),
        (encoded("TIFF", software="Darkroom 2"), {"format": "TIFF", "software": "Darkroom 2"}),
        (encoded("WEBP"), {"format": "WebP", "WebP process": "lossy"}),
        (b"no picture", {}),
        (b"", {}),
    ],
)
def test_what_files_say(data, said):
    found = image_metadata(data)
    assert {name: found.get(name) for name in said} == said


def test_own_tables_get_a_digest_and_a_nearest_quality():
    told = image_metadata(encoded("JPEG", qtables=[[17] * 64, [30] * 64]))["JPEG tables"]
    assert told.startswith("own ")
    assert "near quality" in told


def test_persons_and_places_are_not_noted():
    said = " ".join(image_metadata(encoded("JPEG", exif=exif())).values())
    assert "Jane" not in said
    assert "4711" not in said


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF"])
def test_broken_headers_cost_nothing(kind):
    whole = encoded(kind, **({"exif": exif()} if kind in ("JPEG", "TIFF") else {}))
    draw = np.random.default_rng(0)
    for cut in range(0, min(len(whole), 400), 3):
        image_metadata(whole[:cut])
    for _ in range(300):
        hurt = bytearray(whole)
        for at in draw.integers(0, min(len(hurt), 700), 5).tolist():
            hurt[at] = int(draw.integers(256))
        said = image_metadata(bytes(hurt))
        assert all(isinstance(v, str) and len(v) <= 80 for v in said.values())


def test_a_header_of_a_million_parts_is_left_early():
    assert image_metadata(b"\xff\xd8" + b"\xff\xfe\x00\x02" * 1_000_000)["format"] == "JPEG"


def test_the_folder_hands_it_on(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.jpg").write_bytes(encoded("JPEG", quality=60))
    (tmp_path / "a" / "two.png").write_bytes(encoded("PNG"))
    (batch,) = open_source(tmp_path).batches(8)
    assert [m["format"] for m in batch.metadata] == ["JPEG", "PNG"]
