"""Intervals by the bootstrap over contexts: the questions of one context are not independent."""
import random

DRAWS = 4000


def percentile(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def mean_of(groups):
    return sum(map(sum, groups)) / sum(map(len, groups))


def interval(groups, seed=0):
    """95 % of the mean over all values; groups: a list of values for each context."""
    rng = random.Random(seed)
    means = [mean_of(rng.choices(groups, k=len(groups))) for _ in range(DRAWS)]
    return percentile(means, 0.025), percentile(means, 0.975)
