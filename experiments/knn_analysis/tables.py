"""Expected against measured, as Markdown."""
import math

from shared import lines_of, markdown


def slope(line, x, y):
    """Least squares of log y on log x."""
    points = [(math.log(r[x]), math.log(r[y])) for r in line]
    a, b = (sum(p[i] for p in points) / len(points) for i in (0, 1))
    return sum((u - a) * (v - b) for u, v in points) / sum((u - a)**2 for u, _ in points)


def span(line, name):
    low, high = min(r[name] for r in line), max(r[name] for r in line)
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"


def lemma2(records):
    rows = []
    for (inside, sigma), line in lines_of(records, "in_condition", "sigma").items():
        best = min(line, key=lambda r: r["mean"])
        falling = [r for r in line if r["k"] <= 128]
        bounds = [r["bound"] / r["quantile95"] for r in line if r["bound"] is not None]
        rows.append([f"{sigma:g}", f"{line[0]['own_score']:.3g}", "yes" if inside else "no",
                     f"{slope(falling, 'k', 'mean'):.2f}", f"{best['k']:g}", f"{best['mean']:.3f}",
                     f"{line[0]['exact_mean']:.3f}",
                     f"{min(bounds):.1f} to {max(bounds):.1f}" if bounds else ""])
    return markdown(["sigma", "own score", "in condition", "slope, k <= 128 (expected -1/2)",
                     "best k (expected 128)", "distance there", "exact softmax",
                     "bound / 95 % quantile"], rows)


def lemma3(records):
    rows = []
    for (kappa, tau), line in lines_of(records, "kappa", "tau").items():
        by_n = [r for r in line if r["swept"] == "n"]
        by_d = [r for r in line if r["swept"] == "d" and r["d"] >= 64]
        worst = max(line, key=lambda r: r["mean"] / r["predicted"])
        rows.append([f"{kappa:g}", f"{tau:g}", f"{slope(by_n, 'n', 'mean'):.2f}",
                     f"{2 * kappa + tau - 1:.2f}",
                     f"{slope(by_d, 'd', 'mean'):.2f}" if len(by_d) > 1 else "",
                     f"{worst['mean'] / worst['predicted']:.2g} (d = {worst['d']:g})",
                     f"{by_n[-1]['mean']:.4g} of {by_n[-1]['n']:g}"])
    return markdown(["kappa", "tau", "slope in n (claim 1)", "claimed slope in d",
                     "measured, d >= 64", "largest count / claim with c = 1", "count at d = 64"],
                    rows)


def candidates(records):
    """A line for each layer and method: the recalls at every k."""
    ks = sorted({r["k"] for r in records})
    rows = []
    for (layer, rule), line in lines_of(records, "layer", "rule").items():
        known = {r["k"]: r for r in line}
        ranked = "{k}" in rule  # holds k keys or fewer, whatever it looked at
        rows.append([layer, f"`{rule}`", "" if ranked else f"{line[0]['share']:.3f}",
                     *(f"{known[k]['recall']:.3f}" if k in known else "" for k in ks),
                     span(line, "time_over_topk"), span(line, "time_over_exact")])
    return markdown(["layer", "method", "share of keys", *(f"recall, k = {k:g}" for k in ks),
                     "time / topk", "time / exact"], rows)


def composition(records):
    text = ""
    for (layer,), line in lines_of(records, "layer").items():
        ks = sorted({r["k"] for r in line})
        rows = []
        for (light,), members in lines_of(line, "light").items():
            cells = {r["k"]: f"{r['error']:.3g}, {r['time_over_exact']:.2f}" for r in members}
            rows.append([f"`{light}`", *(cells.get(k, "") for k in ks)])
        text += f"{layer}: error, time over exact\n\n" + markdown(
            ["light part", *("no topk" if k == 0 else f"k = {k:g}" for k in ks)], rows) + "\n"
    return text


TABLES = {"lemma2": lemma2, "lemma3": lemma3, "candidates": candidates, "composition": composition}
