"""Maths equality: read two answers, compare them, in a pool of workers that can be killed.

The way of an answer: `clean` and `spellings` bring it to one way of writing, `answers` tries the
sensible spellings of its numbers and units, `structure` takes each apart (lists, sets, relations)
and hands what is left to the parser (`tokens`, `cursor`, `latex`, `latex_commands`), which makes a
tree (`tree`). `compare` then holds every reading of an answer against every reading of the gold
under `rules`: `lists`, `relations` and `realsets` (with `inequalities` and `intervals`) take
readings to their parts, `expressions` compares two parts: by exact values (`exact`), to 40 digits
(`numeric`), or as functions of their symbols (`functions`).

The rest of heartloop uses `fast.decide`, `reduce.reductions`, `compare.compare_answers`,
`caps.MAX_LENGTH` and `pool.MathPool`.
"""
