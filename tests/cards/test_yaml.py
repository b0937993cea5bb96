from pathlib import Path

import pytest

from heartloop.cards._yaml import Table, merge, parse, read_document, substitute, suggest
from heartloop.errors import CardError


def table(text: str) -> Table:
    return Table(parse(text.encode(), "card.yaml"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", "no"),
        ("a: On", "On"),
        ("a: 12:30", "12:30"),
        ("a: 2024-01-01", "2024-01-01"),
        ("a: 010", "010"),
        ("a: '7'", "7"),
        ("a: 7", 7),
        ("a: -7", -7),
        ("a: 1e-8", 1e-8),
        ("a: .5", 0.5),
        ("a: true", True),
        ("a: FALSE", False),
        ("a: ~", None),
        ("a:", None),
        ("a: ''", ""),
        ("a: .nan", ".nan"),
    ],
)
def test_plain_words_and_dates_stay_text_and_numbers_are_numbers(text: str, value: object) -> None:
    assert parse(text.encode(), "card.yaml").plain() == {"a": value}


def test_every_error_names_file_line_and_field() -> None:
    card = table("name: x\nouter:\n  inner:\n    - 1\n    - count: many\n")
    outer = card.table("outer")
    assert outer is not None
    rows = outer.fields("inner")
    assert rows[1][0] == "outer.inner[1]"
    nested = Table(rows[1][1], "outer.inner[1].")
    with pytest.raises(
        CardError, match=r"^card\.yaml:5: outer\.inner\[1\]\.count: must be a whole"
    ):
        nested.integer("count")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"card\.yaml:3: a: stands twice \(first in line 1\)"),
        ("a: [1\n", r"card\.yaml:2: not valid YAML"),
        ("- 1\n", r"card\.yaml:1: a card is a mapping"),
        ("", r"card\.yaml:1: the card is empty"),
        ("# only words\n", r"card\.yaml:1: the card is empty"),
        ("a: &x [*x]\n", r"card\.yaml:1: aliases expand without end"),
        ("b: &b {c: 1}\na:\n  <<: *b\n", r"card\.yaml:3: <<: merge keys"),
        ("? [1, 2]\n: x\n", r"card\.yaml:1: a field name must be a plain word"),
        ("a: !!python/object:os.system x\nb: *nowhere\n", r"card\.yaml:2: not valid YAML"),
        ("\tname: x\n", r"card\.yaml:1: not valid YAML"),
        ("a: 1\n---\nb: 2\n", r"card\.yaml:2: not valid YAML"),
    ],
)
def test_what_is_no_card_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(CardError, match=f"^{message}"):
        parse(text.encode(), "card.yaml")


def test_aliases_that_explode_are_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(CardError, match="aliases expand without end"):
        parse("\n".join(levels).encode(), "card.yaml")


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "{a: " * 3_000, "- " * 50_000])
def test_bottomless_nesting_is_refused(text: str) -> None:
    with pytest.raises(CardError, match=r"^card\.yaml:1: nested more than 40 deep"):
        parse(text.encode(), "card.yaml")


def test_bytes_that_are_not_utf8_name_their_line() -> None:
    with pytest.raises(CardError, match=r"^card\.yaml:2: not UTF-8"):
        parse(b"a: 1\nb: \xff\n", "card.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert parse(b"\xef\xbb\xbfname: x\n", "card.yaml").plain() == {"name": "x"}


def test_unknown_fields_are_refused_with_the_nearest_known_one() -> None:
    card = table("titel: x\n")
    card.string("title", "")
    with pytest.raises(
        CardError, match=r'^card\.yaml:1: titel: unknown field; did you mean "title"'
    ):
        card.finish()


def test_a_missing_field_points_to_its_misspelt_self() -> None:
    with pytest.raises(CardError, match=r"text: is missing; add it \(there is 'txet'\)"):
        table("txet: x\n").text("text")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.string("n"), "must be text, got the number 3; put it in quotes"),
        (lambda t: t.text("blank"), "is empty"),
        (lambda t: t.integer("half"), "must be a whole number"),
        (lambda t: t.integer("yes"), "must be a whole number, got the truth value true"),
        (lambda t: t.integer("n", least=4), "must be at least 4, got 3"),
        (lambda t: t.number("n", least=0, most=1), "must lie between 0 and 1, got 3"),
        (lambda t: t.number("s"), "must be a number, got text"),
        (lambda t: t.number("yes"), "must be a number"),
        (lambda t: t.boolean("s"), "must be true or false"),
        (lambda t: t.strings("mixed"), r"mixed\[1\]: must be text, got the number 2"),
        (lambda t: t.one_of("s", ["word", "ward"]), 'unknown value "wird"; did you mean'),
        (lambda t: t.mapping("s"), "must be a mapping"),
        (lambda t: t.table("mixed"), "must be a mapping of fields, got a list"),
        (lambda t: t.tables("s"), "must be a list"),
        (lambda t: t.tables("mixed"), "must be a mapping of fields"),
        (lambda t: t.string_map("map"), r"map\.k: must be text"),
    ],
)
def test_typed_access_refuses_the_wrong_type_and_says_how_to_mend_it(call, message) -> None:
    card = table("n: 3\ns: wird\nblank: ' '\nhalf: 0.5\nyes: true\nmixed: [a, 2]\nmap: {k: 1}\n")
    with pytest.raises(CardError, match=message):
        call(card)


def test_null_counts_as_absent() -> None:
    card = table("a: ~\n")
    assert card.string("a", "default") == "default" and "a" not in card


def test_merging_keeps_the_place_of_every_field() -> None:
    base = parse(b"a: 1\nb:\n  c: 2\n  d: [1, 2]\n", "base.yaml")
    over = parse(b"\n\nb:\n  d: [3]\n", "over.yaml")
    merged = merge(base, over)
    assert merged.plain() == {"a": 1, "b": {"c": 2, "d": [3]}}
    inner = merged.value["b"].value
    assert (inner["c"].file, inner["c"].line) == ("base.yaml", 3)
    assert (inner["d"].file, inner["d"].line) == ("over.yaml", 4)


def test_substitution_leaves_other_braces_alone() -> None:
    field = parse(b"a: ['{member}.json', '{input} {member}']\n", "card.yaml")
    assert substitute(field, {"member": "x"}).plain() == {"a": ["x.json", "{input} x"]}


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="cannot be read"):
        read_document(tmp_path / "absent.yaml")


def test_suggestions_ignore_case_and_stay_silent_when_nothing_is_near() -> None:
    assert suggest("emotionPrompt", ["emotionprompt"]) == '; did you mean "emotionprompt"?'
    assert suggest("zzz", ["emotionprompt"]) == ""
