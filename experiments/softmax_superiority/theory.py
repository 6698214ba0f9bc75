"""What the paper leads one to expect of each panel, and the thresholds it states."""
import math

# (1 + a)^2 = 2 + a (Lemma D.2 part 3a), where n^((1 + a)^2) takes half of the row of j3.
GOLDEN = (math.sqrt(5) - 1) / 2
HALF_ONES = (GOLDEN, "$(1+a)^2 = 2+a$")
HALF_UNIT = (1.0, "$a = 1$")  # Lemmas E.1 and F.2, part 3a
ASSUMED_A0 = (0.1, "$a_0 < 0.1$ assumed")  # Definitions D.1 and F.1
LOG_200 = (math.log(200 / 0.01), r"$\log(n/\delta)$")  # Theorems D.5, F.5

THRESHOLDS = {
    "4c": [LOG_200], "5c": [LOG_200], "7c": [LOG_200],
    "4e": [ASSUMED_A0], "5e": [ASSUMED_A0, HALF_ONES], "7e": [ASSUMED_A0],
    "4f": [HALF_UNIT], "5f": [HALF_ONES], "7d": [HALF_UNIT],
}

# What a mean over a range of x has to be.
MEANINGS = {"near 1": (0.9, 1.0), "near 0": (0.0, 0.1), "below 1/2": (0.0, 0.5),
            "below 3/4": (0.0, 0.75)}

EXPECTED = {
    "3a": [(100, 2000, "near 1")],
    "3b": [(1, 1, "below 1/2"), (10, 100, "near 1")],
    "4a": [(200, 1000, "near 1")],
    "4b": [(4, 4, "below 1/2"), (34, 66, "near 1")],
    "4c": [(1, 2, "below 1/2"), (15, 80, "near 1")],
    "4d": [(0.5, 0.9, "near 1")],
    "4e": [(0.01, 0.1, "near 1"), (0.75, 0.8, "below 3/4")],
    "4f": [(0.1, 0.5, "near 0"), (1.0, 1.5, "near 1"), (2.5, 3.0, "near 1")],
    "5a": [(200, 1000, "near 1")],
    "5b": [(4, 4, "below 1/2"), (34, 66, "near 1")],
    "5c": [(1, 2, "below 1/2"), (15, 80, "near 1")],
    "5d": [(0.5, 0.9, "near 1")],
    "5e": [(0.01, 0.1, "near 1"), (0.65, 0.8, "near 0")],
    "5f": [(0.1, 0.2, "near 0"), (0.7, 1.5, "near 1"), (2.5, 3.0, "near 1")],
    "7a": [(200, 1000, "near 1")],
    "7b": [(2, 3, "near 0"), (11, 51, "near 1")],
    "7c": [(1, 2, "below 1/2"), (10, 80, "near 1")],
    "7d": [(0.1, 0.5, "near 0"), (1.0, 3.0, "near 1")],
    "7e": [(0.01, 0.1, "near 1"), (0.85, 0.9, "below 3/4")],
}
