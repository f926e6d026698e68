"""Handwritten digits, 8x8, as scikit-learn carries them: no file, no download.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
Learning Repository (1998), https://doi.org/10.24432/C50P49; the copy in scikit-learn is the
original test part, 1797 digits by 13 writers.

Every third sample (``index % 3 == 2``) is held out for testing: 1198 to train, 599 to test. The
rule needs no seed and keeps the classes balanced. It does not part the writers, so accuracies here
are for known hands.
"""

from __future__ import annotations

import numpy as np

from ranvier.data._dataset import Dataset, Source, Split
from ranvier.errors import fail

__all__ = ["DATASET"]


def _read(argument: str, split: Split) -> Dataset:
    if argument:
        raise fail(
            "bad-dataset-argument",
            "data set 'digits'",
            "digits come with scikit-learn and take no directory",
            got=repr(f"digits:{argument}"),
            hint=("write 'digits'", f"write 'mnist:{argument}' for MNIST files in that directory"),
        )
    from sklearn.datasets import load_digits  # slow to import, so only when asked for

    images, labels = load_digits(return_X_y=True)
    held_out = np.arange(len(labels)) % 3 == 2
    chosen = held_out if split == "test" else ~held_out
    return Dataset(
        name="digits",
        split=split,
        x=images[chosen].reshape(-1, 8, 8).astype(np.uint8),
        y=labels[chosen].astype(np.int64),
        classes=10,
        peak=16.0,
        source="Alpaydin & Kaynak 1998, doi:10.24432/C50P49, as in scikit-learn; index % 3 == 2 "
        "is held out",
    )


DATASET = Source(
    name="digits",
    usage="digits",
    summary="1797 handwritten digits, 8x8 pixels of 0..16, from scikit-learn",
    read=_read,
)
