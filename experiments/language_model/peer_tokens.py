"""The first N tokens of a text by the tokenizer in a GGUF file, through the packages gguf and
tokenizers: OUT.json, a list of ids, and OUT.txt, their text.
Usage: peer_tokens.py MODEL TEXT SKIPPED_CHARACTERS N OUT"""
import json
import sys

from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CHARACTERS = 8  # of a text are enough for a token


def read_tokenizer(path):
    """SmolLM2's kind: byte-level BPE, every digit a piece of its own."""
    fields = GGUFReader(path).fields
    kind = fields["tokenizer.ggml.pre"].contents()
    if kind != "smollm":
        sys.exit(f"{path}: its text is cut as '{kind}', not as 'smollm'")
    words = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(line.split(" ")) for line in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=merges))
    cut = [pre_tokenizers.Digits(individual_digits=True),
           pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cut)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def main():
    model, path, skip, count, out = sys.argv[1:]
    skip, count = int(skip), int(count)
    with open(path, encoding="utf-8") as file:
        text = file.read()[skip:skip + CHARACTERS * count]
    tokenizer = read_tokenizer(model)
    ids = tokenizer.encode(text).ids[:count]
    if len(ids) < count:
        sys.exit(f"{path}: only {len(ids)} tokens, {count} wanted")
    with open(out + ".txt", "w", encoding="utf-8") as file:
        file.write(tokenizer.decode(ids, skip_special_tokens=False))
    with open(out + ".json", "w") as file:
        json.dump(ids, file)


main()
