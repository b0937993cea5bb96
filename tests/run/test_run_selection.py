"""What a selector gained of what choosing could gain."""

from heartloop.run.selection import efficiencies


def trace(question: int, right: str, selected: int) -> list[dict]:
    return [
        {"task": "t", "model": "m", "arm": "a", "question": question, "purpose": "answer",
         "outcome": "correct" if mark == "r" else "incorrect", "selected": place == selected}
        for place, mark in enumerate(right)
    ]  # fmt: skip


def test_an_oracle_gains_all_and_the_first_answer_nothing():
    key = ("t", "m", "a")
    oracle = [trace(1, "wr", 1), trace(2, "rw", 0), trace(3, "ww", 0), trace(4, "wr", 1)]
    assert efficiencies(oracle)[key] == (0.75, 1.0)
    first = [trace(1, "wr", 0), trace(2, "rw", 0)]
    assert efficiencies(first)[key] == (1.0, 0.0)
    worse = [trace(1, "rw", 1), trace(2, "wr", 0)]
    assert efficiencies(worse)[key] == (1.0, -1.0)


def test_where_nothing_can_be_gained_there_is_no_efficiency():
    assert efficiencies([trace(1, "rr", 1)])[("t", "m", "a")] == (1.0, None)
    assert efficiencies([trace(1, "r", 0)]) == {}
