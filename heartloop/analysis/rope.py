"""ROPE: how likely a difference is to lie within the region of practical equivalence."""

from __future__ import annotations

from heartloop.analysis._special import t_cdf


def share_within(estimate: float, se: float, df: float, margin: float) -> float:
    """Posterior probability that the true difference lies within ±``margin``.

    With a flat prior the posterior of a mean is ``estimate + se t``, t Student's with ``df``
    degrees of freedom (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 3.2), and the
    probability is ``F((m - d) / se) - F((-m - d) / se)``: the share of the whole posterior in the
    region of practical equivalence (Kruschke 2018, AMPPS 1:270; Makowski et al. 2019, Front.
    Psychol. 10:2767). It is read beside TOST, whose p is about the larger of the two tails, and
    unlike a p-value it says how likely "no difference that matters" is; nothing is adjusted for
    several contrasts, so it carries no word.

    Args:
        estimate: the difference, a share.
        se: its standard error, above 0.
        df: degrees of freedom, above 0.
        margin: half-width of the region, a share.

    Raises:
        ValueError: se or df is not above 0, or the margin is negative.
    """
    if not (se > 0 and df > 0 and margin >= 0):
        raise ValueError(f"se {se:g}, df {df:g}, margin {margin:g}: se and df above 0, margin ≥ 0")
    return t_cdf((margin - estimate) / se, df) - t_cdf((-margin - estimate) / se, df)
