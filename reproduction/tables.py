"""Small tables that scikit-learn ships, as data sets: every third row of a class is for the test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine

from dba_cli import register_dataset

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@register_dataset("wine", title="scikit-learn's wine")
def wine(data_dir: Path) -> Arrays:
    """178 rows of 13 features, three classes (Aeberhard and Forina 1991)."""
    return _split(load_wine)


@register_dataset("breast_cancer", title="scikit-learn's breast cancer")
def breast_cancer(data_dir: Path) -> Arrays:
    """569 rows of 30 features, two classes (Wolberg et al. 1993)."""
    return _split(load_breast_cancer)


def _split(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Arrays:
    rows, labels = load(return_X_y=True)
    rows = rows.astype(np.float32)
    ranks = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])
    test = ranks % 3 == 2
    return rows[~test], labels[~test], rows[test], labels[test]
