#include "far/multipole.h"

#include <algorithm>

#include "far/causal/multipole_causal.h"
#include "far/far_reader.h"
#include "far/multipole_part.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// The share of the error asked for that may be expected.
constexpr double kMargin = 0.9;

void check_masks(const HeadProblem& head, const MultipoleOptions& options) {
  const Problem& problem = *head.problem;
  if (problem.mask.kind != MaskKind::none)
    throw_invalid(
        "mask: multipole sums whole clusters and cannot see an element mask; use exact, or a "
        "sampled part (uniform, prefix)");
  if (problem.window.left >= 0 || problem.window.right >= 0)
    throw_invalid("window: multipole takes no sliding window; use exact, or window(..) alone");
  if (problem.causal == Causal::none) return;
  if (options.shape.order > 0)
    throw_invalid("spec: multipole(order=1,2) takes no causal mask; use order=0");
  if (options.open > 0) throw_invalid("spec: multipole(open=..) takes no causal mask");
}

// Probes and rows by clusters, moments of order 1 and 2 by their rank, rows' corrections twice a
// ridge; the fit's triangle; the search for clusters.
double multipole_steps(const HeadProblem& head, const MultipoleOptions& options) {
  const auto rows = static_cast<double>(head.num_rows()), keys = static_cast<double>(head.num_keys);
  const auto dim = static_cast<double>(head.head_dim());
  const double width = dim + static_cast<double>(head.value_dim());
  const double clusters = std::min(keys, static_cast<double>(options.shape.clusters));
  const double probes = std::min(rows, static_cast<double>(options.fit));
  const double rank =
      options.shape.order == 0 ? 0 : std::min(dim, static_cast<double>(options.shape.rank));
  const double estimate = clusters * width * (1 + rank);
  constexpr double kTrials = 4, kSearch = 5;
  return (rows + kTrials * probes) * estimate + probes * keys * width +
         kTrials * probes * clusters * std::min(probes, clusters) +
         (options.shape.clustering == Clustering::kmeans ? kSearch * keys * clusters * dim : 0);
}

class MultipoleRule final : public LightRule {
 public:
  explicit MultipoleRule(const MultipoleOptions& options) : options_(options) {}

  LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng& rng,
                    int threads) const override {
    check_masks(head, options_);
    if (head.num_keys == 0 || head.num_rows() == 0) return {};
    if (head.problem->causal != Causal::none) {
      const auto part = std::make_shared<CausalMultipole>(head, heavy, options_, rng, threads);
      return {RowOrder::positions, part, part, part};
    }
    const auto part = std::make_shared<MultipolePart>(head, heavy, options_, rng, threads);
    return {RowOrder::any, part, part, part, {part.get()}};
  }
  Work work(const HeadProblem& head) const override {
    return {multipole_steps(head, options_),
            "fewer clusters, a smaller fit or rank, or a lower order"};
  }
  Strict strictness() const override { return Strict::no; }

  double shared_error() const override { return kMargin * options_.error; }

 private:
  MultipoleOptions options_;
};

}  // namespace

MultipoleOptions read_multipole_options(const SpecPart& spec) {
  FarReader reader(spec);
  MultipoleOptions o{};
  o.shape.clusters = reader.clusters(256, 1 << 14);
  o.shape.order = static_cast<int>(reader.integer("order", 0, 0, 2));
  o.shape.rank = reader.integer("rank", 8, 0, 512);
  o.open = reader.open();
  o.residual = reader.integer("residual", 0, 0, 1 << 20);
  o.fit = reader.fit(o.residual > 0 && o.open == 0 ? 0 : 512);
  o.error = reader.error();
  o.group = reader.group(64);
  o.shape.clustering = reader.clustering();
  o.ridge = reader.ridge();
  o.chunk = reader.integer("chunk", 1024, 64, 1 << 20);
  o.margin = reader.number("margin", 0.8, 0.01, 100);
  o.always = reader.boolean("always", false);
  reader.finish();
  if (o.fit == 0 && (o.open > 0 || o.error > 0))
    throw_invalid("spec: multipole(fit=0) has no probes to choose by; open and error need fit > 0");
  if (o.residual > 0 && o.error > 0)
    throw_invalid(
        "spec: multipole(residual=..) does not go with error=..: the error it chooses by is that "
        "of the clusters without a sample; give open=..");
  if (o.residual > 0 && o.shape.order == 2)
    throw_invalid(
        "spec: multipole(residual=..) takes order 0 or 1: clusters of order 2 may weigh far more "
        "than their keys, and their sample then cancels to noise");
  if (o.residual > 0 && o.fit > 0 && o.open == 0)
    throw_invalid(
        "spec: multipole(residual=..) samples what the clusters miss instead of fitting it; leave "
        "fit out, or give open=.. (then the probes choose what to open)");
  return o;
}

std::unique_ptr<LightRule> make_multipole_rule(const SpecPart& spec) {
  return make_multipole(read_multipole_options(spec));
}

std::unique_ptr<LightRule> make_multipole(const MultipoleOptions& options) {
  return std::make_unique<MultipoleRule>(options);
}

}  // namespace subquad
