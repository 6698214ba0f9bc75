// Options that would keep a user waiting for nothing are refused before anything is computed.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "methods/method.h"
#include "methods/registry.h"
#include "run/check_work.h"
#include "support/invalid.h"

namespace subquad::testing {
namespace {

// n queries and keys of three heads; their data is never looked at.
Problem shape_of(std::int64_t n) {
  const Shape4 shape{1, 3, n, 64};
  const TensorView view{nullptr, DType::f32, shape, dense_strides(shape)};
  Problem problem;
  problem.query = problem.key = problem.value = view;
  return problem;
}

void check(const std::string& spec, std::int64_t n) {
  const Problem problem = shape_of(n);
  check_work(split_heads(problem), parse_method(spec));
}

TEST(CheckWork, NamesWhatToLower) {
  const auto refuse = [](const std::string& spec, const std::string& remedy) {
    expect_invalid("method: with these options", [&] { check(spec, 4097); });
    expect_invalid(remedy, [&] { check(spec, 4097); });
  };
  refuse("sortlsh(block=1,bits=24,rounds=64,neighbors=64)",
         "larger blocks, or fewer rounds or neighbors");
  refuse("multipole(clusters=16384,fit=65536,order=2,rank=512,cluster=kmeans)", "fewer clusters");
  refuse("sink(4)+expander(tau=1048576,mode=countsketch,width=4096,repetitions=64)",
         "a smaller tau");
  refuse("expander(tau=1000,mode=expander,width=8)", "a smaller tau");
}

// Whatever the options, a small problem is soon done.
TEST(CheckWork, SmallProblemsPass) {
  check("sortlsh(block=1,bits=24,rounds=64,neighbors=64)", 200);
  check("multipole(clusters=16384,fit=65536,order=2,rank=512,cluster=kmeans)", 400);
  check("expander(tau=1048576,mode=countsketch,width=4096,repetitions=64)", 200);
}

TEST(CheckWork, NoDefaultIsRefused) {
  for (const PartRow& row : registry())
    if (row.kind != PartKind::recipe && row.sample != nullptr)
      for (const std::int64_t n : {1, 1000, 30000, 1000000}) check(row.name, n);
}

}  // namespace
}  // namespace subquad::testing
