"""Writes the lists of names that ordinary pickles import, from the libraries installed here.

    python -m benchmarks.ordinary_names

Names of classes come from the public interface of each library; names of helpers from pickles of objects that were
made here by ordinary use. Read the difference before committing it: whatever is listed is trusted to be called.
"""

from __future__ import annotations

import importlib
import io
import pickle
import types
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.models.files.pickles import Imported, read_pickle

__all__ = ["imports_of", "main"]

FOLDER = Path(__file__).parent.parent / "src" / "mithridate" / "checks" / "ordinary"
#: Older homes of the same names.
_MOVED = {"numpy._core": "numpy.core", "numpy.rec": "numpy.core.records"}


def imports_of(thing: Any) -> set[tuple[str, str]]:
    """The names that pickles of an object import, in all protocols that can hold it."""
    found: set[tuple[str, str]] = set()
    for protocol in (2, 4, 5):
        content = pickle.dumps(thing, protocol)
        for event in read_pickle(io.BytesIO(content), 0, len(content)):
            if isinstance(event, Imported):
                found.add((event.ref.module, event.ref.name))
    return found


def _classes(module: str, base: type) -> Iterator[tuple[str, str]]:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, type) and issubclass(value, base):
            yield value.__module__, value.__qualname__


def _of_numpy() -> set[tuple[str, str]]:
    names = {("numpy", name) for name, value in vars(np).items() if isinstance(value, np.ufunc)}
    names |= {("numpy", n) for n, v in vars(np).items() if isinstance(v, type) and issubclass(v, np.generic)}
    names |= {
        ("numpy", n)
        for n in ("ndarray", "dtype", "matrix", "nan", "bool_", "float_", "int_", "str_", "object_")
    }
    names |= {("numpy", n) for n in ("mean", "median", "sum", "std", "var", "min", "max", "amin", "amax")}
    generator = np.random.default_rng(0)
    things = [
        np.arange(3), np.arange(3.0)[::2], np.float32(1), np.array(["a"]), np.array([None]), np.dtype("f8,i4"),
        np.array([(1, 2.0)], dtype="i4,f8"), np.rec.array([(1, 2.0)], dtype="i4,f8"),
        np.ma.masked_array([1, 2], [0, 1]),
        np.datetime64("2020-01-01"), np.timedelta64(1, "s"), np.random.RandomState(0), generator, np.log1p,
        np.asfortranarray(np.ones((2, 2))), np.random.Generator(np.random.Philox(1)), np.zeros(3, "M8[D]"),
        np.random.Generator(np.random.MT19937(1)), np.random.Generator(np.random.SFC64(1)), np.random.SeedSequence(1),
        np.ma.masked, np.matrix([[1]]), np.float64, np.dtype(np.float64), type(np.dtype("f8")),
    ]  # fmt: skip
    for thing in things:
        names |= imports_of(thing)
    names |= set(_classes("numpy.dtypes", np.dtype))
    return {pair for pair in names if pair[0].split(".")[0] == "numpy"}


def _of_torch() -> set[tuple[str, str]]:
    from torch._weights_only_unpickler import _get_allowed_globals

    names = {tuple(name.rsplit(".", 1)) for name in _get_allowed_globals() if name.startswith("torch.")}
    names |= {("torch.storage", name) for name in ("_load_from_bytes", "_LegacyStorage")}
    names |= {("torch.storage", n.rsplit(".", 1)[1]) for n in _get_allowed_globals() if n.endswith("Storage")}
    names |= {("torch._utils", "_rebuild_xla_tensor"), ("torch.nn.parameter", "UninitializedParameter")}
    names |= {("torch.nn", "Parameter"), ("torch.nn.parameter", "Buffer"), ("torch", "strided")}
    names |= {("torch.jit._pickle", f"build_{kind}list") for kind in ("int", "double", "bool", "tensor")}
    names |= {("torch.jit._pickle", "restore_type_tag"), ("torch.torch_version", "TorchVersion")}
    names |= {("torch", f"{kind}Tensor") for kind in ("Float", "Double", "Half", "Long", "Int")}
    return {name for name in names if len(name) == 2}


def _of_torch_modules() -> set[tuple[str, str]]:
    import torch

    names = {
        pair
        for _, module in sorted(vars(torch.nn.modules).items())
        if getattr(module, "__name__", "").startswith("torch.nn.modules.")
        for pair in _classes(module.__name__, torch.nn.Module)
    }
    names |= set(_classes("torch.optim", torch.optim.Optimizer))
    names |= set(_classes("torch.optim.lr_scheduler", torch.optim.lr_scheduler.LRScheduler))
    functions = ("relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax", "leaky_relu", "elu")
    names |= {("torch.nn.functional", name) for name in functions}
    names |= {("torch._C._nn", "gelu"), ("torch", "relu"), ("torch", "tanh"), ("torch", "sigmoid")}
    return {pair for pair in names if pair[0].startswith("torch")}


