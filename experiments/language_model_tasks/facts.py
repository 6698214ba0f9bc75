"""Planted facts: one document with several, and several documents with one each."""
from words import CITIES, JOBS, NAMES, VALUES

FACT_TOKENS = 16


def options(rng, right, wrong):
    """Four choices, the right one among them, and its place."""
    choices = [right] + rng.sample([w for w in wrong if w != right], 3)
    rng.shuffle(choices)
    return [" " + choice for choice in choices], choices.index(right)


def planted(paragraphs, sentences):
    """The sentences at the ends of paragraphs, evenly through the text."""
    paragraphs = list(paragraphs)
    for i, sentence in enumerate(sentences):
        place = (2 * i + 1) * len(paragraphs) // (2 * len(sentences))
        paragraphs[place] += " " + sentence
    return "\n\n".join(paragraphs)


def single(library, rng, tokens, questions):
    """NAME's favourite KIND is VALUE; the wrong values are of no one in the document."""
    kinds = [list(VALUES)[i % len(VALUES)] for i in range(questions)]
    facts = [(name, kind) for name, kind in zip(rng.sample(NAMES, questions), kinds)]
    values, used = [], {}
    for _, kind in facts:
        free = [v for v in VALUES[kind] if v not in used.setdefault(kind, [])]
        values.append(rng.choice(free))
        used[kind].append(values[-1])
    sentences = [f"{name}'s favourite {kind} is {value}." for (name, kind), value in zip(facts, values)]
    text = planted(library.passage(rng, tokens - FACT_TOKENS * questions), sentences)
    asked = []
    for (name, kind), value in zip(facts, values):
        choices, answer = options(rng, value, [v for v in VALUES[kind] if v not in used[kind]])
        asked.append({"question": f"Question: What is {name}'s favourite {kind}?\n"
                                  f"Answer: {name}'s favourite {kind} is",
                      "choices": choices, "answer": answer})
    return text + "\n\n", asked


def multi(library, rng, tokens, questions):
    """A document for each person; the wrong values are other persons' in the same context."""
    names = rng.sample(NAMES, questions)
    cities, jobs = rng.sample(CITIES, questions), rng.sample(JOBS, questions)
    each = (tokens - 30 * questions) // questions
    documents, asked = [], []
    for i, (name, city, job) in enumerate(zip(names, cities, jobs)):
        fact = f"{name} was born in {city}. {name} works as a {job}."
        documents.append(f"Document {i + 1}\n" + planted(library.passage(rng, each) or ["-"], [fact]))
        by_city = i % 2 == 0
        begin = f"{name} was born in" if by_city else f"{name} works as a"
        ask = f"Where was {name} born?" if by_city else f"What does {name} work as?"
        choices, answer = options(rng, city if by_city else job, cities if by_city else jobs)
        asked.append({"question": f"Question: {ask}\nAnswer: {begin}", "choices": choices,
                      "answer": answer})
    return "\n\n".join(documents) + "\n\n", asked
