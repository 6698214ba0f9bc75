// LinearState: linear attention step by step.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "light/linear/linear_features.h"
#include "subquad/error.h"
#include "subquad/linear_attention.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 256;  // positions that are summed in f32

void check_size(const char* name, std::int64_t got, std::int64_t low, std::int64_t high) {
  if (got < low || got > high)
    throw_invalid(fmt::format("shape: {} is {}, must be {} to {}", name, got, low, high));
}

LinearShape checked(const LinearShape& shape) {
  constexpr std::int64_t kMaxHeads = std::int64_t{1} << 20;
  check_size("batch", shape.batch, 1, kMaxHeads);
  check_size("kv_heads", shape.kv_heads, 1, kMaxHeads);
  check_size("head_dim", shape.head_dim, 1, kMaxChannels);
  check_size("value_dim", shape.value_dim, 1, kMaxChannels);
  if (static_cast<std::uint8_t>(shape.map) > 2) throw_invalid("shape: unknown map");
  if (shape.scale && !std::isfinite(*shape.scale))
    throw_invalid(fmt::format("shape: scale {} is not finite", *shape.scale));
  return shape;
}

LinearModel model_of(const LinearShape& shape) {
  const auto plain = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
  return linear_model(shape.map, shape.scale.value_or(plain), shape.head_dim);
}

// A single step is done before a second thread has woken up.
int threads_for(int requested, const LinearShape& shape, std::int64_t rows) {
  constexpr std::int64_t kShareWork = 1 << 20;  // multiply-adds
  check_threads(requested);
  const bool few = rows < kShareWork / (shape.head_dim * (shape.value_dim + 1));
  return few ? 1 : resolved_threads(requested);
}

template <typename View>
kernels::RowSource rows_of(const View& view, std::int64_t batch, std::int64_t head) {
  const auto* data = static_cast<const char*>(view.data);
  return {data + view.offset(batch, head, 0) * size_of(view.dtype),
          view.dtype,
          view.stride[2],
          view.channels(),
          nullptr,
          0,
          view.length()};
}

// One thread's chunk of positions: features, and values or sums.
struct ChunkScratch {
  explicit ChunkScratch(const LinearShape& shape)
      : features(kChunk * feature_stride(shape.head_dim)),
        rows(std::max(kChunk, shape.head_dim) * sum_stride(shape.value_dim)),
        state(shape.head_dim * sum_stride(shape.value_dim)) {}

  Scratch<float> features, rows, state;
};

// Adds the chunk's phi(k) (v, 1)^T to the head's sums.
void add_chunk(const LinearShape& shape, const kernels::RowSource& keys,
               const kernels::RowSource& values, ChunkScratch& scratch, double* sums) {
  const std::int64_t dim = shape.head_dim, width = shape.value_dim + 1;
  const std::int64_t stride = sum_stride(shape.value_dim);
  load_features(keys, shape.map, 1.0f, scratch.features.data());
  load_sum_values(values, scratch.rows.data());
  std::fill_n(scratch.state.data(), dim * stride, 0.0f);
  add_outer_products(scratch.features.data(), scratch.rows.data(), keys.count, dim, width - 1,
                     scratch.state.data());
  for (std::int64_t c = 0; c < dim; ++c)
    for (std::int64_t e = 0; e < width; ++e)
      sums[c * width + e] += double{scratch.state[c * stride + e]};
}

// Divides a row's sums and stores it. Returns whether its sum of weights is negative.
bool write_row(const float* sums, std::int64_t value_dim, const MutableTensorView& out,
               std::int64_t offset) {
  const float l = sums[value_dim];
  float factor = l == 0.0f ? 0.0f : 1.0f / l;
  if (!std::isfinite(l)) factor = std::numeric_limits<float>::quiet_NaN();
  kernels::store_row(sums, value_dim, factor, out.dtype,
                     static_cast<char*>(out.data) + offset * size_of(out.dtype));
  return l < 0.0f;
}

