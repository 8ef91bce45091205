"""Values know their place, and what YAML allows too much of is refused."""

import pytest

from flexcore_gen.errors import FlexCoreError
from flexcore_gen.loading import MAX_BYTES, load_bytes


def read(text):
    problems = []
    raw = text if isinstance(text, bytes) else text.encode()
    return load_bytes(raw, "f.yaml", problems), problems


def test_every_value_and_key_knows_its_line_and_column():
    value, problems = read("a: 1\nb:\n  - x\n  - {c: y}\n")
    assert not problems
    assert str(value.key_marks["b"]) == "f.yaml:2:1"
    items = value.data["b"].data
    assert str(items[0].mark) == "f.yaml:3:5"
    assert str(items[1].data["c"].mark) == "f.yaml:4:9"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("007", "007"),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("true", True),
        ("~", None),
        ("'1'", "1"),
        ("-12", -12),
        ("1.50", 1.5),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text, data):
    value, problems = read(f"a: {text}\n")
    assert not problems
    assert value.data["a"].data == data
    assert type(value.data["a"].data) is type(data)


def test_a_scalar_keeps_the_text_that_was_written():
    value, _ = read("a: 1.10\n")
    assert value.data["a"].text == "1.10"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", 'the key "a" stands here a second time'),
        ("a: &x 1\n", "1:4", 'the anchor "&x" is not allowed'),
        ("a: &x {b: 1}\n", "1:4", 'the anchor "&x" is not allowed'),
        ("a: !!python/object:os.system x\n", "1:4", "is not allowed"),
        ("a: !secret x\n", "1:4", 'the tag "!secret" is not allowed'),
        ("<<: {a: 1}\n", "1:1", 'the merge key "<<" is not allowed'),
        ("a: 1\n---\nb: 1\n", "2:1", "a second document starts here"),
        ("a: [1\nb: 2\n", "2:2", "this is not YAML"),
        ("a:\n\t- b\n", "2:1", "this is not YAML"),
        ("[x]: 1\n", "1:1", "a key is a list"),
        (b"a: b\nc: \xff\n", "2:4", "the byte 0xff is not UTF-8"),
        (b"a: \x00\n", "1:1", "this is not YAML"),
        ("", "1:1", "the file is empty"),
        ("# nothing\n", "1:1", "the file is empty"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text, place, what):
    _, problems = read(text)
    assert str(problems[0].mark) == f"f.yaml:{place}"
    assert what in problems[0].what
    assert problems[0].fix


def test_an_alias_is_refused_where_it_stands():
    _, problems = read("a: &x [1]\nb: *x\n")
    assert [str(p.mark) for p in problems] == ["f.yaml:1:4", "f.yaml:2:4"]


def test_an_alias_bomb_is_refused_before_it_grows():
    levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    value, problems = read("\n".join(levels))
    assert any("alias" in p.what for p in problems)
    assert sum(1 for _ in value.walk()) < 200


def test_a_file_past_the_limit_is_refused():
    _, problems = read(b"a: " + b"x" * MAX_BYTES)
    assert "larger than 1,000,000 bytes" in problems[0].what


def test_too_many_values_are_refused():
    _, problems = read("a: [" + "1," * 60_000 + "]")
    assert "more than 50,000 values" in problems[0].what


@pytest.mark.parametrize("text", ["[" * 500, "- " * 500, "{a: " * 100])
def test_deep_nesting_is_refused_without_exhausting_the_stack(text):
    _, problems = read(text)
    assert len(problems) == 1


def test_json_is_read_as_it_stands():
    value, problems = read('{"a": {"b": [1, true, null, "x\\n"]}}')
    assert not problems
    assert value.plain() == {"a": {"b": [1, True, None, "x\n"]}}


def test_a_byte_order_mark_is_not_part_of_the_first_key():
    value, _ = read(b"\xef\xbb\xbfa: 1\n")
    assert list(value.data) == ["a"]


def test_a_pipeline_that_links_to_nowhere_does_not_vanish(write, errors):
    root = write(ecosystem="version: 1\nproject: demo\n")
    (root / "pipelines").mkdir()
    (root / "pipelines/people.yaml").symlink_to("/nowhere/people.yaml")
    with pytest.raises(FlexCoreError, match=r"cannot read pipelines/people.yaml"):
        errors(root)
