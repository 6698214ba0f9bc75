"""What this experiment shares with the others: their modules, CSV files."""
import csv
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("softmax_superiority", "far_field"):  # library, progress; layers
    sys.path.append(os.path.join(HERE, "..", folder))


def write_csv(records, name):
    with open(name + ".part", "w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    os.replace(name + ".part", name)


def number(text):
    try:
        return float(text)
    except ValueError:
        return text or None


def read_csv(name):
    with open(name, newline="") as file:
        return [{key: number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def lines_of(records, *names):
    """Records by the values of these fields, in the order of their first appearance."""
    lines = {}
    for r in records:
        lines.setdefault(tuple(r[name] for name in names), []).append(r)
    return lines


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
