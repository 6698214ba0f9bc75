"""Methods side by side on a real layer: CPU time of one thread, in turns, and errors."""
import os
import statistics

import attention
import layers

DEIT = ["deit_tiny_1024_block00", "deit_tiny_1024_block05", "deit_tiny_1024_block11"]
LONG = "deit_tiny_2048_block05"
TEXT = ["stories260k_layer0", "stories260k_layer2", "stories260k_layer4"]


class Layer:
    """The tensors of a file, as the library takes them."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        *self.tensors, metadata = layers.read_layer(path)
        self.scale = float(metadata["scale"])
        self.causal = "causal (query i" in metadata["softmax"]  # "non-causal" elsewhere
        self.length = self.tensors[0].shape[1]

    def attend(self, lib, spec, seed):
        return attention.attend(lib, spec, *self.tensors, self.scale, self.causal, seed)


class Samples:
    """Of one method: a number for each round."""

    def __init__(self):
        self.errors, self.seconds = [], []


def run_rounds(lib, layer, specs, rounds, advance):
    """spec -> its Samples; "exact" comes first in every round, seeds count up from 1."""
    samples = {spec: Samples() for spec in ["exact", *specs]}
    for seed in range(1, rounds + 1):
        for spec, sample in samples.items():
            out, seconds = layer.attend(lib, spec, seed)
            exact = out if spec == "exact" else exact
            sample.errors.append(attention.relative_error(out, exact))
            sample.seconds.append(seconds)
            advance()
    return samples


def over(sample, base):
    """Median over the rounds of the times' ratio."""
    return statistics.median(a / b for a, b in zip(sample.seconds, base.seconds))
