// Every part of the registry with every other: exact in its limit, entries disjoint and complete.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "methods/registry.h"
#include "property/heavy_light_support.h"
#include "subquad/error.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 48, .max_work = 700'000};

// "sink(n=150)" from "n=N".
std::string with_arguments(const PartRow& row, std::string arguments, std::int64_t keys) {
  for (std::size_t at; (at = arguments.find('N')) != std::string::npos;)
    arguments.replace(at, 1, fmt::format("{}", keys));
  return fmt::format("{}({})", row.name, arguments);
}

std::vector<std::string> specs_of(bool heavy, const char* PartRow::*arguments) {
  std::vector<std::string> specs;
  for (const PartRow& row : registry())
    if ((row.kind == PartKind::heavy) == heavy && row.kind != PartKind::exact &&
        row.*arguments != nullptr)
      specs.push_back(with_arguments(row, row.*arguments, limits.max_length));
  return specs;
}

// Runs specs on random problems. A part that does not take a problem's masks says so; each spec
// must have run on some problem.
class ExactRuns {
 public:
  explicit ExactRuns(std::vector<std::string> specs) : specs_(std::move(specs)) {}

  void run(std::uint64_t first_seed, std::uint64_t count) {
    std::set<std::string> ran;
    for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
      const OwnedProblem random = random_problem(seed, type_of(seed), limits);
      SCOPED_TRACE(random.description);
      const ReferenceAttention reference(random.problem);
      for (const std::string& spec : specs_)
        if (is_exact(random.problem, reference, spec)) ran.insert(spec);
      if (::testing::Test::HasFailure()) return;
    }
    for (const std::string& spec : specs_) EXPECT_TRUE(ran.contains(spec)) << spec;
  }

 private:
  // False: refused.
  static bool is_exact(const Problem& problem, const ReferenceAttention& reference,
                       const std::string& spec) {
    SCOPED_TRACE(spec);
    try {
      expect_forward(problem, run_forward(problem, DType::f32, 1, {}, spec), reference);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
      return false;
    }
    return true;
  }

  std::vector<std::string> specs_;
};

std::vector<std::string> pairs(const std::vector<std::string>& first,
                               const std::vector<std::string>& second) {
  std::vector<std::string> specs;
  for (const std::string& a : first)
    for (const std::string& b : second) specs.push_back(a + "+" + b);
  return specs;
}

// A heavy part that holds every entry leaves nothing to any other part.
TEST(Registry, NothingIsLeftBesideAHeavyPartOfEverything) {
  ExactRuns(pairs(specs_of(true, &PartRow::limit), specs_of(false, &PartRow::sample))).run(900, 16);
}

// What is exact in its limit stays so whatever is taken out of it.
TEST(Registry, LimitsAreExactBesideAnyHeavyPart) {
  ExactRuns(pairs(specs_of(true, &PartRow::sample), specs_of(false, &PartRow::limit))).run(920, 16);
}

TEST(Registry, HeavyPartsOverlapWithoutCountingTwice) {
  ExactRuns(pairs(specs_of(true, &PartRow::sample), specs_of(true, &PartRow::limit))).run(940, 16);
}

TEST(Registry, LimitsAreExactAlone) {
  on_every_isa([] {
    ExactRuns(specs_of(true, &PartRow::limit)).run(960, 16);
    ExactRuns(specs_of(false, &PartRow::limit)).run(960, 16);
  });
}

TEST(Registry, EveryPartDescribesItself) {
  for (const PartInfo& part : method_parts()) {
    SCOPED_TRACE(part.name);
    EXPECT_FALSE(part.summary.empty());
    EXPECT_FALSE(part.source.empty());
    for (const PartParameter& parameter : part.parameters) {
      EXPECT_FALSE(parameter.name.empty());
      EXPECT_FALSE(parameter.range.empty()) << parameter.name;
    }
  }
}

TEST(Registry, NamesAreUnique) {
  std::vector<std::string> names;
  for (const PartRow& row : registry()) {
    EXPECT_EQ(std::find(names.begin(), names.end(), row.name), names.end()) << row.name;
    names.emplace_back(row.name);
  }
}

}  // namespace
}  // namespace subquad::testing
