"""Prefill and perplexity by OpenVINO GenAI's ContinuousBatchingPipeline: dense or with its sparse
prefill (TRISHAPE, XATTENTION), all in f32, or dense with the precisions that it chooses itself."""
import numpy as np
import openvino
import openvino_genai as genai

from peer_common import Watch, perplexity, read_options, report

MODES = ["dense", "trishape", "xattention", "defaults"]
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32",
       "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


def scheduler_of(mode):
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 2  # GB
    scheduler.enable_prefix_caching = False
    if mode in ("trishape", "xattention"):
        sparse = genai.SparseAttentionConfig()
        sparse.mode = getattr(genai.SparseAttentionMode, mode.upper())
        scheduler.use_sparse_attention = True
        scheduler.sparse_attention_config = sparse
    return scheduler


def run(pipeline, ids, score):
    """Seconds of the prefill with one token drawn; with `score` the tokens' log p, the first one's
    place taken by a 1."""
    config = genai.GenerationConfig()
    config.max_new_tokens, config.do_sample, config.ignore_eos = 1, False, True
    config.echo, config.logprobs = score, int(score)
    tensor = openvino.Tensor(np.array([ids], dtype=np.int64))
    watch = Watch()
    handle = pipeline.add_request(0, tensor, config)
    while pipeline.has_non_finished_requests():
        pipeline.step()
    seconds = watch.seconds()
    return seconds, handle.read_all()[0].generated_log_probs


def main():
    options = read_options(__doc__, MODES)
    precisions = {} if options.mode == "defaults" else F32
    pipeline = genai.ContinuousBatchingPipeline(
        options.model, scheduler_of(options.mode), "CPU",
        {"INFERENCE_NUM_THREADS": options.threads} | precisions)
    prefill, _ = run(pipeline, options.ids, False)
    note = f"openvino_genai {genai.__version__.split('-')[0]}"
    if not options.score:
        return report(prefill, note)
    seconds, found = run(pipeline, options.ids, True)
    report(prefill, note, seconds, perplexity([-p for p in found[1:len(options.ids)]]))


main()
