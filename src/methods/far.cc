#include "methods/far.h"

#include <iterator>

#include <fmt/format.h>

#include "methods/method.h"

namespace subquad {
namespace {

struct FarOptions {
  double error, ridge, margin;
  std::int64_t clusters, fit, group, chunk, certify;
  std::string clustering;
  bool always;
};

FarOptions read_options(const SpecPart& spec) {
  const std::vector<std::string> clusterings{"tree", "kmeans", "lsh"};
  SpecReader reader(spec);
  FarOptions o{};
  o.error = reader.number("error", 0.03, 1e-4, 1);
  o.clusters = reader.integer("clusters", 0, 0, 1 << 14);
  o.fit = reader.integer("fit", 0, 0, 1 << 16);
  o.group = reader.integer("group", 0, 0, 264);
  o.clustering = clusterings[reader.choice("cluster", 0, clusterings)];
  o.ridge = reader.number("ridge", 0, 0, 1e3);
  o.chunk = reader.integer("chunk", 1024, 64, 1 << 20);
  o.margin = reader.number("margin", 0.8, 0.01, 100);
  o.always = reader.boolean("always", false);
  o.certify = reader.integer("certify", 59, 0, 1 << 16);
  reader.finish();
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
// The held-out rows are few: only an error this many times the one asked for is taken for real.
constexpr double kAlarm = 1.5;
// Beside the far field, exactly: the first key (class token, attention sink), and where queries and
// keys are the same tokens the query's own key, which no smooth far field can follow.
constexpr const char* kSquare = "sink(1)+window(1)+";
constexpr const char* kOther = "sink(1)+";

std::string spec_of(const FarOptions& o, const Size& size) {
  return fmt::format(
      "multipole(clusters={},fit={},error={},group={},cluster={},ridge={},chunk={},margin={},"
      "always={})",
      o.clusters > 0 ? o.clusters : size.clusters, o.fit > 0 ? o.fit : size.fit, o.error,
      o.group > 0 ? o.group : size.group, o.clustering, o.ridge, o.chunk, o.margin, o.always);
}

bool is_supported(const HeadProblem& head) {
  const Problem& problem = *head.problem;
  return problem.mask.kind == MaskKind::none && problem.window.left < 0 && problem.window.right < 0;
}

class Far final : public Recipe {
 public:
  Far(const FarOptions& options, const std::string& others, std::span<const GivenMask> given)
      : certify_(options.certify), error_(options.error), exact_(parse_method("exact")) {
    for (const Size& size : kSizes) {
      square_.push_back(parse_method(others + kSquare + spec_of(options, size), given));
      other_.push_back(parse_method(others + kOther + spec_of(options, size), given));
    }
  }

  const Method& choose(const HeadProblem& head) const override {
    if (!is_supported(head)) return exact_;
    std::size_t size = 0;
    while (head.num_keys >= kSizes[size].below) ++size;
    const bool square = head.query_len == head.num_keys && head.problem->causal == Causal::none;
    return (square ? square_ : other_)[size];
  }
  std::int64_t certified_rows() const override { return certify_; }
  double error_limit() const override { return kAlarm * error_; }

 private:
  std::int64_t certify_;
  double error_;
  Method exact_;
  std::vector<Method> square_, other_;
};

}  // namespace

std::unique_ptr<Recipe> make_far(const SpecPart& spec, const std::string& others,
                                 std::span<const GivenMask> given) {
  return std::make_unique<Far>(read_options(spec), others.empty() ? "" : others + "+", given);
}

}  // namespace subquad
