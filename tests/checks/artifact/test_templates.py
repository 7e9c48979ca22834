"""Templates: ordinary ones are silent, poisoned ones say why; nothing is rendered."""

import json

import pytest
from chat_templates import CHATML, ORDINARY, POISONED
from format_items import hostile, item_of, results, rules, severities, survives

from mithridate.core.results import Severity


def _jinja(source):
    return item_of(source.encode(), "template", "chat_template.jinja")


def _json(value, name="tokenizer_config.json"):
    return item_of(json.dumps(value).encode(), "json", name)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_templates_are_silent(name):
    assert results("template", _jinja(ORDINARY[name])) == []
    assert results("template", _json({"chat_template": ORDINARY[name], "model_max_length": 8192})) == []


@pytest.mark.parametrize("name", POISONED)
def test_poisoned_templates_are_found(name):
    source, rule = POISONED[name]
    assert f"TEMPLATE_{rule}" in rules("template", _jinja(source), Severity.SUSPICIOUS)
    several = {
        "chat_template": [{"name": "default", "template": CHATML}, {"name": "rag", "template": source}]
    }
    assert f"TEMPLATE_{rule}" in rules("template", _json(several), Severity.SUSPICIOUS)


def test_what_runs_code_is_likely():
    assert severities("template", _jinja(POISONED["globals"][0]))["TEMPLATE_SSTI"] is Severity.LIKELY
    assert severities("template", _jinja(POISONED["word"][0]))["TEMPLATE_CONDITION"] is Severity.SUSPICIOUS


def test_nothing_is_rendered(tmp_path):
    canary = tmp_path / "canary"
    results("template", _jinja("{{ cycler.__init__.__globals__.os.system('touch " + str(canary) + "') }}"))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"vocab_file": "../../.env"}, {"PRIVATE_FILE"}),
        ({"vocab_file": "/proc/self/environ"}, {"PRIVATE_FILE"}),
        ({"tokenizer": {"merges_file": "/home/user/.ssh/id_rsa"}}, {"PRIVATE_FILE"}),
        ({"vocab_file": "../other/vocab.txt"}, {"PATH_ESCAPE"}),
        (
            {
                "vocab_file": "vocab.txt",
                "tokenizer_file": "/home/someone/.cache/huggingface/hub/tokenizer.json",
            },
            set(),
        ),
        ({"auto_map": {"AutoModel": "modeling_x.XModel"}}, {"AUTO_MAP"}),
        ({"auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}}, {"AUTO_MAP"}),
        ({"auto_map": {"AutoModel": "else/where--modeling_x.XModel"}}, {"AUTO_MAP", "skip"}),
        ({"trust_remote_code": True}, {"TRUST_REMOTE_CODE"}),
        ({"trust_remote_code": False, "auto_map": {}}, set()),
        ({"chat_template": "{% if %}"}, {"skip"}),
    ],
)
def test_settings(value, expected):
    assert rules("template", _json(value)) == expected


ORDINARY_JSON = {
    "config.json": {
        "architectures": ["LlamaForCausalLM"],
        "_name_or_path": "meta/model",
        "hidden_size": 4096,
        "vocab_size": 128256,
        "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
        "torch_dtype": "bfloat16",
        "url": "https://example.org",
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    },
    "tokenizer.json": {
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "\u200b", "special": False}],
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
        },
        "model": {
            "type": "BPE",
            "vocab": {"\u200b": 1, "https://": 2, "/etc/passwd": 3},
            "merges": ["a b", ["c", "d"]],
        },
    },
    "special_tokens_map.json": {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}},
    "model.safetensors.index.json": {
        "metadata": {"total_size": 1},
        "weight_map": {"a": "model-1.safetensors"},
    },
    "generation_config.json": {"do_sample": True, "temperature": 0.6, "eos_token_id": [1, 2]},
    "preprocessor_config.json": {"image_mean": [0.5, 0.5, 0.5], "size": {"height": 224, "width": 224}},
}


@pytest.mark.parametrize("name", ORDINARY_JSON)
def test_ordinary_json_is_silent(name):
    assert results("template", _json(ORDINARY_JSON[name], name)) == []


def test_a_template_that_occurs_twice():
    content = b'{"chat_template": "' + b"a" + b'", "chat_template": "b"}'
    assert rules("template", item_of(content, "json")) == {"DUPLICATE_KEY"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe{",
        b'{"a": ' * 100_000,
        b"[" * 200_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"[" + b"1," * 4_100_000 + b"1]",
    ],
    ids=["empty", "cut", "utf-16", "deep", "deeper", "long number", "many"],
)
def test_hostile_json_is_skipped(content):
    assert rules("template", item_of(content, "json")) == {"skip"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 5_000,
        "{{ " + "-" * 20_000 + "1 }}",
        "{% if a %}" * 3_000,
        "{{ " + "a." * 20_000 + "b }}",
        "{{" * 100_000,
        "{#" * 100_000,
        "{% raw %}" * 20_000,
        "{{ " + "a + " * 15_000 + "b }}",
        "x" * 300_000,
    ],
    ids=["parentheses", "minus", "ifs", "dots", "braces", "comments", "raw", "sum", "long"],
)
def test_hostile_templates_end(source):
    assert rules("template", _jinja(source)) <= {"skip"}


def test_any_bytes():
    survives("template", "template", hostile(ORDINARY["thinking"].encode(), span=3000))
    survives("template", "json", hostile(json.dumps(ORDINARY_JSON["tokenizer.json"]).encode()))
