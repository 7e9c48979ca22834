"""The walk sees everything, follows nothing that leads away, and stays within its limits."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.checks.artifact.pickle_corpus import HARMLESS, torch_zip

from mithridate.core.errors import ItemError, UsageError
from mithridate.core.results import Skip
from mithridate.models.files.item import Item
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.walk import walk

#: {"w": the storage "0" with two floats}
NET = b"\x80\x02}X\x01\0\0\0w(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQs."


def items(path: Path, limits: ScanLimits | None = None) -> dict[str, Item]:
    return {found.name: found for found in walk(path, limits) if isinstance(found, Item)}


def skips(path: Path, limits: ScanLimits | None = None) -> list[str]:
    return [found.reason for found in walk(path, limits) if isinstance(found, Skip)]


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


class TestMembers:
    @pytest.mark.parametrize(
        "packed",
        [
            zipped({"a.pkl": HARMLESS}), zipped({"a.pkl": HARMLESS}, zipfile.ZIP_DEFLATED),
            zipped({"a.pkl": HARMLESS}, zipfile.ZIP_BZIP2), tarred({"a.pkl": HARMLESS}), gzip.compress(HARMLESS),
            bz2.compress(HARMLESS), lzma.compress(HARMLESS), zlib.compress(HARMLESS),
            lzma.compress(HARMLESS, lzma.FORMAT_ALONE), gzip.compress(tarred({"a.pkl": HARMLESS})),
            zipped({"b.zip": zipped({"a.pkl": HARMLESS}, zipfile.ZIP_DEFLATED)}),
        ],
        ids=range(11),  # gzip writes the time down: other bytes in every process
    )  # fmt: skip
    def test_pickle_comes_out_as_it_is(self, packed: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(packed)
        (found,) = [item for item in items(tmp_path).values() if item.kind == "pickle"]
        assert found.read(1_000) == HARMLESS
        assert found.size == len(HARMLESS)
        assert found.inside is not None

    def test_bytes_live_as_long_as_the_item(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 100_000
        (tmp_path / "a.zip").write_bytes(zipped({"x": content, "y": content[::-1]}, zipfile.ZIP_DEFLATED))
        found = items(tmp_path)
        first, second = found["a.zip!x"].open(), found["a.zip!x"].open()
        first.seek(1_000_000)
        assert second.read(256) == content[:256]
        assert first.read(256) == content[1_000_000:][:256]
        assert found["a.zip!y"].read(len(content)) == content[::-1]

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_storages_are_tensors_and_strangers_are_not(self, method: int, tmp_path: Path) -> None:
        storage = b"\x80\x02N." * 2
        archive = torch_zip(NET, ("archive/data/0", storage), ("archive/data/1", HARMLESS), method=method)
        (tmp_path / "a.pt").write_bytes(archive)
        found = items(tmp_path)
        assert found["a.pt"].kind == "torch"
        assert found["a.pt!archive/data/0"].tensor
        assert found["a.pt!archive/data/0"].read(100) == storage
        assert not found["a.pt!archive/data/1"].tensor
        assert found["a.pt!archive/data/1"].kind == "pickle"

    def test_weights_of_an_exported_program(self, tmp_path: Path) -> None:
        def entry(path: str, pickled: bool) -> dict[str, object]:
            return {"path_name": path, "is_param": True, "use_pickle": pickled, "tensor_meta": None}

        config = {"config": {"a": entry("weight_0", False), "b": entry("weight_1", True)}}
        weights = {f"m/data/weights/weight_{i}": HARMLESS for i in range(2)}
        members = {
            "m/archive_format": b"pt2",
            "m/data/weights/model_weights_config.json": json.dumps(config).encode(),
        }
        (tmp_path / "m.pt2").write_bytes(zipped(members | weights))
        found = items(tmp_path)
        assert found["m.pt2"].kind == "pt2"
        assert found["m.pt2!m/data/weights/weight_0"].tensor
        assert found["m.pt2!m/data/weights/weight_1"].kind == "pickle"

    def test_zip_behind_a_pickle_is_seen_from_both_ends(self, tmp_path: Path) -> None:
        (tmp_path / "a.pt").write_bytes(HARMLESS + zipped({"x/data.pkl": HARMLESS}))
        assert [item.kind for item in items(tmp_path).values()] == ["pickle", "torch", "pickle", "pickle"]

    def test_zip_inside_a_file_is_not_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.pkl").write_bytes(
            b"\x80\x04B" + struct.pack("<I", 500) + zipped({"x": b""}).ljust(500, b"\0") + b"."
        )
        assert [item.kind for item in items(tmp_path).values()] == ["pickle"]

    def test_names_do_not_move_the_cursor(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(zipped({"x\x1b[2J\u202e.pkl": HARMLESS}))
        assert all(name.isprintable() for name in items(tmp_path))


class TestTree:
    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        outside, root = tmp_path / "outside", tmp_path / "root"
        outside.mkdir()
        (root / "sub").mkdir(parents=True)
        (outside / "secret").write_bytes(HARMLESS)
        (root / "here").write_bytes(HARMLESS)
        (root / "out").symlink_to(outside / "secret")
        (root / "sub" / "folder").symlink_to(outside)
        (root / "sub" / "up").symlink_to(root)
        (root / "inside").symlink_to("here")
        (root / "nowhere").symlink_to("missing")
        (root / "self").symlink_to("self")
        assert list(items(root)) == ["here"]
        reasons = skips(root)
        assert sum("out of the folder" in reason for reason in reasons) == 2
        assert sum("leads nowhere" in reason for reason in reasons) == 2
        assert len(reasons) == 4

    def test_pipes_and_devices_do_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert items(tmp_path) == {}
        assert "not a regular file" in skips(tmp_path)[0]

    def test_a_file_that_becomes_a_link_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        root = tmp_path / "root"
        root.mkdir()
        (root / "a").write_bytes(b"text")
        found = items(root)["a"]
        (root / "a").unlink()
        (root / "a").symlink_to(tmp_path / "secret")
        with pytest.raises(ItemError):
            found.open()

    def test_too_many_files(self, tmp_path: Path) -> None:
        for number in range(12):
            (tmp_path / f"{number:02}").write_bytes(b"x")
        limits = ScanLimits(files=10)
        assert len(items(tmp_path, limits)) == 10
        assert "more than 10 files" in skips(tmp_path, limits)[0]

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="a file or folder"):
            list(walk(tmp_path / "missing"))


def zip_bomb(size: int) -> bytes:
    """A member of zeros, packed once per MiB and repeated: deflate streams may be cut at full flushes."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = engine.compress(bytes(1 << 20)) + engine.flush(zlib.Z_FULL_FLUSH)
    again = engine.compress(bytes(1 << 20)) + engine.flush(zlib.Z_FULL_FLUSH)
    packed = block + again * ((size >> 20) - 1) + engine.flush()
    local = (
        struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), size & 0xFFFFFFFF, 1, 0)
        + b"x"
    )
    central = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\1\2",
        20,
        20,
        0,
        8,
        0,
        0,
        0,
        len(packed),
        size & 0xFFFFFFFF,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
    )
    start = len(local) + len(packed)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central) + 1, start, 0)
    return local + packed + central + b"x" + end


