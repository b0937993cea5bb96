"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const WORD = { c: "correct", i: "incorrect", u: "unscored", e: "error" };
  const PAGE = 50;
  let index = null, texts = null, lower = null, found = [], shown = 0, beside = "", places = null;

  async function unpack(id) {
    const raw = atob($(id).textContent.trim());
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }
  // Everything that a model wrote reaches the page as text nodes, never as markup.
  function el(tag, cls, text) {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  }
  function options(select, names) {
    names.forEach((name, i) => { const o = el("option", "", name); o.value = String(i); select.append(o); });
  }
  function outcome(i) {
    const p = index.path[i];
    return index.mode[index.task[i]] === "oracle" ? (p.includes("c") ? "c" : p[p.length - 1]) : p[index.picked[i]];
  }
  function flip(i, kind) {
    const p = index.path[i];
    for (let k = 1; k < p.length; k++) {
      const before = p[k - 1] === "c", after = p[k] === "c";
      if (kind === "gain" && !before && after) return true;
      if (kind === "loss" && before && !after) return true;
    }
    return false;
  }
  function haystack(i) {
    const t = index.text[i];
    if (t < 0) return "";
    if (lower[t] === undefined) {
      lower[t] = texts[t].map((s) => [s.t, s.a, s.la, s.det, s.cue, s.think, s.err, ...(s.ask || []).map((m) => m[1])].filter(Boolean).join("\n")).join("\n").toLowerCase();
    }
    return lower[t];
  }
  // Where the other arms of a question stand, for reading two arms side by side.
  const spot = (i) => index.task[i] + "\t" + index.question[i] + "\t" + (index.seed[i] || 0);
  function place() {
    places = new Map();
    for (let i = 0; i < index.arm.length; i++) {
      const key = spot(i);
      if (!places.has(key)) places.set(key, []);
      places.get(key).push(i);
    }
  }
  function partner(i, arm) {
    const other = places.get(spot(i)).find((j) => index.arm[j] === arm);
    return other === undefined ? -1 : other;
  }
  function filter() {
    const arm = $("f-arm").value, task = $("f-task").value, out = $("f-outcome").value, turn = $("f-flip").value;
    beside = $("f-beside").value;
    if (beside !== "" && !places) place();
    const words = $("f-text").value.trim().toLowerCase();
    found = [];
    for (let i = 0; i < index.arm.length; i++) {
      if (arm !== "" && index.arm[i] !== +arm) continue;
      if (beside !== "" && (index.arm[i] === +beside || partner(i, +beside) < 0)) continue;
      if (task !== "" && index.task[i] !== +task) continue;
      if (out !== "" && outcome(i) !== out) continue;
      if (turn === "disagree" ? index.content[i] === "" : turn !== "" && !flip(i, turn)) continue;
      if ($("f-has").checked && index.text[i] < 0) continue;
      if (words && !index.question[i].toLowerCase().includes(words) && !haystack(i).includes(words)) continue;
      found.push(i);
    }
    shown = 0;
    $("list").replaceChildren();
    more();
  }
  function more() {
    const end = Math.min(shown + PAGE, found.length);
    const part = document.createDocumentFragment();
    for (; shown < end; shown++) part.append(entry(found[shown]));
    $("list").append(part);
    $("count").textContent = found.length.toLocaleString("en") + " transcripts match" + (end < found.length ? ", the first " + end.toLocaleString("en") + " are listed" : "");
    $("more").hidden = end >= found.length;
  }
  function pill(code) { return el("span", "pill o-" + code, WORD[code]); }
  function entry(i) {
    const box = el("details"), head = el("summary");
    head.append(el("span", "qid", index.question[i]), el("span", "", index.arms[index.arm[i]]));
    if (index.tasks.length > 1) head.append(el("span", "small", index.tasks[index.task[i]]));
    if (index.seed.length) head.append(el("span", "small", "seed " + index.seed[i]));
    head.append(pill(outcome(i)));
    if (beside !== "") {
      const j = partner(i, +beside);
      head.append(el("span", "", "beside " + index.arms[+beside]), pill(outcome(j)));
    }
    if (index.path[i].length > 1) head.append(el("span", "small", [...index.path[i]].map((c) => ({ c: "✓", i: "✗", u: "?", e: "!" })[c]).join(" ")));
    if (index.content[i]) head.append(el("span", "disagree small", "own metric ≠ content"));
    if (index.text[i] < 0) head.append(el("span", "small", "no text in this page"));
    box.append(head);
    box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) box.append(beside === "" ? transcript(i) : sides(i, partner(i, +beside))); });
    return box;
  }
  function handed(i) {
    const t = index.text[i];
    if (t < 0) return null;
    return texts[t].find((s) => s.sel) || texts[t][texts[t].length - 1];
  }
  // Words that only one of two texts has, by their longest common subsequence.
  function marks(a, b) {
    const x = a.split(/(\s+)/).slice(0, 600), y = b.split(/(\s+)/).slice(0, 600);
    const best = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
    for (let i = x.length - 1; i >= 0; i--)
      for (let j = y.length - 1; j >= 0; j--)
        best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    const left = el("pre", "said"), right = el("pre", "said");
    let i = 0, j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { left.append(x[i++]); right.append(y[j++]); }
      else if (j >= y.length || (i < x.length && best[i + 1][j] >= best[i][j + 1])) left.append(el("del", "", x[i++]));
      else right.append(el("ins", "", y[j++]));
    }
    return [left, right];
  }
  function sides(i, j) {
    const body = el("div"), one = handed(i), other = handed(j);
    if (!one || !other) { body.append(el("p", "note", "Not both of these texts are in this page.")); return body; }
    const asked = (one.ask || []).filter((m) => m[0] === "user");
    if (asked.length) body.append(el("p", "role", "asked (" + index.arms[index.arm[i]] + ")"), el("pre", "", asked[asked.length - 1][1]));
    const both = el("div", "sides"), shown = marks(one.t || "", other.t || "");
    [[i, one], [j, other]].forEach(([k, step], n) => {
      const side = el("div"), title = el("p");
      title.append(el("strong", "", index.arms[index.arm[k]]), " ", pill(step.o));
      side.append(title, shown[n], el("p", "small", step.a === null || step.a === undefined ? "no answer read" : "read as “" + step.a + "”"));
      both.append(side);
    });
    body.append(both);
    return body;
  }
  function transcript(i) {
    const body = el("div");
    const t = index.text[i];
    if (t < 0) {
      body.append(el("p", "note", "Its text is not in this page; it stands in the run folder: heartloop export RUN --to jsonl --texts"));
      return body;
    }
    for (const s of texts[t]) {
      const step = el("section", "step" + (s.sel ? " sel" : ""));
      const title = el("p");
      title.append(el("strong", "", (s.for ? s.for + ", " : "") + "round " + s.r + (s.d ? ", draw " + s.d : "")), " ", pill(s.o));
      if (s.why) title.append(" ", el("span", "small", s.why));
      if (s.cue) title.append(" ", el("span", "small", "cue " + s.cue));
      if (s.sel) title.append(" ", el("span", "small", "handed in"));
      title.append(" ", el("span", "small", s.tok.toLocaleString("en") + " tokens" + (s.fin && s.fin !== "stop" ? ", finish: " + s.fin : "")));
      step.append(title);
      if (s.on) step.append(el("p", "role", "(the conversation so far, then)"));
      for (const [role, text] of s.ask || []) step.append(el("p", "role", role), el("pre", "", text));
      if (s.think) { const d = el("details"); d.append(el("summary", "", "reasoning (never graded)"), el("pre", "", s.think)); step.append(d); }
      if (s.err) step.append(el("p", "o-e", "error: " + s.err));
      else step.append(el("p", "role", "model"), el("pre", "said", s.t === "" ? "(empty)" : s.t));
      step.append(el("p", "small", "own metric: " + WORD[s.o] + (s.a !== null && s.a !== undefined ? ", read as “" + s.a + "”" : ", no answer read") + (s.det ? " — " + s.det : "")));
      if (s.lo) step.append(el("p", "disagree small", "content: " + WORD[s.lo] + (s.lwhy ? " (" + s.lwhy + ")" : "") + (s.la !== null && s.la !== undefined ? ", read as “" + s.la + "”" : ", no answer read") + (s.ldet ? " — " + s.ldet : "")));
      body.append(step);
    }
    return body;
  }
  async function start() {
    if (!$("explorer")) return;
    if (typeof DecompressionStream === "undefined") { $("count").textContent = "This browser is too old to unpack the transcripts."; return; }
    [index, texts] = await Promise.all([unpack("data-index"), unpack("data-texts")]);
    lower = new Array(texts.length);
    options($("f-arm"), index.arms);
    options($("f-beside"), index.arms);
    options($("f-task"), index.tasks);
    if (index.tasks.length < 2) $("f-task").closest("label").hidden = true;
    let timer = 0;
    for (const id of ["f-arm", "f-beside", "f-task", "f-outcome", "f-flip", "f-has"]) $(id).addEventListener("change", filter);
    $("f-text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
    document.querySelector("form.filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
    $("more").addEventListener("click", more);
    filter();
    document.documentElement.dataset.ready = "yes";
  }
  // The texts are unpacked when a reader comes near them, so that the page opens at once.
  function fail(error) { $("count").textContent = "The transcripts cannot be unpacked: " + error; }
  let begun = false;
  function begin() { if (!begun) { begun = true; start().catch(fail); } }
  const target = $("transcripts");
  if (location.hash === "#transcripts" || typeof IntersectionObserver === "undefined") begin();
  else new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) begin(); }, { rootMargin: "600px" }).observe(target);
  document.querySelectorAll('a[href="#transcripts"]').forEach((a) => a.addEventListener("click", begin));
})();
