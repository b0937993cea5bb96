"""Keeps numpy's BLAS on one thread: pocket's matrices are too small to share out."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

import numpy as np

_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


@lru_cache(maxsize=1)
def use_one_thread() -> bool:
    """Tell numpy's bundled OpenBLAS to stay on the calling thread.

    On a busy machine its threads wait for one another in a spinning loop: with another process on
    each of two cores, generation was 13 times slower than on one thread. The setting holds for
    the whole process; other BLAS libraries are left alone.

    Returns:
        Whether a library was found and told.
    """
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs", root / ".libs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in _SETTERS:
                setter = getattr(library, name, None)
                if setter is not None:
                    setter(ctypes.c_int(1))
                    return True
    return False
