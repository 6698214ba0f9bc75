#include "property/multipole_support.h"
#include "support/seeds.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace subquad::testing {

OwnedProblem maskless(OwnedProblem random, Causal causal) {
  random.problem.mask = {};
  random.problem.window = {};
  random.problem.causal = causal;
  random.problem.scale = random.problem.scale.value_or(0.1F) * 0.5F;
  random.description +=
      ", mask and window dropped, causal " + std::to_string(static_cast<int>(causal));
  return random;
}

OwnedProblem calm(OwnedProblem random, double size) {
  const auto longest = [](const TensorView& view) {
    const DenseTensor tensor = read_tensor(view);
    double largest = 0;
    for (std::size_t i = 0; i + 1 <= tensor.values.size(); i += at(tensor.shape[3])) {
      const double* row = tensor.values.data() + i;
      largest = std::max(largest, std::sqrt(dot(row, row, tensor.shape[3])));
    }
    return largest;
  };
  const double product = longest(random.problem.query) * longest(random.problem.key);
  if (product > 0) random.problem.scale = static_cast<float>(size / product);
  return random;
}

ModelErrors head_errors(const HeadProblem& head, const MethodRun& run,
                        const std::vector<PlainRow>& rows, double unit) {
  ModelErrors errors;
  for (std::int64_t i = 0; i < head.num_rows(); ++i) {
    const PlainRow& row = rows[at(i)];
    const std::int64_t h = head.query_head(i), t = head.query_begin + head.position(i);
    for (std::int64_t d = 0; d < head.value_dim(); ++d)
      errors.out =
          std::max(errors.out, std::fabs(run.out.get(head.batch, h, t, d) - row.out[at(d)]) / unit);
    const double found = run.lse.get(head.batch, h, t, 0);
    if (found != row.lse) errors.lse = std::max(errors.lse, std::fabs(found - row.lse));
  }
  return errors;
}

ModelErrors model_errors(const Problem& problem, const MethodRun& run, const HeadModels& models) {
  ModelErrors errors;
  const double unit = std::max(1e-30, read_tensor(problem.value).max_abs());
  for (const HeadProblem& head : split_heads(problem)) {
    if (head.num_rows() == 0 || head.num_keys == 0) continue;
    ModelErrors least{HUGE_VAL, HUGE_VAL};
    for (const std::vector<PlainRow>& rows : models(head)) {
      const ModelErrors own = head_errors(head, run, rows, unit);
      if (own.out + own.lse < least.out + least.lse) least = own;
    }
    errors = {std::max(errors.out, least.out), std::max(errors.lse, least.lse)};
  }
  return errors;
}

void for_drawn_and_specs(OwnedProblem (*draw)(std::uint64_t), std::uint64_t first_seed,
                         std::uint64_t count, const std::vector<std::string>& lights,
                         void (*check)(const Problem&, const std::string&)) {
  for (const std::uint64_t seed : Seeds(first_seed, count)) {
    const OwnedProblem random = draw(seed);
    for (const std::string& heavy : heavy_specs)
      for (const std::string& light : lights) {
        SCOPED_TRACE(joined(heavy, light));
        check(random.problem, joined(heavy, light));
      }
  }
}

}  // namespace subquad::testing
