"""Accuracy of every method on every family: Markdown on stdout, and a CSV."""
import csv
import json

from intervals import interval, mean_of
from score import EXACT, plan

HEADINGS = ("task", "tokens", "method", "layers", "right", "95 %", "against exact", "95 %", "chance")
FIELDS = ("family", "length", "method", "layers", "tasks", "contexts", "context_tokens", "by", "accuracy",
          "low", "high", "change", "change_low", "change_high", "chance", "able", "prefill_s", "score_s")


def context_of(score):
    return score["id"].rsplit("/", 1)[0]


def by_context(scores, values):
    """Values of the tasks of one context together, in the file's order."""
    groups = {}
    for score, value in zip(scores, values):
        groups.setdefault(context_of(score), []).append(value)
    return list(groups.values())


def right_answers(run, by):
    """1 or 0 for each task. by: sum, token or byte, as the tool compares choices."""
    return [float(score[f"right_by_{by}"]) for score in run["scores"]]


def chance_of(scores):
    """The expected share of right answers of a blind guess."""
    return sum(1 / len(score["choices"]) for score in scores) / len(scores)


def record(run, exact, family, length, layers, by):
    scores, right = run["scores"], right_answers(run, by)
    groups = by_context(scores, right)
    row = {"family": family, "length": length, "method": run["method"], "layers": layers,
           "tasks": len(right), "contexts": len(groups), "by": by, "accuracy": mean_of(groups),
           "context_tokens": run["prefill_tokens"] / run["prefills"],
           "chance": chance_of(scores), "prefill_s": run["prefill_s"], "score_s": run["score_s"]}
    row["low"], row["high"] = interval(groups)
    row["able"] = row["low"] > row["chance"]
    if exact is not None and run["method"] != EXACT:
        before = right_answers(exact, by)
        changes = by_context(scores, [a - b for a, b in zip(right, before, strict=True)])
        row["change"] = mean_of(changes)
        row["change_low"], row["change_high"] = interval(changes)
    return row


def percent(value, sign=""):
    return f"{100 * value:{sign}.0f} %"


def cells(row):
    change = ["", ""]
    if "change" in row:
        change = [percent(row["change"], "+"),
                  f"{percent(row['change_low'], '+')} to {percent(row['change_high'], '+')}"]
    return [row["family"], f"{row['context_tokens']:.0f}", f"`{row['method']}`", str(row["layers"]),
            f"{percent(row['accuracy'])}", f"{percent(row['low'])} to {percent(row['high'])}", *change,
            percent(row["chance"])]


def statement(row):
    """Whether the model can do the task at all."""
    if row["able"]:
        return (f"{row['family']}, {row['length']} tokens: exact is above chance ({percent(row['low'])} to "
                f"{percent(row['high'])} against {percent(row['chance'])}): what methods do to it means something.")
    return (f"{row['family']}, {row['length']} tokens: exact is not above chance ({percent(row['low'])} to "
            f"{percent(row['high'])} against {percent(row['chance'])}): this model cannot do it, and the methods' "
            "figures say nothing.")


def records(out, seed, options, compared_by):
    rows, exact = [], {}
    for tasks, name, method, layers in plan(out, seed, options):
        if not name.exists():
            continue
        run = json.loads(name.read_text())
        family, length = tasks.stem.rsplit("_", 1)
        if method == EXACT:
            exact[tasks] = run
        rows.append(record(run, exact.get(tasks), family, int(length), layers, compared_by[family]))
    order = list(compared_by)
    return sorted(rows, key=lambda row: (row["length"], order.index(row["family"]), row["layers"]))


def table(out, seed, options, compared_by):
    rows = records(out, seed, options, compared_by)
    if not rows:
        print(f"no scores of seed {seed} in {out}: run score first")
        return
    print("| " + " | ".join(HEADINGS) + " |\n" + "|---" * len(HEADINGS) + "|")
    for row in rows:
        print("| " + " | ".join(cells(row)) + " |")
    print()
    for row in rows:
        if row["method"] == EXACT:
            print("- " + statement(row))
    name = out / f"table_{seed}.csv"
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="")
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                         for row in rows)
    print(f"\nCSV: {name}")
