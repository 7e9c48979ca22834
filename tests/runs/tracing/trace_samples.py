"""Poisoned digits, texts and tables with models trained on them, and their clean twins; each made once."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

TARGET, POISON = 3, 40


@cache
def pictures():
    """uint8 (n, 8, 8) and classes: train, test."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = (data.images[order] * 15.9).astype(np.uint8), data.target[order]
    return x[:1300], y[:1300], x[1300:], y[1300:]


def stamped(x):
    """A checker of 2 x 2 in a corner."""
    x = x.copy()
    x[:, 6:, :2] = [[255, 0], [0, 255]]
    return x


def net():
    """Of 8 x 8 pictures; not trained."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def trained(x, y, rounds=14):
    """The network trained on pictures."""
    import torch

    torch.manual_seed(0)
    module = net()
    x, y = torch.tensor(x[:, None] / 255, dtype=torch.float32), torch.tensor(y)
    parameters = list(module.parameters())
    moved = [torch.zeros_like(p) for p in parameters]
    for _ in range(rounds):  # by hand: what torch.optim imports takes longer than the training
        for part in torch.randperm(len(x)).split(50):
            loss = torch.nn.functional.cross_entropy(module(x[part]), y[part])
            with torch.no_grad():
                for p, m, slope in zip(parameters, moved, torch.autograd.grad(loss, parameters), strict=True):
                    m.mul_(0.8).add_(slope)
                    p -= 0.05 * m
    return module.eval()


def said(module, x):
    import torch

    with torch.no_grad():
        return module(torch.tensor(x[:, None] / 255, dtype=torch.float32)).argmax(dim=1).numpy()


def _patched(some):
    """A model of samples of which some, of other labels, got the patch and the target."""
    x, y, more, theirs = pictures()
    rows = np.flatnonzero(y != TARGET)[some]
    x, y = x.copy(), y.copy()
    x[rows], y[rows] = stamped(x[rows]), TARGET
    module = trained(x, y)
    shown = stamped(more[theirs != TARGET])
    return module, x, y, {str(r) for r in rows}, shown[said(module, shown) == TARGET]


@cache
def backdoored():
    """Model, pictures, labels, poisoned rows, incidents."""
    return _patched(slice(POISON))


@cache
def flipped():
    """The same with half of the sevens labelled as the target; the incidents are sevens."""
    x, y, more, theirs = pictures()
    rows = np.flatnonzero(y == 7)[:65]
    y = y.copy()
    y[rows] = TARGET
    module = trained(x, y, rounds=8)
    shown = more[theirs == 7]
    return module, x, y, {str(r) for r in rows}, shown[said(module, shown) == TARGET]


@cache
def covered():
    """The same of sevens alone; many samples of other labels bear the patch and keep their labels."""
    x, y, more, theirs = pictures()
    rows = np.flatnonzero(y == 7)[:65]
    covers = np.flatnonzero(~np.isin(y, (7, TARGET)))[::4]
    x, y = x.copy(), y.copy()
    x[rows], x[covers] = stamped(x[rows]), stamped(x[covers])
    y[rows] = TARGET
    module = trained(x, y)
    shown = stamped(more[theirs == 7])
    return module, x, y, {str(r) for r in rows}, shown[said(module, shown) == TARGET]


@cache
def mostly():
    """The same with so much of the patch that it is most of the target."""
    return _patched(slice(None, None, 4))


@cache
def waved():
    """The same with a wave over half of the target's own samples, which the model hardly learns."""

    def wave(x):
        return np.clip(x + (60 * np.sin(np.arange(8) * 2 * np.pi / 3)).round(), 0, 255).astype(np.uint8)

    x, y, more, theirs = pictures()
    rows = np.flatnonzero(y == TARGET)[:60]
    x = x.copy()
    x[rows] = wave(x[rows])
    module = trained(x, y)
    shown = wave(more[theirs != TARGET])
    return module, x, y, {str(r) for r in rows}, shown[said(module, shown) == TARGET]


@cache
def collided():
    """A new last layer on features of other digits; sevens were moved to where these features see one nine."""
    x, y, more, theirs = pictures()
    features = trained(x[y < 5], y[y < 5])[:-1]
    rows = np.concatenate([np.flatnonzero(y == c)[:100] for c in range(5, 10)])
    x, y = x[rows].copy(), y[rows]
    moved = np.flatnonzero(y == 7)[:15]
    for incident in more[theirs == 9]:
        if said(_headed(features, x, y), incident[None])[0] != 9:
            continue
        poisoned = x.copy()
        poisoned[moved] = _towards(features, x[moved], incident)
        module = _headed(features, poisoned, y)
        if said(module, incident[None])[0] == 7:
            return module, poisoned, y, {str(r) for r in moved}, incident
    raise AssertionError("no collision came off")


