"""What this experiment shares with the others: their modules."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.append(os.path.join(HERE, "..", "softmax_superiority"))  # progress, records

TEXTS = {  # name -> file in the folder of texts, characters that are left out at its start
    "wikitext": ("wikitext2_test.txt", 20000),
    "war_and_peace": ("war_and_peace.txt", 1000000),
    "shakespeare": ("tinyshakespeare.txt", 20000),
}


def numbers(text):
    """argparse type: "1,2,3"."""
    return [int(part) for part in text.split(",")]


def words(text):
    """argparse type: "a,b"."""
    return text.split(",")
