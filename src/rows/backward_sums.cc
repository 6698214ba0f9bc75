#include "rows/backward_sums.h"

#include <algorithm>
#include <numbers>

#include "core/threads.h"
#include "kernels/backward.h"
#include "rows/partial.h"

namespace subquad {
namespace {

float* key_row(const HeadProblem& head, const MutableTensorView& view, std::int64_t key) {
  return static_cast<float*>(view.data) +
         view.offset(head.batch, head.kv_head, head.key_begin + key);
}

void clear_head(const HeadProblem& head, const BackwardArguments& arguments) {
  const MutableTensorView& query = arguments.grad_query;
  for (std::int64_t row = 0; row < head.num_rows() && !query.empty(); ++row)
    std::fill_n(static_cast<float*>(head.row_in(query, row)), query.channels(), 0.0f);
  for (const MutableTensorView* view : {&arguments.grad_key, &arguments.grad_value})
    for (std::int64_t key = 0; key < head.num_keys && !view->empty(); ++key)
      std::fill_n(key_row(head, *view, key), view->channels(), 0.0f);
}

void add_sums(const HeadProblem& head, const IndexList& keys, const float* sums,
              std::int64_t stride, float factor, const MutableTensorView& view) {
  if (view.empty() || keys.count == 0) return;
  const std::int64_t width = view.channels();
  if (keys.contiguous()) {
    float* out = key_row(head, view, keys.first);
    kernels::add_rows(sums, stride, keys.count, width, factor, out, view.stride[2]);
  } else {
    float* out = key_row(head, view, 0);
    kernels::scatter_rows(sums, stride, keys.ids, keys.count, width, factor, out, view.stride[2]);
  }
}

}  // namespace

WantedGradients wanted_gradients(const BackwardArguments& arguments) {
  return {!arguments.grad_query.empty(), !arguments.grad_key.empty(),
          !arguments.grad_value.empty()};
}

void clear_gradients(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                     int threads) {
  parallel_for(threads, static_cast<std::int64_t>(heads.size()),
               [&](std::int64_t i) { clear_head(heads[static_cast<std::size_t>(i)], arguments); });
}

KeySumsBuffer::KeySumsBuffer(std::int64_t head_dim, std::int64_t value_dim, std::int64_t chunk_keys,
                             std::int64_t chunks)
    : key_stride_(padded_values(head_dim)),
      value_stride_(padded_values(value_dim)),
      chunk_keys_(chunk_keys),
      max_chunks_(chunks) {}

const KeySums* KeySumsBuffer::find(const IndexList& keys) const {
  for (const KeySums& sums : open_)
    if (same_list(sums.keys, keys)) return &sums;
  return nullptr;
}

bool KeySumsBuffer::fits(const IndexList& keys) const {
  return used_ + keys.count <= chunk_keys_ || chunk_ + 1 < max_chunks_ || find(keys) != nullptr;
}

const KeySums& KeySumsBuffer::open(const IndexList& keys) {
  if (const KeySums* sums = find(keys)) return *sums;
  if (used_ + keys.count > chunk_keys_) {
    ++chunk_;
    used_ = 0;
  }
  const std::int64_t stride = key_stride_ + value_stride_;
  if (chunk_ == static_cast<std::int64_t>(chunks_.size()))
    chunks_.emplace_back(chunk_keys_ * stride);
  float* sums = chunks_[static_cast<std::size_t>(chunk_)].data() + used_ * stride;
  used_ += keys.count;
  std::fill_n(sums, keys.count * stride, 0.0f);
  open_.push_back({keys, sums, sums + keys.count * key_stride_, key_stride_, value_stride_});
  return open_.back();
}

void KeySumsBuffer::flush(const HeadProblem& head, const BackwardArguments& arguments) {
  for (const KeySums& sums : open_) {
    add_sums(head, sums.keys, sums.grad_keys, sums.key_stride, std::numbers::ln2_v<float>,
             arguments.grad_key);
    add_sums(head, sums.keys, sums.grad_values, sums.value_stride, 1.0f, arguments.grad_value);
  }
  open_.clear();
  chunk_ = used_ = 0;
}

}  // namespace subquad
