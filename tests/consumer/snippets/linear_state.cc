// docs/guide/linear.md: decoding with a state, against the causal forward.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "subquad/attention.h"
#include "subquad/linear_attention.h"

namespace {

using Values = std::vector<float>;

Values smooth(std::int64_t count, double phase) {
  Values values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i % 977) + phase)));
  return values;
}

constexpr std::int64_t length = 40, steps = 8, heads = 8, kv_heads = 2, width = 64;

// Positions [begin, begin + count) of a dense (1, heads, length + steps, width).
template <typename Pointer>
auto positions(Pointer* data, std::int64_t all_heads, std::int64_t begin, std::int64_t count) {
  auto view = subquad::dense_view(data, subquad::DType::f32, {1, all_heads, length + steps, width});
  view.data = data + begin * width;
  view.shape[2] = count;
  return view;
}

}  // namespace

int main() {
  const std::int64_t all = length + steps;
  const Values q = smooth(heads * all * width, 0.1), k = smooth(kv_heads * all * width, 1.3),
               v = smooth(kv_heads * all * width, 2.9);
  Values expected(q.size()), found(q.size());
  const subquad::TensorView prompt_keys = positions(k.data(), kv_heads, 0, length);
  const subquad::TensorView prompt_values = positions(v.data(), kv_heads, 0, length);
  subquad::TensorView query, key, value;
  subquad::MutableTensorView out;
  std::int64_t step = 0;
  const auto next = [&] {
    if (step == steps) return false;
    query = positions(q.data(), heads, length + step, 1);
    key = positions(k.data(), kv_heads, length + step, 1);
    value = positions(v.data(), kv_heads, length + step, 1);
    out = positions(found.data(), heads, length + step, 1);
    ++step;
    return true;
  };
  // SNIPPET
  subquad::Problem problem;
  problem.query = positions(q.data(), heads, 0, all);
  problem.key = positions(k.data(), kv_heads, 0, all);
  problem.value = positions(v.data(), kv_heads, 0, all);
  problem.causal = subquad::Causal::top_left;
  subquad::attend(problem, "linear(map=elu)", {positions(expected.data(), heads, 0, all), {}, {}});
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = (h * all + length) * width; i < (h + 1) * all * width; ++i) {
      const auto n = static_cast<std::size_t>(i);
      if (!(std::fabs(found[n] - expected[n]) < 1e-4F)) {
        std::printf("entry %lld: %g, expected %g\n", static_cast<long long>(i),
                    static_cast<double>(found[n]), static_cast<double>(expected[n]));
        return 1;
      }
    }
  return saved.size() == 1 * 2 * 64 * 65 ? 0 : 1;
}
