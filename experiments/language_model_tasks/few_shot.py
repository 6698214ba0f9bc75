"""Passages labelled by where they come from; the questions' passages are in no shot."""

LABELS = ("play", "novel", "encyclopedia", "code")


def snippets(library, rng):
    """Endless short passages of each source, none twice."""
    code = [line.strip() for text in library.code.values() for line in text.splitlines()
            if len(line.strip()) > 50 and "//" not in line]
    wiki = [p for _, ps in library.articles for p in ps]
    sources = dict(zip(LABELS, (library.play, library.novel, wiki, code)))
    return {label: iter(rng.sample(source, len(source))) for label, source in sources.items()}


def short(text, words=18):
    return " ".join(text.split()[:words])


def shot(text, label):
    return f"Text: {text}\nLabel: {label}\n\n"


def few_shot(library, rng, tokens, questions):
    supply = snippets(library, rng)
    asked = []
    for i in range(questions):
        label = LABELS[i % len(LABELS)]
        choices = [" " + other for other in LABELS]
        asked.append({"question": f"Text: {short(next(supply[label]))}\nLabel:", "choices": choices,
                      "answer": LABELS.index(label)})
    shots, left = [], tokens
    while True:
        for label in rng.sample(LABELS, len(LABELS)):
            text = short(next(supply[label]))
            left -= len(text) * 2 // 7 + 8  # about its tokens
            if left < 0:
                return "".join(shots), asked
            shots.append(shot(text, label))
