// The recorded digests: a text file for each instruction set, a line for each case.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace subquad::testing {

// What one case gave; 0: it has none (no gradients, say).
struct CaseDigests {
  std::uint64_t results = 0;    // out, lse, row_error; or whatever else a function returns
  std::uint64_t gradients = 0;  // of query, key, value
  std::uint64_t report = 0;     // of both directions: path, counts, estimates; half is kept
};

inline std::string to_text(const CaseDigests& d) {
  return fmt::format("{:016x} {:016x} {:08x}", d.results, d.gradients, d.report & 0xffffffff);
}

struct DigestTable {
  std::string toolchain;                     // where it was recorded
  std::map<std::string, std::string> lines;  // case name -> to_text()
};

constexpr std::string_view kToolchain = "# toolchain: ";

// Lines "<results> <gradients> <report> <name>"; comments begin with #. An absent file is empty.
inline DigestTable read_table(const std::string& path) {
  constexpr std::size_t kDigits = 16 + 1 + 16 + 1 + 8;
  DigestTable table;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kToolchain)) table.toolchain = line.substr(kToolchain.size());
    if (line.size() > kDigits && line[0] != '#')
      table.lines[line.substr(kDigits + 1)] = line.substr(0, kDigits);
  }
  return table;
}

struct NamedDigests {
  std::string name;
  CaseDigests digests;
};

// In the order of the cases: a line changes only where its case's digests did.
inline bool write_table(const std::string& path, const std::string& toolchain,
                        const std::vector<NamedDigests>& cases) {
  std::ofstream file(path);
  file << kToolchain << toolchain << "\n# results, gradients, report, case; see digests_test.cc\n";
  for (const auto& [name, digests] : cases) file << to_text(digests) << ' ' << name << '\n';
  return file.flush().good();
}

}  // namespace subquad::testing
