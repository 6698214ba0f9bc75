"""Finished measurements: a JSON-lines file that grows as they finish."""
import json
import os


class Store:
    """One line for each measurement. `key`: the fields that tell measurements apart."""

    def __init__(self, path, key):
        self.path, self.key = path, key
        self.records = self.read()
        self.done = {self.key_of(record) for record in self.records}

    def key_of(self, record):
        return tuple(record[name] for name in self.key)

    def read(self):
        """A last line that was cut off, by a run that was killed, is left out and taken away."""
        if not os.path.exists(self.path):
            return []
        with open(self.path) as file:
            lines = file.read().split("\n")
        if lines.pop():  # no newline at the end
            self.rewrite(lines)
        return [json.loads(line) for line in lines]

    def rewrite(self, lines):
        with open(self.path + ".part", "w") as file:
            file.writelines(line + "\n" for line in lines)
        os.replace(self.path + ".part", self.path)

    def has(self, **key):
        return tuple(key[name] for name in self.key) in self.done

    def add(self, record):
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(record)
        self.done.add(self.key_of(record))
