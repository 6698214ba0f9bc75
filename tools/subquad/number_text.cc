#include "number_text.h"

#include <fmt/format.h>

namespace subquad::cli {
namespace {

// Three significant digits without an exponent, for 0.1 <= value.
std::string three_digits(double value) {
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

}  // namespace

std::string seconds_text(const Number& seconds) {
  if (!seconds) return "-";
  if (*seconds < 1e-3) return three_digits(*seconds * 1e6) + " us";
  if (*seconds < 1) return three_digits(*seconds * 1e3) + " ms";
  return three_digits(*seconds) + " s";
}

std::string bytes_text(const Count& bytes) {
  if (!bytes) return "-";
  const double value = static_cast<double>(*bytes);
  if (value < 1e3) return fmt::format("{} B", *bytes);
  if (value < 1e6) return three_digits(value / 1e3) + " kB";
  if (value < 1e9) return three_digits(value / 1e6) + " MB";
  return three_digits(value / 1e9) + " GB";
}

std::string speedup_text(const Number& ratio) { return ratio ? three_digits(*ratio) + "x" : "-"; }

std::string speedup_text(const RunRecord& run) {
  if (run.speed == Speed::exact_code && run.method != "exact") return "= exact";
  return (run.speed == Speed::alike ? "~" : "") + speedup_text(run.speedup_over_exact);
}

std::string error_text(const Number& error) { return error ? fmt::format("{:.2g}", *error) : "-"; }

std::string percent_text(const Number& fraction) {
  return fraction ? fmt::format("{:.1f} %", 100 * *fraction) : "-";
}

}  // namespace subquad::cli
