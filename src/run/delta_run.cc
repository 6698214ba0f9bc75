#include "run/delta_run.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <limits>
#include <vector>

#include "core/memory.h"
#include "core/threads.h"
#include "exact/backward.h"
#include "exact/forward.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"
#include "rows/write_rows.h"
#include "run/backward.h"
#include "run/dense_rows.h"
#include "run/forward.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

// A row of a window's later neighbours would show through.
void check_heads(std::span<const HeadProblem> heads) {
  for (const HeadProblem& head : heads)
    if (head.problem->window.left >= 0)
      throw_invalid(
          "spec part 'delta': the problem has a sliding window (window.left >= 0): a row would "
          "depend on keys that the window hides from it; give the window as a part instead");
}

// A dense f32 tensor.
class F32Tensor {
 public:
  F32Tensor() = default;
  explicit F32Tensor(const Shape4& shape)
      : values_(shape[0] * shape[1] * shape[2] * shape[3]),
        view_(dense_view(static_cast<void*>(values_.data()), DType::f32, shape)) {}

  const MutableTensorView& view() const { return view_; }

 private:
  Scratch<float> values_;
  MutableTensorView view_;
};

float* row_of(const HeadProblem& head, const MutableTensorView& view, std::int64_t row) {
  return static_cast<float*>(head.row_in(view, row));
}

void add(const float* from, std::int64_t count, float* to) {
  for (std::int64_t c = 0; c < count; ++c) to[c] += from[c];
}

// Some dense positions of a head: what one thread does at a time.
struct DenseItem {
  const HeadProblem* head;
  std::int64_t first, count;
};

std::vector<DenseItem> items_of(std::span<const HeadProblem> heads, std::int64_t step) {
  std::vector<DenseItem> items;
  for (const HeadProblem& head : heads) {
    const std::int64_t block = row_block_size(head.head_dim(), head.value_dim());
    const std::int64_t size = std::max<std::int64_t>(1, block / head.group);
    const std::int64_t positions = DenseRows(head, step).positions();
    for (std::int64_t first = 0; first < positions; first += size)
      items.push_back({&head, first, std::min(size, positions - first)});
  }
  return items;
}

// Calls visit(item, dense rows of its head, their list) for all of them, in any order.
template <typename Visit>
void for_dense_rows(std::span<const HeadProblem> heads, std::int64_t step, int threads,
                    const Visit& visit) {
  const std::vector<DenseItem> items = items_of(heads, step);
  parallel_for(threads, std::ssize(items), [&](std::int64_t i) {
    const DenseItem& item = items[static_cast<std::size_t>(i)];
    const DenseRows dense(*item.head, step);
    visit(dense, dense.rows(item.first, item.count));
  });
}

// Rows of a tensor of any type as f32 and back.
void copy_rows(std::span<const HeadProblem> heads, const TensorView& from,
               const MutableTensorView& to, int threads) {
  for (const HeadProblem& head : heads)
    parallel_for(threads, head.num_rows(), [&](std::int64_t row) {
      const std::int64_t width = from.channels();
      std::vector<float> values(static_cast<std::size_t>(width));
      load_head_rows(head, from, index_range(row, row + 1), 1.0f, values.data(), width);
      kernels::store_row(values.data(), width, 1.0f, to.dtype, head.row_in(to, row));
    });
}

// What the forward does to the dense rows of an item and to those that follow them.
class Correction {
 public:
  explicit Correction(const Outputs& outputs) : outputs_(outputs) {}

  // Returns the score entries evaluated.
  std::int64_t run(const DenseRows& dense, const std::vector<std::int32_t>& rows) const {
    const HeadProblem& head = dense.head();
    const std::int64_t dv = head.value_dim();
    std::vector<float> change(rows.size() * static_cast<std::size_t>(dv));
    const IndexList list{rows.data(), 0, std::ssize(rows), true};
    load_head_rows(head, as_const(outputs_.out), list, -1.0f, change.data(), dv);
    exact_rows(head, list, outputs_);
    std::int64_t entries = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      float* delta = change.data() + static_cast<std::int64_t>(i) * dv;
      add(row_of(head, outputs_.out, rows[i]), dv, delta);
      dense.for_followers(rows[i], [&](std::int64_t row) {
        add(delta, dv, row_of(head, outputs_.out, row));
        write_row_error(head, index_range(row, row + 1), outputs_, kUnknown);
      });
      const Range seen = head.visible(rows[i]);
      entries += seen.end - seen.begin;
    }
    return entries;
  }

 private:
  const Outputs& outputs_;
};

// The output gradients, f32: those that the other parts see, and then those of the exact rows.
class SharedGradients {
 public:
  SharedGradients(std::span<const HeadProblem> heads, std::int64_t step,
                  const BackwardArguments& arguments, int threads)
      : heads_(heads), step_(step), threads_(threads), out_(arguments.grad_out.shape) {
    copy_rows(heads, arguments.grad_out, out_.view(), threads);
    if (arguments.grad_lse.empty()) return;
    lse_ = F32Tensor(arguments.grad_lse.shape);
    copy_rows(heads, arguments.grad_lse, lse_.view(), threads);
  }

