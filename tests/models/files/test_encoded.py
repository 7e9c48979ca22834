"""What stands encoded in a text comes out, and no text makes it slow."""

from __future__ import annotations

import base64
import time

import pytest

from mithridate.models.files.encoded import decodings

PAYLOAD = b"\x80\x04cos\nsystem\nX\x05\0\0\0touch\x85R."


@pytest.mark.parametrize(
    "encode",
    [
        base64.b64encode, base64.urlsafe_b64encode, base64.b32encode, base64.b85encode, base64.a85encode,
        lambda raw: base64.a85encode(raw, adobe=True), lambda raw: raw.hex().encode(), base64.encodebytes,
        lambda raw: raw.hex(" ").encode(), lambda raw: b", ".join(b"0x%02x" % byte for byte in raw),
        lambda raw: b"pickle.loads(bytes.fromhex('" + raw.hex().encode() + b"'))",
        lambda raw: b"loads(b64decode('" + base64.b64encode(raw) + b"'))",
        lambda raw: b"loads(b'" + "".join(f"\\x{byte:02x}" for byte in raw).encode() + b"')",
    ],
)  # fmt: skip
def test_decoded(encode: object) -> None:
    text = encode(PAYLOAD)  # type: ignore[operator]
    for value in (text, text.decode()):
        assert any(content.startswith(PAYLOAD) for _, content in decodings(value))


@pytest.mark.parametrize(
    "text",
    [" " * 400_000 + "!", "\n" * 400_000, "ab" * 200_000 + " !", "A" * 400_000 + "=!", "\\x80" * 100_000 + "!",
     ", " * 200_000, "gA" * 200_000 + "!", "a " * 200_000, "word\n" * 200_000, "=" * 400_000],
    ids=range(10),
)  # fmt: skip
def test_time_grows_with_the_text_alone(text: str) -> None:
    start = time.process_time()
    for _ in decodings(text):
        pass
    assert time.process_time() - start < 2
