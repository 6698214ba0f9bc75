// How what the calls report becomes the rows of a result.
#pragma once

#include <string>
#include <vector>

#include "capi/result.h"
#include "subquad/attention.h"
#include "subquad/attention_metrics.h"
#include "subquad/certificate.h"
#include "subquad/hyper.h"
#include "subquad/info.h"
#include "subquad/kernel_sums.h"
#include "subquad/measure.h"
#include "subquad/parts.h"
#include "subquad/probe.h"

namespace subquad::capi {

// A parameter of the part that `part` names.
struct NamedParameter {
  std::string part;
  PartParameter parameter;
};

Row row_of(const Report& report);
Row row_of(const Certificate& c);
Row row_of(const ApproxDHead& head);
Row row_of(const SamplingMatrix& matrix);
Row row_of(const KernelReport& report);
Row row_of(const ErrorMetrics& metrics);
Row row_of(const Alpha& alpha);
Row row_of(const Kappa& kappa);
Row row_of(const StableRank& rank);
Row row_of(const HeadTail& tail);
Row row_of(const LemmaSamples& samples);
Row row_of(const AttentionStatistics& statistics);
Row row_of(const BuildInfo& info);
Row row_of(const PartInfo& part);
Row row_of(const NamedParameter& named);

// Into `result`, where the caller wants one: a single row, or one for each entry.
template <typename Entry>
void store(const Entry& entry, subquad_result* result) {
  if (result != nullptr) *result = make_result({row_of(entry)});
}
template <typename Entry>
void store(const std::vector<Entry>& entries, subquad_result* result) {
  if (result == nullptr) return;
  std::vector<Row> rows;
  for (const Entry& entry : entries) rows.push_back(row_of(entry));
  *result = make_result(rows);
}

}  // namespace subquad::capi
