// Fuzzes the spec parser, its canonical text and the typed access to arguments.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parts/spec.h"
#include "subquad/error.h"

namespace subquad {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void require_one_line(const Error& error) {
  const std::string line = error.what();
  require(line.starts_with("spec ") && line.find('\n') == std::string::npos);
  require(error.kind() == ErrorKind::invalid_argument);
}

void require_same(const SpecPart& a, const SpecPart& b) {
  require(a.name == b.name && a.arguments.size() == b.arguments.size());
  for (std::size_t i = 0; i < a.arguments.size(); ++i) {
    require(a.arguments[i].key == b.arguments[i].key);
    require(a.arguments[i].value == b.arguments[i].value);
  }
}

void read_arguments(const SpecPart& part) {
  SpecReader reader(part);
  const auto block = reader.integer("block", 256, 1, 65536);
  require(block >= 1 && block <= 65536);
  const double eps = reader.number("eps", 0.5, 0, 1);
  require(eps >= 0 && eps <= 1);
  (void)reader.boolean("flag", false);
  require(reader.choice("mode", 0, {"a", "b"}) < 2);
  const auto k = reader.required_integer("k", -9, 9);
  require(k >= -9 && k <= 9);
  reader.finish();
}

void fuzz_spec(std::string_view text) {
  std::vector<SpecPart> parts;
  try {
    parts = parse_spec(text);
  } catch (const Error& error) {
    return require_one_line(error);
  }
  require(!parts.empty());
  for (const SpecPart& part : parts) {
    const auto again = parse_spec(to_text(part));
    require(again.size() == 1);
    require_same(part, again[0]);
    try {
      read_arguments(part);
    } catch (const Error& error) {
      require_one_line(error);
    }
  }
}

}  // namespace
}  // namespace subquad

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  subquad::fuzz_spec({reinterpret_cast<const char*>(data), size});
  return 0;
}
