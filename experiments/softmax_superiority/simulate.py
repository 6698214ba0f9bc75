"""One point of a sweep: how often E_success happens, and which of its four parts fails."""
import numpy as np

import models
import probability
from networks import DOUBLE, network

# F_exp(D1) > 0 and the other three = 0 (section 7.1): (attention, data set, is positive).
PARTS = {"exp_d1_zero": ("exp", 1, True), "lin_d1_positive": ("lin", 1, False),
         "exp_d0_positive": ("exp", 0, False), "lin_d0_positive": ("lin", 0, False)}
CHECKED = 2  # repetitions of every point evaluated in double precision too
CHUNK = 500_000  # scores, or entries of y for the regression, held at a time


def evaluate(p, attention, inputs, y):
    """The projections of the four networks, in the order of PARTS."""
    return [models.projections(p, attention[name], inputs[which], y)
            for name, which, _ in PARTS.values()]


def failures(evaluated, tau):
    """(4, repetitions): where a part of E_success does not hold."""
    positive = [network(projections, tau) > 0 for projections in evaluated]
    wanted = [part[2] for part in PARTS.values()]
    return np.array([got != want for got, want in zip(positive, wanted)])


def compare(p, evaluated, inputs, y):
    """Against double precision: largest difference over the largest value, and for each tau how
    many decisions differ."""
    first = slice(0, CHECKED)
    plain = evaluate(p, DOUBLE, [tuple(x[first] for x in triple) for triple in inputs], y[first])
    ours = [projections[first] for projections in evaluated]
    difference = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, plain))
    differ = {name: int((failures(ours, tau) != failures(plain, tau)).sum())
              for name, tau in p["taus"].items()}
    return difference, differ


def chunk_sizes(p):
    size = max(CHECKED, CHUNK // (p["n"] * (p["m"] if p["model"] == "regression" else p["n"])))
    return [min(size, p["repetitions"] - start) for start in range(0, p["repetitions"], size)]


def run_point(p, attention, seed):
    """One record for each tau."""
    rng = np.random.Generator(np.random.Philox(key=[seed, p["index"]]))
    counts = {name: np.zeros(len(PARTS) + 1, int) for name in p["taus"]}
    check = None
    for repetitions in chunk_sizes(p):
        inputs, y = models.draw(p, rng, repetitions)
        evaluated = evaluate(p, attention, inputs, y)
        check = check or compare(p, evaluated, inputs, y)
        for name, tau in p["taus"].items():
            failed = failures(evaluated, tau)
            counts[name] += np.append(failed.sum(1), (~failed.any(0)).sum())
    return [record(p, name, counts[name]) | {"max_difference": check[0],
                                             "decisions_differ": check[1][name]}
            for name in p["taus"]]


def record(p, tau, counts):
    successes = int(counts[-1])
    return {**{k: v for k, v in p.items() if k != "taus"}, "tau": tau, "x_value": p[p["swept"]],
            "successes": successes, "ratio": successes / p["repetitions"],
            "probability": probability.success(p, p["taus"][tau]),
            **dict(zip(PARTS, map(int, counts)))}