  // A dense row's own output is exact; what the others lose by its change, it loses.
  void set_for_parts() {
    for_dense_rows(heads_, step_, threads_,
                   [&](const DenseRows& dense, const std::vector<std::int32_t>& rows) {
                     for (const std::int32_t row : rows) take_followers(dense, row, -1.0f);
                   });
  }
  // After set_for_parts().
  void set_for_exact(const BackwardArguments& arguments) {
    for_dense_rows(heads_, step_, threads_,
                   [&](const DenseRows& dense, const std::vector<std::int32_t>& rows) {
                     for (const std::int32_t row : rows) add_own(dense, row, arguments);
                   });
  }
  BackwardArguments in(BackwardArguments arguments) const {
    arguments.grad_out = as_const(out_.view());
    if (!arguments.grad_lse.empty()) arguments.grad_lse = as_const(lse_.view());
    return arguments;
  }

 private:
  void take_followers(const DenseRows& dense, std::int64_t row, float sign) const {
    const HeadProblem& head = dense.head();
    const std::int64_t dv = head.value_dim();
    float* own = row_of(head, out_.view(), row);
    std::vector<double> sum(static_cast<std::size_t>(dv), 0.0);
    dense.for_followers(row, [&](std::int64_t other) {
      const float* grad = row_of(head, out_.view(), other);
      for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += double{grad[c]};
    });
    for (std::size_t c = 0; c < sum.size(); ++c) own[c] = sign * static_cast<float>(sum[c]);
    if (!lse_.view().empty()) *row_of(head, lse_.view(), row) = 0;
  }

  // The row holds what the others lose by it.
  void add_own(const DenseRows& dense, std::int64_t row, const BackwardArguments& arguments) const {
    const HeadProblem& head = dense.head();
    const std::int64_t dv = head.value_dim();
    std::vector<float> grad(static_cast<std::size_t>(dv));
    load_head_rows(head, arguments.grad_out, index_range(row, row + 1), 1.0f, grad.data(), dv);
    float* own = row_of(head, out_.view(), row);
    for (std::size_t c = 0; c < grad.size(); ++c) own[c] = grad[c] - own[c];
    if (!lse_.view().empty())
      *row_of(head, lse_.view(), row) = read_f32(head, arguments.grad_lse, row);
  }

  std::span<const HeadProblem> heads_;
  std::int64_t step_;
  int threads_;
  F32Tensor out_, lse_;
};

std::int64_t add_exact_rows(std::span<const HeadProblem> heads, std::int64_t step,
                            const BackwardArguments& arguments, int threads) {
  std::vector<std::vector<std::int32_t>> lists;
  std::vector<HeadRows> work;
  for (const HeadProblem& head : heads) {
    const DenseRows dense(head, step);
    lists.push_back(dense.rows(0, dense.positions()));
  }
  for (std::size_t h = 0; h < lists.size(); ++h)
    if (!lists[h].empty())
      work.push_back({&heads[h], {lists[h].data(), 0, std::ssize(lists[h]), true}});
  return work.empty() ? 0 : add_exact_backward(work, arguments, threads);
}

}  // namespace

SplitCounts delta_attention(std::span<const HeadProblem> heads, const Method& method,
                            const Outputs& outputs, const Options& options) {
  check_heads(heads);
  const int threads = resolved_threads(options.threads);
  F32Tensor copy;
  Outputs target = outputs;
  if (outputs.out.dtype != DType::f32) {
    copy = F32Tensor(outputs.out.shape);
    target.out = copy.view();
  }
  SplitCounts counts = split_attention(heads, method, target, options);
  std::atomic<std::int64_t> entries{0};
  const Correction correction(target);
  for_dense_rows(heads, method.delta_step, threads,
                 [&](const DenseRows& dense, const std::vector<std::int32_t>& rows) {
                   entries += correction.run(dense, rows);
                 });
  if (outputs.out.dtype != DType::f32) copy_rows(heads, as_const(target.out), outputs.out, threads);
  counts.scored_entries += entries;
  counts.error_square = counts.out_square = 0;  // estimates of the uncorrected outputs
  return counts;
}

SplitCounts delta_backward(std::span<const HeadProblem> heads, const Method& method,
                           const BackwardArguments& arguments, const Options& options) {
  check_heads(heads);
  const int threads = resolved_threads(options.threads);
  const F32Tensor out(arguments.out.shape), lse(arguments.lse.shape);
  const SplitCounts forward = split_attention(heads, method, {out.view(), lse.view(), {}}, options);
  SharedGradients gradients(heads, method.delta_step, arguments, threads);
  gradients.set_for_parts();
  BackwardArguments parts = gradients.in(arguments);
  parts.out = as_const(out.view());
  parts.lse = as_const(lse.view());
  SplitCounts counts = split_backward(heads, method, parts, options);
  gradients.set_for_exact(arguments);
  counts.scored_entries +=
      forward.scored_entries +
      add_exact_rows(heads, method.delta_step, gradients.in(arguments), threads);
  return counts;
}

}  // namespace subquad
