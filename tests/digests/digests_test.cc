// Every method gives the bits that it gave when its digests were recorded, forward and backward, on
// every instruction set, with one thread and with two (which take turns over the cases).
//
// The tables are tests/digests/recorded/<isa>.txt. A change that is meant to change results records
// them again, and its diff shows whose results changed:
//
//     SUBQUAD_RECORD_DIGESTS=1 build/release/tests/digests_tests
//
// Bits belong to a toolchain: other compilers, mathematical libraries and optimisation levels give
// others, so the test is skipped where its own differs from the recorded one.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include "digests/call_cases.h"
#include "digests/method_cases.h"
#include "digests/run_case.h"
#include "digests/table.h"
#include "subquad/error.h"
#include "subquad/info.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

const std::vector<DigestCase>& all_cases() {
  static const std::vector<DigestCase> cases = [] {
    std::vector<DigestCase> all;
    for (const auto& [scene, spec, seed] : method_cases()) {
      const std::string name = fmt::format("{}: {}", scene, spec);
      all.push_back({seed == 5 ? name : fmt::format("{} seed {}", name, seed),
                     [scene = scene, spec = spec, seed = seed](int threads) {
                       return method_digests(scene, spec, seed, threads);
                     }});
    }
    for (const DigestCase& call : call_cases()) all.push_back(call);
    return all;
  }();
  return cases;
}

// All that the bits depend on, as far as one can name it. The processor matters only by having FMA
// or not (libm has code for both): where there is avx2, there is.
std::string toolchain() {
  const BuildInfo info = build_info();
  const bool has_fma = std::find(info.isa_supported.begin(), info.isa_supported.end(), "avx2") !=
                       info.isa_supported.end();
  return fmt::format("compiler {}, glibc {}, highway {}.{}.{}, {}, {}", info.compiler,
                     gnu_get_libc_version(), HWY_MAJOR, HWY_MINOR, HWY_PATCH, SUBQUAD_BUILD_FLAGS,
                     has_fma ? "x86-64 with FMA" : "no AVX2 and FMA");
}

bool recording() {
  const char* asked = std::getenv("SUBQUAD_RECORD_DIGESTS");
  return asked != nullptr && std::string(asked) == "1";
}

std::string table_path(const std::string& isa) {
  return fmt::format("{}/{}.txt", SUBQUAD_DIGEST_TABLES, isa);
}

// Recording: with one thread, and two must agree. Otherwise every other case has two threads, the
// others on the next instruction set.
CaseDigests compute_digests(const DigestCase& one, std::size_t turn) {
  if (!recording()) return one.run(turn % 2 == 0 ? 1 : 2);
  const CaseDigests single = one.run(1);
  EXPECT_EQ(to_text(single), to_text(one.run(2))) << one.name << " with 1 and 2 threads";
  return single;
}

std::vector<NamedDigests> compute_all(std::size_t turn) {
  std::vector<NamedDigests> computed;
  for (const DigestCase& one : all_cases()) {
    try {
      computed.push_back({one.name, compute_digests(one, turn++)});
    } catch (const Error& error) {
      ADD_FAILURE() << one.name << ": " << error.what();
    }
  }
  return computed;
}

void expect_recorded(DigestTable table, const std::vector<NamedDigests>& computed) {
  for (const auto& [name, digests] : computed) {
    const auto line = table.lines.find(name);
    if (line == table.lines.end()) {
      ADD_FAILURE() << name << ": not recorded";
      continue;
    }
    EXPECT_EQ(line->second, to_text(digests)) << name << " (results, gradients, report)";
    table.lines.erase(line);
  }
  for (const auto& [name, line] : table.lines) ADD_FAILURE() << name << ": recorded, not a case";
}

constexpr const char* kIsas[] = {"avx3", "avx2", "sse4", "scalar", "amx"};

class RecordedDigests : public ::testing::TestWithParam<std::size_t> {};

TEST_P(RecordedDigests, SameBits) {
  const std::string isa = kIsas[GetParam()];
  const std::vector<std::string> supported = build_info().isa_supported;
  if (std::find(supported.begin(), supported.end(), isa) == supported.end())
    GTEST_SKIP() << "this machine does not run " << isa;
  const DigestTable table = read_table(table_path(isa));
  if (!recording() && table.toolchain != toolchain())
    GTEST_SKIP() << "recorded with " << table.toolchain << "; this is " << toolchain();
  const IsaScope scope(isa);
  const std::vector<NamedDigests> computed = compute_all(GetParam());
  if (recording()) {
    ASSERT_FALSE(HasFailure()) << "nothing recorded";
    ASSERT_TRUE(write_table(table_path(isa), toolchain(), computed)) << table_path(isa);
  } else {
    expect_recorded(table, computed);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, RecordedDigests, ::testing::Range(std::size_t{0}, std::size(kIsas)),
                         [](const auto& isa) { return std::string(kIsas[isa.param]); });

TEST(DigestCases, EachHasItsOwnName) {
  std::map<std::string, int> names;
  for (const DigestCase& one : all_cases()) EXPECT_EQ(++names[one.name], 1) << one.name;
}

}  // namespace
}  // namespace subquad::testing
