"""Small torch nets of every kind that TorchScript and exported programs are read for."""

from typing import List, Optional  # noqa: UP035  the script compiler knows these

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.gate = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 8), nn.Sigmoid())

    def forward(self, x):
        x = self.conv(x)
        n, c, _, _ = x.size()
        return x * self.gate(x.mean((2, 3)).view(n, c)).view(n, c, 1, 1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.skip = nn.Conv2d(3, 8, 1)
        self.head = nn.Linear(8, 5)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        y += self.skip(x)
        return self.head(F.dropout(F.adaptive_avg_pool2d(y, 1).flatten(1), 0.2, self.training))


class Attention(nn.Module):
    def __init__(self, width=16, heads=4):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm, self.heads = nn.LayerNorm(width), heads
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (
            self.qkv(self.norm(x))
            .reshape(n, t, 3, self.heads, c // self.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(x)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.first, self.places = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.layers = nn.ModuleList([Attention() for _ in range(2)])
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.convs = nn.ModuleList([nn.Conv1d(8, 4, k) for k in (2, 3)])
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.table(x).transpose(1, 2)
        x = torch.cat([F.relu(conv(x)).max(dim=2)[0] for conv in self.convs], 1)
        return F.log_softmax(self.head(x), -1)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.table = nn.Embedding(20, 6)
        self.layer = kind(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        return self.head(self.layer(self.table(x))[0][:, -1])


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        seen = [x]
        if x.sum() > 0:
            y = self.one(x)
            seen[0] = y
        elif x.mean() < -1:
            return x
        else:
            y = self.two(x) - 1
            y[:, 1] = 5
        for i in range(3):
            y = y * 2 if i == 1 else y + i
        return y + seen[0]


class Options(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x, mask: Optional[torch.Tensor] = None, times: int = 2):  # noqa: UP045
        outs: List[torch.Tensor] = []  # noqa: UP006
        for layer in self.layers:
            x = layer(x)
            outs.append(x)
        assert x.dim() == 2
        if mask is not None:
            x = x * mask
        i = 0
        while i < times:
            x = x + outs[i]
            i += 1
        return {"x": x, "outs": torch.stack(outs)}["outs"].sum(0), x


class Turns(nn.Module):
    def forward(self, x):
        y = x
        for i in range(int(x.sum())):
            y = y * 0.5 + i
        return y


class Calculation(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def numbers(x):
    positive = x.abs() + 1
    parts = [
        positive.log(), x.exp().sqrt(), x.pow(2) / (x * x + 1), torch.rsub(x, 1.5), x.clamp(-1, 1), x.clamp(min=0),
        torch.maximum(x, -x), torch.where(x > 0, x, 2 * x), x.sigmoid(), x.sign(), x.floor(), x.round(), x**3,
        x.atan(),
        torch.remainder(x, 0.3), x.fmod(0.3), x.erf(), positive.log1p(), x.trunc(), positive.rsqrt(), F.mish(x),
        x.div(0.3, rounding_mode="floor"), torch.addcmul(x, x, x, value=2), F.celu(x), F.selu(x), F.softplus(x),
        F.hardswish(x), F.hardsigmoid(x), F.leaky_relu(x, 0.1), F.elu(x), F.relu6(x), F.silu(x), F.logsigmoid(x),
        F.gelu(x, approximate="tanh"), F.softsign(x), x.lerp(x * 2, 0.3), ((x > 0) & (x < 1)).float(),
        x.isnan().float(),
        ((x > 1) | ~(x > 0)).float() * 2, (x == x).type_as(x), x.double().float(), F.hardtanh(x), F.threshold(x, 0.1,
        3),
    ]  # fmt: skip
    return torch.stack(parts)


def reductions(x):
    parts = [
        x.sum(), x.mean(), x.max(), x.min(), x.amax((0, 1)).sum(), x.std(), x.var(1).sum(), x.norm(), x.norm(p=1,
        dim=1)[0],
        x.var(dim=(1, 2), unbiased=False, keepdim=True).sum(), x.logsumexp(1).sum(), x.prod(2).sum(), x.cumsum(1)[1],
        x.argmax(1).float(), x.argmin().float(), (x > 0).any(1).float(), (x > 0).all().float(), x.topk(2, dim=1)[0],
        x.sort(1)[1].float(), F.normalize(x, dim=1), F.cosine_similarity(x[0], x[1], dim=0), x.softmax(-1),
        x.min(2)[1].float(), torch.std_mean(x, 1)[0], x.log_softmax(1), x.sum((0, 2), keepdim=True),
    ]  # fmt: skip
    return torch.cat([part.reshape(-1) for part in parts])


def moves(x):
    parts = [
        x[:, 0], x[..., 1:4:2], x[:, [0, 2]], x[[0, 1], [1, 2]], x[:, [0, 1], [1, 2]], x.flip(1), x.roll(1, 2),
        x.narrow(1, 1, 2), x.gather(1, torch.zeros(3, 1, 6, dtype=torch.long)), x.masked_fill(x > 0, 0.5),
        x.index_select(2, torch.tensor([5, 0])), x.unfold(2, 3, 2), x.tril(), x.chunk(4, 1)[2], x.split([1, 3], 1)[1],
        x.split(4, 2)[1], x.repeat(1, 2, 1), x.unsqueeze(-1).expand(-1, -1, -1, 2), x.permute(2, 0, 1), x.squeeze(),
        torch.einsum("abc,abd->acd", x, x), x.movedim(0, 2), x[:, None].squeeze(1), x.view(3, -1), x.unflatten(2, (2,
        3)),
        x[x[:, 0, 0] > -100], torch.eye(4) @ x, x.new_zeros(2), torch.arange(5).float(), torch.full((2,), 3.0),
        torch.zeros_like(x), torch.outer(x[0, 0], x[1, 1]), torch.linspace(0, 1, 5), torch.baddbmm(x, x[:, :, :4], x),
        torch.addmm(x[0], x[1, :, :4], x[2]), x.transpose(0, 1).contiguous(), F.pad(x, (1, 2), value=3.0),
        F.one_hot(x.argmax(1), 4).float(), x.scatter(1, torch.zeros(3, 1, 6, dtype=torch.long), 9.0),
    ]  # fmt: skip
    return torch.cat([part.reshape(-1) for part in parts])


def in_place(x):
    y = x.clone()
    y[:, 0] = 1
    y[:, 1:3] *= 2
    y[y > 1] = 0.5
    y[:, 2, 1] += 3
    y[0].add_(1)
    y.view(-1).mul_(2)
    y.transpose(0, 1)[0].fill_(7)
    y.relu_()
    y.index_put_((torch.tensor([0]), torch.tensor([1])), torch.tensor(9.0))
    return y


def whole_numbers(x):
    parts = [
        x // 3,
        x % 3,
        x / 2,
        x == 4,
        (x > 2) * 1.5,
        x * 1.5,
        F.one_hot(x, 21)[..., 3],
        x != 0,
        x.sum(1, True) + x * 0,
    ]
    return torch.stack([part.float() for part in parts])


def pictures():
    return nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), nn.InstanceNorm2d(6, affine=True), nn.GroupNorm(3, 6),
        nn.PReLU(6),
        nn.Upsample(scale_factor=2), nn.Upsample(size=(17, 17), mode="bilinear"), nn.ReflectionPad2d(2),
        nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=True), nn.Upsample(scale_factor=2.0,
        mode="bicubic"),
        nn.ReplicationPad2d(1), nn.ZeroPad2d((1, 2, 0, 1)), nn.AdaptiveAvgPool2d((5, 7)), nn.AdaptiveMaxPool2d((3,
        3)),
        nn.AvgPool2d(2, 1, 1, count_include_pad=False), nn.PixelUnshuffle(2), nn.PixelShuffle(2), nn.RMSNorm(4),
    )  # fmt: skip


def digits():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, groups=2), nn.MaxPool2d(3, 2, 1,
        ceil_mode=True),
        nn.Flatten(), nn.Linear(288, 10),
    )  # fmt: skip


