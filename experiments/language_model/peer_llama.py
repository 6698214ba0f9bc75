"""Prefill and perplexity by llama.cpp, through llama-cpp-python. Its cache of keys and values is f16,
its products are of 8-bit activations with the file's own weights."""
import llama_cpp
import numpy as np

from peer_common import Watch, perplexity, read_options, report

STEP = 256  # tokens whose log-probabilities exist at a time


def evaluate(options, every):
    """Seconds of the forward, and the model. `every`: scores of all tokens, not of the last only."""
    model = llama_cpp.Llama(options.model, n_ctx=len(options.ids), n_batch=2048, n_ubatch=512,
                            n_threads=options.threads, n_threads_batch=options.threads,
                            logits_all=every, flash_attn=True, verbose=False)
    watch = Watch()
    model.eval(options.ids)
    return watch.seconds(), model


def losses(scores, ids):
    found = []
    for first in range(0, len(ids) - 1, STEP):
        wanted = np.asarray(ids[first + 1:first + 1 + STEP])
        rows = scores[first:first + len(wanted)].astype(np.float64)
        top = rows.max(1)
        total = np.log(np.exp(rows - top[:, None]).sum(1)) + top
        found += (total - rows[np.arange(len(wanted)), wanted]).tolist()
    return found


def main():
    options = read_options(__doc__)
    prefill, model = evaluate(options, False)
    note = f"llama-cpp-python {llama_cpp.__version__}, f16 cache, 8-bit activations"
    if not options.score:
        return report(prefill, note)
    del model
    seconds, model = evaluate(options, True)
    report(prefill, note, seconds, perplexity(losses(model.scores, options.ids)))


main()
