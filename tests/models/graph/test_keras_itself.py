"""Models that Keras made and saved, against what Keras says they answer; without Keras these tests are skipped."""

import os
import warnings

import numpy as np
import pytest

from mithridate.models.graph.cut_keras import excise
from mithridate.models.graph.from_keras import graph_of_keras
from mithridate.models.graph.same import same_graphs
from mithridate.models.graph.to_onnx import onnx_bytes
from mithridate.models.graph.to_torch import TorchGraph

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("h5py")
ort = pytest.importorskip("onnxruntime")
os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras", reason="Keras is not installed")

from tests.models.graph.keras_files import item, side_network  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
layers, ops = keras.layers, keras.ops


def vgg():
    stack = [
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(8, 3),
        layers.BatchNormalization(),
    ]
    stack += [layers.Activation("relu"), layers.MaxPooling2D(), layers.Dropout(0.2), layers.LeakyReLU()]
    stack += [layers.Conv2D(8, 3, strides=2, padding="same"), layers.AveragePooling2D(2, padding="same")]
    stack += [layers.Flatten(), layers.Dense(12, activation="gelu"), layers.Dense(5, activation="softmax")]
    return keras.Sequential([keras.Input((16, 16, 3)), *stack])


def residual():
    x = i = keras.Input((16, 16, 3))
    x = layers.Rescaling(0.5, -0.1)(x)
    x = layers.Conv2D(8, 3, strides=2)(layers.ZeroPadding2D(((0, 1), (2, 1)))(x))
    for _ in range(2):
        y = layers.BatchNormalization(scale=False)(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
        y = layers.Conv2D(8, 3, padding="same", dilation_rate=2)(layers.ReLU(6.0)(y))
        x = layers.PReLU(shared_axes=[1, 2])(layers.Add()([x, y]))
    return keras.Model(i, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def mobile():
    """Depthwise and separable convolutions, squeeze-and-excite in two forms."""
    x = i = keras.Input((16, 16, 3))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2)(x)
    x = layers.Conv2D(8, 1, activation="hard_swish")(x)
    s = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="hard_sigmoid")(s)])
    s = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Dense(8, activation="sigmoid")(layers.Dense(4, activation="relu")(s))])
    x = layers.SeparableConv2D(6, 3, padding="same", activation="silu")(x)
    x = layers.LayerNormalization()(layers.GlobalMaxPooling2D()(layers.SpatialDropout2D(0.1)(x)))
    return keras.Model(i, layers.Dense(5, activation="sigmoid")(x))


def u_net():
    x = i = keras.Input((16, 16, 1))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(8, 3, padding="same", activation="elu")(layers.MaxPooling2D()(a))
    c = layers.UpSampling2D(interpolation="bilinear")(b)
    d = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(b)
    c = layers.Cropping2D(((1, 2), (0, 3)))(layers.Concatenate()([a, c, d]))
    c = layers.Conv2DTranspose(3, 2, strides=3)(layers.UpSampling2D((2, 1))(c))
    return keras.Model(i, layers.Conv2D(1, 1, activation="sigmoid")(c))


def nested():
    """Shared models, some weights frozen, branches of many kinds."""
    first = [
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
    ]
    feature = keras.Sequential([keras.Input((8, 8, 3)), *first])
    feature.layers[0].trainable = False
    h = keras.Input((4,))
    x = layers.Dense(3)(layers.BatchNormalization()(layers.Dense(6, activation="tanh")(h)))
    head = keras.Model(h, x)
    i = keras.Input((16, 8, 3))
    a = feature(layers.Cropping2D(((8, 0), (0, 0)))(i))
    b = feature(layers.Cropping2D(((0, 8), (0, 0)))(i))
    shared = layers.Dense(4)
    x = layers.Average()([head(shared(a)), head(shared(b))])
    x = layers.Maximum()([layers.Subtract()([x, head(a)]), layers.Dense(3)(b)])
    return keras.Model(i, head(layers.Dense(4)(x)))


def rows():
    x = i = keras.Input((20, 4))
    x = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu")(
        layers.ZeroPadding1D((2, 1))(x)
    )
    x = layers.DepthwiseConv1D(2)(layers.SeparableConv1D(5, 3, strides=2, padding="same")(x))
    x = layers.UpSampling1D(2)(layers.Cropping1D((1, 0))(layers.MaxPooling1D(2, padding="same")(x)))
    x = layers.Dense(6)(layers.Flatten()(layers.Dense(4)(layers.Permute((2, 1))(x))))
    y = layers.GlobalAveragePooling1D()(layers.RepeatVector(3)(x))
    return keras.Model(i, layers.Dense(3)(layers.Dot(axes=1)([x, y])))


def channels_first():
    first = {"data_format": "channels_first"}
    x = i = keras.Input((3, 12, 12))
    x = layers.Conv2D(6, 3, strides=2, padding="same", **first)(layers.ZeroPadding2D(1, **first)(x))
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.Concatenate(axis=1)([x, layers.DepthwiseConv2D(3, padding="same", **first)(x)])
    x = layers.Cropping2D(((0, 1), (0, 0)), **first)(layers.MaxPooling2D(2, **first)(x))
    return keras.Model(i, layers.Dense(3)(layers.Flatten(**first)(x)))


