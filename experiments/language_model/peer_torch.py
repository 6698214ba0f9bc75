"""Prefill and perplexity by PyTorch in f32, through transformers' own reader of GGUF files."""
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

from peer_common import Watch, perplexity, read_options, report  # noqa: E402

STEP = 512  # tokens whose scores exist at a time


def losses(model, states, ids):
    found = []
    for first in range(0, len(ids) - 1, STEP):
        wanted = ids[first + 1:first + 1 + STEP]
        scores = model.lm_head(states[first:first + len(wanted)])
        found += torch.nn.functional.cross_entropy(scores, wanted, reduction="none").tolist()
    return found


def main():
    options = read_options(__doc__)
    torch.set_num_threads(options.threads)
    folder, name = os.path.split(os.path.abspath(options.model))
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation="sdpa").eval()
    ids = torch.tensor(options.ids)
    with torch.inference_mode():
        watch = Watch()
        states = model.model(input_ids=ids[None], use_cache=False).last_hidden_state[0]
        model.lm_head(states[-1:])
        prefill = watch.seconds()
        note = f"torch {torch.__version__}"
        if not options.score:
            return report(prefill, note)
        value = perplexity(losses(model, states, ids))
        report(prefill, note, watch.seconds(), value)


main()
