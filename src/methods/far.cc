#include "methods/far.h"

#include <fmt/format.h>

#include "exact/tile_forward.h"
#include "far/far_reader.h"
#include "far/leaves/treecode.h"
#include "far/multipole.h"
#include "heavy/pattern/sink.h"
#include "heavy/pattern/window.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// The far field's own options, 0 where the length decides; the rest as they go to multipole.
struct FarRecipeOptions {
  MultipoleOptions far;
  TreecodeOptions causal;
  std::int64_t certify;
};

FarRecipeOptions read_options(const SpecPart& spec) {
  FarReader reader(spec);
  FarRecipeOptions o{};
  o.far.error = reader.error(0.03, 1e-4, 1);
  o.far.shape.clusters = reader.clusters(0, 1 << 14, 0);
  o.far.shape.rank = 8;
  o.far.fit = reader.fit(0);
  o.far.group = reader.group(0, 0);
  o.far.shape.clustering = reader.clustering();
  o.far.ridge = reader.ridge();
  o.causal.shape.chunk = reader.integer("chunk", 512, 64, 1 << 16);
  o.far.margin = reader.number("margin", 0.8, 0.01, 100);
  o.far.always = reader.boolean("always", false);
  o.causal.target.error = o.far.error;
  o.causal.target.most = o.far.margin;
  o.causal.target.always = o.far.always;
  o.certify = reader.integer("certify", 59, 0, 1 << 16);
  reader.finish();
  if (o.far.group > 0 && o.far.group < 8)
    throw_invalid(fmt::format("spec part '{}': group = {} is neither 0 nor 8 to 264", to_text(spec),
                              o.far.group));
  if (o.causal.shape.chunk % o.causal.shape.leaf != 0)
    throw_invalid(fmt::format("spec part '{}': chunk = {} is not a multiple of {}", to_text(spec),
                              o.causal.shape.chunk, o.causal.shape.leaf));
  return o;
}

// What serves sequences of fewer than `below` keys: measured (docs/guide/far.md).
struct Size {
  std::int64_t below, clusters, fit, group;
};
constexpr Size kSizes[] = {{6144, 128, 256, 96},
                           {12288, 256, 384, 96},
                           {65536, 256, 512, 128},
                           {std::int64_t{1} << 62, 512, 1024, 128}};
constexpr std::int64_t kLeastCausal = 3328;  // queries: fewer do not pay for the index and probes
// The held-out rows are few: only an error this many times the one asked for is taken for real.
constexpr double kAlarm = 1.5;
// Beside the far field, exactly: the first key (class token, attention sink), and where queries and
// keys are the same tokens the query's own key, which no smooth far field can follow.
Method far_method(Method method, MultipoleOptions options, const Size& size, bool square) {
  if (options.shape.clusters == 0) options.shape.clusters = size.clusters;
  if (options.fit == 0) options.fit = size.fit;
  if (options.group == 0) options.group = size.group;
  method.add("sink", make_sink(1));
  if (square) method.add("window", make_window(1));
  return method.add("multipole", make_multipole(options));
}

// Nothing that it does looks ahead. Queries and keys of bf16 on a matrix unit are faster exactly.
Method causal_method(Method method, const TreecodeOptions& options) {
  return method.add("treecode", make_treecode(options));
}
bool pays_causally(const HeadProblem& head) {
  return head.query_len >= kLeastCausal && arithmetic_of(head) == Arithmetic::f32;
}

bool is_supported(const HeadProblem& head) {
  const Problem& problem = *head.problem;
  return problem.mask.kind == MaskKind::none && problem.window.left < 0 && problem.window.right < 0;
}

class Far final : public Recipe {
 public:
  Far(const FarRecipeOptions& options, const Method& others)
      : certify_(options.certify),
        error_(options.far.error),
        always_(options.far.always),
        causal_(causal_method(others, options.causal)) {
    for (const Size& size : kSizes) {
      square_.push_back(far_method(others, options.far, size, true));
      other_.push_back(far_method(others, options.far, size, false));
    }
  }

  const Method& choose(const HeadProblem& head) const override {
    if (!is_supported(head)) return exact_;
    std::size_t size = 0;
    while (head.num_keys >= kSizes[size].below) ++size;
    if (head.problem->causal != Causal::none)
      return always_ || pays_causally(head) ? causal_ : exact_;
    const bool square = head.query_len == head.num_keys;
    return (square ? square_ : other_)[size];
  }
  std::int64_t certified_rows() const override { return certify_; }
  double error_limit() const override { return kAlarm * error_; }
  // Not under a causal mask: early rows would depend on what the certificate found at later ones.
  bool runs_again(const Problem& problem) const override { return problem.causal == Causal::none; }

 private:
  std::int64_t certify_;
  double error_;
  bool always_;
  Method exact_ = exact_method(), causal_;
  std::vector<Method> square_, other_;
};

}  // namespace

std::unique_ptr<Recipe> make_far(const SpecPart& spec, const Method& others) {
  return std::make_unique<Far>(read_options(spec), others);
}

}  // namespace subquad
