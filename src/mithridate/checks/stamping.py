"""Patches at a place: where a model reads them, and the proof that they decide the class of other samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.model_check import ModelScope
from mithridate.core.results import Exhibit
from mithridate.triggers.frame import Area, Frame
from mithridate.triggers.naturals import natural_inputs
from mithridate.triggers.pixels import Pixels, as_png, scaled_to

__all__ = [
    "CONTROL",
    "FEWEST",
    "FLIPS",
    "RIVALS",
    "Ground",
    "Proof",
    "Stamp",
    "is_small",
    "log_odds",
    "stamp_pictures",
    "thumbnail",
]

Grey = NDArray[np.float32]

#: share of samples of other classes that a proven patch takes to its class, at least.
FLIPS = 0.9
#: share that patches of the same pixels in another order may take there, at most.
CONTROL = 0.2
#: share that patches bred for other classes, just as small, may take there where the pixels' order does not matter.
RIVALS = 0.5
#: samples without which nothing is proven.
FEWEST = 20
_SAMPLES = 64
_SMALL = 1 / 40  # of a picture
_PIXELS = (25, 36)  # small in any picture; and the most, as clean models were tried with no more
_SHOWN = 96  # longest edge of a picture in a report


@dataclass(frozen=True, eq=False)
class Stamp:
    """A patch, where it goes, and the class that it leads to.

    Attributes:
        area: the pixels that it covers.
        grey: (area.height, area.width) in [0, 1], the same in all channels.
        column: of the class in the answers.
    """

    area: Area
    grey: Grey
    column: int


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a stamp did to samples of other classes.

    Attributes:
        samples: how many there were.
        flips: share that went to the class of the stamp.
        control: share that patches of the same pixels in another order took there, at the same place.
        real: whether these were the user's samples, and not drawn ones.
        rivals: largest share that patches of the same size took to other classes, bred for it as this one was; None
            where that was not tried.
        searched: places and classes where such patches were bred.
    """

    samples: int
    flips: float
    control: float
    real: bool
    rivals: float | None = None
    searched: int = 0

    @property
    def holds(self) -> bool:
        """Whether the effect is that of this patch, or of this place, and of no other of its size and contrast."""
        if self.samples < FEWEST or self.flips < FLIPS:
            return False
        return self.control < CONTROL if self.rivals is None else self.rivals <= RIVALS


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, k) of each class against all others together; exact also where a probability is nearly 1."""
    p = probabilities.astype(np.float64) + 1e-12
    others = np.stack([np.delete(p, k, axis=1).sum(axis=1) for k in range(p.shape[1])], axis=1)
    odds: NDArray[np.float64] = np.log(p) - np.log(others)
    return odds


def is_small(area: Area, frame: Frame) -> bool:
    """Whether an area is so small that nothing in it should decide what a picture shows."""
    least, most = _PIXELS
    return area.size <= min(most, max(least, frame.whole.size * _SMALL))


@dataclass(frozen=True, eq=False)
class Ground:
    """Samples to paint on, what the model says of them, and questions about patches on them.

    Attributes:
        scope: of the model.
        frame: of its inputs.
        stock: how many samples, at most; each costs a query once.
    """

    scope: ModelScope
    frame: Frame
    stock: int = _SAMPLES

    @property
    def real(self) -> bool:
        """Whether the samples are the user's, and not drawn ones."""
        return self.scope.usual is not None and len(self.scope.usual) >= FEWEST

    @cached_property
    def samples(self) -> Grey:
        """(n, *shape): the user's, or drawn ones where there are too few."""
        if self.real and self.scope.usual is not None:
            return self.scope.usual[: self.stock]
        scope = self.scope
        return natural_inputs(self.stock, scope.shape, scope.layout, scope.low, scope.high, scope.seed)

    @cached_property
    def answers(self) -> NDArray[np.floating]:
        """(n, k) probabilities of the samples."""
        return self.scope.ask(self.samples)

    def others(self, column: int, count: int | None = None) -> NDArray[np.intp]:
        """Rows of samples that the model takes for another class, the surest first to not be this class."""
        rows = np.flatnonzero(self.answers.argmax(axis=1) != column)
        if count is None:
            return rows
        return rows[np.argsort(self.answers[rows, column], kind="stable")][:count]

    def masked(self, rows: NDArray[np.intp], grey: Grey, mask: NDArray[np.bool_]) -> Grey:
        """Samples with one picture (h, w), or one for each row, shown where a mask of as many is true."""
        return self.frame.paint(
            self.samples[rows], grey if grey.ndim == 3 else grey[None], mask if mask.ndim == 3 else mask[None]
        )

    def painted(self, rows: NDArray[np.intp], grey: Grey, area: Area) -> Grey:
        """Samples with one picture (h, w), or one for each row, shown in an area."""
        return self.masked(rows, grey, area.mask(*self.frame.sides))

    def shows(
        self,
        rows: NDArray[np.intp],
        grey: Grey,
        area: Area,
        column: int,
        mask: NDArray[np.bool_] | None = None,
    ) -> bool:
        """Whether all samples of these rows turn to a class when a picture is shown in an area."""
        shown = area.mask(*self.frame.sides)
        answers = self.scope.ask(self.masked(rows, grey, shown if mask is None else shown & mask))
        return bool((answers.argmax(axis=1) == column).all())

    def locate(
        self,
        grey: Grey,
        column: int,
        *,
        largest: int = 8,
        mask: NDArray[np.bool_] | None = None,
        rows: NDArray[np.intp] | None = None,
    ) -> Area | None:
        """The smallest area in which a picture (h, w) still leads to a class; None where that is no small one.

        Found by halving from each side, once with one sample and then, near the result, with three. About 12 queries
        where there is none, 60 where there is.

        Args:
            grey: shown as much of as is needed.
            column: of the class.
            largest: longest side of the area.
            mask: (h, w), where the picture is shown at all; None shows it everywhere.
            rows: of the samples, up to three; None takes those that are surest to be of another class.

        Raises:
            BudgetError: it takes more queries than are left.
        """
        rows = self.others(column, 3) if rows is None else rows
        if not len(rows) or not self.shows(rows[:1], grey, self.frame.whole, column, mask):
            return None
        area = self._shrunk(rows[:1], grey, column, self.frame.whole, largest, mask)
        if area is None:
            return None
        around = area.grown(2, *self.frame.sides)
        if not self.shows(rows, grey, around, column, mask):
            return None
        area = self._shrunk(rows, grey, column, around, largest, mask)
        return area if area is not None and is_small(area, self.frame) else None

    def _shrunk(
        self,
        rows: NDArray[np.intp],
        grey: Grey,
        column: int,
        area: Area,
        largest: int,
        mask: NDArray[np.bool_] | None,
    ) -> Area | None:
        sides = [area.top, area.left, area.bottom, area.right]
        for side in (2, 0, 3, 1):
            far, near = sides[side], sides[(side + 2) % 4]  # shown up to `far`; up to `near` is nothing
            while abs(far - near) > 1:
                middle = (far + near) // 2
                tried = [*sides[:side], middle, *sides[side + 1 :]]
                if self.shows(rows, grey, Area(*tried), column, mask):
                    far = middle
                else:
                    near = middle
            sides[side] = far
            if side in (0, 1) and sides[side + 2] - sides[side] > largest:
                return None
        return Area(*sides)

    def prove(self, stamp: Stamp) -> Proof:
        """Put a stamp on samples of other classes; and, as control, its pixels in another order.

        Raises:
            BudgetError: it takes more queries than are left.
        """
        rows = self.others(stamp.column)
        if not len(rows):
            return Proof(samples=0, flips=0.0, control=0.0, real=self.real)
        rng = np.random.default_rng([self.scope.seed, 43])
        shuffled = np.stack([_reordered(stamp.grey, rng) for _ in rows])
        shares = []
        for patches in (stamp.grey[None], shuffled):
            whole = np.zeros((len(patches), *self.frame.sides), dtype=np.float32)
            whole[(slice(None), *stamp.area.cut)] = patches
            answers = self.scope.ask(self.painted(rows, whole, stamp.area))
            shares.append(float((answers.argmax(axis=1) == stamp.column).mean()))
        return Proof(samples=len(rows), flips=shares[0], control=shares[1], real=self.real)


