import re
from pathlib import Path

import pytest

from heartloop.cards import controls_of, list_cards, load_stimuli, parse_stimuli
from heartloop.cards.check import check_card
from heartloop.cards.stimulus import EMOTIONS, text_sha256
from heartloop.cards.wording import affect_words, demands, length_gap, shuffled, verdicts
from heartloop.errors import CardError, UsageError
from heartloop.types import Stimulus

# SHA-256 of the UTF-8 bytes of the published texts, arXiv 2307.11760 and 2405.02814.
PUBLISHED = {
    "EP01": "f8626cb4cdac707d97e6228fbe96d4327e8d02246ec36c7acf894c8903872020",
    "EP02": "4534b3db11c3da07538579f1908ac1096ded273ad8c069fdf48a22eb0888ee4e",
    "EP03": "ea9916cf083527a04e0632ae14ca74e0a9399f2ce6af40e0db7d482d586802fb",
    "EP04": "f0762c4f3bfcd695e32e7fcd087dc2a60bc26cda108b4fc0a643445b397168c7",
    "EP05": "6f1e21db1acf93d152b29d617bb5f991e5099179d1f16aefbe2bacae05c84e15",
    "EP06": "7583679842580e61fa69c0f22edba504c192cf62443fe5b6f98256d9c8555539",
    "EP07": "081813ace6b3b8ea891fa7d1ee99ff0e6dd00c8d0ff428b3dd55db061d9dfdbd",
    "EP08": "f09b664d053b0402835d9d76e5822375abff067a55cbad8ad122d55782adcad0",
    "EP09": "3d324a5076c6f46350d9c37f8012d2f916e3e1814fe366f48fb854b557e3d168",
    "EP10": "bdb6b4ed8d1e0a6b42b3a12be11990fab2e5a3cd500799a925983203a5cf7638",
    "EP11": "6c9b03b0ceb93ab006be654f352186910efd9a479b357319f546baea8928532b",
    "NP01": "e61e79c3d6b8becf9505e537f2dba2a869427b9693bb168250078c6f99740bea",
    "NP02": "2a6a6cb2585995e44482fca743568147b9861ea222d3fb66d4bfbd5d710c781c",
    "NP03": "28abb28a6160aa50922515ed79720137c575ca8af3651f835f071ff233b3fa4f",
    "NP04": "00cc97edc9ffd55d464c4bcd39adbc93cea7ce3f0b86ce5ce339b366b9db8490",
    "NP05": "cd70952509c63f5efa109a4f4980cdf70ca2055cb0475365e688b2680e8ecebe",
    "NP06": "75e770f588f5f29a872108ad9729c3bc18410d5ba2374bca551281eeec51a29f",
    "NP07": "7828bede1e38f79f917f3d8d2a2d50bc0009eb69634606c6f6d42bf727931945",
    "NP08": "9e04e8c79c15b64858307a0c90f842b3bd0d01186c449dd5ce8256f7ece45c34",
    "NP09": "655af9c0f722111e1e9534ff73c5cbbd483f95cdddb74f10d0e2a3dae10ec22c",
    "NP10": "c99e5e0ba288437aaacda25114039c74c684d17919bb339fa2b02c76c0cf1124",
}
SETS = {
    "emotionprompt": 11,
    "negativeprompt": 10,
    "controls": 59,
    "placebo": 6,
    "paraphrases": 63,
    "heart": 48,
    "neutral": 1,
    "neutral-varied": 48,
    "cot": 1,
    "intensity": 16,
}
MIXED = ("EP01", "EP03", "EP04", "EP05", "EP06", "EP07", "EP09", "EP10", "EP11")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, so that only shipped cards are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEARTLOOP_WORKSPACE", raising=False)
    return tmp_path


def published() -> list[Stimulus]:
    return [s for name in ("emotionprompt", "negativeprompt") for s in load_stimuli(name).stimuli]


def names(spec: str) -> list[str]:
    return ["+".join(s.name for s in arm) for arm in parse_stimuli(spec)]


# --- the catalogue ---


def test_the_catalogue_is_complete_and_no_text_stands_twice() -> None:
    assert [ref.name for ref in list_cards("stimuli")] == sorted(SETS)
    sets = {name: load_stimuli(name) for name in SETS}
    assert {name: len(card.stimuli) for name, card in sets.items()} == SETS
    texts = [s.text.lower() for card in sets.values() for s in card.stimuli]
    assert len(set(texts)) == len(texts)
    ids = [s.id for card in sets.values() for s in card.stimuli]
    assert len(set(ids)) == len(ids)  # a bare id resolves
    assert all(s.source for card in sets.values() for s in card.stimuli)


