"""Every task on the real data files: counts, identities, golds, official prompts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from heartloop.cards import list_cards, load_task
from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.methods import render

SUITES = {
    # name: (tasks, items, questions)
    "olympiad": (1, 675, 675),
    "bigbench": (21, 29_547, 29_547),  # 29,573 less 26 duplicates
    "bbh": (27, 6_511, 6_511),
    "bbh_cot": (27, 6_511, 6_511),
    "instruction_induction": (24, 2_156, 2_181),  # 25 items are asked in two orders
    "simpleqa": (1, 4_326, 4_326),
    "simpleqa_verified": (1, 1_000, 1_000),
    "truthfulqa": (1, 817, 817),
    "truthfulqa_2025": (1, 790, 790),
    "truthfulqa_mc1": (1, 817, 817),
    "truthfulqa_mc2": (1, 817, 817),
}


def prompt(data: TaskData, place: int) -> str:
    q = data.questions[place]
    parts = (q.instruction, *(demo.text for demo in q.demos), q.input, q.answer_format)
    return q.separator.join(part for part in parts if part)


def load(name: str, folder: Path, **options: object) -> TaskData:
    (card,) = resolve_tasks(name)
    return load_data(card, data_dir=folder, download=False, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def every(shared_data: Path) -> dict[str, list[TaskData]]:
    return {
        name: [
            load_data(card, data_dir=shared_data, download=False) for card in resolve_tasks(name)
        ]
        for name in SUITES
    }


@pytest.mark.parametrize("name", SUITES)
def test_every_task_has_all_its_items(name: str, every: dict[str, list[TaskData]]) -> None:
    found = every[name]
    assert (
        len(found),
        sum(data.total for data in found),
        sum(len(data.questions) for data in found),
    ) == SUITES[name]


@pytest.mark.parametrize("name", SUITES)
def test_files_have_the_hashes_of_their_provenance(
    name: str, every: dict[str, list[TaskData]], shared_data: Path
) -> None:
    for data in every[name]:
        listed = {}
        folder = shared_data / data.card.source.local[0].split("/")[0]
        for line in (folder / "PROVENANCE.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) > 5 and len(cells[4]) == 64:
                listed[str(folder / cells[1])] = cells[4]
        assert data.files, data.card.name
        for path, digest in data.files.items():
            assert listed[path] == digest
        assert len(data.card.source.hashes) == len(data.card.source.local)
        assert data.sha256 == data.expected_sha256
        assert not any("warning" in note for note in data.notes)


@pytest.mark.parametrize("name", SUITES)
def test_every_question_has_a_gold_and_an_identity_of_its_own(
    name: str, every: dict[str, list[TaskData]]
) -> None:
    for data in every[name]:
        ids = [q.id for q in data.questions]
        assert len(set(ids)) == len(ids)
        assert set(ids) == set(data.golds)
        assert [q.index for q in data.questions] == list(range(len(ids)))
        for q in data.questions:
            gold = data.golds[q.id]
            assert gold.question == q.id and gold.answers and all(gold.answers)
            assert q.task == data.card.name and q.input.strip() and q.meta["raw_input"]
            assert len(set(q.choices)) == len(q.choices)
            for choice in gold.params.get("target_scores", {}) if q.choices else ():
                assert choice in q.choices


def test_no_answer_stands_in_what_a_method_may_see(every: dict[str, list[TaskData]]) -> None:
    for name in ("olympiad", "simpleqa", "truthfulqa"):
        for data in every[name]:
            for q in data.questions:
                assert "answer" not in q.meta and "final_answer" not in q.meta
                assert "solution" not in q.meta


# --- BIG-Bench -----------------------------------------------------------------------------


def test_bigbench_prompt_is_the_official_one_character_for_character(shared_data: Path) -> None:
    for name in ("implicatures", "navigate", "tense", "linguistics_puzzles", "word_sorting"):
        root = json.loads((shared_data / "bigbench" / f"{name}.json").read_text())
        data = load(f"bigbench/{name}", shared_data)
        for place in (0, 7, len(data.questions) - 1):
            example = root["examples"][int(data.questions[place].id)]
            official = (
                example.get("task_prefix", root.get("task_prefix", ""))
                + root.get("example_input_prefix", "\nQ: ")
                + example["input"]
                + root.get("example_output_prefix", "\nA: ")
            )
            assert prompt(data, place) == official


def test_bigbench_example_with_a_prefix_of_its_own_uses_it(shared_data: Path) -> None:
    data = load("bigbench/tense", shared_data)
    own = [q for q in data.questions if q.meta["raw_input"] == "He has just returned.: "]
    assert [q.instruction for q in own] == ["FUTURE PERFECT"]


def test_bigbench_choices_are_appended_with_the_choice_prefix_unless_switched_off(
    shared_data: Path,
) -> None:
    shown = load("bigbench/movie_recommendation", shared_data)
    q = shown.questions[0]
    assert q.input.endswith("".join(f"\n  choice: {choice}" for choice in q.choices))
    assert len(q.choices) == 4
    first_right = Counter(x.choices.index(shown.golds[x.id].answers[0]) for x in shown.questions)
    assert set(first_right) == {0, 1, 2, 3}
    assert min(first_right.values()) > 90  # 125 each expected of 500: the order tells nothing
    hidden = load("bigbench/snarks", shared_data).questions[0]
    assert "choice:" not in hidden.input and hidden.choices == ("(a)", "(b)")


def test_bigbench_duplicates_are_dropped_and_said(shared_data: Path) -> None:
    data = load("bigbench/operators", shared_data)
    assert len(data.questions) == 210
    assert data.notes == ["1 duplicate examples dropped of 211"]
    assert [q.index for q in data.questions] == list(range(210))
    assert max(int(q.id) for q in data.questions) == 210


def test_bigbench_exact_gold_carries_regex_stop_string_and_every_target(
    shared_data: Path,
) -> None:
    gold = load("bigbench/operators", shared_data).golds["0"]
    assert gold.answers == ("17",)
    assert gold.params == {"output_regex": r"([-+]?\d+)[.]{0,1}$", "stop_string": "\n"}
    assert load("bigbench/object_counting", shared_data).golds["0"].answers == ("three", "3")


def test_bigbench_low_end_is_the_mean_of_the_mean_target_scores(
    every: dict[str, list[TaskData]], shared_data: Path
) -> None:
    for data in every["bigbench"]:
        root = json.loads((shared_data / data.card.source.local[0]).read_text())
        if root["preferred_score"] == "exact_str_match":
            assert (data.metric_low, data.chance, data.card.verifier) == (0, 0, "exact")
            continue
        kept = [root["examples"][int(q.id)]["target_scores"] for q in data.questions]
        low = sum(sum(scores.values()) / len(scores) for scores in kept) / len(kept)
        assert data.metric_low == pytest.approx(low) and data.metric_high == 1
        assert data.chance == pytest.approx(low)
        assert data.card.verifier == "choice_text"


# --- BBH -----------------------------------------------------------------------------------


def test_bbh_targets_are_those_of_the_recorded_outputs_row_by_row(
    every: dict[str, list[TaskData]], shared: Path
) -> None:
    golds = {
        (data.card.name.split("/")[1], q.index): data.golds[q.id].answers[0]
        for data in every["bbh"]
        for q in data.questions
    }
    lines = (shared / "data/recorded_outputs/bbh_code_davinci_002.jsonl").read_text().splitlines()
    assert len(lines) == 4_292
    for record in map(json.loads, lines):
        assert golds[record["task"], record["bbh_index"]] == record["target"]


def test_bbh_cot_prompt_is_the_published_file_then_the_question(shared_data: Path) -> None:
    for name in ("snarks", "word_sorting", "sports_understanding", "penguins_in_a_table"):
        text = (shared_data / "bbh" / "cot-prompts" / f"{name}.txt").read_text()
        published = text.partition("-----\n")[2]
        example = json.loads((shared_data / "bbh" / f"{name}.json").read_text())["examples"][3]
        data = load(f"bbh_cot/{name}", shared_data)
        expected = f"{published}\n\nQ: {example['input']}\nA: Let's think step by step.\n"
        assert prompt(data, 3) == expected
        assert "canary" not in expected


def test_every_published_bbh_prompt_gives_three_demonstrations_with_answers(
    shared_data: Path,
) -> None:
    from heartloop.data.readers.bbh import parse_prompt

    files = sorted((shared_data / "bbh" / "cot-prompts").glob("*.txt"))
    assert len(files) == 27
    for path in files:
        description, exemplars = parse_prompt(path)
        assert description and len(exemplars) == 3
        for exemplar in exemplars:
            assert exemplar.answer and "\n" not in exemplar.answer
            assert exemplar.worked.endswith(f"{exemplar.answer}.")


def test_bbh_direct_shows_the_published_answers_alone_or_tells_the_form(
    shared_data: Path,
) -> None:
    shown = load("bbh/boolean_expressions", shared_data)
    assert prompt(shown, 0) == (
        "Evaluate the result of a random Boolean expression."
        "\n\nQ: not ( ( not not True ) ) is\nA: False"
        "\n\nQ: True and False and not True and True is\nA: False"
        "\n\nQ: not not ( not ( False ) ) is\nA: True"
        "\n\nQ: not ( True ) and ( True ) is\nA:"
    )
    bare = load("bbh/boolean_expressions", shared_data, shots=0)
    assert not bare.questions[0].demos
    assert bare.questions[0].answer_format.startswith("\nGive only the final answer")
    assert bare.questions[0].answer_format.endswith("\nA:")


def test_bbh_cot_keeps_its_three_demonstrations_whatever_shots_says(shared_data: Path) -> None:
    assert len(load("bbh_cot/snarks", shared_data, shots=0).questions[0].demos) == 3
    data = load("bbh_cot/snarks", shared_data, shots=5)
    assert len(data.questions[0].demos) == 3
    assert any("--shots 5 is not applied" in note for note in data.notes)


def test_bbh_options_are_read_as_they_are_answered(every: dict[str, list[TaskData]]) -> None:
    by_name = {data.card.name: data for data in every["bbh"]}
    assert by_name["bbh/snarks"].questions[0].choices == ("(A)", "(B)")
    assert by_name["bbh/navigate"].questions[0].choices == ("Yes", "No")
    assert by_name["bbh/web_of_lies"].questions[0].choices == ("Yes", "No")
    assert by_name["bbh/word_sorting"].questions[0].choices == ()
    assert by_name["bbh/logical_deduction_five_objects"].chance == pytest.approx(0.2)
    assert by_name["bbh/word_sorting"].chance == 0
    odd = [q for q in by_name["bbh/ruin_names"].questions if not q.choices]
    assert len(odd) == 2  # two rows whose target is a text, not a letter


# --- Instruction Induction -----------------------------------------------------------------


def test_induction_prompt_has_the_published_layout(shared_data: Path) -> None:
    data = load("instruction_induction/sum", shared_data)
    assert prompt(data, 0) == (
        "Instruction: Add the two numbers and give the result.\n\nInput: 0 47\nOutput:"
    )
    shown = load("instruction_induction/sum", shared_data, shots=2)
    assert len(shown.questions[0].demos) == 2
    assert prompt(shown, 0).count("\n\nInput: ") == 3
    assert {q.demos for q in shown.questions} == {shown.questions[0].demos}


def test_cause_and_effect_is_asked_in_both_orders_with_the_item_as_cluster(
    shared_data: Path,
) -> None:
    data = load("instruction_induction/cause_and_effect", shared_data)
    by_id = {q.id: q for q in data.questions}
    assert len(by_id) == 50 and data.total == 25
    assert [q.id for q in data.questions[:25]] == [str(i) for i in range(1, 26)]
    assert {by_id["1"].meta["raw_input"], by_id["1r"].meta["raw_input"]} == {
        "Sentence 1: The child hurt their knee. Sentence 2: The child started crying.",
        "Sentence 1: The child started crying. Sentence 2: The child hurt their knee.",
    }
    leading = [
        q.meta["raw_input"].startswith(f"Sentence 1: {data.golds[q.id].answers[0]}")
        for q in data.questions
    ]
    assert sum(leading) == 25  # a copied first sentence earns half
    assert sum(leading[:25]) / 25 == 0.36  # what an echo earns in the published order
    assert by_id["1"].cluster == by_id["1r"].cluster == "1"
    assert data.golds["1"].answers == data.golds["1r"].answers == ("The child hurt their knee.",)


def test_a_rhyme_does_not_accept_its_own_input(shared_data: Path) -> None:
    data = load("instruction_induction/rhymes", shared_data)
    for q in data.questions:
        gold = data.golds[q.id]
        assert q.meta["raw_input"] not in gold.answers
        assert q.meta["raw_input"] in gold.params["official_answers"]


def test_induction_special_shapes_give_every_accepted_answer(shared_data: Path) -> None:
    concept = load("instruction_induction/common_concept", shared_data)
    assert concept.questions[0].meta["raw_input"] == "rock climbing, elevators, helicopters"
    assert concept.golds["1"].answers == ("involve vertical movement.", "involve going up.")
    german = load("instruction_induction/translation_en-de", shared_data)
    assert "Ort" in german.golds["1"].answers
    sense = load("instruction_induction/word_in_context", shared_data)
    assert sense.golds["1"].answers == ("not the same", "no", "false")


def test_induction_metrics_are_the_official_ones(every: dict[str, list[TaskData]]) -> None:
    found = {d.card.name.split("/")[1]: d.card.verifier for d in every["instruction_induction"]}
    assert {name for name, verifier in found.items() if verifier == "ii_f1"} == {
        "common_concept",
        "informal_to_formal",
    }
    assert {name for name, verifier in found.items() if verifier == "ii_set"} == {
        "orthography_starts_with",
        "taxonomy_animal",
    }
    assert found["synonyms"] == "ii_contains"
    assert Counter(found.values())["ii_exact"] == 19


def test_induction_demonstrations_are_never_test_inputs(
    every: dict[str, list[TaskData]], shared_data: Path
) -> None:
    for name in ("sentiment", "letters_list", "cause_and_effect", "larger_animal"):
        data = load(f"instruction_induction/{name}", shared_data, shots=5)
        asked = {q.meta["raw_input"] for q in data.questions}
        for demo in data.questions[0].demos:
            assert demo.text.partition("Input: ")[2].partition("\nOutput:")[0] not in asked


def test_induction_annotations_can_stand_in_for_our_instructions(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "theirs.yaml").write_text(
        "include: instruction_induction\nname: theirs\noptions: {instructions: annotations}\n"
    )
    monkeypatch.chdir(tmp_path)
    data = load("theirs/sum", shared_data)
    first = json.loads((shared_data / "instruction_induction/annotations/sum.json").read_text())[
        "annotations"
    ][0]
    assert data.questions[0].instruction == f"Instruction: {first}"
    assert any("annotation" in note for note in data.notes)


# --- OlympiadBench, SimpleQA, TruthfulQA ---------------------------------------------------


def test_olympiad_params_say_how_answers_are_read(every: dict[str, list[TaskData]]) -> None:
    (data,) = every["olympiad"]
    golds = data.golds.values()
    kinds = Counter(gold.params["answer_type"] for gold in golds)
    assert kinds == {"Numerical": 572, "Expression": 64, "Tuple": 33, "Interval": 6}
    assert sum(gold.params["multiple"] for gold in golds) == 94
    assert sum("unit" in gold.params for gold in golds) == 8
    assert {g.question: g.params["tolerance"] for g in golds if "tolerance" in g.params} == {
        "2592": 0.1
    }
    several = next(q for q in data.questions if data.golds[q.id].params["multiple"])
    assert "separated by commas" in several.answer_format
    assert all("\\boxed{}" in q.answer_format for q in data.questions)


def test_simpleqa_verified_ranges_become_params(every: dict[str, list[TaskData]]) -> None:
    (data,) = every["simpleqa_verified"]
    golds = list(data.golds.values())
    said = [gold for gold in golds if "range_text" in gold.params]
    plain = [gold for gold in said if "range" in gold.params]
    assert len(said) == 88 and len(plain) == 81
    for gold in plain:
        low, high = gold.params["range"]
        assert low <= gold.params["value"] <= high and low < high
        assert "acceptable range" in gold.answers[0]  # the judge is shown all of it
    assert data.questions[0].id == "5"


def test_simpleqa_keeps_topic_and_kind_of_answer(every: dict[str, list[TaskData]]) -> None:
    (data,) = every["simpleqa"]
    kinds = Counter(q.meta["answer_type"] for q in data.questions)
    assert kinds == {"Date": 1418, "Person": 1041, "Other": 777, "Number": 663, "Place": 427}


def test_truthfulqa_forms(every: dict[str, list[TaskData]]) -> None:
    (free,) = every["truthfulqa"]
    gold = free.golds["0"]
    assert gold.answers[0] == "The watermelon seeds pass through your digestive system"
    assert "You die" in gold.params["incorrect"] and len(gold.answers) == 6
    assert not free.questions[0].choices
    (one,) = every["truthfulqa_mc1"]
    (two,) = every["truthfulqa_mc2"]
    assert sum(one.golds["0"].params["target_scores"].values()) == 1
    assert sum(two.golds["0"].params["target_scores"].values()) == 6
    assert set(two.questions[0].choices) == set(gold.answers) | set(gold.params["incorrect"])
    first = Counter(q.choices.index(one.golds[q.id].answers[0]) == 0 for q in one.questions)
    assert 100 < first[True] < 300  # about 817/4.4: the best answer is not always first


# --- limits, samples, demonstrations -------------------------------------------------------


def test_a_sample_is_seeded_nested_and_in_data_order(shared_data: Path) -> None:
    def ids(limit: int, seed: int | None) -> list[int]:
        data = load("bigbench/snarks", shared_data, limit=limit, sample=seed)
        assert set(data.golds) == {q.id for q in data.questions}
        return [q.index for q in data.questions]

    assert ids(20, None) == list(range(20))
    assert ids(20, 1) == sorted(ids(20, 1)) != list(range(20))
    assert ids(20, 1) == ids(20, 1) != ids(20, 2)
    assert set(ids(20, 1)) < set(ids(50, 1))
    assert len(ids(10_000, 1)) == 181


def test_demonstrations_come_from_rows_that_are_not_asked(shared_data: Path) -> None:
    plain = load("bigbench/snarks", shared_data, limit=50, sample=0)
    shown = load("bigbench/snarks", shared_data, limit=50, sample=0, shots=3)
    assert [q.id for q in shown.questions] == [q.id for q in plain.questions]
    (demos,) = {q.demos for q in shown.questions}
    assert len(demos) == 3
    for q in shown.questions:
        assert not any(q.meta["raw_input"] in demo.text for demo in demos)
    other = load("bigbench/snarks", shared_data, limit=50, sample=0, shots=3, shots_seed=1)
    assert other.questions[0].demos != demos
    assert len(shown.demo_answers) == 3


def test_a_task_without_spare_rows_keeps_demonstrations_out_and_says_so(
    shared_data: Path,
) -> None:
    data = load("bigbench/snarks", shared_data, shots=3)
    assert len(data.questions) == 178
    assert any("kept out" in note for note in data.notes)


def test_every_shipped_card_names_source_licence_citation_and_verifier() -> None:
    refs = [ref for ref in list_cards("tasks") if ref.origin == "shipped"]
    assert len(refs) > 100
    for ref in refs:
        card = load_task(ref.name)
        if card.family == "esconv":
            continue
        assert card.licence and card.citation and card.title and card.url, ref.name
        if card.members:
            continue
        assert card.sampling.temperature == 0.7 and card.sampling.max_tokens, ref.name
        ungraded = card.verifier in (
            "open_ratings",
            "boundary",
            "mood",
        )  # no trivial answer has a score
        assert card.verifier != "auto" and (card.baselines or ungraded), ref.name
        assert card.source.local, ref.name
        if (card.path.parent / card.source.local[0]).is_file():
            continue  # heartloop's own rows, shipped beside the card
        for url in card.source.url:
            assert len(card.source.hashes) == len(card.source.local), ref.name
            assert "/main/" not in url and "/master/" not in url
        assert card.source.url or card.source.hub, ref.name
        if card.source.hub and card.source.hub.revision:
            assert len(card.source.hub.revision) == 40


@pytest.mark.parametrize(
    ("task", "form"),
    [
        ("instruction_induction/sum", "turns"),
        ("bigbench/snarks", "turns"),
        ("bbh/snarks", "text"),  # a published prompt
        ("bbh_cot/snarks", "text"),
        ("esconv/exploration", "turns"),
        ("simpleqa", "turns"),
        ("olympiad", "turns"),
    ],
)
def test_demonstrations_are_turns_unless_the_protocol_is_published(
    task: str, form: str, shared_data: Path
) -> None:
    assert load(task, shared_data, shots=3, limit=5).shots_as == form
    for way in ("turns", "text"):
        data = load(task, shared_data, shots=3, limit=5, shots_as=way)
        said = render(data.questions[0])
        assert len([m for m in said if m.role == "assistant"]) == (3 if way == "turns" else 0)
        instruction = data.questions[0].instruction
        assert sum(m.content.count(instruction) for m in said) == 1 or not instruction
        assert all(m.content for m in said)


def test_a_published_prompt_as_turns_says_the_same_words(shared_data: Path) -> None:
    text, turns = (
        render(load("bbh_cot/snarks", shared_data, limit=1, shots_as=way).questions[0])
        for way in ("text", "turns")
    )
    told = "".join(m.content for m in text)
    assert "".join("".join(m.content for m in turns).split()) == "".join(told.split())