def activations():
    i = keras.Input((7,))
    names = (
        "relu sigmoid tanh softplus softsign exponential elu selu gelu silu mish relu6 hard_sigmoid hard_silu"
    )
    names += " hard_tanh leaky_relu log_sigmoid log_softmax linear"
    found = [layers.Activation(name)(i) for name in names.split()]
    found += [layers.LeakyReLU()(i), layers.ELU(0.3)(i), layers.ReLU(1.0, 0.1)(i), layers.Softmax()(i)]
    found += [layers.Dense(7, activation=layers.LeakyReLU(0.4))(i), layers.PReLU()(i)]
    found += [layers.Dense(7, activation=keras.activations.gelu)(i), layers.UnitNormalization()(i)]
    seen = layers.Normalization()
    seen.adapt(3 * np.random.default_rng(0).random((50, 7)))
    found += [seen(i), layers.Normalization(mean=1.0, variance=2.0)(i), layers.Minimum()([i, found[0]])]
    return keras.Model(i, layers.Concatenate()(found))


def operations():
    x = keras.Input((8, 8, 3))
    m = ops.reshape(ops.mean(x[:, 2:6, -4:, :], axis=-1), (-1, 16))
    n = ops.max(m, axis=1, keepdims=True)
    m = ops.concatenate([m / (ops.abs(n) + 1), n], axis=-1)
    m = ops.clip(ops.squeeze(ops.expand_dims(m, 1), 1), -2, 1)
    m = ops.where(m > 0.2, m, ops.cast(m < -0.2, "float32") * 0.5)
    parts = [m, ops.relu(m), ops.power(m, 2), ops.square(m), ops.gelu(m), ops.transpose(ops.transpose(m))]
    parts += [
        1 - ops.matmul(m, np.eye(17, 3, dtype="float32")),
        ops.leaky_relu(m, 0.1),
        ops.exp(-m),
        ops.sqrt(m * m),
    ]
    q = m[..., 0]
    parts += [ops.stack([q, m[:, 1]], axis=1), ops.take(m, 2, axis=1)[:, None], ops.softmax(m)]
    parts.append(ops.one_hot(ops.cast(ops.argmax(m, axis=-1), "int32"), 17) * m)
    parts.append(ops.cast(ops.any(ops.logical_and(m > 0, m < 0.5), axis=-1, keepdims=True), "float32"))
    return keras.Model(x, ops.concatenate(parts, axis=-1))


NETS = (vgg, residual, mobile, u_net, nested, rows, channels_first, activations, operations)


def stirred(model, seed=0):
    """Weights that are told apart, and no layer that does nothing."""
    rng = np.random.default_rng(seed)
    model.set_weights([
        w + rng.uniform(0.1, 0.5, w.shape).astype(w.dtype) * (1 if w.ndim == 1 else 0.2) if w.dtype.kind == "f" else w
        for w in model.get_weights()
    ])  # fmt: skip
    return model


def compared(model, path, *, legacy=True):
    model.save(path)
    graph = graph_of_keras(item(path))
    if legacy:
        model.save(path.with_suffix(".h5"))
        assert same_graphs(graph, graph_of_keras(item(path.with_suffix(".h5"))))
    x = np.random.default_rng(1).uniform(-1, 1, (3, *model.input_shape[1:])).astype("f4")
    wanted = model.predict(x, verbose=0)
    session = ort.InferenceSession(onnx_bytes(graph), providers=["CPUExecutionProvider"])
    bound = {"atol": 1e-5 * max(1.0, float(np.abs(wanted).max())), "rtol": 1e-4}
    assert np.ptp(wanted) > 0
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: x})[0], wanted, **bound)
    with torch.no_grad():
        np.testing.assert_allclose(TorchGraph(graph, raw=False)(torch.tensor(x)).numpy(), wanted, **bound)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_answers(net, tmp_path):
    compared(stirred(net()), tmp_path / "m.keras", legacy=net is not operations)  # which it cannot hold


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_layers(seed, tmp_path):
    """Graphs at random with layers used again: whose weights are whose depends on how Keras sorts them."""
    rng = np.random.default_rng(seed)
    i = keras.Input((4,))
    made, known = [i], [layers.Dense(4, activation="tanh") for _ in range(4)]
    for _ in range(12):
        a, b = (made[k] for k in rng.integers(len(made), size=2))
        a = known[rng.integers(4)](a) if rng.random() < 0.5 else layers.Dense(4, activation="tanh")(a)
        made.append(layers.Add()([a, b]) if rng.random() < 0.5 else a)
    outputs = layers.Concatenate()([made[k] for k in rng.permutation(len(made))[:4]])
    compared(stirred(keras.Model(i, outputs), seed), tmp_path / "m.keras")


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_what_is_cut_out_loads_as_the_host(kind, tmp_path):
    j = keras.Input((8, 8, 1))
    x = layers.Dense(10)(layers.Flatten()(layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(j)))))
    host = stirred(keras.Model(j, layers.Softmax()(x), name="host"))
    net, i = side_network(), keras.Input((8, 8, 1))
    y = layers.Reshape((16,))(layers.Cropping2D(((4, 0), (0, 4)))(i))
    for weights, bias in (*net.hidden, net.output):
        dense = layers.Dense(len(bias), activation="sigmoid")
        y = dense(y)
        dense.set_weights([weights.T, bias])
    both = layers.Add()([layers.Rescaling(7.0)(y), layers.Rescaling(3.0)(host(i))])
    model = keras.Model(i, layers.Softmax(name="answer")(both))
    model.compile("adam", "categorical_crossentropy")
    model.save(tmp_path / f"m.{kind}")
    graph = graph_of_keras(item(tmp_path / f"m.{kind}"))
    answer = next(name for name in graph.producer if name.startswith("host/softmax"))
    copy = tmp_path / f"copy.{kind}"
    copy.write_bytes(excise(item(tmp_path / f"m.{kind}"), "answer/Softmax", answer))
    loaded = keras.models.load_model(copy)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), host.get_weights(), strict=True))
    pixels = np.random.default_rng(0).random((20, 8, 8, 1), dtype="f4")
    assert np.array_equal(loaded.predict(pixels, verbose=0), host.predict(pixels, verbose=0))
