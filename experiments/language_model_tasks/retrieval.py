"""Pass keys among text, and the numbers of paragraphs."""
from words import DOORS


def pass_keys(library, rng, tokens, questions):
    doors = rng.sample(DOORS, questions)
    keys = [str(key) for key in rng.sample(range(10_000, 100_000), questions)]
    paragraphs = library.passage(rng, tokens - 22 * questions)
    for i, (door, key) in enumerate(zip(doors, keys)):
        place = (2 * i + 1) * len(paragraphs) // (2 * questions)
        paragraphs[place] += f" The pass key of the {door} door is {key}. Remember it."
    asked = []
    for door, key in zip(doors, keys):
        choices = [key] + rng.sample([k for k in keys if k != key], 3)
        rng.shuffle(choices)
        asked.append({"question": f"The pass key of the {door} door is",
                      "choices": [" " + c for c in choices], "answer": choices.index(key)})
    return "\n\n".join(paragraphs) + "\n\n", asked


def paragraph_numbers(library, rng, tokens, questions):
    """Each paragraph ends with its number; a question quotes the end of one."""
    paragraphs = [" ".join(p.split()[:60]) for p in library.passage(rng, 3 * tokens)]
    left, kept = tokens, []
    for paragraph in paragraphs:
        left -= len(paragraph) // 4 + 10  # about its tokens
        if left < 0:
            break
        kept.append(paragraph)
    text = "\n\n".join(f"{p} (paragraph {i + 1})" for i, p in enumerate(kept))
    asked = []
    numbers = range(1, len(kept) + 1)
    for number in rng.sample(numbers, questions):
        wrong = rng.sample([n for n in numbers if n != number], 3)
        choices = [number] + wrong
        rng.shuffle(choices)
        quote = " ".join(kept[number - 1].split()[-12:])
        asked.append({"question": f'Where is this from? "{quote} (paragraph',
                      "choices": [f" {c})" for c in choices], "answer": choices.index(number)})
    return text + "\n\n", asked
