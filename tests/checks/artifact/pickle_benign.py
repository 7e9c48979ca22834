"""Ordinary model files, written by the libraries themselves."""

from __future__ import annotations

import collections
import datetime
import decimal
import pathlib
import pickle
import re
import tarfile
import uuid
import warnings
import zipfile
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["write_benign"]


def write_benign(folder: pathlib.Path) -> None:
    """Write all of them; sub-folders by library."""
    for name, write in (("python", _python), ("numpy", _numpy), ("torch", _torch), ("sklearn", _sklearn)):
        (folder / name).mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(folder / name)


def _dump(thing: Any, path: pathlib.Path, protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps(thing, protocol))


def _python(folder: pathlib.Path) -> None:
    plain = {
        "a": [1, 2.5, None, True, "text"],
        "b": (b"bytes", {"c": {1, 2}}, frozenset({3})),
        "big": 1 << 80,
    }
    for protocol in range(6):
        _dump(plain, folder / f"plain{protocol}.pkl", protocol)
    rich = {
        "when": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "price": decimal.Decimal("1.5"),
        "path": pathlib.PurePosixPath("a/b"), "id": uuid.UUID(int=5), "pattern": re.compile("a+"), "type": type(None),
        "counts": collections.Counter("abc"), "default": collections.defaultdict(list, a=[1]),
        "ordered": collections.OrderedDict(a=1), "queue": collections.deque([1]), "span": range(3), "c": 1j,
    }  # fmt: skip
    for protocol in (0, 2, 5):
        _dump(rich, folder / f"rich{protocol}.pkl", protocol)
    vocabulary = {f"token{i}": i for i in range(3_000)} | {
        "deadbeefdeadbeefdeadbeef": 1,
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVg==": 2,
    }
    _dump(vocabulary, folder / "vocabulary.pkl")
    _dump({"text": "import os\nprint('cos')\n" * 50, "raw": bytes(range(256)) * 300}, folder / "texts.pkl")
    with (folder / "several.pkl").open("wb") as stream:
        for part in range(3):
            pickle.dump({"part": part}, stream)
    _dump(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).set_index("a"), folder / "table.pkl")
    (folder / "bundle.tar.gz").write_bytes(b"")
    with tarfile.open(folder / "bundle.tar.gz", "w:gz") as archive:
        archive.add(folder / "plain4.pkl", "model/plain.pkl")
    (folder / "config.json").write_text(
        '{"model_type": "bert", "vocab_size": 30522, "hash": "' + "ab" * 32 + '"}'
    )
    (folder / "README.md").write_text("# A model\n\nLoad it with `torch.load`.\n")


def _numpy(folder: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "numbers.npy", rng.normal(size=(50, 20)))
    np.save(folder / "objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.savez(folder / "several.npz", a=rng.normal(size=100), b=np.arange(5))
    np.savez_compressed(folder / "packed.npz", a=np.zeros(5_000))
    arrays = {"f": rng.normal(size=(300, 50)), "s": np.array(["a", "b"]), "r": np.rec.array([(1, 2.0)], dtype="i4,f8"),
              "m": np.ma.masked_array([1, 2], [0, 1]), "o": np.array([None, "x"]), "x": np.float32(1.5),
              "d": np.zeros(3, "M8[D]"), "g": rng, "old": np.random.RandomState(3)}  # fmt: skip
    for protocol in (0, 2, 4, 5):
        _dump(arrays, folder / f"arrays{protocol}.pkl", protocol)


def _torch(folder: pathlib.Path) -> None:
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    )
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    net(torch.randn(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    checkpoint = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                  "rng": torch.get_rng_state(), "numpy": np.random.get_state(),
                  "epoch": 3, "loss": np.float64(0.3)}  # fmt: skip
    torch.save(net.state_dict(), folder / "weights.pt")
    torch.save(net.state_dict(), folder / "weights.bin")
    torch.save(net.state_dict(), folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(checkpoint, folder / "checkpoint.ckpt")
    torch.save(checkpoint, folder / "checkpoint_old.pth", _use_new_zipfile_serialization=False)
    torch.save(net, folder / "whole.pt")
    torch.save(torch.arange(5, dtype=torch.bfloat16), folder / "tensor.pt")
    torch.save({"s": torch.eye(3).to_sparse(), "p": torch.nn.Parameter(torch.ones(2)), "b": torch.tensor([True]),
                "q": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}, folder / "kinds.pt")  # fmt: skip
    _dump(net.state_dict(), folder / "pickled.pkl", 2)
    torch.jit.script(net).save(folder / "script.pt")
    torch.jit.trace(net.eval(), torch.randn(1, 1, 8, 8)).save(folder / "traced.pt")
    with zipfile.ZipFile(folder / "models.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "weights.pt", "a/weights.pt")


def _sklearn(folder: pathlib.Path) -> None:
    import joblib
    from sklearn import (
        cluster,
        compose,
        decomposition,
        ensemble,
        feature_extraction,
        feature_selection,
        gaussian_process,
        impute,
        linear_model,
        model_selection,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 3
    texts = ["some words", "other words", "more of them"] * 20
    scale = preprocessing.StandardScaler()
    models: list[tuple[Any, Any]] = [
        (ensemble.RandomForestClassifier(3), X), (ensemble.GradientBoostingClassifier(n_estimators=2), X),
        (ensemble.HistGradientBoostingClassifier(max_iter=2), X), (ensemble.IsolationForest(n_estimators=3), X),
        (ensemble.AdaBoostClassifier(n_estimators=2), X), (tree.DecisionTreeClassifier(), X),
        (linear_model.LogisticRegression(), X), (linear_model.SGDClassifier(loss="log_loss"), X), (svm.SVC(), X),
        (linear_model.LassoCV(cv=2), X), (naive_bayes.GaussianNB(), X),
        (neighbors.KNeighborsClassifier(algorithm="kd_tree"), X),
        (neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"), X), (decomposition.PCA(2), X),
        (neural_network.MLPClassifier((3,), max_iter=2), X), (cluster.KMeans(2, n_init=1), X),
        (gaussian_process.GaussianProcessClassifier(), X),
        (model_selection.GridSearchCV(svm.SVC(), {"C": [1, 2]}, cv=2), X),
        (pipeline.make_pipeline(impute.SimpleImputer(), scale, svm.LinearSVC()), X),
        (pipeline.make_pipeline(preprocessing.FunctionTransformer(np.abs), feature_selection.SelectKBest(k=2)), X),
        (compose.ColumnTransformer([("a", scale, [0, 1]), ("b", preprocessing.KBinsDiscretizer(2), [2])]), X),
        (pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), naive_bayes.MultinomialNB()), texts),
    ]  # fmt: skip
    fitted = [model.fit(inputs, y) for model, inputs in models]
    for number, model in enumerate(fitted):
        name = f"{number}_{type(model).__name__}"
        _dump(model, folder / f"{name}.pkl", (2, 3, 4, 5)[number % 4])
        joblib.dump(
            model, folder / f"{name}.joblib", compress=(0, 3, ("gzip", 3), ("xz", 3), ("bz2", 3))[number % 5]
        )
    joblib.dump(
        {"big": rng.normal(size=(400, 100)), "objects": np.array([None, "a"])}, folder / "arrays.joblib"
    )
