"""Expected against measured, and the checks of the run itself, as Markdown."""
import math

import theory

FALSE_ALARM = 1e-6


def lines_of(records):
    """(panel, variant, tau) -> its records, by x."""
    lines = {}
    for r in records:
        lines.setdefault((r["figure"] + r["panel"], r["variant"], r["tau"]), []).append(r)
    return {key: sorted(line, key=lambda r: r["x_value"]) for key, line in lines.items()}


def mean(values):
    return sum(values) / len(values)


def row(line, first, last, meaning):
    """Measured: mean (least to largest) over first <= x <= last; None where no point lies there."""
    inside = [r for r in line if first - 1e-9 <= r["x_value"] <= last + 1e-9]
    if not inside:
        return None
    ratios = [r["ratio"] for r in inside]
    exact = [r["probability"] for r in inside if r["probability"] is not None]
    low, high = theory.MEANINGS[meaning]
    return [f"{first:g} to {last:g}", meaning,
            f"{mean(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{mean(exact):.3f}" if exact else "", "yes" if low <= mean(ratios) <= high else "no"]


def expected_rows(lines):
    for (panel, variant, tau), line in lines.items():
        for expectation in theory.EXPECTED[panel]:
            cells = row(line, *expectation)
            if cells:
                yield [f"{panel}, {line[0]['swept']}", f"{variant}, tau = {tau}", *cells]


def crossing(line, key):
    """First x where the line passes half of its largest value, between two points."""
    half = max(r[key] for r in line) / 2
    for a, b in zip(line, line[1:]):
        if (a[key] >= half) != (b[key] >= half):
            share = (half - a[key]) / (b[key] - a[key])
            return a["x_value"] + share * (b["x_value"] - a["x_value"])
    return None


def crossing_rows(lines):
    for (panel, variant, tau), line in lines.items():
        if line[0]["swept"] in ("a0", "a1"):
            known = all(r["probability"] is not None for r in line)
            found = [crossing(line, key) for key in ("ratio", "probability")[:1 + known]]
            stated = [f"{x:.3f}" for x, label in theory.THRESHOLDS[panel] if "assumed" not in label]
            yield [f"{panel}, {line[0]['swept']}", f"{variant}, tau = {tau}", *(stated or [""]),
                   *("none" if x is None else f"{x:.3f}" for x in found), *[""] * (not known)]


def tail(count, trials, p):
    """Probability of a count as far or farther from trials p, on its side (two-sided: doubled)."""
    side = range(count, trials + 1) if count > trials * p else range(count + 1)
    return min(1.0, 2 * sum(math.comb(trials, i) * p**i * (1 - p)**(trials - i) for i in side))


def smallest_tail(records):
    known = [r for r in records if r["probability"] is not None]
    tails = [tail(int(r["successes"]), int(r["repetitions"]), min(1.0, r["probability"]))
             for r in known]
    return min(tails), len(tails)


def disagrees(records):
    """Whether ratios leave what the exact probabilities allow, or float32 changed a decision."""
    least, count = smallest_tail(records)
    return least * count < FALSE_ALARM or any(r["decisions_differ"] > 0 for r in records)


def render(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def markdown(records):
    lines = lines_of(records)
    least, count = smallest_tail(records)
    differ = sum(int(r["decisions_differ"]) for r in records)
    largest = max(r["max_difference"] for r in records)
    return (
        render(["panel", "line", "range", "expected", "measured: mean (least to largest)",
                "exact mean", "holds"], expected_rows(lines)) + "\n"
        + render(["panel", "line", "threshold", "half of the largest ratio at", "exact: at"],
                 crossing_rows(lines)) + "\n"
        + f"{count} ratios against their exact probability: the least likely of them has a "
        f"two-sided tail of {least:.2g},\ntimes their number {least * count:.2g}. "
        f"Against double precision: largest relative difference {largest:.1e}, "
        f"decisions that differ: {differ}.\n")
