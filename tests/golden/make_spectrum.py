"""Makes spectrum.safetensors, which test_spectrum.c compares with, by numpy and scipy. Run once, kept for the record:

    pip install numpy scipy safetensors
    python make_spectrum.py

For a case of more rows than units ("tall") and one of fewer ("wide"): x [rows, units] (F32), label and fold [rows] (I32), and, in
F64, eigenvalues [units] of the covariance, participation [1], components [1] to 99% of the variance; and of the two classes,
projected to the principal components that hold 99% of the variance of the rows that a fit sees: kept [1], top [1] (the largest
eigenvalue of scipy.linalg.eigh(S, R), S and R the covariances of classes 1 and 0, R with 1% of its mean eigenvalue added to its
diagonal), training_t [1] (scipy.stats.ttest_ind of the scores, the eigenvector turned so that it is above 0), held_out_t [1] (of each
row's score by the fit to the rows of the other folds).
"""
import pathlib

import numpy as np
import scipy.linalg
import scipy.stats
from safetensors.numpy import save_file

SHARE, SHRINKAGE = 0.99, 0.01


def components(values):
    return int(np.searchsorted(np.cumsum(values), SHARE * values.sum()) + 1)


def fit(x, label, seen):
    """The scores of all rows by the fit to those seen."""
    mean = x[seen].mean(axis=0)
    _, deviations, axes = scipy.linalg.svd(x[seen] - mean, full_matrices=False)
    kept = components(deviations**2)
    parts = (x - mean) @ axes[:kept].T
    s, r = (np.cov(parts[seen & (label == c)], rowvar=False) for c in (1, 0))
    r = r + SHRINKAGE * np.linalg.eigvalsh(r).mean() * np.eye(kept)
    values, vectors = scipy.linalg.eigh(s, r)
    score = parts @ vectors[:, -1]
    t = separation(score[seen], label[seen])
    return kept, values[-1], abs(t), np.sign(t) * score


def separation(score, label):
    return scipy.stats.ttest_ind(score[label == 1], score[label == 0]).statistic


def case(rng, rows, units, folds):
    label = (np.arange(rows) % 5 < 2).astype(np.int32)
    rng.shuffle(label)
    mix = rng.standard_normal((units, units)) * np.exp(-np.arange(units) / 8.0)[:, None]
    x = rng.standard_normal((rows, units)) @ mix + 3.0
    # Class 1 varies more, and has another mean, in some directions.
    x += label[:, None] * ((1.0 + rng.standard_normal((rows, 2))) @ rng.standard_normal((2, units)))
    x = x.astype(np.float32)
    fold = np.empty(rows, np.int32)
    for c in (0, 1):
        fold[label == c] = np.arange((label == c).sum()) % folds
    wide = x.astype(np.float64)
    values = np.maximum(scipy.linalg.eigvalsh(np.cov(wide, rowvar=False))[::-1], 0)
    kept, top, training, _ = fit(wide, label, np.ones(rows, bool))
    held = np.empty(rows)
    for f in range(folds):
        held[fold == f] = fit(wide, label, fold != f)[3][fold == f]
    one = {"participation": values.sum() ** 2 / (values**2).sum(), "components": components(values), "kept": kept, "top": top,
           "training_t": training, "held_out_t": separation(held, label)}
    made = {key: np.array([value], np.float64) for key, value in one.items()}
    return made | {"x": x, "label": label, "fold": fold, "eigenvalues": values}


def main():
    rng = np.random.default_rng(20)
    cases = {"tall": case(rng, 90, 24, 5), "wide": case(rng, 40, 70, 4)}
    tensors = {f"{name}.{key}": np.ascontiguousarray(value) for name, made in cases.items() for key, value in made.items()}
    save_file(tensors, pathlib.Path(__file__).parent / "spectrum.safetensors")
    for name, made in cases.items():
        print(name, {key: value for key, value in made.items() if value.size == 1})


if __name__ == "__main__":
    main()
