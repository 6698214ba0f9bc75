"""Which keywords sum up an article: its own by tf-idf against those of articles that are not there."""
import collections
import math
import re


def words_of(paragraphs):
    return re.findall(r"[A-Za-z]{4,}", " ".join(paragraphs))


def keywords(articles, count):
    """The `count` words of highest tf-idf of each article; capitalised as they mostly are."""
    bags = [collections.Counter(words_of(paragraphs)) for _, paragraphs in articles]
    documents = collections.Counter(word.lower() for bag in bags for word in {w.lower(): 1 for w in bag})
    ranked = []
    for bag in bags:
        weight = {word: n * math.log(len(bags) / documents[word.lower()]) for word, n in bag.items()}
        ranked.append(sorted(weight, key=lambda word: (-weight[word], word))[:count])
    return ranked


def summary(library, rng, tokens, questions):
    """Articles up to the length; each question names three keywords of one of them."""
    order = list(range(len(library.articles)))
    rng.shuffle(order)
    ranked = keywords(library.articles, 24)
    text, inside, left = [], [], tokens
    for index in order:
        passage = library.passage(rng, min(left, max(700, tokens // 3)), library.articles[index][1])
        if sum(map(len, passage)) < 1000:
            continue
        text.append("\n\n".join(passage))
        inside.append((index, passage))
        left -= sum(map(len, passage)) // 4
        if left < 300:
            break
    outside = [index for index in order if index not in [i for i, _ in inside]]
    asked = []
    for q in range(questions):
        index, passage = inside[q % len(inside)]
        present = set(words_of(passage))
        own = [word for word in ranked[index] if word in present]
        first = q // len(inside) * 3 % max(1, len(own) - 2)
        right = ", ".join(own[first:first + 3])
        choices = [right] + [", ".join(ranked[i][first:first + 3]) for i in rng.sample(outside, 3)]
        rng.shuffle(choices)
        asked.append({"question": "Keywords of these texts:", "choices": [" " + c for c in choices],
                      "answer": choices.index(right)})
    return "\n\n".join(text) + "\n\n", asked
