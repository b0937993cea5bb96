"""Distribution functions that the estimators need, so that scipy stays out of the core install."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NORMAL = NormalDist()


def norm_cdf(x: float) -> float:
    """Standard normal distribution function; by erfc, so that the lower tail keeps its digits."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def norm_sf(x: float) -> float:
    """Upper tail of the standard normal."""
    return 0.5 * math.erfc(x / math.sqrt(2.0))


def norm_ppf(q: float) -> float:
    """Quantile of the standard normal, 0 < q < 1 (Wichura's AS 241, from the standard library)."""
    return _NORMAL.inv_cdf(q)


def betainc(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b).

    Continued fraction evaluated with Lentz's method (Abramowitz & Stegun 26.5.8), on the side of
    the symmetry I_x(a, b) = 1 - I_{1-x}(b, a) where it converges fast.

    Args:
        a: first shape, > 0.
        b: second shape, > 0.
        x: in [0, 1].
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    total = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            total *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return total


def t_cdf(x: float, df: float) -> float:
    """Distribution function of Student's t with ``df`` > 0 degrees of freedom (inf: normal)."""
    if math.isinf(df):
        return norm_cdf(x)
    tail = 0.5 * betainc(df / 2.0, 0.5, df / (df + x * x))
    return tail if x < 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def t_ppf(q: float, df: float) -> float:
    """Quantile of Student's t; bisection on :func:`t_cdf` after bracketing.

    Args:
        q: probability in (0, 1).
        df: degrees of freedom, > 0; above 1e6 the normal quantile is returned.
    """
    if df <= 0:
        return math.nan
    if df > 1e6:
        return norm_ppf(q)
    if q == 0.5:
        return 0.0
    # Work in the lower tail, where the distribution function keeps its relative precision.
    sign, low_q = (-1.0, q) if q < 0.5 else (1.0, 1.0 - q)
    low, high = 0.0, 1.0
    while t_cdf(-high, df) > low_q:
        low, high = high, high * 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if t_cdf(-middle, df) > low_q:
            low = middle
        else:
            high = middle
    return sign * 0.5 * (low + high)


@lru_cache(maxsize=8)
def _log_factorials(size: int) -> FloatArray:
    """Log k! for k = 0 … size - 1 (lgamma, so that errors do not add up)."""
    return np.array([math.lgamma(k + 1.0) for k in range(size)])


def log_factorial(n: int) -> FloatArray:
    """Table of log k! for k = 0 … n, cached in powers of two."""
    size = 1024
    while size < n + 1:
        size *= 2
    return _log_factorials(size)[: n + 1]


def binom_pmf(n: int, p: float) -> FloatArray:
    """Probabilities of 0 … n successes in n trials."""
    if p <= 0.0 or p >= 1.0:
        out = np.zeros(n + 1)
        out[0 if p <= 0.0 else n] = 1.0
        return out
    f = log_factorial(n)
    k = np.arange(n + 1)
    return np.asarray(
        np.exp(f[n] - f - f[::-1] + k * math.log(p) + (n - k) * math.log1p(-p)), dtype=np.float64
    )
