"""An ONNX file as messages, read from its bytes with the values of tensors left out.

Protocol buffers let a file hold fields that no reader shows (unknown numbers), single fields twice (the last one
counts, or both are merged), and the values of a tensor in several fields at once. Readers built on generated classes
hide all this, and hold the weights in memory; this one counts bytes and goes on.
Formats: protobuf.dev, "Encoding"; onnx/onnx.proto (ONNX 1.23, IR version 14).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["IR_VERSION", "Message", "read_onnx"]

#: The version of the format that the table below describes.
IR_VERSION = 14
_MOST_MESSAGES, _MOST_FIELDS, _DEPTH = 2_000_000, 20_000_000, 100
_MOST_TEXT, _MOST_TEXTS, _MOST_VALUES = 1 << 20, 64 << 20, 4096
_WINDOW = 1 << 18

#: Per message "number name form", with forms v varint, f 4 bytes, d 8 bytes, t text, b bytes, or a message; a star
#: means repeated. Capitals are counted, not kept: V F D values, B entries or bytes.
_TABLE = {
    "Model": "1 ir_version v, 8 opset_import OpsetId*, 2 producer_name t, 3 producer_version t, 4 domain t, "
    "5 model_version v, 6 doc_string t, 7 graph Graph, 14 metadata_props Entry*, 20 training_info Training*, "
    "25 functions Function*, 26 configuration DeviceConfiguration*",
    "OpsetId": "1 domain t, 2 version v",
    "Graph": "1 node Node*, 2 name t, 5 initializer Tensor*, 15 sparse_initializer Sparse*, 10 doc_string t, "
    "11 input ValueInfo*, 12 output ValueInfo*, 13 value_info ValueInfo*, 14 quantization_annotation Annotation*, "
    "16 metadata_props Entry*",
    "Node": "1 input B*, 2 output B*, 3 name t, 4 op_type t, 7 domain t, 8 overload t, 5 attribute Attribute*, "
    "6 doc_string t, 9 metadata_props Entry*, 10 device_configurations NodeDevice*",
    "Attribute": "1 name t, 21 ref_attr_name t, 13 doc_string t, 20 type v, 2 f f, 3 i v, 4 s B, 5 t Tensor, "
    "6 g Graph, 22 sparse_tensor Sparse, 14 tp Type, 7 floats F*, 8 ints V*, 9 strings B*, 10 tensors Tensor*, "
    "11 graphs Graph*, 23 sparse_tensors Sparse*, 15 type_protos Type*",
    "Tensor": "1 dims v*, 2 data_type v, 3 segment Segment, 4 float_data F*, 5 int32_data V*, 6 string_data B*, "
    "7 int64_data V*, 8 name t, 12 doc_string t, 9 raw_data B, 13 external_data Entry*, 14 data_location v, "
    "10 double_data D*, 11 uint64_data V*, 16 metadata_props Entry*",
    "Segment": "1 begin v, 2 end v",
    "Entry": "1 key t, 2 value t",
    "Sparse": "1 values Tensor, 2 indices Tensor, 3 dims v*",
    "Type": "1 tensor_type TensorType, 4 sequence_type Sequence, 5 map_type Map, 9 optional_type Sequence, "
    "8 sparse_tensor_type TensorType, 7 opaque_type Opaque, 6 denotation t",
    "TensorType": "1 elem_type v, 2 shape Shape",
    "Shape": "1 dim Dimension*",
    "Dimension": "1 dim_value v, 2 dim_param t, 3 denotation t",
    "Sequence": "1 elem_type Type",
    "Map": "1 key_type v, 2 value_type Type",
    "Opaque": "1 domain t, 2 name t",
    "NodeDevice": "1 configuration_id t, 2 sharding_spec Sharding*, 3 pipeline_stage v",
    "Sharding": "1 tensor_name t, 2 device V*, 3 index_to_device_group_map IntEntry*, 4 sharded_dim ShardedDim*",
    "IntEntry": "1 key v, 2 value V*",
    "ShardedDim": "1 axis v, 2 simple_sharding SimpleDim*",
    "SimpleDim": "1 dim_value v, 2 dim_param t, 3 num_shards v",
    "ValueInfo": "1 name t, 2 type Type, 3 doc_string t, 4 metadata_props Entry*",
    "Annotation": "1 tensor_name t, 2 quant_parameter_tensor_names Entry*",
    "Training": "1 initialization Graph, 2 algorithm Graph, 3 initialization_binding Entry*, 4 update_binding Entry*",
    "Function": "1 name t, 4 input B*, 5 output B*, 6 attribute B*, 11 attribute_proto Attribute*, 7 node Node*, "
    "8 doc_string t, 9 opset_import OpsetId*, 10 domain t, 13 overload t, 12 value_info ValueInfo*, "
    "14 metadata_props Entry*",
    "DeviceConfiguration": "1 name t, 2 num_devices v, 3 device B*",
}
#: Messages of which only the strange ones are kept.
_PASSING = frozenset(
    {"ValueInfo", "Type", "TensorType", "Shape", "Dimension", "Annotation", "NodeDevice", "Sharding"}
)


class _Spec(NamedTuple):
    name: str
    form: str
    repeated: bool


def _parsed(line: str) -> dict[int, _Spec]:
    specs = {}
    for part in line.split(", "):
        number, name, form = part.split()
        specs[int(number)] = _Spec(name, form.rstrip("*"), form.endswith("*"))
    return specs


_SPECS: Mapping[str, Mapping[int, _Spec]] = {kind: _parsed(line) for kind, line in _TABLE.items()}
#: Wire types of each form: alone, and packed into one field where it is repeated.
_WIRE = {"v": 0, "V": 0, "f": 5, "F": 5, "d": 1, "D": 1}


@dataclass(slots=True)
class Message:
    """A message.

    Attributes:
        kind: its name in the table.
        fields: what is in it, by name; each a list, in the order of the file. Counted fields hold counts.
        unknown: (number of the field, bytes) of fields that the format does not have.
        twice: single fields that occur more than once.
        start: where it begins in the file.
    """

    kind: str
    start: int
    fields: dict[str, list[Any]] = field(default_factory=dict)
    unknown: list[tuple[int, int]] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[Any]:
        """Every value of a field."""
        return self.fields.get(name, [])

    def text(self, name: str) -> str:
        """The text that counts: the last one, or ""."""
        return str(self.fields[name][-1]) if name in self.fields else ""

    def number(self, name: str) -> int:
        """The number that counts: the last one, or 0."""
        return int(self.fields[name][-1]) if name in self.fields else 0

    def total(self, name: str) -> int:
        """The sum of a counted field."""
        return sum(self.fields.get(name, ()))

    @property
    def strange(self) -> bool:
        """Whether there is something in it, or right below, that the format does not have."""
        inner = (v for values in self.fields.values() for v in values if isinstance(v, Message))
        below = any(v.unknown or v.twice or v.kind in _PASSING for v in inner)  # passing ones stay if strange
        return bool(self.unknown or self.twice) or below

    def walk(self) -> Iterator[tuple[str, Message]]:
        """(path, message) of this message and all in it, without recursion."""
        rest: list[tuple[str, Message]] = [("", self)]
        while rest:
            path, message = rest.pop()
            yield path, message
            for name, values in message.fields.items():
                inner = [v for v in values if isinstance(v, Message)]
                rest.extend((f"{path}.{name}".lstrip("."), v) for v in reversed(inner))


class _Reader:
    def __init__(self, item: Item, stream: BinaryIO) -> None:
        self.item, self.stream = item, stream
        self.buffer, self.base = b"", 0  # bytes read, and where they begin in the file
        self.at = 0
        self.messages, self.fields, self.texts = 0, 0, 0

    def fail(self, reason: str) -> ItemError:
        return ItemError(self.item.name, f"{reason} at byte {self.at:,}")

    def fill(self, count: int) -> None:
        """Have `count` bytes from here in the buffer."""
        if self.at + count <= self.base + len(self.buffer) and self.at >= self.base:
            return
        self.stream.seek(self.at)
        self.buffer, self.base = self.stream.read(max(count, _WINDOW)), self.at
        if len(self.buffer) < count:
            raise self.fail("the file is cut off")

    def take(self, count: int) -> bytes:
        self.fill(count)
        start = self.at - self.base
        self.at += count
        return self.buffer[start : start + count]

    def byte(self) -> int:
        index = self.at - self.base
        if not 0 <= index < len(self.buffer):
            self.fill(1)
            index = 0
        self.at += 1
        return self.buffer[index]

    def varint(self, stop: int) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= stop:
                raise self.fail("a message is cut off")
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
        raise self.fail("a number without an end")

    def count_varints(self, stop: int) -> int:
        count = 0
        while self.at < stop:
            count += len(self.take(min(_WINDOW, stop - self.at)).translate(None, _GOES_ON))
        return count

    def text(self, length: int) -> str:
        kept = min(length, _MOST_TEXT)
        self.texts += kept
        if self.texts > _MOST_TEXTS:
            raise self.fail(f"more than {_MOST_TEXTS:,} bytes of text")
        text = self.take(kept).decode("utf-8", "replace")
        self.at += length - kept
        return text

    def message(self, kind: str, stop: int, depth: int) -> Message:
        if depth > _DEPTH:
            raise self.fail(f"messages nested more than {_DEPTH} deep")
        self.messages += 1
        if self.messages > _MOST_MESSAGES:
            raise self.fail(f"more than {_MOST_MESSAGES:,} messages")
        message, specs = Message(kind, self.at), _SPECS[kind]
        while self.at < stop:
            self.fields += 1
            if self.fields > _MOST_FIELDS:
                raise self.fail(f"more than {_MOST_FIELDS:,} fields")
            key = self.varint(stop)
            number, wire = key >> 3, key & 7
            length = self.varint(stop) if wire == 2 else {1: 8, 5: 4}.get(wire, 0)
            if wire not in (0, 1, 2, 5) or not number or length > stop - self.at:
                raise self.fail(f"no field of a message {kind}")
            self.field(message, specs.get(number), number, wire, length, stop, depth)
        return message

    def field(
        self, message: Message, spec: _Spec | None, number: int, wire: int, length: int, stop: int, depth: int
    ) -> None:
        after = self.at + length
        if spec is None or not _fits(spec, wire):
            if wire == 0:
                self.varint(stop)
                after = self.at
            if len(message.unknown) < _MOST_VALUES:
                message.unknown.append((number, length))
        else:
            if not spec.repeated and spec.name in message.fields:
                message.twice.append(spec.name)
            value = self.value(spec, wire, length, after if wire == 2 else stop, depth)
            after = max(self.at, after)
            self.keep(message, spec, value)
        self.at = after

    def value(self, spec: _Spec, wire: int, length: int, stop: int, depth: int) -> Any:
        form = spec.form
        if form == "v" and wire == 0:
            return self.varint(stop)
        if form == "v":  # packed
            values: list[int] = []
            while self.at < stop and len(values) < _MOST_VALUES:
                values.append(self.varint(stop))
            return values
        if form == "V":
            return self.count_varints(stop) if wire == 2 else (self.varint(stop), 1)[1]
        if form in "FD":
            return length // (4 if form == "F" else 8)
        if form == "B":
            return length
        if form in "fd":
            return 0
        if form == "t":
            return self.text(length)
        return self.message(form, stop, depth + 1)

    @staticmethod
    def keep(message: Message, spec: _Spec, value: Any) -> None:
        kept = message.fields.setdefault(spec.name, [])
        if isinstance(value, Message):
            if value.kind not in _PASSING or value.strange:
                kept.append(value)
        elif isinstance(value, list):
            kept.extend(value[: _MOST_VALUES - len(kept)])
        elif spec.form in "VFD" and kept:
            kept[0] += value
        elif spec.form == "B" and spec.repeated:
            kept[:] = [(kept[0] if kept else 0) + 1]
        elif len(kept) < _MOST_VALUES:
            kept.append(value)


#: Bytes of a number that are not its last.
_GOES_ON = bytes(range(128, 256))


def _fits(spec: _Spec, wire: int) -> bool:
    own = _WIRE.get(spec.form, 2)
    return wire == own or (spec.repeated and wire == 2)


def read_onnx(item: Item) -> Message:
    """Read the messages of a model.

    Raises:
        ItemError: cut off, no messages of this format, nested or large beyond the limits.
    """
    with item.open() as stream:
        reader = _Reader(item, stream)
        return reader.message("Model", item.size, 0)