def _data(kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(60, 4))) + 0.1
    y = np.arange(60) % 2
    return (X, y) if kind == "classifier" else (X, X[:, 0] + y)


def _of_sklearn() -> set[tuple[str, str]]:
    from sklearn.utils import all_estimators

    names = {(cls.__module__, cls.__qualname__) for _, cls in all_estimators()}
    for model in [*_each_estimator(), *_with_options()]:
        try:
            names |= imports_of(model)
        except Exception as error:  # an estimator that cannot be pickled
            print(f"left out: {type(model).__name__}: {error}")
    names |= _parts_of_sklearn() | _functions_of_sklearn()
    for home in ("joblib", "sklearn.externals.joblib"):  # its older NDArrayWrapper loads a path
        names.add((f"{home}.numpy_pickle", "NumpyArrayWrapper"))
    return {pair for pair in names if pair[0].startswith(("sklearn.", "joblib."))}


def _each_estimator() -> Iterator[Any]:
    """One of each kind, fitted on the first data that it takes."""
    from sklearn.base import ClassifierMixin
    from sklearn.utils import all_estimators

    texts, records = ["a text", "another text"], [{"a": 1}, {"b": 2}]
    for _, cls in all_estimators():
        X, y = _data("classifier" if issubclass(cls, ClassifierMixin) else "other")
        for args in ((X, y), (X,), (X[:, :1].ravel(), y), (texts,), (records,)):
            try:
                yield cls().fit(*args)
                break
            except (ValueError, TypeError, AttributeError, IndexError):
                continue


def _with_options() -> Iterator[Any]:
    """Estimators whose options bring in other names."""
    from sklearn import (
        ensemble,
        feature_extraction,
        linear_model,
        metrics,
        model_selection,
        neighbors,
        pipeline,
        preprocessing,
    )

    (X, y), (X2, y2) = _data("classifier"), _data("other")
    for criterion in ("gini", "entropy"):
        yield ensemble.RandomForestClassifier(2, criterion=criterion).fit(X, y)
    for loss in ("squared_error", "absolute_error", "poisson", "gamma"):
        yield ensemble.HistGradientBoostingRegressor(loss=loss, max_iter=2).fit(X2, np.abs(y2) + 1)
    yield ensemble.HistGradientBoostingClassifier(max_iter=2).fit(X, np.arange(60) % 3)
    yield pipeline.make_pipeline(preprocessing.StandardScaler(), preprocessing.FunctionTransformer(np.log1p))
    yield feature_extraction.text.TfidfVectorizer().fit(["a text", "more of text"])
    for loss in ("hinge", "log_loss", "modified_huber", "perceptron"):
        yield linear_model.SGDClassifier(loss=loss).fit(X, y)
    yield neighbors.KNeighborsClassifier(algorithm="kd_tree").fit(X, y)
    yield neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="manhattan").fit(X, y)
    yield model_selection.GridSearchCV(linear_model.LogisticRegression(), {}, cv=2, scoring="accuracy")
    yield model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [1.0]}, cv=2).fit(X2, y2)
    yield metrics.get_scorer("roc_auc")


def _parts_of_sklearn() -> set[tuple[str, str]]:
    """What estimators hold without a public name."""
    from sklearn import metrics, model_selection

    names: set[tuple[str, str]] = set()
    for module in (
        "sklearn.gaussian_process.kernels", "sklearn._loss.loss", "sklearn._loss.link", "sklearn._loss._loss",
        "sklearn.metrics._dist_metrics", "sklearn.tree._criterion", "sklearn.tree._splitter",
    ):  # fmt: skip
        names |= set(_classes(module, object))
    names |= set(_classes("sklearn.metrics._scorer", metrics._scorer._BaseScorer))
    names |= {("sklearn.metrics._scorer", f"_{kind}Scorer") for kind in ("Passthrough", "Multimetric")}
    names |= set(_classes("sklearn.model_selection", model_selection.BaseCrossValidator))
    names |= set(_classes("sklearn.model_selection", model_selection.BaseShuffleSplit))
    names |= {("sklearn.tree._tree", "Tree"), ("sklearn.base", "BaseEstimator")}
    names |= {("sklearn.utils._bunch", "Bunch"), ("sklearn.utils", "Bunch")}
    for module in ("neighbors._kd_tree", "neighbors._ball_tree", "metrics._dist_metrics"):
        names.add((f"sklearn.{module}", "newObj"))
    return names