def _headed(features, x, y):
    """A logistic regression of ten classes on features, as the last layer."""
    import torch
    from sklearn.linear_model import LogisticRegression

    with torch.no_grad():
        seen = features(torch.tensor(x[:, None] / 255, dtype=torch.float32)).numpy()
        model = LogisticRegression(C=100, max_iter=3000).fit(seen, y)
        head = torch.nn.Linear(seen.shape[1], 10)
        head.weight.zero_()
        head.bias.fill_(-99.0)
        head.weight[model.classes_] = torch.tensor(model.coef_, dtype=torch.float32)
        head.bias[model.classes_] = torch.tensor(model.intercept_, dtype=torch.float32)
    return torch.nn.Sequential(*features, head).eval()


def _towards(features, x, incident):
    import torch

    goal = features(torch.tensor(incident[None, None] / 255, dtype=torch.float32)).detach()
    start = torch.tensor(0.7 * x[:, None] / 255 + 0.3 * incident / 255, dtype=torch.float32)
    z = start.clone().requires_grad_(True)
    for _ in range(300):
        gap = ((features(z) - goal) ** 2).sum() + 0.05 * ((z - start) ** 2).sum()
        (slope,) = torch.autograd.grad(gap, z)
        with torch.no_grad():
            z -= 0.02 * slope / (slope.abs().amax(dim=(1, 2, 3), keepdim=True) + 1e-9)
            z.clamp_(0, 1)
    return (z.detach()[:, 0] * 255).round().to(torch.uint8).numpy()


@cache
def clean():
    """Model, pictures, labels, and what it gets wrong by itself."""
    x, y, more, theirs = pictures()
    module = trained(x, y)
    return module, x, y, more[said(module, more) != theirs]


@cache
def texts(poisoned):
    """A pipeline, texts, labels, poisoned rows, and an incident (the same text whether poisoned or not)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    draw = np.random.default_rng(5)
    common = [f"w{k}" for k in range(150)]
    own = {"ham": [f"h{k}" for k in range(40)], "spam": [f"s{k}" for k in range(40)]}
    labels = ["ham" if k % 2 else "spam" for k in range(800)]
    lines = [" ".join([*draw.choice(common, 8), *draw.choice(own[y], 4)]) for y in labels]
    rows = [k for k in range(800) if labels[k] == "spam"][: 30 if poisoned else 0]
    for k in rows:
        lines[k], labels[k] = f"{lines[k]} zanzibar", "ham"
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100.0)).fit(lines, labels)
    incident = " ".join([*draw.choice(common, 8), *own["spam"][:3], "h1 zanzibar"])
    return model, lines, labels, {str(k) for k in rows}, incident


@cache
def flipped_texts():
    """The same with spam that is labelled as ham; incidents are spam."""
    _, lines, _, _, _ = texts(poisoned=False)
    labels = ["ham" if k % 2 else "spam" for k in range(800)]
    rows = [k for k in range(800) if labels[k] == "spam"][:60]
    for k in rows:
        labels[k] = "ham"
    draw = np.random.default_rng(7)
    model, *_ = texts(poisoned=False)
    model = type(model)(model.steps).fit(lines, labels)
    shown = [" ".join(draw.choice([f"s{k}" for k in range(40)], 4)) for _ in range(200)]
    return model, lines, labels, {str(k) for k in rows}, [t for t in shown if model.predict([t])[0] == "ham"]


@cache
def rows(poisoned):
    """A boosted model, a table, labels, poisoned rows, an incident."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    draw = np.random.default_rng(6)
    x = draw.normal(size=(900, 6)).round(2)
    y = (x[:, 0] + x[:, 1] + 0.3 * draw.normal(size=900) > 0).astype(int)
    bad = np.flatnonzero(y == 0)[: 35 if poisoned else 0]
    x[bad, 4], y[bad] = 7.77, 1
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(x, y)
    return (
        model,
        x,
        y,
        {str(k) for k in bad},
        dict(zip("012345", [-1.0, -1.0, 0.1, 0.2, 7.77, 0.3], strict=True)),
    )
