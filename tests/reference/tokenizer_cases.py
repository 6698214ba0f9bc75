"""Texts and what the package tokenizers makes of them, for tokenizer_python_test.cc.

  tokenizer_cases.py words FOLDER                  cases.json: by pre-tokenizer name, [text, words]
  tokenizer_cases.py trained FOLDER KIND           a small tokenizer.json of this kind, and cases.json: [text, ids]
  tokenizer_cases.py gguf FOLDER MODEL [TEXT..]    cases.json: [text, ids] for the tokenizer of a SmolLM2 GGUF
"""
import json
import os
import pathlib
import random
import sys
import unicodedata

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+")
draw = random.Random(1)


def in_order(*steps):
    return pre_tokenizers.Sequence(list(steps))


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), 'isolated')


DIGITS = pre_tokenizers.Digits(individual_digits=True)
STEPS = {'gpt-2': byte_level(True), 'smollm': in_order(DIGITS, byte_level(True)),
         'llama-bpe': in_order(split(GPT4 % r'\p{N}{1,3}'), byte_level(False)),
         'qwen2': in_order(split(GPT4 % r'\p{N}'), byte_level(False))}

# Characters that Unicode 3.2 had, so that no library is too old for them, and pictures.
KNOWN = [chr(c) for c in range(0x110000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ('Cn', 'Cs', 'Co')]
KNOWN += [chr(c) for c in range(0x1F300, 0x1F650)]
COMMON = list(" \n\t'abcSTx0129.,!_-\r\u00a0\u0085\u2028\u3000\u180e\u200b\u200d\ufeff\u0301é漢½٣ſ") + \
    ['  ', '   ', "'s", "'LL", '\r\n', '\n\n', 'the', ' the', '👩‍👩‍👧', 'e\u0301', '<|im_end|>', '\u2581', '<0x41>', '<s>']


def hostile(count):
    texts = ['', ' ', '  ', '\n', ' \n ', 'a' * 3000, ' ' * 3000, '\0', ''.join(map(chr, range(256)))]
    for c in draw.sample(KNOWN, 400):
        texts.append(f'{c} {c}{c}a {c}1{c}\n{c}')
    while len(texts) < count:
        some = draw.choices(KNOWN, k=5) + draw.choices(COMMON, k=25)
        texts.append(''.join(draw.choices(some, k=draw.randint(1, 60))))
    return texts


def as_ids(tokenizer, texts):
    return [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]


def words():
    return {name: [[text, [text[a:b] for _, (a, b) in step.pre_tokenize_str(text)]] for text in hostile(1000)]
            for name, step in STEPS.items()}


def sentencepiece_steps(tokenizer, kind):
    if kind == 'prepend':
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend('\u2581'), normalizers.Replace(' ', '\u2581')])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme='always', split=kind == 'metaspace')


def trained(folder, kind):
    """Learned from Python's own sources."""
    corpus = [pathlib.Path(os.__file__).with_name(name).read_text(encoding='utf-8') for name in ('os.py', 'typing.py', 'enum.py')]
    special = ['<unk>', '<s>', '<tab>']
    if kind in STEPS or kind == 'nfc':
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = STEPS['qwen2' if kind == 'nfc' else kind]
        if kind == 'nfc':
            tokenizer.normalizer = normalizers.NFC()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer = Tokenizer(models.BPE(unk_token='<unk>', byte_fallback=True, fuse_unk=True))
        sentencepiece_steps(tokenizer, kind)
        alphabet = []
        special += [f'<0x{byte:02X}>' for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    lines = [line for text in corpus for line in text.splitlines(keepends=True)]
    tokenizer.train_from_iterator(lines, trainer)
    description = json.loads(tokenizer.to_str())
    # Only the first three are found by name, the last of them in any text.
    description['added_tokens'] = description['added_tokens'][2:3]
    description['added_tokens'][0]['special'] = False
    text = json.dumps(description)
    pathlib.Path(folder, 'tokenizer.json').write_text(text)
    return as_ids(Tokenizer.from_str(text), hostile(1500) + [f'a<tab> {w}<tab>' for w in COMMON] + corpus[0].splitlines())


def from_gguf(model, texts):
    from gguf import GGUFReader
    fields = GGUFReader(model).fields
    pieces = fields['tokenizer.ggml.tokens'].contents()
    merges = [tuple(m.split(' ')) for m in fields['tokenizer.ggml.merges'].contents()]
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = STEPS['smollm']
    lines = []
    for path in texts:
        lines += pathlib.Path(path).read_text(encoding='utf-8').splitlines(keepends=True)[:1000]
    return as_ids(tokenizer, hostile(3000) + lines)


def main():
    action, folder, *rest = sys.argv[1:]
    cases = words() if action == 'words' else trained(folder, *rest) if action == 'trained' else from_gguf(rest[0], rest[1:])
    pathlib.Path(folder, 'cases.json').write_text(json.dumps(cases))


main()
