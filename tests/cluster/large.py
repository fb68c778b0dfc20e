"""Compares what large.c left in a folder with numpy and scipy on the same rows: large.py FOLDER ridge|spectrum UNITS,
or rsa WORDS."""
import pathlib
import sys

import numpy as np
import scipy.linalg
import scipy.stats

BOUND = 1e-8  # of what the documents promise


def near(name, got, want):
    apart = np.max(np.abs(np.asarray(got) - want)) / np.max(np.abs(want))
    print(f"{name}: at most {apart:.1e} of the largest apart")
    return apart <= BOUND


def ridge(x, label, fold, read):
    """Newton's method with all units and the intercept as unknowns, dense, full steps, until nothing moves."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    rows, units = z.shape
    a = np.hstack([np.ones((rows, 1)), z])
    penalty = np.full(units + 1, 1.0)
    penalty[0] = 0
    unknown = np.zeros(units + 1)
    for step in range(50):
        p = 1 / (1 + np.exp(-(a @ unknown)))
        information = (a * (p * (1 - p))[:, None]).T @ a
        information[np.diag_indices(units + 1)] += penalty
        change = scipy.linalg.solve(information, a.T @ (label - p) - penalty * unknown, assume_a="pos")
        unknown += change
        if np.max(np.abs(change)) < 1e-13:
            break
    print(f"numpy: {step + 1} steps of Newton's method on {units + 1} unknowns")
    return near("eta", read("eta", np.float64), a @ unknown)


def fit(x, label, seen):
    """The scores of all rows by the fit to those seen, as in tests/golden/make_spectrum.py."""
    mean = x[seen].mean(axis=0)
    _, deviations, axes = scipy.linalg.svd(x[seen] - mean, full_matrices=False)
    share = np.cumsum(deviations**2) / np.sum(deviations**2)
    kept = int(np.searchsorted(share, 0.99) + 1)
    parts = (x - mean) @ axes[:kept].T
    s, r = (np.cov(parts[seen & (label == c)], rowvar=False) for c in (1, 0))
    r += 0.01 * np.trace(r) / kept * np.eye(kept)
    values, vectors = scipy.linalg.eigh(s, r, subset_by_index=[kept - 1, kept - 1])
    score = parts @ vectors[:, 0]
    t = statistic(score[seen], label[seen])
    return kept, values[0], abs(t), np.sign(t) * score


def statistic(score, label):
    return scipy.stats.ttest_ind(score[label == 1], score[label == 0]).statistic


def spectrum(x, label, fold, read):
    centred = x - x.mean(axis=0)
    want = scipy.linalg.eigvalsh(centred.T @ centred / (len(x) - 1))[::-1]
    good = near("eigenvalues", read("values", np.float64), want)
    x = x[: len(label)]
    kept, top, training, _ = fit(x, label, np.ones(len(label), bool))
    held = np.empty(len(label))
    for f in np.unique(fold):
        held[fold == f] = fit(x, label, fold != f)[3][fold == f]
    got = read("separation", np.float64)
    print(f"components: {got[0]:.0f} and {kept}")
    for name, value, other in zip(("top eigenvalue", "training t", "held-out t"), got[1:], (top, training, statistic(held, label))):
        good &= near(name, value, other)
    return good and got[0] == kept


def rsa(x, label, _, read):
    """All sums over pairs of words from products of units, without the matrix of words: with rows of length 1 in X, the sum of all
    similarities is |sum of rows|^2, of their squares |X'X|^2, of products of two components' |X'Y|^2."""
    words = len(label)
    x = x.reshape(3, words, -1)
    x /= np.sqrt((x**2).sum(axis=2, keepdims=True))
    groups = [label == g for g in np.unique(label)]
    sizes = np.array([g.sum() for g in groups])
    pairs = sizes * (sizes - 1) / 2
    count, within_count = words * (words - 1) / 2, pairs.sum()
    between_count = count - within_count
    means, want = [], []
    for one in x:
        sums = np.array([one[g].sum(axis=0) for g in groups])
        blocks = sums @ sums.T
        own = (np.diag(blocks) - sizes) / 2
        all_pairs = (blocks.sum() - words) / 2
        means.append(all_pairs / count)
        squares_within = sum((np.sum((one[g].T @ one[g]) ** 2) - n) / 2 for g, n in zip(groups, sizes))
        squares = (np.sum((one.T @ one) ** 2) - words) / 2
        within = np.mean(own / pairs)
        between = np.mean((blocks / np.outer(sizes, sizes))[np.triu_indices(len(sizes), 1)])
        pair_within, pair_between = own.sum() / within_count, (all_pairs - own.sum()) / between_count
        spread = squares_within - within_count * pair_within**2 + squares - squares_within - between_count * pair_between**2
        d = (pair_within - pair_between) / np.sqrt(spread / (count - 2))
        want.append([within, between, within - between, within / between, pair_within, pair_between, d, *(own / pairs)])
    products = np.array([[(np.sum((a.T @ b) ** 2) - words) / 2 for b in x] for a in x])
    moments = products - count * np.outer(means, means)
    correlation = moments / np.sqrt(np.outer(np.diag(moments), np.diag(moments)))
    got, good = read("measures", np.float64).reshape(3, -1), True
    names = ["within", "between", "difference", "selectivity", "mean of pairs within", "between", "Cohen's d", "within each category"]
    for i, name in enumerate(names):
        last = i + 1 if i < len(names) - 1 else None
        good &= near(name, got[:, i:last], np.array(want)[:, i:last])
    return good & near("RSA of QK, QV and KV", read("rsa", np.float64), correlation[[0, 0, 1], [1, 2, 2]])


def main():
    folder, what, number = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    def read(name, kind):
        return np.fromfile(folder / name, kind)

    x = read("x", np.float32).astype(np.float64)
    fold = None
    if what != "rsa":
        x, fold = x.reshape(-1, number), read("fold", np.int32)
    good = {"ridge": ridge, "spectrum": spectrum, "rsa": rsa}[what](x, read("label", np.int32), fold, read)
    sys.exit(0 if good else 1)


main()
