"""Which expressions of a Jinja template hold what a message says, followed by name through the template."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["Flow", "Node", "const_texts", "descend", "is_words", "signed"]

#: A node of jinja2's syntax tree; its classes are known by name, so that nothing imports jinja2 early.
Node: TypeAlias = Any

#: Types of parts of a message, roles and keys: what templates compare parts of messages with.
_STRUCTURE_TEXT = (
    "text type image image_url images video video_url audio audio_url input_audio file document documents json "
    "tool tools tool_use tool_call tool_calls tool_result tool_results tool_response tool_plan function functions "
    "name content role role_id id user assistant system developer ipython model human gpt arguments parameters "
    "thinking reasoning reasoning_content citations results output input none null true false object string array"
)
_STRUCTURE = frozenset(_STRUCTURE_TEXT.split())
_LOOKS_TEXT = (
    "startswith endswith find rfind index count split rsplit partition rpartition removeprefix removesuffix"
)
_LOOKS = frozenset(_LOOKS_TEXT.split())
_TESTS = frozenset({"in", "eq", "equalto", "==", "ne", "!=", "sameas"})
_TEXT_KEYS = frozenset({"content", "text", "parts"})
_ROUNDS = 12


def descend(root: Node) -> Iterator[Node]:
    """A node and all below it; without recursion, for a template may be deep."""
    rest = [root]
    while rest:
        node = rest.pop()
        yield node
        rest.extend(reversed(list(node.iter_child_nodes())))


def signed(root: Node) -> Iterator[tuple[Node, bool]]:
    """All parts of a condition, and whether the whole holds rather where that part finds nothing."""
    rest = [(root, False)]
    while rest:
        node, flip = rest.pop()
        inverts = type(node).__name__ == "Compare" and node.ops[0].op in ("notin", "ne")
        yield node, flip != inverts
        flip ^= type(node).__name__ == "Not"
        rest.extend((child, flip) for child in node.iter_child_nodes())


def const_texts(node: Node) -> list[str]:
    """Literal texts within an expression."""
    return [n.value for n in descend(node) if type(n).__name__ == "Const" and isinstance(n.value, str)]


def is_words(text: str) -> bool:
    """Whether a text could be something a person writes, and is not markup or the name of a part of a message."""
    plain = text.strip()
    return (
        bool(re.search(r"[^\W\d_]", plain))
        and not re.search(r"[<>\[\]{}|/\\_#*=`\u2581\uff5c]", plain)
        and plain.lower() not in _STRUCTURE
    )


class Flow:
    """What holds a message's text.

    Names are followed without regard to scope, so that more may be said to hold a message than does; what is done
    with it decides.

    Args:
        tree: of the template.
    """

    def __init__(self, tree: Node) -> None:
        self._said: set[str] = set()  # names that hold text of messages
        self._messages: set[str] = {"messages", "message", "loop_messages"}
        self._texts: dict[str, list[str]] = {}  # names that hold literal texts
        nodes = list(descend(tree))
        macros = {n.name: [a.name for a in n.args] for n in nodes if type(n).__name__ == "Macro"}
        for _ in range(_ROUNDS):
            before = len(self._said), len(self._messages), len(self._texts)
            for node in nodes:
                self._follow(node, macros)
            if before == (len(self._said), len(self._messages), len(self._texts)):
                break

    def says(self, node: Node) -> bool:
        """Whether an expression holds text of a message."""
        kind = type(node).__name__
        if kind in ("Name", "NSRef"):
            return node.name in self._said
        if kind == "Getattr":
            return self._part(node.node, node.attr)
        if kind == "Getitem":
            return self._item(node)
        if kind == "Filter":
            return self._filtered(node)
        if kind == "Call":
            return self._called(node)
        if kind == "CondExpr":
            return self.says(node.expr1) or (node.expr2 is not None and self.says(node.expr2))
        if kind in ("Concat", "Add", "Mul", "Or", "And", "List", "Tuple", "MarkSafe"):
            return any(self.says(child) for child in node.iter_child_nodes())
        return False

    def looks_for(self, node: Node) -> list[str] | None:
        """Literal texts that an expression looks for in a message; None when it does not look into one."""
        kind = type(node).__name__
        if kind == "Compare":
            sides = [node.expr, *(op.expr for op in node.ops)]
            if any(op.op in ("in", "notin", "eq", "ne") for op in node.ops) and any(map(self.says, sides)):
                return [t for side in sides if not self.says(side) for t in self._literals(side)]
        elif kind == "Test" and node.name in _TESTS and node.args:
            sides = [node.node, *node.args]
            if any(map(self.says, sides)):
                return [t for side in sides if not self.says(side) for t in self._literals(side)]
        elif kind == "Call" and type(node.node).__name__ == "Getattr":
            if node.node.attr in _LOOKS and self.says(node.node.node):
                return [t for arg in node.args for t in self._literals(arg)]
            if node.node.attr == "get" and node.args and self.says(node.args[0]):
                return self._literals(node.node.node)
        elif kind == "Filter" and node.name in ("selectattr", "rejectattr") and node.args:
            if set(const_texts(node.args[0])) & _TEXT_KEYS:
                return [t for arg in node.args[2:] for t in self._literals(arg)]
        elif (
            kind == "Filter"
            and node.name in ("select", "reject")
            and node.node is not None
            and self.says(node.node)
        ):
            return [t for arg in node.args[1:] for t in self._literals(arg)]
        elif kind == "Getitem" and self.says(node.arg):
            return self._literals(node.node)
        return None

    def rewrites(self, node: Node) -> str:
        """Words of a message that an expression replaces with others; "" when it does not."""
        kind = type(node).__name__
        args: list[Node] = []
        if kind == "Call" and type(node.node).__name__ == "Getattr" and node.node.attr == "replace":
            args = node.args if self.says(node.node.node) else []
        elif kind == "Filter" and node.name == "replace" and node.node is not None and self.says(node.node):
            args = node.args
        texts = [t for arg in args[:1] for t in self._literals(arg) if is_words(t)]
        return ", ".join(texts)

    @staticmethod
    def compares_date(node: Node) -> bool:
        """Whether an expression compares the date of today with something."""
        if type(node).__name__ != "Compare":
            return False
        return any(type(n).__name__ == "Name" and n.name == "strftime_now" for n in descend(node))

    def _follow(self, node: Node, macros: dict[str, list[str]]) -> None:
        kind = type(node).__name__
        if kind == "Assign":
            self._assign(node.target, node.node)
        elif kind == "AssignBlock":
            if any(self.says(n) for n in descend(node) if type(n).__name__ != "AssignBlock"):
                self._mark(node.target, self._said)
        elif kind == "For":
            if self.says(node.iter):
                self._mark(node.target, self._said)
            elif self._is_message(node.iter):
                self._mark(node.target, self._messages)
        elif kind == "Call" and type(node.node).__name__ == "Name" and node.node.name in macros:
            for name, arg in zip(macros[node.node.name], node.args, strict=False):
                self._hand_over(name, arg)
            for pair in node.kwargs:
                self._hand_over(pair.key, pair.value)
        elif kind == "Call" and type(node.node).__name__ == "Name" and node.node.name == "namespace":
            for pair in node.kwargs:
                self._hand_over(pair.key, pair.value)

    def _assign(self, target: Node, value: Node) -> None:
        if self.says(value):
            self._mark(target, self._said)
        elif self._is_message(value):
            self._mark(target, self._messages)
        elif type(target).__name__ == "Name" and target.name not in self._texts:
            texts = const_texts(value)
            if texts:
                self._texts[target.name] = texts

    def _hand_over(self, name: str, value: Node) -> None:
        if self.says(value):
            self._said.add(name)
        elif self._is_message(value):
            self._messages.add(name)

    @staticmethod
    def _mark(target: Node, names: set[str]) -> None:
        for node in descend(target):
            if type(node).__name__ == "Name":
                names.add(node.name)
            elif type(node).__name__ == "NSRef":
                names.add(node.attr)

    def _is_message(self, node: Node) -> bool:
        """Whether an expression is a message or a list of them."""
        kind = type(node).__name__
        if kind == "Name":
            return node.name in self._messages
        if kind == "Getitem":
            return self._is_message(node.node) and not isinstance(getattr(node.arg, "value", None), str)
        if kind in ("Filter", "Getattr"):
            if kind == "Getattr" and node.attr not in ("previtem", "nextitem"):
                return type(node.node).__name__ == "Name" and node.attr in self._messages
            names = ("selectattr", "rejectattr", "list", "first", "last", "reverse")
            return kind == "Getattr" or (
                node.name in names and node.node is not None and self._is_message(node.node)
            )
        if kind in ("Add", "Or"):
            return self._is_message(node.left) or self._is_message(node.right)
        return False

    def _part(self, whole: Node, key: str) -> bool:
        if key in _TEXT_KEYS:
            return True
        if type(whole).__name__ == "Name" and whole.name not in self._messages | self._said:
            return key in self._said  # an attribute of a namespace
        return False

    def _item(self, node: Node) -> bool:
        key = node.arg
        if type(key).__name__ == "Const":
            if isinstance(key.value, str):
                return self._part(node.node, key.value)
            return self.says(node.node)
        if (
            type(key).__name__ in ("Concat", "Add", "Filter")
            and const_texts(key)
            and self._is_message(node.node)
        ):
            return True  # a key put together, so as not to be read
        return self.says(node.node)

    def _filtered(self, node: Node) -> bool:
        if node.node is None:
            return False
        if self.says(node.node):
            return node.name not in ("length", "count", "tojson_keys")
        if not self._is_message(node.node):
            return False
        texts = {t for pair in node.kwargs for t in const_texts(pair.value)} | {
            t for a in node.args for t in const_texts(a)
        }
        if node.name in ("map", "attr"):
            return bool(texts & _TEXT_KEYS)
        return node.name in ("string", "tojson", "join", "pprint", "dictsort", "items", "upper", "lower")

    def _called(self, node: Node) -> bool:
        callee = node.node
        if type(callee).__name__ == "Getattr":
            if self._is_message(callee.node):
                texts = {t for a in node.args for t in const_texts(a)}
                return callee.attr in ("values", "items") or (
                    callee.attr in ("get", "pop") and bool(texts & _TEXT_KEYS)
                )
            return self.says(callee.node) and callee.attr not in (
                "startswith",
                "endswith",
                "count",
                "find",
                "index",
            )
        return any(self.says(arg) for arg in node.args)  # a macro gives back what it was given

    def _literals(self, node: Node) -> list[str]:
        """Literal texts of an expression, also through a name."""
        names = [n.name for n in descend(node) if type(n).__name__ == "Name"]
        return const_texts(node) + [t for name in names for t in self._texts.get(name, [])]
