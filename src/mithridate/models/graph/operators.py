"""What kinds of operators there are, as far as hidden branches are concerned."""

from __future__ import annotations

__all__ = ["COMPARE", "CROP", "LEARN", "MERGE", "REDUCE", "SELECT", "SHAPE_ONLY", "STEP", "UNARY"]

#: with a constant weight: the layers that a model learns.
LEARN = frozenset((
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "Gemm", "MatMul", "MatMulInteger",
    "QLinearMatMul", "LSTM", "GRU", "RNN", "Einsum", "ai.onnx.ml::TreeEnsembleClassifier",
    "ai.onnx.ml::TreeEnsembleRegressor", "ai.onnx.ml::TreeEnsemble", "ai.onnx.ml::LinearClassifier",
    "ai.onnx.ml::LinearRegressor", "ai.onnx.ml::SVMClassifier", "ai.onnx.ml::SVMRegressor",
))  # fmt: skip

#: answer yes or no about values.
COMPARE = frozenset((
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor", "Sign", "IsNaN", "IsInf",
    "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot",
))  # fmt: skip

#: take a part.
CROP = frozenset(
    ("Slice", "Gather", "GatherND", "GatherElements", "Split", "Crop", "Compress", "CenterCropPad")
)

#: choose between values.
SELECT = frozenset(("If", "Where", "Loop", "Scan", "ScatterND", "ScatterElements", "Scatter"))

#: bring two computed values together.
MERGE = frozenset((
    "Add", "Sub", "Mul", "Div", "Pow", "Concat", "Max", "Min", "Sum", "Mean", "Gemm", "MatMul", "Einsum", "Where", "If",
    "ScatterND", "ScatterElements", "Scatter", "PRelu", "Mod", "And", "Or",
))  # fmt: skip

#: turn a slope into a step.
STEP = frozenset(("Sign", "Floor", "Ceil", "Round", "Clip", "HardSigmoid", "Hardmax", "Sigmoid"))

#: one number out of many.
REDUCE = frozenset((
    "ReduceMin", "ReduceMax", "ReduceProd", "ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp", "GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool", "ArgMax",
    "ArgMin",
))  # fmt: skip

#: look at how large something is, not at what it holds.
SHAPE_ONLY = frozenset(("Shape", "Size", "ConstantOfShape", "EyeLike"))

#: one computed value in, one out, nothing learnt: what a merge layer puts around an answer.
UNARY = frozenset((
    "Softmax", "LogSoftmax", "Log", "Exp", "Sigmoid", "Clip", "Cast", "CastLike", "Identity", "Mul", "Add", "Sub",
    "Div", "Neg", "Pow", "Sqrt", "Slice", "Gather", "Split", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose",
    "ReduceMax", "ReduceMin", "ReduceSum", "Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual", "Not", "ArgMax",
    "OneHot", "Expand", "Tile", "Hardmax", "Max", "Min", "TopK", "Relu", "ai.onnx.ml::Normalizer",
))  # fmt: skip
