import json
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models import wire
from mithridate.models.http import HttpModel, Patience
from mithridate.models.open import open_model
from mithridate.models.serve import serve

X = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)


def _shares(x):
    """A model of one line."""
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def url():
    with serve(open_model(_shares)) as address:
        yield address


class Scripted:
    """A server that answers each request with the next of some raw answers, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/p"
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)

    def _run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                head, _, body = head.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                while len(body) < length:
                    body += connection.recv(65536)
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append((head, body))
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)


def _reply(body, status="200 OK", kind="application/json", more=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"HTTP/1.0 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


GOOD = _reply({"probabilities": [[0.25, 0.75]]})
ONE = np.zeros((1, 2), np.float32)
QUICK = Patience(seconds=0.3, retries=2, pause=0.01, limit=10_000)


@pytest.mark.parametrize("form", ["npy", "json"])
@pytest.mark.parametrize("batch", [4, 256])
def test_the_server_says_what_the_model_says(url, form, batch):
    np.testing.assert_allclose(HttpModel(url, form=form, batch=batch).predict(X), _shares(X), atol=1e-6)
    np.testing.assert_allclose(open_model(url).predict(X), _shares(X), atol=1e-6)


def test_the_same_network_here_as_onnx_and_over_http(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from tests.models.digits import digits, export, network

    x = digits()[2][:40]
    here = open_model(network()).predict(x)
    file = open_model(export(network(), tmp_path / "m.onnx"))
    with serve(open_model(network())) as module_url, serve(file) as file_url:
        for address in (module_url, file_url):
            np.testing.assert_allclose(open_model(address, batch=16).predict(x), here, atol=1e-5)


def test_text_goes_as_json():
    def lengths(x):
        return [[len(text) / 10, 1 - len(text) / 10] for text in x.tolist()]

    with serve(open_model(lengths)) as address:
        for texts in (np.array(["a", "four"], dtype=object), np.array(["a", "four"])):
            np.testing.assert_allclose(
                open_model(address).predict(texts), [[0.1, 0.9], [0.4, 0.6]], atol=1e-6
            )


def test_what_is_sent_is_what_the_page_says():
    with Scripted(GOOD) as server:
        HttpModel(server.url, headers={"Authorization": "Bearer s3cret"}).predict(ONE)
        HttpModel(server.url, form="json").predict(ONE)
    (npy_head, npy_body), (json_head, json_body) = server.requests
    assert b"Content-Type: application/x-npy" in npy_head
    assert npy_head.startswith(b"POST /p HTTP/1.1")
    assert b"Authorization: Bearer s3cret" in npy_head
    np.testing.assert_array_equal(wire.unpack_npy(npy_body), ONE)
    assert b"Content-Type: application/json" in json_head
    assert json.loads(json_body) == {"inputs": [[0.0, 0.0]]}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(_reply(b"", "503 Busy"), id="busy"),
        pytest.param(_reply(b"", "429 Slow down"), id="too many"),
        pytest.param(b"", id="hung up"),
        pytest.param(GOOD[:-4], id="cut off"),
        pytest.param(lambda c: time.sleep(0.4), id="silent"),
        pytest.param(b"rubbish\r\n\r\n", id="no http"),
    ],
)
def test_what_may_pass_is_tried_again_but_not_for_ever(trouble):
    with Scripted(trouble, GOOD) as server:
        np.testing.assert_allclose(HttpModel(server.url, patience=QUICK).predict(ONE), [[0.25, 0.75]])
    assert len(server.requests) == 2
    with Scripted(trouble) as server, pytest.raises(UsageError, match=r"3 tries"):
        HttpModel(server.url, patience=QUICK).predict(ONE)
    assert len(server.requests) == 3


def _drip(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(40):
        try:
            connection.sendall(b" ")
        except OSError:
            return
        time.sleep(0.03)


def test_a_server_that_drips_is_not_waited_for():
    started = time.monotonic()
    with Scripted(_drip) as server, pytest.raises(UsageError, match="timed out"):
        HttpModel(server.url, patience=Patience(seconds=0.2, retries=0)).predict(ONE)
    assert time.monotonic() - started < 3


def _header(shape):
    import io

    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


NPY = "application/x-npy"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (_reply(b"", "404 Not here"), "status 404"),
        (_reply({"error": "wrong size\x1b[2J"}, "400 Bad"), "wrong size"),
        (_reply(b"", "302 Found", more="Location: http://127.0.0.1:1/\r\n"), "status 302"),
        (_reply(b"<html>", kind="text/html"), "text/html"),
        (_reply({"scores": [[1, 0]]}), "probabilities"),
        (_reply([1]), "probabilities"),
        (_reply(b"[" * 9000), "probabilities"),
        (_reply({"probabilities": [[0.5, 0.5], [0.5, 0.5]]}), "shape"),
        (_reply({"probabilities": [[0.5], [0.5, 0.5]]}), "probabilities"),
        (_reply({"probabilities": [["a", "b"]]}), "numbers"),
        (_reply(b'{"probabilities": [[NaN, 1]]}'), "NaN"),
        (_reply(b" " * 20_000), "10000 bytes"),
        (_reply(b"\x93NUMPY\x01", kind=NPY), "npy"),
        (_reply(b"\x80\x04cposix\nsystem", kind=NPY), "npy"),
        (_reply(_header((1 << 40, 2)) + b"1234", kind=NPY), "in 4 bytes"),
        (_reply(_header((-1, 2)) + b"1234", kind=NPY), "npy"),
    ],
)
def test_bad_answers_are_refused_at_once(answer, says):
    with Scripted(answer) as server, pytest.raises(UsageError, match=says) as caught:
        HttpModel(server.url, patience=QUICK).predict(ONE)
    assert len(server.requests) == 1
    assert "\x1b" not in str(caught.value)


def test_python_objects_are_never_unpickled():
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.array([[print, 1]], dtype=object), allow_pickle=True)
    with (
        Scripted(_reply(buffer.getvalue(), kind=NPY)) as server,
        pytest.raises(UsageError, match="never unpickled"),
    ):
        HttpModel(server.url, patience=QUICK).predict(ONE)


def test_a_request_that_is_too_large_is_not_sent():
    with Scripted(GOOD) as server, pytest.raises(UsageError, match="smaller"):
        HttpModel(server.url, patience=QUICK).predict(np.zeros((1, 9000), np.float32))
    assert not server.requests


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UsageError, match="an answer"):
        HttpModel(f"http://127.0.0.1:{port}/", patience=QUICK).predict(ONE)


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "http://", "http://me:s3cret@host/", "https:///path"]
)
def test_urls_that_are_refused(url):
    with pytest.raises(UsageError) as caught:
        HttpModel(url)
    assert "s3cret" not in str(caught.value)


def test_secrets_stay_out_of_names():
    model = HttpModel("https://host/p?token=s3cret", headers={"Authorization": "s3cret"})
    assert model.name == "https://host/p"
    assert "s3cret" not in repr(model)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"inputs": [[1, 2, 3]]}', 200),
        ("application/json", b'{"inputs": 7}', 400),
        ("application/json", b"[" * 99_999, 400),
        ("application/json", b'{"outputs": []}', 400),
        ("application/x-npy", b"rubbish", 400),
        ("text/plain", b"1", 415),
    ],
)
def test_the_server_refuses_what_it_should(url, kind, body, status):
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method="POST")  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.process_response["http"] = []  # no exceptions for other statuses
    with direct.open(request, timeout=5) as reply:
        assert reply.status == status
        answer = json.load(reply)
    assert len(answer["probabilities"][0]) == 3 if status == 200 else answer["error"]


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org", "192.168.0.1", "::1"])  # noqa: S104
def test_it_serves_nobody_else(host):
    with pytest.raises(UsageError, match="loopback"), serve(open_model(_shares), host=host):
        pass


def test_a_model_that_fails_is_a_status(capfd):
    class Broken:
        name = "broken"

        def predict(self, x):
            raise ZeroDivisionError("oh")

    with serve(Broken()) as address, pytest.raises(UsageError, match=r"status 500: .*oh"):
        HttpModel(address, patience=QUICK).predict(ONE)
    with serve(open_model(lambda x: 1 / 0)) as address, pytest.raises(UsageError, match="status 400"):
        HttpModel(address, patience=QUICK).predict(ONE)
    assert capfd.readouterr() == ("", "")