def test_published_stimuli_are_the_published_bytes() -> None:
    found = {s.id: text_sha256(s.text) for s in published()}
    assert found == PUBLISHED
    assert {s.id: s.sha256 for s in published()} == PUBLISHED


def test_published_stimuli_agree_with_the_fact_sheet(shared: Path) -> None:
    sheet = (shared / "science.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([EN]P\d\d) \| `(.*)` \| (.*?) \|(?: (.*?) \|)?$", sheet, re.M)
    assert len(rows) == 21
    for id, text, theory, demand in rows:
        [(stimulus,)] = parse_stimuli(id)
        assert (stimulus.text, stimulus.theory) == (text, theory.strip())
        assert stimulus.demand == (demand.strip() or "none")


def test_only_the_first_stimulus_is_joined_with_a_comma() -> None:
    assert {s.id: s.joiner for s in published() if s.joiner != " "} == {"EP01": ", "}
    assert {s.placement for s in published()} == {"after_instruction"}
    assert {s.valence for s in load_stimuli("emotionprompt").stimuli} == {"positive"}
    assert {s.valence for s in load_stimuli("negativeprompt").stimuli} == {"negative"}


def test_placebos_keep_their_rules() -> None:
    """Second person, about the task, true of any; no question, demand, feeling or layout."""
    layout = re.compile(
        r"\b(page|line|section|text|above|below|follow\w*|next|prompt|words?|message|separate|print\w*"
        r"|document|instruction|example|format|answer)\b",
        re.I,
    )
    classes: dict[str, list[Stimulus]] = {}
    for s in load_stimuli("placebo").stimuli:
        classes.setdefault(s.id.rpartition("-")[0], []).append(s)
        said = set(re.findall(r"[a-z]+", s.text.lower()))
        assert said & {"you", "your", "yours"} and "task" in said, s.id
        assert "?" not in s.text and demands(s.text) == [], s.id
        assert affect_words(s.text) == [] and verdicts(s.text) == [], s.id
        assert not layout.search(s.text), s.id
        assert (s.kind, s.valence, s.demand, s.of) == ("placebo", "neutral", "none", "")
    assert list(classes) == ["placebo-short", "placebo-middle", "placebo-long"]
    for pair in classes.values():
        assert len(pair) == 2 and len({len(s.text.split()) for s in pair}) == 1


@pytest.mark.parametrize("original", list(PUBLISHED))
def test_every_published_stimulus_has_a_distractor_of_its_length(original: str) -> None:
    [(stimulus,)] = parse_stimuli(original)
    assert controls_of(stimulus, "placebo") == []  # its placebos are those of its length class
    [distractor] = controls_of(stimulus, "distractor")
    assert length_gap(distractor.text, stimulus.text) <= 0.15
    assert affect_words(distractor.text) == [] and verdicts(distractor.text) == []
    assert (distractor.joiner, distractor.placement) == (stimulus.joiner, stimulus.placement)


@pytest.mark.parametrize("original", MIXED)
def test_what_asks_for_something_has_a_twin_that_asks_for_it_and_no_more(original: str) -> None:
    [(stimulus,)] = parse_stimuli(original)
    [demand] = controls_of(stimulus, "demand-only")
    assert demand.demand == stimulus.demand != "none" and demands(demand.text)
    assert set(affect_words(demand.text)) <= {"confidence", "sure"} & set(
        affect_words(stimulus.text)
    )
    assert len(demand.text.split()) <= 1.25 * len(stimulus.text.split()) + 1
    assert demand.joiner == stimulus.joiner
    # a question is a demand to be answered: the twin asks one exactly where its original does
    assert ("?" in demand.text) == ("?" in stimulus.text)
    layout = re.findall(r"\b(?:lines?|after the|before the|stand\w*)\b", demand.text)
    assert not layout or original == "EP09"  # no rule of layout that the original does not give
    affect = controls_of(stimulus, "affect-only")
    if original == "EP01":
        assert affect == []  # it has no affect to isolate
        return
    assert affect[0].demand == "none" and affect_words(affect[0].text)
    assert demands(affect[0].text) == []
    assert length_gap(affect[0].text, stimulus.text) <= 0.15


def test_stimuli_without_a_demand_have_no_counterparts() -> None:
    plain = [s for s in published() if s.id not in MIXED]
    assert all(s.demand == "none" for s in plain)
    assert all(controls_of(s, kind) == [] for s in plain for kind in ("demand-only", "affect-only"))


def test_shuffled_controls_hold_the_same_words_in_the_documented_order() -> None:
    for stimulus in published():
        [mixed] = controls_of(stimulus, "shuffled")
        assert mixed.text == shuffled(stimulus.text, stimulus.name) != stimulus.text
        assert sorted(mixed.text.split()) == sorted(stimulus.text.split())


