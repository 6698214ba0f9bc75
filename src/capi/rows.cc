#include "capi/rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace subquad::capi {

// The bindings name every field: one that is added to the struct, and not here, does not compile.
Row row_of(const Report& report) {
  const auto& [path, rows, fallback_rows, scored_entries, peak_extra_bytes, exact_heads,
               negative_rows, recall, estimated_error, c] = report;
  return {{"path", path},
          {"rows", rows},
          {"fallback_rows", fallback_rows},
          {"scored_entries", scored_entries},
          {"peak_extra_bytes", peak_extra_bytes},
          {"exact_heads", exact_heads},
          {"negative_rows", negative_rows},
          {"recall", recall},
          {"estimated_error", estimated_error},
          {"certificate.rows", c.rows},
          {"certificate.total_rows", c.total_rows},
          {"certificate.share", c.share},
          {"certificate.confidence", c.confidence},
          {"certificate.largest_row_error", c.largest_row_error},
          {"certificate.largest_row_error_to_rms", c.largest_row_error_to_rms},
          {"certificate.rms_row_norm", c.rms_row_norm},
          {"certificate.rel_fro", c.rel_fro},
          {"certificate.worst_batch", c.worst.batch},
          {"certificate.worst_head", c.worst.head},
          {"certificate.worst_position", c.worst.position}};
}

Row row_of(const Certificate& c) {
  const auto& [rows, total_rows, share, confidence, largest_row_error, largest_row_error_to_rms,
               rms_row_norm, rel_fro, worst] = c;
  return {{"rows", rows},
          {"total_rows", total_rows},
          {"share", share},
          {"confidence", confidence},
          {"largest_row_error", largest_row_error},
          {"largest_row_error_to_rms", largest_row_error_to_rms},
          {"rms_row_norm", rms_row_norm},
          {"rel_fro", rel_fro},
          {"worst_batch", worst.batch},
          {"worst_head", worst.head},
          {"worst_position", worst.position}};
}

Row row_of(const ApproxDHead& head) {
  return {{"sequence", head.sequence},
          {"kv_head", head.kv_head},
          {"tau_positions", head.tau_positions},
          {"samples", head.samples},
          {"log_tau", head.log_tau},
          {"capped_samples", head.capped_samples},
          {"floored_rows", head.floored_rows}};
}

Row row_of(const SamplingMatrix& matrix) {
  return {{"sequence", matrix.sequence},
          {"kv_head", matrix.kv_head},
          {"indices", matrix.indices},
          {"weights", matrix.weights}};
}

Row row_of(const KernelReport& report) {
  const auto& [path, rows, scored_entries, peak_extra_bytes, opened_entries, estimated_error,
               error_bound] = report;
  return {{"path", path},
          {"rows", rows},
          {"scored_entries", scored_entries},
          {"peak_extra_bytes", peak_extra_bytes},
          {"opened_entries", opened_entries},
          {"estimated_error", estimated_error},
          {"error_bound", error_bound}};
}

Row row_of(const ErrorMetrics& metrics) {
  return {{"head", metrics.head},
          {"rel_fro", metrics.rel_fro},
          {"max_over_vmax", metrics.max_over_vmax},
          {"op_rel", metrics.op_rel},
          {"rows_over_1pct", metrics.rows_over_1pct},
          {"rows_over_5pct", metrics.rows_over_5pct},
          {"rows_over_20pct", metrics.rows_over_20pct}};
}

Row row_of(const Alpha& alpha) {
  return {{"sequence", alpha.sequence}, {"head", alpha.head},
          {"alpha", alpha.alpha},       {"column", alpha.column},
          {"rows", alpha.rows},         {"sampled", std::int64_t{alpha.sampled}}};
}

Row row_of(const Kappa& kappa) {
  return {{"sequence", kappa.sequence},
          {"head", kappa.head},
          {"kappa", kappa.kappa},
          {"log10_kappa", kappa.log10_kappa},
          {"rows", kappa.rows},
          {"empty_rows", kappa.empty_rows},
          {"unresolved_rows", kappa.unresolved_rows}};
}

Row row_of(const StableRank& rank) {
  return {{"sequence", rank.sequence},
          {"head", rank.head},
          {"frobenius_squared", rank.frobenius_squared},
          {"operator_norm", rank.operator_norm},
          {"stable_rank", rank.stable_rank}};
}

Row row_of(const HeadTail& tail) {
  return {{"sequence", tail.sequence},
          {"head", tail.head},
          {"size", tail.size},
          {"ratio", tail.ratio},
          {"ratio_error", tail.ratio_error},
          {"log_largest", tail.log_largest},
          {"nth_over_next", tail.nth_over_next},
          {"nth_over_2nth", tail.nth_over_2nth},
          {"rows", tail.rows}};
}

Row row_of(const LemmaSamples& samples) {
  return {{"lemma1", samples.lemma1},
          {"log10_lemma1", samples.log10_lemma1},
          {"lemma2", samples.lemma2},
          {"lemma1_vacuous", std::int64_t{samples.lemma1_vacuous}},
          {"lemma2_vacuous", std::int64_t{samples.lemma2_vacuous}}};
}

Row row_of(const AttentionStatistics& statistics) {
  return {{"sequence", statistics.sequence},
          {"head", statistics.head},
          {"rows", statistics.rows},
          {"weight_std", statistics.weight_std},
          {"nonlocality", statistics.nonlocality},
          {"leading_weight", statistics.leading_weight}};
}

Row row_of(const BuildInfo& info) {
  return {{"version", info.version},
          {"compiler", info.compiler},
          {"isa_compiled", fmt::format("{}", fmt::join(info.isa_compiled, ","))},
          {"isa_supported", fmt::format("{}", fmt::join(info.isa_supported, ","))},
          {"isa", info.isa},
          {"threads", std::int64_t{info.threads}}};
}

Row row_of(const PartInfo& part) {
  return {{"name", part.name},
          {"kind", std::string(to_string(part.kind))},
          {"summary", part.summary},
          {"source", part.source}};
}

Row row_of(const NamedParameter& named) {
  const auto& [name, fallback, range] = named.parameter;
  return {{"part", named.part}, {"name", name}, {"fallback", fallback}, {"range", range}};
}

}  // namespace subquad::capi
