"""One file, one decorator, no list: plug-ins register themselves when their package is imported."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar

__all__ = ["Registry"]


class _Carded(Protocol):
    card: ClassVar[Any]


T = TypeVar("T", bound=_Carded)


class Registry(Generic[T]):
    """Plug-ins by the id on their card; filled by importing every module of a package.

    Args:
        package: dotted name of the package whose modules hold the plug-ins.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._items: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, card: Any) -> Callable[[type[T]], type[T]]:
        """Give a class its card and enter it.

        Raises:
            ValueError: the id is taken.
        """

        def enter(cls: type[T]) -> type[T]:
            if card.id in self._items:
                raise ValueError(
                    f"{self._package}: id {card.id!r} is taken by {self._items[card.id].__name__}"
                )
            cls.card = card
            self._items[card.id] = cls
            return cls

        return enter

    def __iter__(self) -> Iterator[type[T]]:
        self._load()
        return iter([self._items[key] for key in sorted(self._items)])

    def get(self, id_: str) -> type[T] | None:
        """The plug-in with this id, or None."""
        self._load()
        return self._items.get(id_)

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._loaded = True
