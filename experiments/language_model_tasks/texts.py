"""Real text in paragraphs whose tokens are counted by the tool, and code of this repository."""
import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT.parent / "shared" / "data" / "texts"


class Tool:
    """The subquad binary with a model."""

    def __init__(self, subquad, model):
        self.command = [subquad, "lm", "score", "--model", model]

    def run(self, arguments):
        return json.loads(subprocess.run(self.command + arguments + ["--json", "-"], check=True,
                                         stdout=subprocess.PIPE).stdout)

    def count(self, lines, name):
        """`counts` of these tasks, by way of the file `name`."""
        write_lines(lines, name)
        return self.run(["--tasks", str(name), "--count"])["counts"]


def write_lines(lines, name):
    part = Path(f"{name}.part")
    part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    part.replace(name)


def read_lines(name):
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def written_as_usual(text):
    """WikiText comes with its tokens apart."""
    text = re.sub(r" @(.)@ ", r"\1", text)
    text = re.sub(r" ([,.;:?!%)\]])", r"\1", text)
    text = re.sub(r"([(\[$]) ", r"\1", text)
    text = re.sub(r'" ([^"]*) "', r'"\1"', text)
    return text.replace(" 's", "'s").replace(" n't", "n't").replace("<unk>", "X").strip()


def mended(text):
    """The novel's file has its accents encoded twice."""
    return re.sub("\u00c3([\u0080-\u00bf])", lambda m: m.group().encode("latin-1").decode(), text)


def novel():
    text = mended((TEXTS / "war_and_peace.txt").read_text())
    body = text[text.index("CHAPTER I", 20_000):text.rindex("End of the Project Gutenberg")]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", body)]
    return [p for p in paragraphs if len(p) > 60]


def play():
    text = (TEXTS / "tinyshakespeare.txt").read_text()
    speeches = [" ".join(p.split("\n", 1)[-1].split()) for p in text.split("\n\n")]
    return [p for p in speeches if len(p) > 60]


def articles():
    """(title, paragraphs) of each article of WikiText-2's test split."""
    found = []
    for line in (TEXTS / "wikitext2_test.txt").read_text().splitlines():
        title = re.fullmatch(r" = ([^=]+) = ", line)
        if title:
            found.append((title.group(1), []))
        elif found and len(line) > 80 and not line.startswith(" ="):
            found[-1][1].append(written_as_usual(line))
    return [(title, paragraphs) for title, paragraphs in found if len(paragraphs) >= 3]


def code_files():
    """{path: text} of the C++ sources under version control."""
    listed = subprocess.run(["git", "ls-files", "src", "include", "models", "tools"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split()
    return {name: (ROOT / name).read_text() for name in sorted(listed) if name.endswith((".cc", ".h"))}


class Library:
    """Everything that contexts are made of. tokens[text]: of a paragraph or file."""

    def __init__(self, tool, out):
        self.novel, self.play, self.articles, self.code = novel(), play(), articles(), code_files()
        pieces = self.novel + self.play + [p for _, ps in self.articles for p in ps]
        pieces = list(dict.fromkeys(pieces + list(self.code.values())))
        counts = tool.count([{"context": "\n", "continuation": piece} for piece in pieces],
                            out / "pieces.jsonl")
        self.tokens = {piece: count["choices"][0]["tokens"] + 2 for piece, count in zip(pieces, counts)}

    def passage(self, rng, budget, paragraphs=None):
        """Consecutive paragraphs of the novel, or of `paragraphs`, of about `budget` tokens: the last one
        is cut where it does not fit."""
        source = paragraphs or self.novel
        start = rng.randrange(max(1, len(source) - budget // 20)) if paragraphs is None else 0
        taken = []
        for paragraph in source[start:]:
            words, share = paragraph.split(" "), budget / self.tokens[paragraph]
            taken.append(paragraph if share >= 1 else " ".join(words[:int(share * len(words))]))
            budget -= self.tokens[paragraph]
            if budget < 30:
                break
        return taken
