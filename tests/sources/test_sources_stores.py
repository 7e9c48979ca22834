"""Stores by URI: fetched once, kept within bounds, and what they refuse said without secrets."""

import http.server
import os
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.sources.media_tables import saved, saved_dict, struct_table
from tests.sources.test_sources_shards import folder as shards
from tests.sources.test_sources_shards import tar

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.open import open_source
from mithridate.sources.stores import shown_uri
from mithridate.sources.write import write_copy

fsspec = pytest.importorskip("fsspec")

CSV = "y,text\n" + "".join(f"{i % 2},the quick brown fox number {i}\n" for i in range(20))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for each test."""
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    monkeypatch.delenv("MITHRIDATE_REMOTE_GB", raising=False)
    return place / "mithridate" / "remote"


@pytest.fixture
def memory():
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield store
    store.store.clear()


def put(store, local, remote):
    for path in sorted(local.rglob("*")) if local.is_dir() else [local]:
        if path.is_file():
            name = f"{remote}/{path.relative_to(local).as_posix()}" if local.is_dir() else remote
            store.pipe_file(name, path.read_bytes())


def npz(tmp):
    np.savez(tmp / "d.npz", x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9) % 2)
    return tmp / "d.npz"


def parquet(tmp):
    pq.write_table(struct_table(), tmp / "d.parquet")
    return tmp / "d.parquet"


def jsonl(tmp):
    (tmp / "d.jsonl").write_text("".join(f'{{"text": "{t}", "y": 1}}\n' for t in "abc"))
    return tmp / "d.jsonl"


def texts(tmp):
    for kind in "ab":
        (tmp / "t" / kind).mkdir(parents=True)
        for i in range(3):
            (tmp / "t" / kind / f"{i}.txt").write_text(f"{kind} {i}")
    return tmp / "t"


KINDS = {
    "npz": (npz, "d.npz", {}, 9),
    "parquet": (parquet, "d.parquet", {}, 23),
    "jsonl": (jsonl, "d.jsonl", {"text": "text"}, 3),
    "texts": (texts, "data/texts", {}, 6),
    "tar": (lambda tmp: tar(tmp / "d.tar"), "d.tar", {}, 23),
    "shards": (shards, "data/shards", {}, 23),
    "saved": (lambda tmp: saved(tmp / "d"), "data/d", {}, 23),
    "split": (lambda tmp: saved_dict(tmp / "d"), "data/d", {"split": "test"}, 4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reads_the_same_as_from_disk(kind, tmp_path, memory):
    make, name, options, count = KINDS[kind]
    local = make(tmp_path)
    put(memory, local, f"/bucket/{name}")
    here, there = open_source(local, **options), open_source(f"memory://bucket/{name}", **options)
    assert (there.uri, there.count, there.modality) == (f"memory://bucket/{name}", count, here.modality)
    assert there.digest == here.digest
    assert [b.labels for b in there.batches(7)] == [b.labels for b in here.batches(7)]
    assert list(there.iter_ids()) == list(here.iter_ids())
    again = open_source(there.uri, **there.options)
    assert again.digest == there.digest


def test_pattern(tmp_path, memory):
    put(memory, shards(tmp_path), "/bucket/s")
    for pattern in ("memory://bucket/s/s-{000..001}.tar", "memory://bucket/s/s-00[01].tar"):
        source = open_source(pattern)
        assert (source.count, next(source.iter_ids())) == (16, "s-000.tar/train/000000")
    with pytest.raises(
        SourceError, match=r"s-\{000\.\.009\}\.tar: expected data at this address, got nothing"
    ):
        open_source("memory://bucket/s/s-{000..009}.tar")


def test_file_uri_is_a_path(tmp_path):
    source = open_source(f"file://{npz(tmp_path)}")
    assert source.uri == str(tmp_path / "d.npz")


def test_fetched_once_and_again_when_it_changes(memory, cache, monkeypatch):
    memory.pipe_file("/b/d.csv", CSV.encode())
    first = open_source("memory://b/d.csv", label="y").digest
    monkeypatch.setattr(type(memory), "_open", None)  # what is here is not fetched again
    assert open_source("memory://b/d.csv", label="y").digest == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    memory.pipe_file("/b/d.csv", CSV.replace("fox", "dog").encode())
    assert open_source("memory://b/d.csv", label="y").digest != first
    assert len(list(cache.iterdir())) == 2


def test_cache_is_bounded(memory, cache, monkeypatch):
    for k in range(4):
        memory.pipe_file(f"/b/{k}.csv", CSV.encode())
    monkeypatch.setenv("MITHRIDATE_REMOTE_GB", str(2.5 * len(CSV) / 1e9))
    held = open_source("memory://b/0.csv", label="y")
    for k in range(1, 4):
        assert open_source(f"memory://b/{k}.csv", label="y").count == 20
    assert len(list(cache.iterdir())) == 3  # the last two, and what is still open
    assert len(next(held.batches(99))) == 20
    monkeypatch.setenv("MITHRIDATE_REMOTE_GB", "1e-7")
    with pytest.raises(SourceError, match="MITHRIDATE_REMOTE_GB to more"):
        open_source("memory://b/1.csv", label="y")
    monkeypatch.setenv("MITHRIDATE_REMOTE_GB", "much")
    with pytest.raises(UsageError, match="number of gigabytes"):
        open_source("memory://b/1.csv")


def test_names_do_not_escape(memory, cache, monkeypatch):
    memory.pipe_file("/b/s/a.csv", CSV.encode())
    found = {"/b/s/../../evil.csv": {"size": 3, "type": "file"}}
    monkeypatch.setattr(type(memory), "find", lambda *_, **__: found)
    with pytest.raises(SourceError, match="names below the address"):
        open_source("memory://b/s")


def test_missing_and_unknown(memory):
    for uri in ("memory://b/nothing.csv", "memory://nowhere/at/all"):
        with pytest.raises(SourceError, match=f"{uri}: expected data at this address, got nothing there"):
            open_source(uri)
    with pytest.raises(SourceError, match=r"zzz://b/x: expected a store that answers, .*[Pp]rotocol"):
        open_source("zzz://b/x")
    with pytest.raises(SourceError, match="address as a text"):
        open_source(Path("memory://b/nothing.csv"))
    memory.pipe_file("/b/d.xyz", b"x")
    with pytest.raises(SourceError, match=r"^memory://b/d.xyz: expected .*got suffix '.xyz'"):
        open_source("memory://b/d.xyz")


@pytest.mark.parametrize(
    ("missing", "uri"),
    [("fsspec.core", "memory://b/d.csv"), ("fsspec.implementations.arrow", "s3://b/d.csv")],
)
def test_without_the_extra(missing, uri, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"pip install 'mithridate\[remote\]'"):
        open_source(uri)


def test_without_the_package_of_a_store(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r"what reads gs:// addresses.*gcsfs"):
        open_source("gs://b/d.csv")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host/a/b.csv?X-Amz-Signature=key#x", "https://host/a/b.csv"),
        ("HTTPS://token@host/b.csv", "https://host/b.csv"),
        ("s3://bucket/odd?name.csv", "s3://bucket/odd?name.csv"),
        ("https://me:p@ss@host", "https://host"),
        ("abfs://box@account.dfs.core.windows.net/d.csv", "abfs://account.dfs.core.windows.net/d.csv"),
    ],
)
def test_addresses_are_shown_without_secrets(uri, shown):
    assert shown_uri(uri) == shown


def test_credentials_in_the_address_of_a_bucket_are_refused():
    with pytest.raises(SourceError, match="AWS_ACCESS_KEY_ID") as caught:
        open_source("s3://AKIA123:se%2Fcret@bucket/d.csv")
    assert "cret" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_copy_of_a_store_is_local(tmp_path, memory):
    memory.pipe_file("/b/d.csv", CSV.encode())
    source = open_source("memory://b/d.csv", label="y")
    done = write_copy(source, tmp_path / "out.csv", drop={"0", "3"})
    assert (done["count"], open_source(tmp_path / "out.csv", label="y").count) == (18, 18)


class _Server(http.server.BaseHTTPRequestHandler):
    """A web server, and as much of S3 as a reader asks for: it knows one key of access."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        path, query = urlsplit(self.path)[2:4]
        kind = "text/csv"
        status, data, length = 200, CSV.encode(), None
        if path.startswith("/bucket") and "Credential=GOOD" not in self.headers.get("Authorization", ""):
            status, data = 403, b"<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>"
        elif "list-type" in query:
            data, kind = b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>", "application/xml"
        elif path.endswith("/secret.csv") and "key=right" not in query:
            status, data = 403, b""
        elif path.endswith("/cut.csv"):
            length = len(data) + 99
        elif not path.endswith(".csv") or "gone" in path:
            status, data = 404, b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(data)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 02 Nov 2026 03:00:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as opened:
        thread = threading.Thread(target=opened.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{opened.server_port}"
        opened.shutdown()


def test_web_addresses(server):
    pytest.importorskip("aiohttp")
    assert open_source(f"http://{server}/d.csv", label="y").count == 20
    signed = open_source(f"http://{server}/secret.csv?key=right", label="y")
    assert (signed.uri, signed.count) == (f"http://{server}/secret.csv", 20)
    for name, message in {
        "gone.csv": "got nothing there",
        "secret.csv?key=wrong": "a refusal",
        "cut.csv": "whole object|store that answers",
    }.items():
        with pytest.raises(SourceError, match=message) as caught:
            open_source(f"http://{server}/{name}", label="y")
        assert "wrong" not in str(caught.value)
    with pytest.raises(SourceError, match="a store that answers"):
        open_source("http://127.0.0.1:1/d.csv")


def test_s3_against_a_server_of_its_own(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "GOOD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    assert open_source("s3://bucket/d.csv", label="y").count == 20
    with pytest.raises(
        SourceError, match=r"s3://bucket/gone.csv: expected data at this address, got nothing there"
    ):
        open_source("s3://bucket/gone.csv")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONG")
    with pytest.raises(
        SourceError, match=r"s3://bucket/d.csv: expected leave to read.*AWS_PROFILE"
    ) as caught:
        open_source("s3://bucket/d.csv")
    assert "hush" not in str(caught.value)


@pytest.mark.skipif("MITHRIDATE_MOTO" not in os.environ, reason="MITHRIDATE_MOTO names no moto server")
def test_s3_against_moto(tmp_path, monkeypatch):
    """MITHRIDATE_MOTO=http://127.0.0.1:5000, started with `moto_server`; moto's needs do not fit constraints.txt."""
    from pyarrow.fs import LocalFileSystem, S3FileSystem, copy_files

    endpoint = os.environ["MITHRIDATE_MOTO"]
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    store = S3FileSystem(
        endpoint_override=endpoint.partition("://")[2],
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir("poison")
    here = LocalFileSystem()
    for kind, (make, name, options, count) in KINDS.items():
        (tmp_path / kind).mkdir()
        local = make(tmp_path / kind)
        place = f"poison/{kind}/{name}"
        store.create_dir(place.rpartition("/")[0])
        copy_files(str(local), place, source_filesystem=here, destination_filesystem=store)
        source = open_source(f"s3://poison/{kind}/{name}", **options)
        assert (source.count, source.digest) == (count, open_source(local, **options).digest)
    for uri in ("s3://poison/gone.csv", "s3://no-such-bucket-here/d.csv"):
        with pytest.raises(SourceError, match="got nothing there"):
            open_source(uri)
