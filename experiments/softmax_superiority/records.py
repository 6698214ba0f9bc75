"""Records, dictionaries with the same fields, to CSV files and back."""
import csv
import os


def write_csv(records, name, fields=None):
    """`fields`: those that are written, empty where a record has none; default: the first record's,
    and every record has these."""
    extra = "ignore" if fields else "raise"
    with open(name + ".part", "w", newline="") as file:
        writer = csv.DictWriter(file, fields or list(records[0]), extrasaction=extra)
        writer.writeheader()
        writer.writerows(records)
    os.replace(name + ".part", name)


def number(text):
    try:
        return float(text)
    except ValueError:
        return text or None


def read_csv(name, texts=()):
    """Numbers where the text is one, except in the fields `texts`; None where it is empty."""
    with open(name, newline="") as file:
        return [{key: value if key in texts else number(value) for key, value in row.items()}
                for row in csv.DictReader(file)]
