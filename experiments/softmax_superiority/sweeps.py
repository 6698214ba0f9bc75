"""Every sweep of figures 3, 4, 5 and 7, with the paper's parameters (sections 7 and F.6).

A point is a dictionary: figure, panel, variant, swept (the parameter on the x axis), repetitions,
index, and what the model takes. `taus` are the thresholds of the networks, by name.
"""
import math

import numpy as np

DELTA = 0.01
PRINTED = "as printed"


def steps(first, last, step):
    return [round(first + i * step, 10) for i in range(int((last - first) / step + 1e-9) + 1)]


def log_width(n):
    """m = log(n / delta), up to the next whole number."""
    return math.ceil(math.log(n / DELTA))


def regression(**p):
    return {"model": "regression", "taus": {"1/4": 0.25, "1/2": 0.5}} | p  # Lemma 4.2


def self_attention(x, **p):
    p = {"model": "self", "x": x, "n": 200, "d": 22, "a0": 0.01, "a1": 1.2, "b": 0.2, "c": 0.8} | p
    root = math.sqrt(math.log(p["n"]))
    p["taus"] = {"(c + 0.1) sqrt(log n)": (p["c"] + 0.1) * root,  # Theorem D.5
                 "(c + 0.2) sqrt(log n)": (p["c"] + 0.2) * root}  # in the proof of Lemma D.4
    return {"m": max(log_width(p["n"]), 15)} | p


def cross_attention(**p):
    p = {"model": "cross", "x": "identity", "n": 200, "d": 11, "a0": 0.01, "a1": 3.0} | p
    return {"m": log_width(p["n"]), "taus": {"0.9": 0.9}} | p  # Theorem F.5


def curve(panel, swept, points, variant=PRINTED, repetitions=100):
    """One line of one panel."""
    return [{"figure": panel[0], "panel": panel[1], "swept": swept, "variant": variant,
             "repetitions": repetitions} | point for point in points]


def figure3():
    by_n = [regression(n=n, m=math.ceil(math.log(n))) for n in range(100, 2001, 10)]
    by_m = [regression(n=1000, m=m) for m in range(1, 101)]
    return curve("3a", "n", by_n, repetitions=1000) + curve("3b", "m", by_m, repetitions=1000)


def partners_of_c(x):
    """b for each c: what is printed, and what the definitions ask for."""
    partners = {"b = 0.2 (as printed)": lambda c: 0.2,
                "b = 1 - c (Definition D.1)": lambda c: 1 - c}
    if x == "identity":
        partners["b^2 = 1 - c^2 (Lemma E.1)"] = lambda c: math.sqrt(1 - c * c)
    return partners


def self_figure(figure, x):
    def model(**p):
        return self_attention(x, **p)

    points = curve(figure + "a", "n", [model(n=n, d=12) for n in range(200, 1001, 10)])
    points += curve(figure + "b", "d", [model(n=256, d=d) for d in (4, 6, 10, 18, 34, 66)])
    points += curve(figure + "c", "m", [model(m=m) for m in range(1, 81)])
    for variant, b in partners_of_c(x).items():
        sweep = [model(c=c, b=b(c)) for c in steps(0.5, 0.9, 0.005)]
        points += curve(figure + "d", "c", sweep, variant)
    points += curve(figure + "e", "a0", [model(a0=a0) for a0 in steps(0.01, 0.8, 0.01)])
    return points + curve(figure + "f", "a1", [model(a1=a1) for a1 in steps(0.1, 3, 0.036)])


def figure7():
    model = cross_attention
    points = curve("7a", "n", [model(n=n) for n in range(200, 1001, 10)])
    points += curve("7b", "d", [model(d=d) for d in (2, 3, 5, 6, 9, 11, 21, 26, 41, 51)])
    points += curve("7c", "m", [model(m=m) for m in range(1, 81)])
    widths = {12: "d = 12 (as printed), last block cut", 11: "d = 11 (d - 1 divides n)"}
    for d, variant in widths.items():
        points += curve("7d", "a1", [model(d=d, a1=a1) for a1 in steps(0.1, 3, 0.036)], variant)
        points += curve("7e", "a0", [model(d=d, a0=a0) for a0 in steps(0.01, 0.9, 0.01)], variant)
    return points


def all_points():
    """Every point with its index, from which its random numbers are drawn."""
    points = figure3() + self_figure("4", "identity") + self_figure("5", "ones") + figure7()
    return [point | {"index": index} for index, point in enumerate(points)]


def line_of(point):
    return point["figure"], point["panel"], point["variant"]


def quick(points):
    """Three points of every line, ten repetitions."""
    lines = {}
    for point in points:
        lines.setdefault(line_of(point), []).append(point)
    chosen = [line[i] for line in lines.values()
              for i in np.linspace(0, len(line) - 1, 3).astype(int)]
    return [point | {"repetitions": 10} for point in chosen]
