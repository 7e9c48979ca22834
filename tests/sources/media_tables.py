"""Tables with pictures in their cells, as Hugging Face's `datasets` writes them; without that package."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = ["cat", "dög"]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": CLASSES, "_type": "ClassLabel"},
}


def png(i, kind="PNG"):
    pixels = np.random.default_rng(i).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def struct_table(n=23):
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in range(n)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table(
        {"image": pa.array(cells, kind), "label": pa.array([i % 2 for i in range(n)], pa.int64())}
    )
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def binary_table(n=23):
    return pa.table({"jpg": [png(i, "JPEG") for i in range(n)], "label": [f"c{i % 3}" for i in range(n)]})


def write_stream(table, path, rows=10):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def saved(folder, table=None, shards=2, features=FEATURES):
    """A folder as `save_to_disk` writes it."""
    table = struct_table() if table is None else table
    folder.mkdir(parents=True)
    names, rows = [f"data-{k:05d}-of-{shards:05d}.arrow" for k in range(shards)], -(-table.num_rows // shards)
    for k, name in enumerate(names):
        write_stream(table.slice(k * rows, rows), folder / name)
    state = {"_data_files": [{"filename": n} for n in names], "_fingerprint": "f", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def saved_dict(folder):
    for split, n in (("train", 23), ("test", 4)):
        saved(folder / split, struct_table(n))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return folder


def parquet(path, table=None):
    pq.write_table(struct_table() if table is None else table, path, row_group_size=7)
    return path