def test_every_published_stimulus_has_three_paraphrases_of_its_own_kind() -> None:
    for stimulus in published():
        found = controls_of(stimulus, "paraphrase")
        assert [s.id for s in found] == [f"{stimulus.id}-P{i}" for i in (1, 2, 3)]
        for s in found:
            assert (s.valence, s.demand) == (stimulus.valence, stimulus.demand)
            own = set(s.text.lower().split())
            kept = len(own & set(stimulus.text.lower().split())) / len(own)
            assert kept <= 0.7, f"{s.id} repeats its original"


def test_heart_has_eight_cues_an_emotion_that_state_a_feeling_and_nothing_else() -> None:
    card = load_stimuli("heart")
    assert card.reconstructed and "reconstructed" in card.title
    for emotion in EMOTIONS:
        cues = [s for s in card.stimuli if s.emotion == emotion]
        assert len(cues) >= 8
        side = "encouraging" if emotion in ("happiness", "surprise") else "critical"
        assert {s.valence for s in cues} == {side}
    about_the_answer = re.compile(
        r"\b(this is going|with you|reading|heading|look at this|line|hangs|work)\b", re.I
    )
    for s in card.stimuli:
        assert 5 <= len(s.text.split()) <= 25, s.id
        if s.valence == "critical":  # in verifier-free mode nobody knows that an answer is bad
            assert not about_the_answer.search(s.text), s.id
            assert not re.search(r"\byou(r|rs)?\b", s.text), s.id
        if s.emotion == "surprise":  # happiness is another emotion
            glad = r"\b(love|delight\w*|thrill\w*|grin\w*|nicest|wonderful|hap\w+|hope|smil\w+)\b"
            assert not re.search(glad, s.text), s.id
        assert affect_words(s.text), s.id
        assert demands(s.text) == [] and verdicts(s.text) == [], s.id
        assert s.demand == "none"


def test_neutral_lines_are_as_many_and_as_long_as_the_cues_and_feel_nothing() -> None:
    neutral = load_stimuli("neutral-varied").stimuli
    cues = load_stimuli("heart").stimuli
    assert [s.of for s in neutral] == [s.name for s in cues]
    for line, cue in zip(neutral, cues, strict=True):
        assert length_gap(line.text, cue.text) <= 0.15, line.id
    for line in (*neutral, *load_stimuli("neutral").stimuli):
        assert affect_words(line.text) == [], line.id
        assert demands(line.text) == [] and verdicts(line.text) == [], line.id


def test_the_tables_of_the_card_are_those_of_the_state_schedule() -> None:
    from heartloop.methods import state

    tables = load_stimuli("heart").tables
    assert tables["emotions"] == dict(state.EMOTION_POINTS)
    assert tables["attempts"] == dict(state.ATTEMPT_POINTS)


def test_every_shipped_stimulus_card_passes_its_own_check() -> None:
    for name in SETS:
        found = check_card("stimuli", name)
        assert found.ok and found.warnings == (), found


# --- picking stimuli ---


def test_a_set_makes_an_arm_of_each_and_an_id_makes_one() -> None:
    arms = names("emotionprompt,negativeprompt:NP04")
    assert arms == [f"emotionprompt:EP{i:02d}" for i in range(1, 12)] + ["negativeprompt:NP04"]


