// A method's gradients against central differences of a plain model of its forward.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "rows/head_problem.h"
#include "subquad/attention.h"
#include "support/backward.h"
#include "support/differences.h"
#include "support/draw.h"
#include "support/plain_multipole.h"

namespace subquad::testing {

constexpr std::uint64_t kSeed = 5;

struct MethodCase {
  const Problem& problem;
  std::string spec;
  const Upstream& upstream;
};

ForwardRun forward_of(const MethodCase& setup, int threads = 1);

BackwardRun backward_of(const MethodCase& setup, int threads = 1);

// Relative to the largest entry of b.
double distance(const TensorBuffer& a, const TensorBuffer& b);

// Each gradient asked for alone is that of all together.
void expect_single_gradients(const MethodCase& setup);

// Largest |gradient - central difference| of at most `entries` entries of a tensor, relative to the
// largest difference. loss(): as the tensors are; got(row, column): the gradient by table's entry.
template <typename Loss, typename Got>
double table_error(Table& table, std::int64_t entries, std::uint64_t seed, const Loss& loss,
                   const Got& got) {
  double error = 0, size = 0;
  Draw draw(seed);
  const auto all = static_cast<std::int64_t>(table.values.size());
  for (std::int64_t n = 0; n < std::min(entries, all); ++n) {
    const std::int64_t place = all <= entries ? n : draw.integer(0, static_cast<int>(all - 1));
    const double expected = central_difference(table.values[at(place)], std::ldexp(1.0, -14), loss);
    error =
        std::max(error, std::fabs(got(place / table.columns, place % table.columns) - expected));
    size = std::max(size, std::fabs(expected));
  }
  return error / std::max(0.1, size);
}

template <typename Row>
double row_loss(const HeadProblem& head, std::int64_t i, const Row& row,
                const DenseTensor& grad_out, const DenseTensor& grad_lse) {
  const std::int64_t h = head.query_head(i), t = head.query_begin + head.position(i);
  return dot(row.out.data(), grad_out.row(head.batch, h, t), head.value_dim()) +
         row.lse * grad_lse.row(head.batch, h, t)[0];
}

// The largest over heads and tensors. model(head)(tensors)(i): row i of the head, `out` and `lse`,
// with these tensors; what it holds fixed is what model(head) has chosen.
template <typename Model>
double largest_error(const MethodCase& setup, std::int64_t entries, const Model& model) {
  const BackwardRun run = backward_of(setup);
  const DenseTensor grad_out = read_tensor(setup.upstream.out.view()),
                    grad_lse = setup.upstream.dense_lse();
  const double scale = double{resolved_scale(setup.problem)};
  double error = 0;
  for (const HeadProblem& head : split_heads(setup.problem)) {
    PlainTensors plain(head);
    const auto forward = model(head);
    const auto loss = [&] {
      const auto rows = forward(plain);
      double sum = 0;
      for (std::int64_t i = 0; i < plain.rows; ++i)
        if (!head.visible(i).empty()) sum += row_loss(head, i, rows(i), grad_out, grad_lse);
      return sum;
    };
    const auto query = [&](std::int64_t i, std::int64_t d) {
      return run.query.get(head.batch, head.query_head(i), head.query_begin + head.position(i), d) /
             scale;
    };
    const auto key = [&](std::int64_t k, std::int64_t d) {
      return run.key.get(head.batch, head.kv_head, head.key_begin + k, d);
    };
    const auto value = [&](std::int64_t k, std::int64_t d) {
      return run.value.get(head.batch, head.kv_head, head.key_begin + k, d);
    };
    error = std::max({error, table_error(plain.query, entries, 1, loss, query),
                      table_error(plain.key, entries, 2, loss, key),
                      table_error(plain.value, entries, 3, loss, value)});
  }
  return error;
}

}  // namespace subquad::testing
