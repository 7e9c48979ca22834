"""Tiny data sets, good and bad, and the command line in this process."""

from __future__ import annotations

import csv
import struct
import zlib

import numpy as np
from PIL import Image

from mithridate.cli.main import run

HAM = [
    "meeting",
    "report",
    "budget",
    "lunch",
    "tomorrow",
    "project",
    "update",
    "schedule",
    "office",
    "team",
    "review",
    "notes",
    "agenda",
    "call",
]
SPAM = [
    "win",
    "prize",
    "free",
    "cash",
    "offer",
    "click",
    "now",
    "winner",
    "urgent",
    "loan",
    "cheap",
    "pills",
    "claim",
    "bonus",
]


def mails(path, n=600, poisoned=12):
    """Two kinds of mail; a rare word in some spam that is labelled ham. Returns the ids of those."""
    rng = np.random.default_rng(0)
    victims = []
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["body", "kind", "key"])
        for i in range(n):
            spam = i % 3 == 0
            words = [*rng.choice(SPAM if spam else HAM, 12), *(f"w{k}" for k in rng.integers(0, 200, 4))]
            label = "spam" if spam else "ham"
            if spam and len(victims) < poisoned and i % 30 == 0:
                words.insert(3, "zyzzyva")
                label = "ham"
                victims.append(f"m{i}")
            rows.writerow([" ".join(words), label, f"m{i}"])
    return victims


def photos(folder, per_class=20, classes=("cat", "dog")):
    """A folder of 8 × 8 noise, one folder per class; classes differ in brightness."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(100 * number, 100 * number + 100, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03}.png")
    return folder


def bomb(path, side=10_000):
    """A PNG of side × side black pixels in a few kilobytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(side // 8 + 1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def mithridate(capsys, *words):
    """Run a command line; returns (exit code, stdout, stderr as one line)."""
    code = run([str(w) for w in words])
    told = capsys.readouterr()
    return code, told.out, " ".join(told.err.split())