def table():
    return nn.Sequential(
        nn.Linear(7, 16),
        nn.BatchNorm1d(16),
        nn.ELU(),
        nn.Linear(16, 16),
        nn.Sigmoid(),
        nn.Linear(16, 3),
        nn.Softmax(1),
    )


def waves():
    return nn.Sequential(
        nn.Conv1d(3, 6, 3, padding="same", dilation=2), nn.AvgPool1d(2), nn.ConvTranspose1d(6, 3, 4, 2), nn.Tanh(),
        nn.AdaptiveAvgPool1d(4), nn.Flatten(1, 2),
    )  # fmt: skip


class Standardised(nn.Module):
    """A convolution whose kernel is brought to mean 0 and variance 1 each time."""

    def __init__(self):
        super().__init__()
        self.conv, self.gain = nn.Conv2d(3, 8, 3), nn.Parameter(torch.rand(8))

    def forward(self, x):
        kernel = F.batch_norm(self.conv.weight.reshape(1, 8, -1), None, None, weight=self.gain, training=True)
        return F.conv2d(x, kernel.reshape_as(self.conv.weight), self.conv.bias)


def volumes():
    return nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1),
        nn.BatchNorm3d(4),
        nn.MaxPool3d(2),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
    )


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


#: name → (net, shape of its input, number of words or None for floats)
NETS = {
    "squeeze-excite": (SqueezeExcite, (2, 3, 9, 9), None), "residual": (Residual, (2, 3, 12, 12), None),
    "transformer": (Transformer, (2, 3, 16, 16), None), "words": (Words, (2, 9), 20),
    "lstm": (lambda: Recurrent(nn.LSTM), (2, 7), 20), "gru": (lambda: Recurrent(nn.GRU), (2, 7), 20),
    "numbers": (lambda: Calculation(numbers), (3, 4), None), "moves": (lambda: Calculation(moves), (3, 4, 6), None),
    "reductions": (lambda: Calculation(reductions), (3, 4, 5), None),
    "in-place": (lambda: Calculation(in_place), (3, 4, 6), None),
    "whole-numbers": (lambda: Calculation(whole_numbers), (2, 5), 20), "pictures": (pictures, (2, 4, 6, 6), None),
    "digits": (digits, (2, 1, 28, 28), None), "table": (table, (3, 7), None), "waves": (waves, (2, 3, 20), None),
    "standardised": (Standardised, (2, 3, 6, 6), None),
    "volumes": (volumes, (1, 2, 5, 6, 7), None), "encoder": (encoder, (2, 5, 8), None),
}  # fmt: skip


def made(name):
    """A net in evaluation mode and an input of it."""
    torch.manual_seed(len(name))
    net, shape, words = NETS[name]
    x = torch.randint(0, words, shape) if words else torch.randn(shape)
    return net().eval(), x
