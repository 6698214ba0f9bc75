#include "light/poly/chebyshev.h"

#include <fmt/format.h>

#include "light/poly/monomials.h"
#include "light/poly/poly_part.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr double kMostSumBytes = 0x1p31;  // of one state

bool hides_by_row(const HeadProblem& head) {
  const Mask& mask = head.problem->mask;
  if (mask.kind == MaskKind::none) return false;
  return mask.kind != MaskKind::boolean || mask.shape[2] > 1 ||
         (mask.shape[1] > 1 && head.group > 1);
}

void check_masks(const HeadProblem& head) {
  if (hides_by_row(head))
    throw_invalid(
        "mask: chebyshev sums all keys; of element masks it takes a boolean one that is the same "
        "for "
        "all rows (padding); use exact, or a sampled part (uniform, prefix)");
  const Window& window = head.problem->window;
  if (window.left >= 0 || window.right >= 0)
    throw_invalid("window: chebyshev takes no sliding window; use exact, or window(..) alone");
}

void check_size(const HeadProblem& head, std::int64_t degree) {
  const double features = count_monomials(head.head_dim(), degree);
  const double bytes = features * static_cast<double>(head.value_dim() + 1) * sizeof(float);
  if (bytes > kMostSumBytes)
    throw_invalid(fmt::format(
        "degree: {} gives {:.4g} monomials of {} channels, whose sums take {:.3g} GB (at most "
        "{:.3g}); take a smaller degree, or a smaller head dimension",
        degree, features, head.head_dim(), bytes / 1e9, kMostSumBytes / 1e9));
}

class ChebyshevRule final : public LightRule {
 public:
  explicit ChebyshevRule(const PolyOptions& options) : options_(options) {}

  LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng&,
                    int threads) const override {
    check_masks(head);
    check_size(head, options_.degree);
    const bool causal = head.problem->causal != Causal::none;
    if (causal && options_.printed_threshold > 0)
      throw_invalid("printed: Algorithm 1 knows no causal mask; take printed=false");
    if (causal && options_.buckets > 1)
      throw_invalid(
          "buckets: they are cut by the norms of all keys, which a causal mask hides; take "
          "buckets=1");
    if (head.num_keys == 0 || head.num_rows() == 0) return {};
    return {.row_order = causal ? RowOrder::positions : RowOrder::any,
            .model = std::make_shared<PolyPart>(head, heavy, options_, threads)};
  }

  // Queries and keys by their features.
  Work work(const HeadProblem& head) const override {
    const auto buckets = static_cast<double>(options_.buckets);
    return {(static_cast<double>(head.num_keys) + buckets * static_cast<double>(head.num_rows())) *
                count_monomials(head.head_dim(), options_.degree) *
                static_cast<double>(head.value_dim() + 1),
            "a smaller degree"};
  }

 private:
  PolyOptions options_;
};

}  // namespace

PolyOptions read_poly_options(SpecReader& reader, const char* degree_key) {
  PolyOptions o;
  o.degree = reader.integer(degree_key, o.degree, 1, kMostDegree);
  o.bound = reader.number("bound", o.bound, 0, kMostBound);
  o.fit = static_cast<ExpFit>(
      reader.choice("fit", static_cast<std::size_t>(o.fit), {"chebyshev", "minimax", "taylor"}));
  o.error = reader.number("error", o.error, 0, 1);
  o.buckets = reader.integer("buckets", o.buckets, 1, 16);
  o.chunk = reader.integer("chunk", o.chunk, 0, 1 << 20);
  return o;
}

std::unique_ptr<LightRule> make_chebyshev(const PolyOptions& options) {
  return std::make_unique<ChebyshevRule>(options);
}

std::unique_ptr<LightRule> make_chebyshev_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const PolyOptions options = read_poly_options(reader, "g");
  reader.finish();
  return make_chebyshev(options);
}

}  // namespace subquad
