#include "certificate_text.h"

#include <fmt/format.h>

#include <cmath>

#include "number_text.h"

namespace subquad::cli {
namespace {

// Rounded up: the sentence is to stay a bound. Two digits.
std::string bound_text(double bound) {
  if (!(bound > 0) || std::isinf(bound)) return error_text(bound);
  const double unit = std::pow(10.0, std::floor(std::log10(bound)) - 1);
  return error_text(std::ceil(bound / unit) * unit);
}

// Rounded down, and never 100 %.
std::string confidence_text(double confidence) {
  if (confidence > 0.999) return "above 99.9 %";
  return fmt::format("{:.1f} %", std::floor(1000 * confidence) / 10);
}

}  // namespace

std::optional<Certificate> certificate_of(const Problem& problem, const Buffer& out,
                                          std::int64_t rows, const Options& run) {
  if (rows == 0) return {};
  CertificateOptions options;
  options.rows = rows;
  options.seed = run.seed;
  options.threads = run.threads;
  return certify(problem, out.view(), options);
}

std::string certificate_text(const Certificate& certificate) {
  if (std::isnan(certificate.largest_row_error))
    return fmt::format(
        "no bound on the errors: of {} rows recomputed exactly some are not finite, the first at "
        "batch {}, head {}, position {}",
        certificate.rows, certificate.worst.batch, certificate.worst.head,
        certificate.worst.position);
  const std::string bound = bound_text(certificate.largest_row_error);
  if (certificate.rows == certificate.total_rows) {
    return fmt::format("all {} rows, recomputed exactly, have an error of at most {}; rel Fro {}",
                       certificate.rows, bound, error_text(certificate.rel_fro));
  }
  return fmt::format(
      "at least {:g} % of all rows have an error of at most {} (confidence {}, {} row{} recomputed "
      "exactly); rel Fro of these rows {}",
      100 * certificate.share, bound, confidence_text(certificate.confidence), certificate.rows,
      certificate.rows == 1 ? "" : "s", error_text(certificate.rel_fro));
}

}  // namespace subquad::cli
