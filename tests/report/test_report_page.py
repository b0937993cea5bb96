"""The page: complete, self-contained, and safe with whatever a model wrote."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import LOOP_ARMS, make_run, phrase, say

from heartloop.errors import UsageError
from heartloop.report.arms import load_run
from heartloop.report.page import build_page, write_report
from heartloop.report.transcripts import LONGEST, pack_transcripts
from heartloop.types import Arm

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"


class Page(html.parser.HTMLParser):
    """Tags, ids and the content of script elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.current: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.current = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self.current = None

    def handle_data(self, data: str) -> None:
        if self.current:
            self.scripts[self.current] = self.scripts.get(self.current, "") + data

    def unpack(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.scripts[name])))


def page_of(folder: Path, **options: Any) -> Page:
    return Page(build_page([load_run(make_run(folder, **options))]))


@pytest.mark.parametrize("mode", ["oracle", "verifier-free"])
def test_a_run_has_the_sections_it_has_something_for(tmp_path: Path, mode: str) -> None:
    run = make_run(tmp_path / "a", mode=mode, tasks=["x", "y"], content=0.1)
    text = build_page([load_run(run)])
    page = Page(text)
    always = {"answer", "claim", "form", "answers", "cost", "plan", "transcripts", "glossary"}
    assert sections(page) == always | {"rounds", "compute"}
    plots = [attrs for tag, attrs in page.tags if tag == "svg" and "aria-hidden" not in attrs]
    assert len(plots) == 3  # rounds of each task, and the compute curve
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots)
    assert text.index('<h1 class="headline">') < text.index("A synthetic phrase called CUE.")
    assert text.index("A synthetic phrase called CUE.") < text.index('<section id="claim">')

    single = (Arm("none", role="none"), Arm("S", stimuli=(phrase("S"),)))
    page = page_of(tmp_path / "b", arms=single, mode=mode)
    assert sections(page) == always  # no empty section, and no link to one
    links = [a["href"] for t, a in page.tags if t == "a"]
    assert {link for link in links if link} <= {f"#{name}" for name in sections(page)}


def sections(page: Page) -> set[str | None]:
    return {attrs["id"] for tag, attrs in page.tags if tag == "section"}


def test_every_short_word_has_its_long_form_on_hover_and_in_print(tmp_path: Path) -> None:
    text = build_page([load_run(make_run(tmp_path / "a", tasks=["x", "y"]))])
    told = dict(re.findall(r'<abbr title="([^"]+)">([^<]+)</abbr>', text))
    assert {"95 % CI", "p Holm", "TOST p", "Cohen's h"} <= {
        html.unescape(word) for word in told.values()
    }
    listed = text.split('<section id="glossary">')[1]
    for meaning in told:
        assert meaning in listed


def test_nothing_comes_from_the_network(tmp_path: Path) -> None:
    page = page_of(tmp_path / "a")
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "object", "img")
        assert not attrs.get("src")
        assert (attrs.get("href") or "#").startswith("#")


def test_only_the_pages_own_script_and_style_may_run(tmp_path: Path) -> None:
    page = page_of(tmp_path / "a")
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'")
    for kind in ("script", "style"):
        digest = hashlib.sha256(page.scripts[kind].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)


def test_hostile_answers_stay_text(tmp_path: Path) -> None:
    def text(question: str, arm: str, number: int, right: bool) -> str:
        return HOSTILE + "\0<!--" + say(question, arm, number, right)

    hostile_arm = Arm(f"<b>{HOSTILE}", stimuli=(phrase("<i>X"),))
    run = make_run(tmp_path / "a", text=text, arms=(*LOOP_ARMS, hostile_arm), questions=5)
    page = Page(build_page([load_run(run)]))
    assert [a.get("id") for t, a in page.tags if t == "script"] == [
        "data-index", "data-texts", None,
    ]  # fmt: skip
    assert not any(tag in ("img", "b", "i") and "class" in a for tag, a in page.tags)
    assert page.unpack("data-texts")[0][0]["t"].startswith(HOSTILE)
    assert hostile_arm.name in page.unpack("data-index")["arms"]


def test_a_line_of_a_megabyte_is_cut_and_said(tmp_path: Path) -> None:
    def text(question: str, arm: str, number: int, right: bool) -> str:
        return "x" * 1_000_000 + say(question, arm, number, right)

    run = make_run(tmp_path / "a", text=text, questions=4)
    page = Page(build_page([load_run(run)]))
    shown = page.unpack("data-texts")[0][0]["t"]
    assert len(shown) < LONGEST + 100
    assert "more characters are in calls.jsonl" in shown


def test_texts_over_the_budget_are_sampled_and_the_index_is_whole(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "a", questions=400))
    packed = pack_transcripts([run], budget=60_000)
    assert packed.traces == 1600
    assert 0 < packed.shown < 1600
    assert len(packed.index) + len(packed.texts) < 75_000
    index = json.loads(gzip.decompress(base64.b64decode(packed.index)))
    texts = json.loads(gzip.decompress(base64.b64decode(packed.texts)))
    assert len(texts) == packed.shown == sum(t >= 0 for t in index["text"])
    # Whole questions: every arm of a question that is shown.
    shown = {q for q, t in zip(index["question"], index["text"], strict=True) if t >= 0}
    assert packed.shown == 4 * len(shown)
    # Each text stands where the index says.
    at = next(i for i, t in enumerate(index["text"]) if t >= 0)
    steps = texts[index["text"][at]]
    assert "".join(s["o"] for s in steps) == index["path"][at]
    assert index["question"][at].removeprefix("q") in steps[0]["ask"][0][1]


def test_private_texts_are_shown_only_when_asked_for(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "a", tasks=["esconv"], questions=5))
    packed = pack_transcripts([run])
    assert (packed.shown, packed.hidden) == (0, ("esconv",))
    assert pack_transcripts([run], show_texts=True).shown == 20
    assert "left out because they are private" in build_page([run])


def test_what_is_no_real_experiment_is_badged(tmp_path: Path) -> None:
    text = build_page([load_run(make_run(tmp_path / "a", model="pocket", practice=True))])
    assert "PRACTICE SET: sums means" in text
    assert "says nothing about large language models" in text


def test_several_runs_stand_side_by_side_and_unlike_ones_are_refused(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", rates={"heart": 0.9})
    path = write_report([a, b], tmp_path / "both.html")
    assert "b:heart − a:heart" in path.read_text()
    with pytest.raises(UsageError, match="not comparable"):
        write_report([a, make_run(tmp_path / "c", sha="9" * 64)])
    with pytest.raises(UsageError, match="no folder"):
        write_report([a], tmp_path / "absent" / "x.html")


def test_strict_and_content_disagreement_is_in_the_transcripts(tmp_path: Path) -> None:
    page = page_of(tmp_path / "a", content=0.5)
    index = page.unpack("data-index")
    at = next(i for i, soft in enumerate(index["content"]) if soft)
    steps = page.unpack("data-texts")[index["text"][at]]
    assert any(step.get("lo") == "c" and step["o"] == "i" for step in steps)


def test_a_plot_of_one_arm_alone_does_not_fail(tmp_path: Path) -> None:
    text = build_page([load_run(make_run(tmp_path / "a", arms=(Arm("only"),), questions=1))])
    assert "no treatment was run" in text or "no control was run" in text
    assert not re.search(r"\bnan\b", text.split("data-index")[0], re.IGNORECASE)