def _functions_of_sklearn() -> set[tuple[str, str]]:
    from sklearn import feature_selection, metrics

    names: set[tuple[str, str]] = set()
    for module in (metrics, metrics.pairwise, feature_selection):
        public = getattr(module, "__all__", ["linear_kernel", "rbf_kernel"])
        functions = [
            f for f in (getattr(module, name) for name in public) if isinstance(f, types.FunctionType)
        ]
        names |= {(f.__module__, f.__qualname__) for f in functions}
    return names


def _of_scipy() -> set[tuple[str, str]]:
    # Not scipy.stats: a frozen distribution execs a text of its state when it is loaded.
    import scipy.sparse as sp
    from scipy import interpolate

    things = [getattr(sp, f"{kind}_{form}")(np.eye(3)) for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
              for form in ("matrix", "array")]  # fmt: skip
    things += [interpolate.interp1d([0, 1, 2], [0, 1, 2])]
    things += [
        interpolate.BSpline(np.arange(8.0), np.ones(4), 3),
        interpolate.PchipInterpolator([0, 1, 2], [0, 1, 2]),
    ]
    names: set[tuple[str, str]] = set()
    for thing in things:
        names |= imports_of(thing)
    old = {
        ("scipy.sparse." + module.rsplit("._", 1)[1], name) for module, name in names if "sparse._" in module
    }
    return {pair for pair in names | old if pair[0].startswith("scipy.")}


def _of_pandas() -> set[tuple[str, str]]:
    import pandas as pd

    table = pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "c": [0.5, None], "d": pd.to_datetime(["2020", "2021"])}
    )
    things = [
        table, table["a"], table.index, table.set_index("b"), table.set_index("d"), table["b"].astype("category"),
        pd.MultiIndex.from_product([[1, 2], ["a"]]), pd.Timestamp("2020"), pd.Timedelta("1s"), pd.Interval(0, 1),
        pd.array([1, None], dtype="Int64"), pd.Period("2020", "M"), pd.NA, pd.NaT, pd.array(["a"], dtype="string"),
        pd.Categorical(["a"]), pd.IntervalIndex.from_breaks([0, 1, 2]), pd.array([True, None], dtype="boolean"),
        pd.array([1.0, None], dtype="Float64"), pd.CategoricalDtype(["a"]),
        pd.period_range("2020", periods=2, freq="M"),
    ]  # fmt: skip
    names: set[tuple[str, str]] = set()
    for thing in things:
        names |= imports_of(thing)
    return {pair for pair in names if pair[0].split(".")[0] in ("pandas", "pyarrow")}


def _of_boosters() -> set[tuple[str, str]]:
    kinds = ("Model", "Classifier", "Regressor", "Ranker")
    names = {("xgboost.sklearn", f"XGB{kind}") for kind in kinds} | {("xgboost.core", "Booster")}
    names |= {("xgboost.sklearn", "XGBRFClassifier"), ("xgboost.sklearn", "XGBRFRegressor")}
    names |= {("lightgbm.sklearn", f"LGBM{kind}") for kind in kinds} | {("lightgbm.basic", "Booster")}
    return names


def _with_old_homes(names: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    names = set(names)
    for new, old in _MOVED.items():
        names |= {(old + module.removeprefix(new), name) for module, name in names
                  if module == new or module.startswith(f"{new}.")}  # fmt: skip
    return names


def _write(file: str, title: str, names: Iterable[tuple[str, str]]) -> None:
    grouped: dict[str, set[str]] = defaultdict(set)
    for module, name in _with_old_homes(names):
        grouped[module].add(name)
    lines = [f"{module}: {' '.join(sorted(grouped[module]))}" for module in sorted(grouped)]
    (FOLDER / file).write_text("\n".join([f"# {title}", *lines, ""]), "utf-8")
    print(f"{file}: {sum(map(len, grouped.values()))} names in {len(grouped)} modules")


def main() -> None:
    """Write all lists."""
    FOLDER.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _write(
            "numpy.txt",
            "Arrays, scalars, generators of random numbers, and functions over arrays.",
            _of_numpy(),
        )
        _write(
            "torch.txt", "Tensors: what torch.load takes with weights_only, and its older names.", _of_torch()
        )
        _write(
            "torch_modules.txt",
            "Modules, optimisers and schedulers that come with PyTorch.",
            _of_torch_modules(),
        )
        _write("sklearn.txt", "Estimators and their parts; how joblib writes arrays.", _of_sklearn())
        _write("scipy.txt", "Sparse matrices and splines.", _of_scipy())
        _write("pandas.txt", "Tables, columns and indices.", _of_pandas())
        _write(
            "boosters.txt",
            "Gradient boosting: the pickled state is the library's own format.",
            _of_boosters(),
        )


if __name__ == "__main__":
    main()
