"""The report in headless Chromium: fast on 10,000 questions, and deaf to hostile answers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from synthetic_run import LOOP_ARMS, make_run, say

from heartloop.report.page import write_report
from heartloop.types import Arm

pytestmark = pytest.mark.browser
LIMIT = 2.0  # seconds for each thing a reader does
OPENS = 1.5  # seconds until the page stands

SIX_ARMS = (
    *LOOP_ARMS,
    Arm("reflect", "reflect", params={"rounds": 3}, role="reflect"),
    Arm("neutral-varied", "neutral-varied", params={"rounds": 3}, role="neutral-varied"),
)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=document.title='o'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium is absent; on Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking"
    for flag in (*flags.split(), "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def open_page(browser: Any, path: Path) -> float:
    """Open a page, then its transcripts; returns the seconds until the page stood."""
    started = time.monotonic()
    browser.get(path.resolve().as_uri())
    took = time.monotonic() - started
    browser.execute_script("document.querySelector('nav a[href=\"#transcripts\"]').click()")
    wait(browser, "return document.documentElement.dataset.ready === 'yes'")
    return took


def wait(browser: Any, script: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < end, script
        time.sleep(0.01)


def choose(browser: Any, name: str, value: str) -> None:
    script = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
    event = "s.dispatchEvent(new Event(s.type === 'search' ? 'input' : 'change'));"
    browser.execute_script(script + event, name, value)


def count(browser: Any) -> int:
    text = browser.find_element("id", "count").text
    return int(text.split(" ")[0].replace(",", ""))


def test_ten_thousand_questions_filter_search_and_open_in_two_seconds(
    browser: Any, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "big", arms=SIX_ARMS, questions=10_000, content=0.02, unscored=0.02)
    page = write_report([run])
    assert page.stat().st_size < 5_000_000
    assert open_page(browser, page) < OPENS
    assert count(browser) == 60_000

    started = time.monotonic()
    choose(browser, "f-arm", "0")
    choose(browser, "f-outcome", "c")
    choose(browser, "f-flip", "gain")
    filtered = count(browser)
    assert 0 < filtered < 10_000
    assert time.monotonic() - started < LIMIT

    started = time.monotonic()
    choose(browser, "f-text", "look again, round 1")
    wait(
        browser, f"return !document.getElementById('count').textContent.startsWith('{filtered:,}')"
    )
    assert 0 < count(browser) < filtered
    assert time.monotonic() - started < LIMIT

    started = time.monotonic()
    browser.find_element("css selector", "#list summary").click()
    wait(browser, "return document.querySelectorAll('#list details[open] .step').length > 1")
    text = browser.find_element("css selector", "#list details[open]").text
    assert time.monotonic() - started < LIMIT
    for words in ("round 0", "round 1", "cue synthetic:CUE", "Look again, round 1.", "own metric:"):
        assert words in text


def test_two_arms_stand_side_by_side_with_their_difference_marked(
    browser: Any, tmp_path: Path
) -> None:
    open_page(browser, write_report([make_run(tmp_path / "a", questions=20)]))
    choose(browser, "f-arm", "0")
    choose(browser, "f-beside", "1")
    assert count(browser) == 20
    browser.find_element("css selector", "#list summary").click()
    sides = browser.find_elements("css selector", "#list .sides pre")
    assert len(sides) == 2
    for side, tag in zip(sides, ("del", "ins"), strict=True):
        marked = [node.text for node in side.find_elements("css selector", tag)]
        assert "".join(marked).strip()
        assert len("".join(marked)) < len(side.text)  # what both say is not marked


def test_hostile_answers_neither_run_nor_break_the_page(browser: Any, tmp_path: Path) -> None:
    def text(question: str, arm: str, number: int, right: bool) -> str:
        return HOSTILE + "x" * 1_000_000 + say(question, arm, number, right)

    page = write_report([make_run(tmp_path / HOSTILE[2:8], text=text, questions=3)])
    open_page(browser, page)
    browser.execute_script("document.querySelectorAll('#list summary').forEach(s => s.click())")
    wait(browser, "return document.querySelectorAll('#list .step').length > 3")
    assert HOSTILE in browser.find_element("css selector", "pre.said").text
    assert browser.title.startswith("heartloop: ")
    assert browser.execute_script("return document.images.length") == 0
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_the_page_asks_the_network_for_nothing_and_fits_a_narrow_screen(
    browser: Any, tmp_path: Path
) -> None:
    open_page(browser, write_report([make_run(tmp_path / "a", tasks=["x", "y"])]))
    loaded = browser.execute_script("return performance.getEntriesByType('resource').length")
    assert loaded == 0
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser: Any, tmp_path: Path, scheme: str) -> None:
    """Every text against the background it stands on: 4.5 to 1, as WCAG AA asks."""
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    run = make_run(tmp_path / "a", tasks=["x", "y"], model="pocket", unscored=0.1, content=0.2)
    open_page(browser, write_report([run]))
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    poor = browser.execute_script(CONTRAST)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert poor == []


def test_everything_is_reached_by_keyboard(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    open_page(browser, write_report([make_run(tmp_path / "a", questions=5)]))
    browser.execute_script("document.getElementById('f-has').focus()")
    active = browser.switch_to.active_element
    active.send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.tag_name == "summary"
    focused.send_keys(Keys.ENTER)
    wait(browser, "return document.querySelectorAll('#list details[open] .step').length > 0")


CONTRAST = """
const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const parse = (s) => { const m = s.match(/[\\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; };
const found = new Set();
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !node.getClientRects().length || node.closest('.skip, script, option')) continue;
  const style = getComputedStyle(node);
  const ink = parse(node.ownerSVGElement ? style.fill : style.color);
  let back = [255, 255, 255];
  for (let up = node; up; up = up.parentElement) {
    const c = parse(getComputedStyle(up).backgroundColor);
    if (c.length < 4 || c[3] > 0) { back = c; break; }
  }
  const [x, y] = [lum(ink.slice(0, 3)), lum(back.slice(0, 3))].sort((a, b) => b - a);
  const ratio = (x + 0.05) / (y + 0.05);
  if (ratio < 4.5) found.add(node.tagName + '.' + (node.getAttribute('class') || '') + ' '
    + node.textContent.slice(0, 20) + ' ' + ratio.toFixed(2));
}
return [...found];
"""