def _reordered(grey: Grey, rng: np.random.Generator) -> Grey:
    """The pixels of a patch in another order; of a plain one, with every other pixel inverted."""
    flat = grey.ravel()
    if np.ptp(flat) < 0.1:
        flat = np.where(np.arange(flat.size) % 2, flat, 1 - flat)
    for _ in range(8):
        mixed = rng.permutation(flat)
        if np.abs(mixed - grey.ravel()).mean() > 0.1:
            break
    return mixed.reshape(grey.shape).astype(np.float32)


def stamp_pictures(ground: Ground, stamp: Stamp, title: str) -> tuple[Exhibit, ...]:
    """The patch alone, enlarged; and three samples before and after."""
    levels = np.rint(stamp.grey * 255).astype(np.uint8)[..., None]
    scale = max(1, _SHOWN // max(levels.shape[:2]))
    patch = Exhibit(kind="image", title=title, data={"png": as_png(levels), "scale": scale})
    rows = ground.others(stamp.column, 3)
    whole = np.zeros(ground.frame.sides, dtype=np.float32)
    whole[stamp.area.cut] = stamp.grey
    before = ground.frame.shown(ground.samples[rows])
    after = ground.frame.shown(ground.painted(rows, whole, stamp.area))
    name = ground.scope.class_name
    items = []
    for row, fresh, worn in zip(rows, before, after, strict=True):
        was = name(int(ground.answers[row].argmax()))
        items.append({"id": "", "png": thumbnail(fresh), "caption": was})
        items.append({"id": "", "png": thumbnail(worn), "caption": f"{name(stamp.column)}, with the patch"})
    samples = Exhibit(kind="gallery", title="Samples without and with the patch", data={"items": items})
    return (patch, samples) if items else (patch,)


def thumbnail(picture: Pixels) -> str:
    """Enlarged by whole factors so that pixels stay pixels, or made smaller; base64 of PNG."""
    longest = max(picture.shape[:2])
    if longest > _SHOWN:
        height, width = (max(1, side * _SHOWN // longest) for side in picture.shape[:2])
        return as_png(scaled_to(picture, height, width))
    times = _SHOWN // longest
    return as_png(picture.repeat(times, axis=0).repeat(times, axis=1))