class TestLimits:
    def test_ten_gigabytes_of_zeros(self, tmp_path: Path) -> None:
        (tmp_path / "bomb.zip").write_bytes(zip_bomb(10 << 30))
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        (reason,) = skips(tmp_path)
        assert "times its size" in reason
        assert time.monotonic() - start < 10
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB

    @pytest.mark.parametrize("pack", [lambda raw: zipped({"a": raw}), gzip.compress], ids=["zip", "gzip"])
    def test_a_thousand_archives_inside_each_other(self, pack: object, tmp_path: Path) -> None:
        raw = HARMLESS
        for _ in range(1_000):
            raw = pack(raw)  # type: ignore[operator]
        (tmp_path / "a").write_bytes(raw)
        assert "archives inside each other" in skips(tmp_path)[-1]
        assert len(items(tmp_path)) < 12

    def test_all_that_is_unpacked_together(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(
            zipped({f"{i}": os.urandom(1000) for i in range(20)}, zipfile.ZIP_DEFLATED)
        )
        reasons = skips(tmp_path, ScanLimits(total_bytes=5_000))
        assert any("all that was unpacked" in reason for reason in reasons)

    def test_members_that_share_bytes(self, tmp_path: Path) -> None:
        """Fifield's bomb: many entries for one packed kernel."""
        raw = bytearray(zip_bomb(1 << 20))
        at = raw.find(b"PK\1\2")
        entry = bytes(raw[at : at + 47])
        many = (
            bytes(raw[:at])
            + entry * 500
            + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 500, 500, 47 * 500, at, 0)
        )
        (tmp_path / "a.zip").write_bytes(many)
        assert len(items(tmp_path)) <= 2

    def test_too_many_members(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(zipped({f"{i}": b"x" for i in range(30)}))
        limits = ScanLimits(members=10)
        assert "more than 10 members" in skips(tmp_path, limits)[0]
        assert len(items(tmp_path, limits)) <= 12

    def test_time_is_up(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"x")
        assert "took more than" in skips(tmp_path, ScanLimits(seconds=0.0))[0]

    @pytest.mark.parametrize(
        "whole",
        [
            zipped({"a": HARMLESS * 50}), zipped({"a": HARMLESS * 50}, zipfile.ZIP_DEFLATED),
            tarred({"a": HARMLESS * 1_100}),
            gzip.compress(os.urandom(3_000)), bz2.compress(os.urandom(3_000)), lzma.compress(os.urandom(3_000)),
        ],
        ids=range(6),
    )  # fmt: skip
    def test_cut_off_anywhere(self, whole: bytes, tmp_path: Path) -> None:
        """Nothing raises, and what is missing is said."""
        for share in (0.3, 0.5, 0.9):
            (tmp_path / "a").write_bytes(whole[: int(len(whole) * share)])
            assert skips(tmp_path) != []

    @pytest.mark.parametrize("reason", ["7z", "rar", "Zstandard", "lz4"])
    def test_what_is_not_opened_is_said(self, reason: str, tmp_path: Path) -> None:
        magic = {
            "7z": b"7z\xbc\xaf\x27\x1c",
            "rar": b"Rar!\x1a\x07\0",
            "Zstandard": b"\x28\xb5\x2f\xfd",
            "lz4": b"\x04\x22\x4d\x18",
        }
        (tmp_path / "a").write_bytes(magic[reason] + bytes(50))
        assert f"{reason} archives are not opened" in skips(tmp_path)[0]

    def test_encrypted_member_is_said(self, tmp_path: Path) -> None:
        raw = bytearray(zipped({"a": os.urandom(500)}))
        raw[6] |= 1
        raw[raw.find(b"PK\1\2") + 8] |= 1
        (tmp_path / "a.zip").write_bytes(raw)
        assert "encrypted" in skips(tmp_path)[0]

    def test_odd_members_of_a_tar(self, tmp_path: Path) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for kind, name in (
                (tarfile.SYMTYPE, "link"),
                (tarfile.LNKTYPE, "hard"),
                (tarfile.FIFOTYPE, "pipe"),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "/etc/passwd"
                archive.addfile(info)
            info = tarfile.TarInfo("long/" * 60 + "name")
            info.size = len(HARMLESS)
            archive.addfile(info, io.BytesIO(HARMLESS))
        (tmp_path / "a.tar").write_bytes(stream.getvalue())
        assert len(skips(tmp_path)) == 3
        assert any(
            name.endswith("long/name") and item.kind == "pickle" for name, item in items(tmp_path).items()
        )
