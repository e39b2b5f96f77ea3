"""Reading and writing YAML: scalars, refused constructs, bounds, and the line of every fault."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.config._yaml import read_file, read_text, write_text
from dba_cli.errors import UserError


def read(text: str) -> Any:
    return read_text(text, "here").data


# Written down from section 10.3 of the YAML 1.2.2 specification, not from the implementation.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ["", "~", "null", "Null", "NULL"]),
        *((text, text.lower() == "true") for text in ["true", "True", "False", "FALSE"]),
        *((text, int(text)) for text in ["0", "-0", "+12", "-19", "010", "089"]),
        *((text, float(text)) for text in ["1e-3", "1E3", "+1.5e+2", "-.5", "5.", "0."]),
        *((text, math.inf) for text in [".inf", "+.Inf", "9" * 5000]),
        ("-.INF", -math.inf),
        *((text, math.nan) for text in [".nan", ".NaN", ".NAN"]),
        *((word, word) for word in ["nULL", "tRUE", "no", "No", "yes", "on", "off", "y", "n", "ON"]),
        *((word, word) for word in ["1_000", "1:30", "2001-12-14", "0b11", ".", "e3", "1e", "1.2.3"]),
        *((word, word) for word in ["inf", "nan", "-.nan", "<<", "="]),
        *((f"'{word}'", word) for word in ["1", "true", "~"]),
        ('"\\u00e9"', "é"),
        ("|\n  1\n", "1\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = read(text)
    assert (type(found), repr(found)) == (type(value), repr(value))


def test_every_value_knows_its_line(put: Callable[..., Path]) -> None:
    document = read_file(put("# a comment\na:\n  b:\n    - 1\n    - c: 2\nd: x\n"))
    wheres: list[Any] = [(), ("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 1), ("a", "b", 1, "c"), ("d",)]
    lines = [2, 2, 3, 4, 5, 5, 6]
    assert document.places == {w: f"c.yaml:{line}" for w, line in zip(wheres, lines, strict=True)}
    assert document.place(("a", "b", 1, "nothing", "here")) == "c.yaml:5"


def test_aliases_stand_for_what_they_name() -> None:
    assert read("{a: &x [1, {b: 2}], c: *x}") == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice in one mapping; keep one"),
        ("a: {b: 1,\n  b: 1}", 2, "the key 'b' stands twice in one mapping; keep one"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, "merge keys are not supported; use 'extends: other.yaml'"),
        ("a: 1\n2: 3", 2, "a key must be a word, got '2'"),
        ("true: 1", 1, "a key must be a word, got 'true'"),
        ("? [a, b]\n: 1", 1, "a key must be a word, got a sequence"),
        ("? {a: b}\n: 1", 1, "a key must be a word, got a mapping"),
        ("a: [1\nb: 2", 2, "not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 'b", 1, "not valid YAML: found unexpected end of stream"),
        ("a: 1\n\tb: 2", 2, "not valid YAML: found character '\\t' that cannot start any token"),
        ("a: b: c", 1, "not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: *nowhere", 2, "not valid YAML: found undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2", 2, "not valid YAML: but found another document"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "not valid YAML: no such character"),
        ('a: 1\nb: "\\U00110000"', 2, "not valid YAML: no such character"),
        ("a: 1\nb: \x07", 2, "not valid YAML: the character U+0007 is not allowed"),
        ("a: &x\n  - *x", 1, "not valid YAML: nested too deeply"),
        ("a: " + "[" * 5000, 1, "not valid YAML: nested too deeply"),
        ("a: 1\nb: !mine 5", 2, "not valid YAML: the tag '!mine' is not allowed; write a plain value"),
        ("! 5", 1, "not valid YAML: the tag '!' is not allowed; write a plain value"),
        *(
            (
                text,
                1,
                f"not valid YAML: the tag 'tag:yaml.org,2002:{tag}' is not allowed; write a plain value",
            )
            for text, tag in [
                *[("!!str 5", "str"), ('!!int ""', "int"), ("!!set {a}", "set")],
                ("[!!python/object/apply:os.getcwd []]", "python/object/apply:os.getcwd"),
            ]
        ),
        (b"a: 1\nb: caf\xe9", 2, "not valid YAML: not UTF-8 text"),
        (bytes(range(256)), 2, "not valid YAML: not UTF-8 text"),
        (b"\xff\xfea\x00\n\x00b", 2, "not valid YAML: not UTF-16 text"),
        (b"\x7fELF\x02\x01", 1, "not valid YAML: the character U+007F is not allowed"),
        (b"a: 1\n\x00", 2, "not valid YAML: the character U+0000 is not allowed"),
    ],
)
def test_refusals_name_the_line(put: Callable[..., Path], text: str | bytes, line: int, what: str) -> None:
    with pytest.raises(UserError) as caught:
        read_file(put(text))
    assert str(caught.value) == f"c.yaml:{line}: {what}"


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfa: \xc3\xa9", "a: é".encode("utf-16"), b"\xfe\xff" + "a: é".encode("utf-16-be")]
)
def test_byte_order_marks(put: Callable[..., Path], raw: bytes) -> None:
    assert read_file(put(raw)).data == {"a": "é"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist.yaml", "mnist.yaml: no such file; did you mean 'mnist_1pct.yaml'?"),
        ("zzz", "zzz: no such file; choose from c.yml, mnist_1pct.yaml"),
        ("nowhere/c.yaml", "nowhere/c.yaml: no such file"),
        (".", ".: cannot be read (Is a directory)"),
        ("c.yml/c.yaml", "c.yml/c.yaml: cannot be read (Not a directory)"),
        ("nul\0", "nul\\x00: no file can have this name"),
        ("two\nlines", "two\\nlines: no such file; choose from c.yml, mnist_1pct.yaml"),
    ],
)
def test_files_that_cannot_be_read(put: Callable[..., Path], name: str, message: str) -> None:
    put("a: 1", "c.yml")
    put("a: 1", "mnist_1pct.yaml")
    put("", "mnist.txt")
    with pytest.raises(UserError) as caught:
        read_file(Path(name))
    assert str(caught.value) == message


keys = st.text().filter(lambda key: key != "<<")  # never a key of a config
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(plain_data)
def test_what_is_written_reads_back_by_the_rules_of_either_version(data: Any) -> None:
    text = write_text({"data": data})
    assert read(text) == {"data": data}
    assert yaml.safe_load(text) == {"data": data}


@pytest.mark.parametrize(
    "word",
    [
        *["1e-3", "089", "010", "0x1F", "1_0", "no", "y", "1:30", "2001-01-01", "~", "", "=", ".5"],
        *["\x85", "a\u2028b", "a\r\nb ", " ", "\ufeff", "\x07"],
    ],
)
def test_words_that_look_like_other_scalars_stay_words(word: str) -> None:
    text = write_text([word])
    assert read(text) == [word]
    assert yaml.safe_load(text) == [word]


def test_equal_parts_are_written_out_not_aliased() -> None:
    part = [1, 2]
    assert write_text({"a": part, "b": part}) == "a:\n- 1\n- 2\nb:\n- 1\n- 2\n"
