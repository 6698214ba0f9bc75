"""What this experiment shares with the others: their modules, tables."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("softmax_superiority", "far_field"):  # library, progress, records; layers
    sys.path.append(os.path.join(HERE, "..", folder))


def lines_of(records, *names):
    """Records by the values of these fields, in the order of their first appearance."""
    lines = {}
    for r in records:
        lines.setdefault(tuple(r[name] for name in names), []).append(r)
    return lines


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
