"""What an audit of large data takes: time, memory and their growth, on texts and pictures that are made here.

    python -m benchmarks.scale texts --counts 100000 1000000 [--engine processes] [--jobs 2] [--cache DIR]
    python -m benchmarks.scale images --counts 20000 200000

Texts have 6 to 18 words of a Zipf law, a quarter of them by class; pictures are 32x32, soft blobs whose colour leans to
the class. Each audit is a process of its own. "cpu" is seconds of all its processes and threads together, which
other work on the machine changes little; "wall" is what passed. "gib" is the memory of its own that the audit's process
held at most (RssAnon, sampled); "with files" counts pages of mapped files too, which the system takes back when it
needs them, and is the largest of any of its processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mithridate
from benchmarks.inputs import cache_folder
from benchmarks.zipf import write_documents

__all__ = ["main", "pictures", "write_pictures"]

_SIDE, _CLASSES, _BLOCK = 32, 4, 5000


def pictures(count: int, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(count, 32, 32, 3): three soft blobs each, the first of which leans to a colour of the class."""
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE]
    light = rng.uniform(40, 120, (count, 1, 1, 3)) + rng.normal(0, 6, (count, _SIDE, _SIDE, 3))
    leaning = np.array([[90, -30, -30], [-30, 90, -30], [-30, -30, 90], [50, 50, -40]])
    for number in range(3):
        y, x, wide = (rng.uniform(low, high, (count, 1, 1)) for low, high in ((4, 28), (4, 28), (3, 9)))
        blob = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * wide**2))
        colour = rng.normal(0, 50, (count, 3)) + (leaning[labels] if number == 0 else 0)
        light += blob[..., None] * colour[:, None, None, :]
    return np.clip(light, 0, 255).astype(np.uint8)


def write_pictures(path: Path, count: int, seed: int = 0) -> None:
    """An .npz with x (count, 32, 32, 3) and y, made block by block."""
    labels = np.random.default_rng([seed, 0]).integers(_CLASSES, size=count)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("y.npy", "w") as out:
            np.lib.format.write_array(out, labels)
        with archive.open("x.npy", "w", force_zip64=True) as out:
            shape = (count, _SIDE, _SIDE, 3)
            np.lib.format.write_array_header_1_0(
                out, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            for start in range(0, count, _BLOCK):
                some = labels[start : start + _BLOCK]
                out.write(pictures(len(some), some, np.random.default_rng([seed, 1, start])).tobytes())


def _made(kind: str, count: int, folder: Path) -> tuple[Path, dict[str, str]]:
    """The data, made now or before, and how it is read."""
    file = folder / f"{kind}-{count}.{'jsonl' if kind == 'texts' else 'npz'}"
    if not file.exists():
        part = file.with_name(f"part-{file.name}")
        if kind == "texts":
            write_documents(part, count, poisoned=0, words=(6, 18), topical=0.25)
        else:
            write_pictures(part, count)
        part.replace(file)
    return file, {"text": "text", "label": "label", "id": "id"} if kind == "texts" else {}


@contextmanager
def _own_memory() -> Iterator[list[int]]:
    """The largest RssAnon of this process while in here, kB."""
    largest, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            largest[0] = max(
                largest[0], *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield largest
    finally:
        over.set()
        watcher.join()


def _audited(file: str, options: dict[str, Any]) -> dict[str, Any]:
    """In this process: what an audit takes."""
    start = time.monotonic()
    with _own_memory() as largest:
        report = mithridate.audit(file, **options)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "count": report.subject.count, "verdict": str(report.verdict), "wall": round(time.monotonic() - start, 1),
        "cpu": round(own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime, 1),
        "gib": round(largest[0] / 2**20, 2), "with files": round(max(own.ru_maxrss, others.ru_maxrss) / 2**20, 2),
        "timings": report.timings,
    }  # fmt: skip


def main() -> None:
    """Audit data of growing size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("texts", "images", "one"))
    parser.add_argument("--counts", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--engine")
    parser.add_argument("--shards", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache")
    parser.add_argument("--told", help="of one audit")
    given = parser.parse_args()
    if given.kind == "one":
        told = json.loads(given.told)
        print(json.dumps(_audited(told["file"], told["options"])))
        return
    folder = cache_folder(given.cache) / "scale"
    folder.mkdir(exist_ok=True)
    rows = []
    for count in given.counts:
        file, reading = _made(given.kind, count, folder)
        options = {**reading, "jobs": given.jobs, "engine": given.engine, "shards": given.shards}
        command = [sys.executable, "-m", "benchmarks.scale", "one", "--told"]
        told = json.dumps({"file": str(file), "options": options})
        rows.append(json.loads(subprocess.run([*command, told], check=True, stdout=subprocess.PIPE).stdout))
        each = 1e6 * rows[-1]["cpu"] / count
        print(
            {**rows[-1], "engine": given.engine, "jobs": given.jobs, "cpu for a million": round(each)},
            flush=True,
        )


if __name__ == "__main__":
    main()
