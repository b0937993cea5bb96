"""Maths equality: read two answers, compare them, in a pool of workers that can be killed.

The rest of heartloop uses `fast.decide`, `reduce.reductions`, `compare.compare_answers`,
`caps.MAX_LENGTH` and `pool.MathPool`.
"""