@pytest.mark.parametrize(
    ("spec", "arms"),
    [
        ("EP02", ["emotionprompt:EP02"]),
        ("emotionprompt:EP02,EP07", ["emotionprompt:EP02", "emotionprompt:EP07"]),
        (" EP02 + EP07 ", ["emotionprompt:EP02+emotionprompt:EP07"]),
        ("emotionprompt:EP02+EP07", ["emotionprompt:EP02+emotionprompt:EP07"]),
        (
            "emotionprompt:EP02+negativeprompt:NP01,NP02",
            ["emotionprompt:EP02+negativeprompt:NP01", "negativeprompt:NP02"],
        ),
        ("EP02,EP02", ["emotionprompt:EP02"]),
        ("EP02+EP07,EP07+EP02", ["emotionprompt:EP02+emotionprompt:EP07", 2]),
        ("cot", ["cot:COT01"]),
        ("PL-EP02", ["controls:PL-EP02"]),
    ],
)
def test_the_syntax_of_stimuli(spec: str, arms: list[str]) -> None:
    if arms[-1] == 2:
        assert len(names(spec)) == 2  # order matters: another prompt
    else:
        assert names(spec) == arms


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("emotionpromt", 'unknown stimulus or set "emotionpromt"; did you mean "emotionprompt"'),
        ("emotionprompt:EP20", 'no stimulus "EP20" in emotionprompt; did you mean "EP'),
        ("emotionpromt:EP02", 'unknown stimulus set "emotionpromt"; did you mean "emotionprompt"'),
        ("emotionprompt+EP02", '"emotionprompt" is a whole set'),
        ("EP02,,EP03", "empty entry"),
        ("", "empty entry"),
        ("EP02+", "empty part"),
        ("none.yaml", "no such card file"),
    ],
)
def test_mistakes_in_the_syntax_are_one_line_with_a_remedy(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_stimuli(spec)
    assert "\n" not in str(caught.value)


def test_a_card_file_and_its_ids_can_be_named_by_path(elsewhere: Path) -> None:
    path = elsewhere / "ab.yaml"
    path.write_text("stimuli: [{id: A1, text: One.}, {id: A2, text: Two.}]\n")
    assert names(str(path)) == ["ab:A1", "ab:A2"]
    assert names(f"{path}:A2,A1,EP02") == ["ab:A2", "ab:A1", "emotionprompt:EP02"]
    assert names(f"{path}:A2+EP02") == ["ab:A2+emotionprompt:EP02"]


def test_an_id_of_two_sets_asks_which(elsewhere: Path) -> None:
    (elsewhere / "stimuli").mkdir()
    (elsewhere / "stimuli" / "mine.yaml").write_text("stimuli: [{id: EP02, text: Mine.}]\n")
    (elsewhere / "stimuli" / "broken.yaml").write_text("stimuli: [\n")
    with pytest.raises(UsageError, match="stands in emotionprompt, mine; write emotionprompt:EP02"):
        parse_stimuli("EP02")
    assert names("mine,EP02") == ["mine:EP02"]
    assert names("EP03") == ["emotionprompt:EP03"]


# --- writing cards ---


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{id: A1}", r"s\.yaml:2: stimuli\[0\]\.text: is missing"),
        ("{id: A1, text: ' x '}", "begins or ends with white space"),
        ("{id: 1, text: x}", r"stimuli\[0\]\.id: must be text"),
        ("{id: 'A 1', text: x}", "must be letters"),
        ("{id: A1, text: x, valence: positiv}", 'unknown value "positiv"; did you mean "positive"'),
        ("{id: A1, text: x, placement: behind}", "one of: after_instruction, after_input"),
        ("{id: A1, text: x, emotion: joy}", 'unknown value "joy"'),
        ("{id: A1, text: x, sha256: abc}", "restore the text or pin the new hash"),
        ("{id: A1, text: x, colour: red}", "colour: unknown field"),
        ("{id: A1, text: x}\n- {id: A1, text: y}", r'yaml:3: stimuli\[1\]\.id: "A1" stands twice'),
    ],
)
def test_a_faulty_stimulus_names_its_line_and_field(
    elsewhere: Path, row: str, message: str
) -> None:
    path = elsewhere / "s.yaml"
    path.write_text(f"stimuli:\n- {row}\n")
    with pytest.raises(CardError, match=message):
        load_stimuli(str(path))


def test_defaults_are_laid_under_every_stimulus(elsewhere: Path) -> None:
    path = elsewhere / "s.yaml"
    path.write_text(
        "defaults: {valence: negative, joiner: ' / ', placement: before}\n"
        "stimuli: [{id: A1, text: One.}, {id: A2, text: Two., valence: positive}]\n"
    )
    first, second = load_stimuli(str(path)).stimuli
    assert (first.valence, first.joiner, first.placement) == ("negative", " / ", "before")
    assert (second.valence, second.set, second.name) == ("positive", "s", "s:A2")


def test_the_check_doubts_controls_that_do_not_control(elsewhere: Path) -> None:
    path = elsewhere / "s.yaml"
    path.write_text(
        "stimuli:\n"
        "- {id: P1, kind: placebo, of: 'emotionprompt:EP02', text: I am happy here.}\n"
        "- {id: H1, emotion: anger, text: 'I am angry, so try to correct your mistake!'}\n"
        "- {id: N1, kind: neutral, text: Have a look at it.}\n"
        "- {id: X1, of: 'emotionprompt:EP99', text: Words.}\n"
    )
    found = check_card("stimuli", str(path))
    text = "\n".join(found.warnings)
    assert found.ok
    assert "P1: length differs from emotionprompt:EP02 by 56%" in text
    assert "P1: may hold words of feeling: happy" in text
    assert "H1: may hold a demand: try" in text
    assert "H1: may hold a verdict on the answer: correct, mistake" in text
    assert "N1: may hold a demand: have" in text
    assert 'X1: of: there is no stimulus "emotionprompt:EP99"' in text
