"""Serve a model on this machine by the protocol of docs/model-http.md: for tests and for trying things out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from threading import Thread
from typing import Any, ClassVar

from numpy.typing import NDArray

from mithridate.core.errors import UsageError
from mithridate.models import wire
from mithridate.models.base import Model
from mithridate.models.http import is_loopback

__all__ = ["serve"]


@contextmanager
def serve(model: Model, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Answer for a model until the block ends, one request at a time.

    Args:
        model: what is asked.
        host: a loopback address (IPv4); there is no authentication.
        port: 0 takes a free one.

    Yields:
        The URL to ask.

    Raises:
        UsageError: a host that others can reach, or a port that is taken.
    """
    if not is_loopback(host) or ":" in host:
        remedy = "Put a real server in front; this one is for tests."
        raise UsageError("a loopback address (IPv4)", repr(host), "host", remedy)
    try:
        server = _Server((host, port), _handler(model))
    except OSError as error:
        raise UsageError("a free port", str(error), f"{host}:{port}", "Use port 0.") from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/predict"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(TCPServer):
    """Without the reverse look-up of http.server, and silent about clients that hang up."""

    allow_reuse_address = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing; the client has had its status, or has gone."""


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    """A handler class bound to one model; http.server makes one object of it for each request."""

    class Bound(_Handler):
        served = model

    return Bound


class _Handler(BaseHTTPRequestHandler):
    served: ClassVar[Model]
    timeout = 30  # a client that sends nothing must not hold the only thread

    def do_POST(self) -> None:
        """Answer one batch."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > wire.LIMIT:
            return self._fail(413 if length.isdigit() else 411, f"at most {wire.LIMIT} bytes, length given")
        kind = self.headers.get_content_type()
        if kind not in (wire.NPY, wire.JSON):
            return self._fail(415, f"send {wire.NPY} or {wire.JSON}")
        try:
            inputs = _inputs(self.rfile.read(int(length)), kind)
            answer = self.served.predict(inputs)
        except (UsageError, ValueError) as error:
            return self._fail(400, str(error))
        except Exception as error:  # a model is code of the user: it may raise anything
            return self._fail(500, f"{type(error).__name__}: {error}")
        if wire.NPY in self.headers.get("Accept", ""):
            return self._reply(200, wire.NPY, wire.pack_npy(answer))
        return self._reply(200, wire.JSON, json.dumps({"probabilities": answer.tolist()}).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _fail(self, status: int, reason: str) -> None:
        self._reply(status, wire.JSON, json.dumps({"error": reason[:500]}).encode())

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _inputs(body: bytes, kind: str) -> NDArray[Any]:
    """The batch; floating JSON numbers become float32, as JSON does not say."""
    if kind == wire.NPY:
        return wire.unpack_npy(body)
    rows = wire.rows_of(body, "inputs")
    return rows.astype("float32") if rows.dtype.kind == "f" else rows
