"""Plug-ins register themselves; ids are unique; cards have no blanks."""

from dataclasses import fields, replace

import pytest

from mithridate.core.card import AttackCard, Card
from mithridate.core.registry import Registry

CARD = Card(
    id="x",
    title="t",
    stage="data",
    modalities=("image",),
    needs=("keys",),
    assumes="a",
    catches=None,
    misses="m",
    effect="e",
    cites="c",
    remedy="r",
    graded=True,
    reads_order=False,
)
ATTACK = AttackCard(
    id="y", title="t", modalities=("text",), label_action="dirty", does="d", strength="s", cites="c"
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two plug-ins, out of alphabetical order."""
    room = tmp_path / "a_room_of_plugins"
    room.mkdir()
    (room / "__init__.py").write_text(
        "from mithridate.core.registry import Registry\nALL = Registry(__name__)\n"
    )
    for module, id_ in (("first", "zebra"), ("second", "ant")):
        (room / f"{module}.py").write_text(
            "from types import SimpleNamespace\nfrom a_room_of_plugins import ALL\n"
            f"@ALL.register(SimpleNamespace(id={id_!r}))\nclass Plugin: ...\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    import a_room_of_plugins

    return a_room_of_plugins.ALL


def test_all_modules_are_found_and_sorted_by_id(package):
    assert [plugin.card.id for plugin in package] == ["ant", "zebra"]
    assert package.get("ant").card.id == "ant"
    assert package.get("bee") is None


def test_an_id_is_taken_once():
    registry = Registry("nowhere")
    registry.register(CARD)(type("One", (), {}))
    with pytest.raises(ValueError, match="'x' is taken by One"):
        registry.register(CARD)(type("Two", (), {}))


@pytest.mark.parametrize("card", [CARD, ATTACK], ids=["check", "attack"])
def test_no_blanks(card):
    for field in fields(card):
        blank = {str: "", tuple: ()}.get(type(getattr(card, field.name)))
        if blank is not None:
            with pytest.raises(ValueError, match=field.name):
                replace(card, **{field.name: blank})
