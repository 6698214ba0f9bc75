// The state of linear attention in C.
#include <span>
#include <vector>

#include "capi/convert.h"
#include "capi/options.h"
#include "subquad/linear_attention.h"

struct subquad_linear_state {
  subquad::LinearState state;
};

using namespace subquad;
using namespace subquad::capi;

namespace {

void check_negative_rows(const std::int64_t* count, const TensorView& queries,
                         const MutableTensorView& out) {
  const std::span<const std::int64_t> number{count, count == nullptr ? 0U : 1U};
  check_span("negative_rows", number);
  check_apart(std::vector<Region>{region_of("negative_rows", number)},
              std::vector<Region>{region_of("queries", queries), region_of("out", out)});
}

}  // namespace

extern "C" {

subquad_status subquad_linear_create(int64_t batch, int64_t kv_heads, int64_t head_dim,
                                     int64_t value_dim, const subquad_options* options,
                                     subquad_linear_state** state) {
  return guarded([&] {
    required("state", state) = nullptr;
    const subquad_options all = options_of(options);
    *state = new subquad_linear_state{
        LinearState({batch, kv_heads, head_dim, value_dim, all.linear_map, all.linear_scale})};
  });
}

void subquad_linear_free(subquad_linear_state* state) { delete state; }

subquad_status subquad_linear_append(subquad_linear_state* state, const subquad_tensor* keys,
                                     const subquad_tensor* values, int threads) {
  return guarded([&] {
    required("state", state)
        .state.append(to_view("keys", keys), to_view("values", values), threads);
  });
}

subquad_status subquad_linear_attend(const subquad_linear_state* state,
                                     const subquad_tensor* queries, const subquad_tensor* out,
                                     int threads, int64_t* negative_rows) {
  return guarded([&] {
    const subquad_linear_state& from = required("state", state);
    const TensorView rows = to_view("queries", queries);
    const MutableTensorView target = to_target("out", out);
    check_view("queries", rows);
    check_view("out", target);
    check_negative_rows(negative_rows, rows, target);
    const std::int64_t negative = from.state.attend(rows, target, threads);
    if (negative_rows != nullptr) *negative_rows = negative;
  });
}

double* subquad_linear_sums(subquad_linear_state* state, int64_t* count) {
  const std::span<double> sums = state == nullptr ? std::span<double>() : state->state.sums();
  if (count != nullptr) *count = static_cast<std::int64_t>(sums.size());
  return sums.data();
}

}  // extern "C"
