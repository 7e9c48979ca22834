"""Public names of Keras: what the description of an ordinary model is made of (Keras 3.15, tf.keras 2.0 to 2.15)."""

from __future__ import annotations

__all__ = ["CLASSES", "FUNCTIONS", "LIBRARIES", "SPECIAL"]

_LAYERS_TEXT = (
    "AbstractRNNCell Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D "
    "AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add "
    "AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D "
    "AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization BatchNormalizationV1 BatchNormalizationV2 "
    "Bidirectional CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D "
    "Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D "
    "Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D "
    "Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix Dense DenseFeatures DepthwiseConv1D DepthwiseConv2D "
    "Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten Functional GRU GRUCell GRUV2 "
    "GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
    "GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention "
    "HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell LSTMV2 LayerNormalization LeakyReLU "
    "LocallyConnected1D LocallyConnected2D Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D "
    "MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp Model MultiHeadAttention Multiply "
    "Normalization PReLU PeepholeLSTMCell Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness "
    "RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing "
    "RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective "
    "RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation "
    "RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram "
    "SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D Sequential SimpleRNN "
    "SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization "
    "StackedRNNCells StringLookup Subtract SyncBatchNormalization TextVectorization ThresholdedReLU "
    "TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D "
    "ZeroPadding3D"
)
_OTHERS_TEXT = (
    "AUC AWQConfig AWQDTypePolicy AbsMaxQuantizer Accuracy Adadelta Adafactor Adagrad Adam AdamW Adamax "
    "BinaryAccuracy BinaryCrossentropy BinaryFocalCrossentropy BinaryIoU CTC CategoricalAccuracy "
    "CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge "
    "Circle CompileLoss CompileMetrics ConcordanceCorrelation Constant ConstantV2 Constraint CosineDecay "
    "CosineDecayRestarts CosineSimilarity DTypePolicy DTypePolicyMap Dice DynamicLossScale ExponentialDecay "
    "F1Score FBetaScore FalseNegatives FalsePositives FixedLossScale Float8QuantizationConfig FloatDTypePolicy "
    "Ftrl GPTQConfig GPTQDTypePolicy GlorotNormal GlorotUniform GlorotUniformV2 HeNormal HeNormalV2 HeUniform "
    "Hinge Huber Identity IdentityInitializer IdentityV2 Initializer Int4DTypePolicy Int4QuantizationConfig "
    "Int8QuantizationConfig InverseTimeDecay IoU KLDivergence L1 L1L2 L2 Lamb LearningRateSchedule LecunNormal "
    "LecunUniform Lion LogCosh LogCoshError Loss LossFunctionWrapper LossScaleOptimizer LossScaleOptimizerV1 "
    "MaxNorm Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError "
    "MeanSquaredLogarithmicError Metric MinMaxNorm MultiOptimizer Muon Nadam NonNeg OneHotIoU OneHotMeanIoU Ones "
    "OnesV2 Optimizer OptimizerMap Orthogonal OrthogonalInitializer OrthogonalRegularizer OrthogonalV2 "
    "PearsonCorrelation PiecewiseConstantDecay Poisson Policy PolicyV1 PolynomialDecay Precision "
    "PrecisionAtRecall QuantizationConfig QuantizedDTypePolicy QuantizedFloat8DTypePolicy Quantizer R2Score "
    "RMSprop RandomNormal RandomNormalV2 RandomUniform RandomUniformV2 Recall RecallAtPrecision Regularizer "
    "RootMeanSquaredError SGD STFT STFTInitializer ScheduleFreeAdamW SeedGenerator SensitivityAtSpecificity "
    "SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy "
    "SpecificityAtSensitivity SquaredHinge Sum SumOverBatchSizeMetricWrapper TopKCategoricalAccuracy "
    "TrueNegatives TruePositives TruncatedNormal TruncatedNormalV2 Tversky UnitNorm VarianceScaling "
    "VarianceScalingV2 Zeros ZerosV2 constant glorot_normal glorot_uniform he_normal he_uniform identity l1 l1_l2 "
    "l2 lecun_normal lecun_uniform max_norm min_max_norm non_neg ones orthogonal orthogonal_regularizer "
    "random_normal random_uniform stft truncated_normal unit_norm variance_scaling zeros"
)
_FUNCTIONS_TEXT = (
    "KLD MAE MAPE MSE MSLE acc accuracy bce binary_accuracy binary_crossentropy binary_focal_crossentropy "
    "categorical_accuracy categorical_crossentropy categorical_focal_crossentropy "
    "categorical_generalized_cross_entropy categorical_hinge celu circle concordance_correlation constant cosine "
    "cosine_proximity cosine_similarity crossentropy ctc dice elu exponential gelu glorot_normal glorot_uniform "
    "glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh he_normal he_uniform hinge huber identity "
    "kl_divergence kld l1 l1_l2 l2 leaky_relu lecun_normal lecun_uniform linear log_cosh log_sigmoid log_softmax "
    "logcosh mae mape max_norm mean_absolute_error mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error min_max_norm mish mse msle non_neg ones orthogonal orthogonal_regularizer "
    "pearson_correlation poisson random_normal random_uniform relu relu6 selu sigmoid silu soft_shrink softmax "
    "softplus softsign sparse_categorical_accuracy sparse_categorical_crossentropy sparse_plus sparse_sigmoid "
    "sparse_top_k_categorical_accuracy sparsemax squared_hinge squareplus stft swish tanh tanh_shrink threshold "
    "top_k_categorical_accuracy truncated_normal tversky unit_norm variance_scaling zeros"
)
_OPERATIONS_TEXT = (
    "Abs Absolute AdaptiveAveragePool AdaptiveMaxPool Add AffineTransform All AllClose Amax Amin Angle Any Append "
    "Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argpartition Argsort Array "
    "ArraySplit AssociativeScan Average AveragePool BatchNorm BinaryCrossentropy Bincount BitwiseAnd "
    "BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo CDist CTCDecode "
    "CTCLoss Cast CategoricalCrossentropy Cbrt Ceil Celu Cholesky CholeskyInverse Clip Concatenate Cond Conj "
    "Conjugate Conv ConvTranspose ConvertToTensor Copy Corrcoef Correlate Cos Cosh CountNonzero CropImages Cross "
    "Cumprod Cumsum Deg2rad DepthToSpace DepthwiseConv Det Diag Diagflat Diagonal Diff Digitize Divide "
    "DivideNoNan Dot DotProductAttention Dsplit Dstack Eig Eigh Einsum ElasticTransform Elu EmptyLike Equal Erf "
    "Erfc Erfinv Exp Exp2 ExpandDims Expm1 ExtractPatches ExtractSequences FFT FFT2 Fabs Flip Fliplr Flipud Floor "
    "FloorDivide Fmax Fmin Fmod Fold ForiLoop Full FullLike GaussianBlur Gcd Gelu Geomspace GetItem Glu Greater "
    "GreaterEqual HSVToRGB HardShrink HardSigmoid HardSilu HardTanh Heaviside Histogram Hsplit Hstack Hypot I0 "
    "IFFT2 IRFFT ISTFT Imag InTopK Inner Inv IsIn Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal JVP Kron "
    "LayerNorm Lcm Ldexp LeakyRelu LeftShift Less LessEqual Linspace Log Log10 Log1p Log2 LogSigmoid LogSoftmax "
    "Logaddexp Logaddexp2 Logdet LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Logsumexp Lstsq LuFactor Map "
    "MapCoordinates Matmul MatrixRank Max MaxPool Maximum Mean Median Meshgrid Min Minimum Mod Moments Moveaxis "
    "MultiHot Multiply NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin "
    "Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative Nextafter Nonzero Norm Normalize "
    "NotEqual OneHot OnesLike Outer PSNR Pad PadImages Percentile PerspectiveTransform Pinv Polar Power Prod Ptp "
    "Qr Quantile RFFT RGBToGrayscale RGBToHSV RMSNorm Rad2deg Ravel Real Rearrange Reciprocal Relu Relu6 Repeat "
    "Reshape Resize RightShift Roll Rot90 Round Rsqrt SSIM STFT SVD SaturateCast ScaleAndTranslate Scan Scatter "
    "ScatterUpdate SearchSorted SegmentMax SegmentMin SegmentProd SegmentReduction SegmentSum Select Selu "
    "SeparableConv Sigmoid Sign Signbit Silu Sin Sinc Sinh Size Slice SliceUpdate Slogdet SobelEdges SoftShrink "
    "Softmax Softplus Softsign Solve SolveTriangular Sort SpaceToDepth SparseCategoricalCrossentropy SparsePlus "
    "SparseSigmoid Sparsemax Split Sqrt Square Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes "
    "Switch Take TakeAlongAxis Tan Tanh TanhShrink Tensordot Threshold Tile TopK Trace Transpose Trapezoid Tril "
    "Triu TrueDivide Trunc Unfold Unique UnravelIndex Unstack Vander Var Vdot VectorizedMap View ViewAsComplex "
    "ViewAsReal Vsplit Vstack Where WhileLoop ZerosLike"
)
#: Layers, models, initialisers, regularisers, constraints, optimisers, losses, metrics, policies, operations.
CLASSES = frozenset(f"{_LAYERS_TEXT} {_OTHERS_TEXT} {_OPERATIONS_TEXT}".split())
#: Activations, losses, metrics and initialisers that are named as functions.
FUNCTIONS = frozenset(_FUNCTIONS_TEXT.split())
#: Values that JSON does not have; Lambda code, "__lambda__", is not among them.
SPECIAL = frozenset(
    {
        "__tensor__",
        "__numpy__",
        "__bytes__",
        "__ellipsis__",
        "__slice__",
        "__keras_tensor__",
        "__tuple__",
        "__list__",
    }
)
#: Well-known libraries of layers, whose code is not Keras' own.
LIBRARIES = frozenset(
    {"keras_hub", "keras_nlp", "keras_cv", "tensorflow_addons", "Addons", "keras_tuner", "KerasNLP"}
)
