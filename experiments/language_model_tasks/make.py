"""Writes the task files: one for each family and length, out/SEED/FAMILY_LENGTH.jsonl."""
import random

from code_lines import code
from facts import multi, single
from few_shot import few_shot
from keywords import summary
from retrieval import paragraph_numbers, pass_keys
from texts import Library, write_lines

# Family: what makes a context and its questions, and the tokens that a question and a choice may take.
FAMILIES = {"single": (single, 56), "multi": (multi, 56), "summary": (summary, 72),
            "few_shot": (few_shot, 72), "passkey": (pass_keys, 56), "paragraph": (paragraph_numbers, 72),
            "code": (code, 420)}
QUESTIONS = 8  # of a context


def context_lines(family, length, number, context, asked):
    return [{"id": f"{family}/{length}/{number}/{q}", "context": context, **question}
            for q, question in enumerate(asked)]


def make_context(library, tool, name, seed, family, length, number):
    """Lines whose texts all fit into `length` tokens, as near to it as the paragraphs allow."""
    build, reserve = FAMILIES[family]
    room = length - reserve
    while True:
        rng = random.Random(f"{seed}/{family}/{length}/{number}")
        lines = context_lines(family, length, number, *build(library, rng, room, QUESTIONS))
        longest = max(choice["all_tokens"] for count in tool.count(lines, f"{name}.count")
                      for choice in count["choices"])
        if longest <= length:
            return lines
        room -= longest - length + 8


def make(tool, out, seed, families, lengths, contexts):
    folder = out / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(f, n, folder / f"{f}_{n}.jsonl") for n in lengths for f in families]
    missing = [(f, n, name) for f, n, name in wanted if not name.exists()]
    if not missing:
        return
    library = Library(tool, out)
    for family, length, name in missing:
        lines = [line for number in range(contexts)
                 for line in make_context(library, tool, name, seed, family, length, number)]
        (folder / f"{name.name}.count").unlink()
        write_lines(lines, name)
        print(f"{name}: {len(lines)} tasks, {contexts} contexts", flush=True)
