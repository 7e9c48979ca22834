"""Turn the sets of `MITHRIDATE_DATA` into plain inputs (npz, CSV, folders of pictures) once, in a cache.

python -m benchmarks.inputs [--cache DIR] [NAME ...]
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mithridate.core.hashing import keyed_hash

__all__ = ["BUILDERS", "as_folder", "build", "cache_folder", "data_folder", "through_jpeg"]

Pixels = NDArray[np.uint8]


def data_folder() -> Path:
    """The folder that `MITHRIDATE_DATA` names.

    Raises:
        SystemExit: the variable is unset.
    """
    if not os.environ.get("MITHRIDATE_DATA"):
        raise SystemExit("Set MITHRIDATE_DATA to the folder with the data sets.")
    return Path(os.environ["MITHRIDATE_DATA"])


def cache_folder(given: str | Path | None = None) -> Path:
    """Where inputs are kept: the argument, else `MITHRIDATE_CACHE`, else ~/.cache/mithridate/benchmarks."""
    fallback = Path.home() / ".cache" / "mithridate" / "benchmarks"
    folder = Path(given or os.environ.get("MITHRIDATE_CACHE") or fallback)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _load(name: str) -> dict[str, NDArray[np.generic]]:
    with np.load(data_folder() / name, allow_pickle=False) as arrays:
        return dict(arrays)


def _save(
    path: Path, x: NDArray[np.generic], y: NDArray[np.generic], film: NDArray[np.generic] | None = None
) -> None:
    np.savez(path, x_train=x, y_train=y, **({} if film is None else {"film": film}))


def _cifar10(part: str) -> Callable[[Path], None]:
    """One part of CIFAR-10: JPEG bodies behind one header (see the set's own loader) become pixels."""

    def write(path: Path) -> None:
        z = _load("cifar10/cifar10_jpeg.npz")
        head, body = z["jpeg_header"].tobytes(), z[f"jpeg_{part}"].tobytes()
        ends = z[f"offsets_{part}"].astype(int)
        x = np.empty((len(z[f"y_{part}"]), 32, 32, 3), dtype=np.uint8)
        for i in range(len(x)):
            with Image.open(io.BytesIO(head + body[ends[i] : ends[i + 1]])) as picture:
                x[i] = np.asarray(picture)
        _save(path, x, z[f"y_{part}"])

    return write


def _copy(
    name: str, rows: int | None = None, part: str = "train", film: str | None = None
) -> Callable[[Path], None]:
    """One part of an npz; with `rows`, that many of it, chosen by hash and in the original order.

    `film` names what says which pictures are frames of one film.
    """

    def write(path: Path) -> None:
        z = _load(name)
        x, y = z[f"x_{part}"], z[f"y_{part}"]
        if rows is not None:
            order = np.argsort(keyed_hash([str(i) for i in range(len(y))], 0, "subset"), kind="stable")
            kept = np.sort(order[:rows])
            x, y = x[kept], y[kept]
        _save(path, x, y, None if film is None else z[f"{film}_{part}"])

    return write


def _unpack(name: str) -> Callable[[Path], None]:
    """A CSV as it is, decompressed."""

    def write(path: Path) -> None:
        source = data_folder() / name
        with (
            gzip.open(source) if name.endswith(".gz") else source.open("rb") as packed,
            path.open("wb") as out,
        ):
            shutil.copyfileobj(packed, out)

    return write


def _cameras(path: Path) -> None:
    """Photographs straight from cameras, without labels."""
    path.mkdir()
    for photo in sorted((data_folder() / "camera_exif").glob("*.jpg")):
        shutil.copyfile(photo, path / photo.name)


def _folder(npz: str, suffix: str, quality: int | None) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        as_folder(build(npz, path.parent), path, suffix=suffix, quality=quality)

    return write


BUILDERS: dict[str, Callable[[Path], None]] = {
    "cifar10.npz": _cifar10("train"),
    "cifar10_test.npz": _cifar10("test"),
    "cifar10_lossless.npz": _copy("cifar10/cifar10_lossless_5k.npz"),
    "mnist.npz": _copy("mnist/mnist.npz"),
    "mnist20k.npz": _copy("mnist/mnist.npz", 20_000),
    "mnist_test.npz": _copy("mnist/mnist.npz", part="test"),
    "fashion.npz": _copy("fashion_mnist/fashion_mnist.npz"),
    "fashion20k.npz": _copy("fashion_mnist/fashion_mnist.npz", 20_000),
    "fashion_test.npz": _copy("fashion_mnist/fashion_mnist.npz", part="test"),
    "gtsrb_test.npz": _copy("gtsrb/gtsrb_32.npz", part="test", film="track"),
    "gtsrb.npz": _copy("gtsrb/gtsrb_32.npz"),
    "gtsrb_png": _folder("gtsrb.npz", "png", None),
    "cifar10_jpeg75": _folder("cifar10.npz", "jpg", 75),
    "camera_exif": _cameras,
    "sms.csv": _unpack("sms_spam/sms_spam.csv"),
    "spamassassin.csv": _unpack("spamassassin/spamassassin_body.csv.gz"),
    "enron.csv": _unpack("enron1/enron1.csv.gz"),
    "adult.csv": _unpack("tabular/adult.csv.gz"),
    "german_credit.csv": _unpack("tabular/german_credit.csv.gz"),
    "breast_cancer.csv": _unpack("tabular/breast_cancer_wisconsin_original.csv.gz"),
    "heart.csv": _unpack("tabular/heart_disease_4sites.csv.gz"),
    "pima.csv": _unpack("tabular/pima_diabetes.csv.gz"),
    "creditcard.csv": _unpack("tabular/creditcard_fraud_sample.csv.gz"),
    "chicago.csv": _unpack("tabular/chicago_crimes_sample.csv.gz"),
}


def build(name: str, cache: str | Path | None = None) -> Path:
    """The path of an input, written first if the cache does not hold it."""
    folder = cache_folder(cache)
    path = folder / name
    if not path.exists():
        # Written beside its place and moved, so that a run that is cut off leaves nothing half done.
        draft = folder / f"draft{os.getpid()}.{name}"
        BUILDERS[name](draft)
        draft.rename(path)
    return path


def through_jpeg(x: Pixels, quality: int) -> Pixels:
    """Every picture of (n, h, w[, c]) encoded as JPEG and decoded again."""
    out = np.empty_like(x)
    for i, pixels in enumerate(x):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
        with Image.open(buffer) as picture:
            out[i] = np.asarray(picture)
    return out


def as_folder(npz: Path, folder: Path, *, suffix: str, quality: int | None = None) -> None:
    """Write an npz as class-per-folder pictures named by row, all encoded alike."""
    with np.load(npz, allow_pickle=False) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    for name in np.unique(y):
        (folder / str(name)).mkdir(parents=True)
    options: dict[str, Any] = {} if quality is None else {"quality": quality}
    for i, (pixels, name) in enumerate(zip(x, y, strict=True)):
        Image.fromarray(pixels).save(folder / str(name) / f"{i:05d}.{suffix}", **options)


def main() -> None:
    """Build the named inputs, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache")
    parser.add_argument("names", nargs="*", default=list(BUILDERS), metavar="NAME")
    arguments = parser.parse_args()
    for name in arguments.names:
        print(build(name, arguments.cache))


if __name__ == "__main__":
    main()
