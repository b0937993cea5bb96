"""What was asked, of whom and with which words; and what did not go to plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.report.arms import Loaded
from heartloop.report.html import e, facts, note, table
from heartloop.run.layout import Manifest
from heartloop.run.state import headline


def plan_section(run: Loaded) -> str:
    """The plan: tasks, data, models, arms with their exact words, sampling, versions."""
    m = run.manifest
    plan = m["plan"]
    data = {d["task"]: d for d in m["data"]}
    rows = [
        [
            t["task"], str(t["questions"]), t["mode"], t["verifier"], _sampling(t["sampling"]),
            ("PRACTICE SET, " if data[t["task"]]["practice"] else "") + data[t["task"]]["source"],
            (data[t["task"]]["sha256"] or "")[:12], data[t["task"]]["revision"] or "",
            t["licence"] or "",
        ]
        for t in m["tasks"]
    ]  # fmt: skip
    heads = ["task", "questions", "mode", "verifier", "sampling", "data", "sha256", "revision",
             "licence"]  # fmt: skip
    arms = [
        [
            a["name"], a["method"], a["role"], a["placement"] if a["stimuli"] else "",
            " + ".join(f"{s['set']}:{s['id']}" for s in a["stimuli"]), _params(a["params"]),
        ]
        for a in plan["arms"]
    ]  # fmt: skip
    sessions = m["sessions"]
    return (
        table(heads, rows, caption="Tasks and data")
        + table(["arm", "method", "role", "placement", "stimuli", "parameters"], arms,
                caption="Arms")  # fmt: skip
        + _words(plan)
        + facts(
            [
                ("models", ", ".join(plan["models"])),
                ("run seeds", ", ".join(map(str, plan["seeds"]))),
                ("selector", str(plan["selector"]) if _free(m) else ""),
                ("judge", _judges(plan.get("judge"))),
                ("demonstrations", _shots(m)),
                ("command", str(sessions[0].get("command") or "") if sessions else ""),
                ("began, ended (UTC)", f"{sessions[0]['started']} – {sessions[-1].get('ended')}"
                 if sessions else ""),
                ("versions", ", ".join(f"{k} {v}" for k, v in m["versions"].items())),
                ("git revision", str(m.get("git") or "")),
            ]
        )
    )  # fmt: skip


def _judges(value: Any) -> str:
    """The panel in words; older plans name one model."""
    if not isinstance(value, list):
        return str(value or "")
    return ", ".join(
        judge["model"] + (f" at {judge['base_url']}" if judge.get("base_url") else "")
        for judge in value
    )


def _shots(manifest: Manifest) -> str:
    """How many demonstrations a question has, and how they are shown."""
    ways = {(t["shots"], t["shots_as"]) for t in manifest["tasks"] if t.get("shots")}
    if not ways and manifest["plan"].get("shots"):
        ways = {(manifest["plan"]["shots"], "text")}  # a run of before tasks said it
    return ", ".join(f"{count} as {form}" for count, form in sorted(ways))


def _free(manifest: Manifest) -> bool:
    return any(t["mode"] == "verifier-free" for t in manifest["tasks"])


def _sampling(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in values.items() if v not in ({}, [], None))


def _params(values: Mapping[str, Any]) -> str:
    shown = []
    for key, value in values.items():
        text = str(value)
        shown.append(f"{key} {text if len(text) < 40 else text[:37] + '…'}")
    return ", ".join(shown)


def _words(plan: Mapping[str, Any]) -> str:
    """The exact words of every stimulus and cue, folded."""
    seen: dict[str, list[str]] = {}
    for arm in plan["arms"]:
        for kind, found in (("stimulus", arm["stimuli"]), ("cue", arm["cues"])):
            for s in found:
                name = f"{s['set']}:{s['id']}"
                seen[f"{kind} {name}"] = [name, kind, s["valence"], s["emotion"] or s["kind"],
                                          s["text"], s["sha256"][:12], s["source"]]  # fmt: skip
    if not seen:
        return ""
    heads = ["id", "used as", "valence", "kind", "words", "sha256", "source"]
    body = table(heads, seen.values())
    return (
        f"<details><summary>{e(str(len(seen)))} stimuli and cues, word for word</summary>"
        f"{body}</details>"
    )


def deviations(run: Loaded) -> str:
    """What did not go to plan."""
    m = run.manifest
    found = []
    for d in m["data"]:
        if d["expected_sha256"] and d["sha256"] != d["expected_sha256"]:
            found.append(
                f"{d['task']}: the data differ from those the task card expects "
                f"(sha256 {str(d['sha256'])[:12]}, expected {d['expected_sha256'][:12]})"
            )
        found += [f"{d['task']}: {text}" for text in d["notes"]]
    sessions = m["sessions"]
    if len(sessions) > 1:
        found.append(f"the run was interrupted and resumed: {len(sessions)} sessions")
    if not run.state.whole:
        found.append(headline(run.state))
    if m.get("shard"):
        found.append(f"one shard of several: {m['shard']}")
    for row in run.summary["arms"] if run.summary else ():
        if row["trials"] and row["error"]:
            found.append(
                f"{row['task']}, {row['arm']}: {row['error']} of {row['trials']} questions ended "
                "in call errors"
            )
    calls = m.get("calls") or {}
    if calls.get("retries"):
        found.append(f"{calls['retries']} attempts were retried")
    found += [str(text) for text in calls.get("notes") or []]
    for name, facts_of in (calls.get("models") or {}).items():
        if facts_of.get("request_seeds") is False:
            found.append(f"{name}: no seeds were sent, so draws cannot be repeated")
        if facts_of.get("seeds_stopped"):
            found.append(f"{name}: the server died of seeded requests; seeds were left out")
    if not found:
        return note("None recorded: every question was asked as planned.")
    shown = found[:30]
    more = [f"and {len(found) - 30} more"] if len(found) > 30 else []
    return "<ul>" + "".join(f"<li>{e(text)}</li>" for text in (*shown, *more)) + "</ul>"


def baselines(run: Loaded) -> str:
    """What echoing, guessing and always saying the same would earn, where the data is at hand."""
    import asyncio

    rows = [
        [task, *("–" if (value := values.get(name)) is None else f"{100 * value:.1f} %"
                 for name in NAMES)]
        for task, values in asyncio.run(_baselines(run)).items()
    ]  # fmt: skip
    if not rows:
        return note("Not computed: the data of this run are not where they were when it was made.")
    return table(
        ["task", "echo of the input", "most frequent answer", "chance"],
        rows,
        caption=f"Score of trivial answers, graded like any other, on up to {SAMPLE} questions",
    )


NAMES = ("echo", "majority", "chance")
SAMPLE = 60


async def _baselines(run: Loaded) -> dict[str, dict[str, float | None]]:
    from heartloop.errors import HeartloopError
    from heartloop.grading.baselines import baselines_for
    from heartloop.run.load import close_tasks, tasks_at_hand

    tasks = tasks_at_hand(run.folder)
    found = {}
    try:
        for task in tasks:
            found[task.card.name] = await baselines_for(
                task.data.questions, task.data.golds, task.grader, names=NAMES, limit=SAMPLE
            )
    except HeartloopError:
        return found
    finally:
        await close_tasks(tasks)
    return found