// What the queries of one head get. Returns the number of negative sums.
std::int64_t attend_head(const LinearShape& shape, const kernels::RowSource& queries,
                         const MutableTensorView& out, std::int64_t batch, std::int64_t head,
                         const double* sums, ChunkScratch& scratch) {
  const std::int64_t dim = shape.head_dim, width = shape.value_dim + 1;
  const std::int64_t stride = sum_stride(shape.value_dim);
  const LinearModel model = model_of(shape);
  for (std::int64_t c = 0; c < dim; ++c)
    for (std::int64_t e = 0; e < width; ++e)
      scratch.state[c * stride + e] = static_cast<float>(sums[c * width + e]);
  std::int64_t negative = 0;
  for (std::int64_t begin = 0; begin < queries.count; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, queries.count - begin);
    load_features(queries.slice(begin, count), model.map, model.factor, scratch.features.data());
    kernels::gemm({scratch.features.data(), feature_stride(dim), 1},
                  {scratch.state.data(), kernels::blocking().panel, stride}, count, width, dim,
                  scratch.rows.data(), stride, false);
    for (std::int64_t i = 0; i < count; ++i)
      negative += write_row(scratch.rows.data() + i * stride, shape.value_dim, out,
                            out.offset(batch, head, begin + i));
  }
  return negative;
}

}  // namespace

LinearState::LinearState(const LinearShape& shape) : shape_(checked(shape)) {
  std::int64_t count = shape.batch;
  for (const std::int64_t extent : {shape.kv_heads, shape.head_dim, shape.value_dim + 1})
    if (__builtin_mul_overflow(count, extent, &count) ||
        count > std::numeric_limits<std::ptrdiff_t>::max() / 8)
      throw_invalid("shape: too many elements");
  sums_.resize(static_cast<std::size_t>(count));
}

void LinearState::append(const TensorView& keys, const TensorView& values, int threads) {
  const std::int64_t length = keys.length(), heads = shape_.batch * shape_.kv_heads;
  check_shape("keys", keys, {shape_.batch, shape_.kv_heads, length, shape_.head_dim});
  check_shape("values", values, {shape_.batch, shape_.kv_heads, length, shape_.value_dim});
  const int team = threads_for(threads, shape_, heads * length);
  const std::int64_t size = shape_.head_dim * (shape_.value_dim + 1);
  parallel_workers(team, heads, [&] {
    return [&, scratch = ChunkScratch(shape_)](std::int64_t head) mutable {
      const std::int64_t b = head / shape_.kv_heads, h = head % shape_.kv_heads;
      const kernels::RowSource all_keys = rows_of(keys, b, h), all_values = rows_of(values, b, h);
      for (std::int64_t begin = 0; begin < length; begin += kChunk) {
        const std::int64_t count = std::min(kChunk, length - begin);
        add_chunk(shape_, all_keys.slice(begin, count), all_values.slice(begin, count), scratch,
                  sums_.data() + head * size);
      }
    };
  });
}

std::int64_t LinearState::attend(const TensorView& queries, const MutableTensorView& out,
                                 int threads) const {
  const std::int64_t heads = queries.heads();
  check_shape("queries", queries, {shape_.batch, heads, queries.length(), shape_.head_dim});
  if (heads == 0 || heads % shape_.kv_heads != 0)
    throw_invalid(fmt::format("queries: {} heads are not a multiple of the {} key/value heads",
                              heads, shape_.kv_heads));
  check_target("out", out, {shape_.batch, heads, queries.length(), shape_.value_dim});
  check_apart(
      std::vector<Region>{region_of("out", out)},
      std::vector<Region>{region_of("queries", queries), region_of("the state's sums", sums())});
  const int team = threads_for(threads, shape_, shape_.batch * heads * queries.length());
  const std::int64_t size = shape_.head_dim * (shape_.value_dim + 1);
  const std::int64_t group = heads / shape_.kv_heads;
  std::atomic<std::int64_t> negative{0};
  parallel_workers(team, shape_.batch * heads, [&] {
    return [&, scratch = ChunkScratch(shape_)](std::int64_t row) mutable {
      const std::int64_t b = row / heads, h = row % heads;
      const double* sums = sums_.data() + (b * shape_.kv_heads + h / group) * size;
      negative += attend_head(shape_, rows_of(queries, b, h), out, b, h, sums, scratch);
    };
  });
  return negative;
}

}  // namespace subquad
