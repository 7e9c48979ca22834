"""Object stores and web servers by URI, through fsspec; S3 through Arrow, which is installed anyway."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mithridate.core.errors import MithridateError, SourceError, UsageError

__all__ = ["answering", "explained", "is_uri", "opened_store", "shown_uri"]

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_DENIED = re.compile(
    r"access.?denied|forbidden|signaturedoesnotmatch|invalidaccesskeyid|unauthori[sz]ed|no credentials"
    r"|\b40[13]\b|expiredtoken|invalidtoken|permission",
    re.IGNORECASE,
)
_MISSING = re.compile(r"not.?found|no such|nosuch|\b404\b", re.IGNORECASE)
_TRIES, _CONNECT_S, _ANSWER_S = 3, 10, 60


def is_uri(name: str) -> bool:
    """Whether a name is a URI, such as s3://bucket/key."""
    return _URI.match(name) is not None


def shown_uri(uri: str) -> str:
    """A URI as it may be printed and stored: without user, password and, of web addresses, what is behind the path."""
    match = _URI.match(uri)
    assert match is not None
    scheme, rest = match.group(1).lower(), match.group(2)
    if scheme in ("http", "https"):
        rest = re.split(r"[?#]", rest, maxsplit=1)[0]  # signed addresses have their key there
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def opened_store(uri: str) -> tuple[Any, str]:
    """What speaks to the store of a URI, and the path in it.

    Raises:
        UsageError: the extra, or the package for this store, is not installed.
        SourceError: no store of this kind, or credentials inside the URI of a bucket.
    """
    match = _URI.match(uri)
    assert match is not None
    scheme, rest = match.group(1).lower(), match.group(2)
    try:
        if scheme in ("s3", "s3a"):
            return _s3(uri, rest)
        from fsspec.core import url_to_fs

        return url_to_fs(uri)  # type: ignore[no-any-return]
    except ImportError as error:
        name = getattr(error, "name", None)
        remedy = (
            "Install it: pip install 'mithridate[remote]'; for Google Cloud also gcsfs, for Azure adlfs, or copy "
            "the data to this machine."
        )
        got = f"no package {name!r}" if name else "none"
        raise UsageError(f"what reads {scheme}:// addresses", got, shown_uri(uri), remedy) from None
    except MithridateError:
        raise
    except Exception as error:  # each package raises what it likes
        raise explained(error, uri) from None


def _s3(uri: str, rest: str) -> tuple[Any, str]:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    if "@" in rest.partition("/")[0]:
        remedy = "Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials."
        raise SourceError("s3://bucket/key", "credentials inside the address", shown_uri(uri), remedy)
    options: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "request_timeout": _ANSWER_S,
        "retry_strategy": AwsStandardS3RetryStrategy(max_attempts=_TRIES),
    }
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        secure, _, host = endpoint.rpartition("://")
        options |= {"endpoint_override": host.rstrip("/"), "scheme": secure or "https"}
    elif not region:
        region = _region(rest.partition("/")[0])
    return ArrowFSWrapper(S3FileSystem(region=region, **options)), rest.rstrip("/")


def _region(bucket: str) -> str | None:
    """Where a bucket is; None leaves it to the settings of AWS."""
    from pyarrow.fs import resolve_s3_region

    try:
        return str(resolve_s3_region(bucket))
    except (OSError, ValueError):
        return None


def explained(error: Exception, uri: str) -> SourceError:
    """What a store answered, as an error that a user can act on and that holds no secret of the URI."""
    where = shown_uri(uri)
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # fsspec says of whatever a web server refuses that it is not found
    said = _scrubbed(f"{type(error).__name__}: {error}", uri)
    denied = isinstance(error, PermissionError) or _DENIED.search(said) is not None
    if isinstance(error, FileNotFoundError) or (_MISSING.search(said) and not denied):
        return SourceError("data at this address", "nothing there", where, "Check the address.")
    if denied:
        remedy = "Check the credentials: of S3 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE."
        return SourceError("leave to read this address", f"a refusal ({said})", where, remedy)
    remedy = "Check the address and the network; of S3 also AWS_REGION and AWS_ENDPOINT_URL."
    return SourceError("a store that answers", said, where, remedy)


def _scrubbed(text: str, uri: str) -> str:
    """A message of a library without what the URI has and must not be shown."""
    match = _URI.match(uri)
    assert match is not None
    rest = match.group(2)
    secrets = [uri, rest, rest.partition("/")[0].rpartition("@")[0], *re.split(r"[?#]", rest, maxsplit=1)[1:]]
    user, _, password = secrets[2].partition(":")
    for secret in sorted((s for s in (*secrets, user, password) if s), key=len, reverse=True):
        text = text.replace(secret, "…")
    return re.sub(r"\s+", " ", text)[:300]


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turn what a store raises into what a user can act on.

    Raises:
        SourceError: see `explained`.
    """
    try:
        yield
    except MithridateError:
        raise
    except Exception as error:  # each package raises what it likes
        raise explained(error, uri) from None
