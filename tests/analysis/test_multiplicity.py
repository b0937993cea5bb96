"""Several hypotheses, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from heartloop.analysis.multiplicity import benjamini_hochberg, holm


def test_both_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        p = rng.random(rng.integers(1, 60)) ** 2
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-9)
        np.testing.assert_allclose(
            benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-9
        )


def test_nothing_in_nothing_out_and_bad_input_refused() -> None:
    assert holm([]).shape == (0,) and benjamini_hochberg([]).shape == (0,)
    with pytest.raises(ValueError, match="p-values"):
        holm([1.2])
