"""Writes cases.gguf with the package gguf, a tensor of each type that we widen, and cases.npz with what
the package says the values are.

  gguf_cases.py FOLDER
"""
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

ROWS, COLS = 6, 512
folder = sys.argv[1]
draw = np.random.default_rng(1)


def random_blocks(type, scales):
    """Random bytes with f16 scales at the given bytes of a block."""
    entries, size = gguf.GGML_QUANT_SIZES[type]
    blocks = draw.integers(0, 256, (ROWS * COLS // entries, size), dtype=np.uint8)
    for at in scales:
        blocks[:, at:at + 2] = draw.normal(size=(len(blocks), 1)).astype(np.float16).view(np.uint8)
    return blocks.reshape(ROWS, -1)


values = (draw.normal(size=(ROWS, COLS)) * np.exp(draw.normal(size=(ROWS, COLS)))).astype(np.float32)
data = {type: quantize(values, type) for type in (Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1)}
data[Type.F32] = values
data[Type.Q4_K] = random_blocks(Type.Q4_K, (0, 2))
data[Type.Q5_K] = random_blocks(Type.Q5_K, (0, 2))
data[Type.Q6_K] = random_blocks(Type.Q6_K, (208,))

writer = gguf.GGUFWriter(folder + 'cases.gguf', 'llama')
writer.add_name('Größe')
writer.add_block_count(3)
writer.add_rope_freq_base(0.5)
writer.add_add_bos_token(True)
writer.add_token_list(['a', 'Ġb', ''])
writer.add_token_scores([0.0, -1.5, 2.0])
writer.add_key_value('many', [1, -2, 3], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.INT64)
for type, stored in data.items():
    writer.add_tensor(type.name, stored, raw_dtype=type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
np.savez(folder + 'cases.npz', **{type.name: dequantize(stored, type).astype(np.float32).reshape(ROWS, COLS)
                                  for type, stored in data.items()})
