"""What is said about a pickle, how often, and that nothing a file holds can make the check raise."""

from __future__ import annotations

import io
import pickle
import random
import sys

import pytest
from tests.checks.artifact.pickle_corpus import GADGETS, MALICIOUS, call, ended, glob, payload, text

from mithridate.checks.artifact.pickle_code import PickleCode
from mithridate.checks.pickle_names import Standing, standing
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.pickles import Ref
from mithridate.models.files.sniff import HEAD, sniff


def examine(content: bytes, kind: Kind | None = None, **options: object) -> list[Finding | Skip]:
    kind = kind or sniff(content[:HEAD], len(content), "a")
    item = Item(name="a.pkl", kind=kind, size=len(content), opener=lambda: io.BytesIO(content))
    return [*PickleCode(second=False, **options).examine(item)]  # type: ignore[arg-type]


def rules(content: bytes, **options: object) -> list[str]:
    return [r.details["rule"] if isinstance(r, Finding) else "SKIP" for r in examine(content, **options)]


def test_one_finding_for_many_calls() -> None:
    (found,) = examine(ended(payload("x") + b"0" + (call(glob("os", "popen"), text("x")) + b"0") * 50 + b"N"))
    assert isinstance(found, Finding)
    assert found.severity == Severity.LIKELY
    assert "os.system('touch x')" in found.message
    assert len(found.details["names"]) == 4


def test_dangerous_and_foreign_are_two_findings() -> None:
    both = payload("x") + b"0" + call(glob("my.net", "Net"))
    assert rules(ended(both)) == ["DANGEROUS_CALL", "FOREIGN_CODE"]


def test_foreign_code_names_the_module() -> None:
    (found,) = examine(ended(call(glob("my.net", "Net"))))
    assert isinstance(found, Finding)
    assert found.severity == Severity.SUSPICIOUS
    assert "my.net.Net" in found.message


def test_whole_stock_module_is_information() -> None:
    assert rules(ended(glob("torch.nn.modules.linear", "Linear") + b")\x81}b")) == ["WHOLE_OBJECTS"]


def test_every_pickle_of_a_file_is_told() -> None:
    content = ended(payload("x")) + ended(b"N}0") + ended(payload("y"))
    places = [r.details["at"] for r in examine(content) if isinstance(r, Finding)]
    assert places == [0, len(ended(payload("x"))) + len(ended(b"N}0"))]


@pytest.mark.parametrize(
    "content", [ended(b"}" + text("a") + b"K\x01s")[:-1], b"\x80\x04]\x94(K\x01K\x02\xff"]
)
def test_broken_is_not_clean(content: bytes) -> None:
    assert rules(content) == ["SKIP"]


def test_too_long_is_not_clean() -> None:
    assert rules(ended(b"N0" * 600 + b"N"), limits=ScanLimits(opcodes=1_000)) == ["SKIP"]
    assert rules(ended(b"(" * 600), limits=ScanLimits(opcodes=1_000)) == ["SKIP"]


def test_padding_behind_the_end_is_nothing_and_bytes_are_odd() -> None:
    assert rules(ended(b"}") + bytes(500) + b"\n") == []
    assert rules(ended(b"}") + bytes(range(256))) == ["BEHIND_THE_END"]


def test_script_classes_only_in_scripts() -> None:
    content = ended(glob("__torch__.net", "Net") + b")\x81}b")
    archive = Item(name="a.pt", kind="torchscript", size=1, opener=lambda: io.BytesIO(b""))
    script = Item(
        name="a", kind="pickle", size=len(content), opener=lambda: io.BytesIO(content), inside=archive
    )
    assert [*PickleCode(second=False).examine(script)] == []
    assert rules(content) != []


@pytest.mark.parametrize("hidden", ["nested.pkl", "base64.pkl", "hex.pkl"])
def test_ordinary_pickles_may_lie_inside(hidden: str) -> None:
    """A pickle in a pickle is no attack by itself."""
    inner = pickle.dumps({"a": [1, 2, 3], "b": "some text"})
    kinds = {"nested.pkl": inner, "base64.pkl": __import__("base64").b64encode(inner), "hex.pkl": inner.hex()}
    assert rules(pickle.dumps(kinds[hidden])) == []


def test_deep_encodings_are_given_up_aloud() -> None:
    content = ended(payload("x"))
    for _ in range(7):
        content = __import__("gzip").compress(content)
    assert "SKIP" in rules(pickle.dumps(content))


def test_memory_of_expanding_pickles() -> None:
    """References to references: small for a reader that does not copy."""
    body = b"]" + b"".join(
        b"q" + bytes([i]) + b"]h" + bytes([i]) + b"h" + bytes([i]) + b"\x86a" for i in range(60)
    )
    assert examine(ended(body)) == []


def test_special_attributes_behind_many_others() -> None:
    filler = b"".join(text(f"key{i}") + b"N" for i in range(400))
    state = b"}(" + filler + text("__setstate__") + glob("builtins", "list") + b"u"
    assert rules(ended(call(glob("types", "SimpleNamespace")) + state + b"b")) == ["TRICK"]


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["torch._utils._rebuild_tensor_v2", "collections.OrderedDict", "numpy._core.multiarray._reconstruct",
         "numpy.core.multiarray.scalar", "sklearn.tree._tree.Tree", "copy_reg._reconstructor", "__builtin__.set",
         "torch.FloatStorage", "joblib.numpy_pickle.NumpyArrayWrapper"],
    )  # fmt: skip
    def test_ordinary(self, name: str) -> None:
        assert standing(Ref(*name.rsplit(".", 1))) == Standing.ORDINARY

    @pytest.mark.parametrize(("module", "name"), GADGETS)
    def test_gadgets_are_not_ordinary(self, module: str, name: str) -> None:
        assert standing(Ref(module, name)) >= Standing.FOREIGN

    @pytest.mark.parametrize(
        "module", ["torch._utils.evil", "torch._utils_", "torch", "_utils", "", "torch._utils."]
    )
    def test_a_name_counts_as_a_whole(self, module: str) -> None:
        assert standing(Ref(module, "_rebuild_tensor_v2")) >= Standing.FOREIGN
        assert standing(Ref("torch._utils", f"{module}._rebuild_tensor_v2")) >= Standing.FOREIGN

    def test_no_module_of_the_standard_library_is_open(self) -> None:
        """A name that is not listed is never ordinary, and most modules are not even harmless."""
        roots = [root for root in sys.stdlib_module_names if not root.startswith("__")]
        levels = [standing(Ref(root, "anything")) for root in roots]
        assert min(levels) >= Standing.FOREIGN
        assert sum(level == Standing.DANGEROUS for level in levels) > 0.8 * len(roots)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_raise_nothing(seed: int) -> None:
    """Bytes flipped, cut and put in: findings and skips come out, no exception."""
    rng = random.Random(seed)  # noqa: S311
    for name in sorted(MALICIOUS)[seed::12]:
        content = bytearray(MALICIOUS[name]("x"))
        for _ in range(3):
            for _ in range(rng.randrange(1, 6)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            examine(bytes(content), "pickle")
            examine(bytes(content[: rng.randrange(len(content))]), "pickle")


def test_another_scanner_is_asked() -> None:
    pytest.importorskip("modelaudit_picklescan")
    from mithridate.checks.pickle_second import second_opinion

    assert second_opinion(ended(payload("x"))) != []
    assert second_opinion(pickle.dumps({"a": 1})) == []
    assert second_opinion(ended(call(glob("collections", "OrderedDict")))) == []
