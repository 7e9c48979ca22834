"""A model behind an HTTP address, as a black box: a batch goes out, probabilities come back."""

from __future__ import annotations

import ipaddress
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models import wire
from mithridate.models.base import Logits, Probabilities, in_batches, to_probabilities

__all__ = ["HttpModel", "Patience", "is_loopback"]

_AGAIN = (429, 502, 503, 504)
_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an answer is waited for.

    Attributes:
        seconds: for one answer, from the first byte sent to the last received.
        retries: further tries after a lost connection, a time-out, or status 429, 502, 503 or 504.
        pause: seconds before the first retry; doubled before each further one.
        limit: bytes of one request or answer.
    """

    seconds: float = 30.0
    retries: int = 2
    pause: float = 0.25
    limit: int = wire.LIMIT


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Status, media type and body."""

    status: int
    kind: str
    body: bytes


@dataclass(eq=False)
class HttpModel:
    """A `Model` that asks a server; the protocol is docs/model-http.md.

    Redirects are not followed: inputs go to the address given and nowhere else.

    Args:
        url: http or https, without user or password.
        batch: how many inputs in one request.
        logits: whether the answers are logits; "auto" decides in each call of `predict`, over all its rows.
        form: "npy" sends the bytes of an .npy file, "json" {"inputs": [...]}.
        headers: sent along, e.g. {"Authorization": "Bearer ..."}; never shown in messages.
        patience: time-out, retries and size limit.

    Raises:
        UsageError: no such URL.
    """

    url: str = field(repr=False)  # as `name`, without the query
    batch: int = 256
    logits: Logits = "auto"
    form: Literal["npy", "json"] = "npy"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            remedy = "Give http://host:port/path; secrets go into headers."
            shown = f"{parts.scheme}://{parts.hostname or ''}"
            raise UsageError("an http or https URL without user and password", shown, "model URL", remedy)
        self.name = f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may hold a secret
        direct = [urllib.request.ProxyHandler({})] if is_loopback(parts.hostname) else []
        self._opener = urllib.request.build_opener(_NoRedirect, *direct)

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`."""
        outputs = in_batches(self._ask, x, self.batch, self.name)
        return to_probabilities(outputs, len(x), self.logits, self.name)

    def _ask(self, part: Any) -> NDArray[Any]:
        array = np.asarray(part)
        if self.form == "json" or array.dtype.hasobject:
            kind, body = wire.JSON, json.dumps({"inputs": array.tolist()}).encode()
        else:
            kind, body = wire.NPY, wire.pack_npy(array)
        if len(body) > self.patience.limit:
            got = f"{len(body)} bytes for {len(array)} inputs"
            raise UsageError(f"at most {self.patience.limit} bytes", got, self.name, "Make `batch` smaller.")
        answer = self._send(body, kind)
        try:
            if answer.kind == wire.NPY:
                return wire.unpack_npy(answer.body)
            return wire.rows_of(answer.body, "probabilities")
        except ValueError as error:
            expected = '{"probabilities": [[...]]} or an .npy file'
            got = f"{answer.kind or 'no content type'}: {str(error)[:200]}"
            raise UsageError(expected, got, self.name, "See docs/model-http.md.") from error

    def _send(self, body: bytes, kind: str) -> _Answer:
        patience, trouble = self.patience, ""
        for trial in range(patience.retries + 1):
            if trial:
                time.sleep(patience.pause * 2 ** (trial - 1))
            try:
                answer = self._once(body, kind)
            except (OSError, HTTPException) as error:
                trouble = str(getattr(error, "reason", "") or error) or type(error).__name__
                continue
            if answer.status == 200:
                return answer
            trouble = f"status {answer.status}: {_printable(answer.body)}"
            if answer.status not in _AGAIN:
                raise UsageError("status 200", trouble, self.name, "Check URL, headers and inputs.")
        tries = f"{trouble[:300]} ({patience.retries + 1} tries)"
        raise UsageError("an answer", tries, self.name, "Is the server up? `Patience` sets time and retries.")

    def _once(self, body: bytes, kind: str) -> _Answer:
        headers = {**self.headers, "Content-Type": kind, "Accept": f"{wire.NPY}, {wire.JSON}"}
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 - scheme checked
        until = time.monotonic() + self.patience.seconds
        try:
            with self._opener.open(request, timeout=self.patience.seconds) as reply:
                status, given = reply.status, reply.headers.get_content_type()
                return _Answer(status=status, kind=given, body=self._read(reply, until))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(status=error.code, kind="", body=error.read(_CHUNK))

    def _read(self, reply: Any, until: float) -> bytes:
        """The body in pieces, as the time-out of a socket is for each piece only."""
        pieces, size = [], 0
        while piece := reply.read1(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > self.patience.limit:
                raise UsageError(
                    f"at most {self.patience.limit} bytes", "more", f"answer of {self.name}", "Check the URL."
                )
            if time.monotonic() > until:
                raise TimeoutError("timed out")
        announced = reply.headers.get("Content-Length")
        if announced is not None and announced.isdigit() and int(announced) != size:
            raise HTTPException(f"{size} of {announced} bytes came")
        return b"".join(pieces)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Turns a redirect into the error that it is for a POST."""

    def redirect_request(self, *_: Any) -> None:
        """Never follow."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by definition."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _printable(body: bytes) -> str:
    """The beginning of what a server says, without what could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in body[:200].decode("utf-8", "replace"))
