"""The next line of a file of this repository, after files of the same folder; the wrong ones are lines of
further files of that folder."""
import os

BEFORE = 16  # lines of the file that the question shows


def lines_of(text):
    return [line for line in text.splitlines() if line.strip()]


def candidates(lines):
    """Numbers of lines that say something."""
    return [i for i in range(BEFORE, len(lines)) if len(lines[i].strip()) > 20
            and not lines[i].lstrip().startswith("//")]


def question_about(rng, name, lines, place, elsewhere):
    wrong = sorted(set(elsewhere) - set(lines))
    choices = [lines[place]] + rng.sample(wrong, 3)
    rng.shuffle(choices)
    shown = "\n".join(lines[place - BEFORE:place])
    return {"question": f"// {name}\n{shown}", "choices": ["\n" + c for c in choices],
            "answer": choices.index(lines[place])}


def code(library, rng, tokens, questions):
    folders = {}
    for name in library.code:
        folders.setdefault(os.path.dirname(name), []).append(name)
    folder = rng.choice([f for f, names in sorted(folders.items()) if len(names) >= 10])
    names = rng.sample(folders[folder], len(folders[folder]))
    asked_of = [n for n in names if len(candidates(lines_of(library.code[n]))) >= 14][:4]
    others = [n for n in names if n not in asked_of]
    elsewhere = sorted(set(library.code) - set(names))
    others += rng.sample(elsewhere, len(elsewhere))
    text, left = [], tokens
    for name in others:
        if library.tokens[library.code[name]] + 16 < left:
            text.append(f"// {name}\n{library.code[name]}")
            left -= library.tokens[library.code[name]] + 16
    asked = []
    for i in range(questions):
        name = asked_of[i % len(asked_of)]
        lines = lines_of(library.code[name])
        elsewhere = [all_lines[i] for n in asked_of if n != name
                     for all_lines in [lines_of(library.code[n])] for i in candidates(all_lines)]
        asked.append(question_about(rng, name, lines, rng.choice(candidates(lines)), elsewhere))
    return "\n".join(text) + "\n", asked
