#include <fmt/format.h>

#include <algorithm>

#include "diagnosis.h"
#include "text_table.h"

namespace subquad::cli {
namespace {

std::string number(double value) { return fmt::format("{:.4g}", value); }

// A sample size; starred where the lemma promises nothing.
std::string sample_text(double m, double log10_m, bool vacuous) {
  const bool huge = log10_m > 15;
  return (huge ? fmt::format("1e{:.0f}", log10_m) : fmt::format("{:.3g}", m)) +
         (vacuous ? " *" : "  ");
}

// Rows below the floor may have smaller sums than those that count.
std::string bound_mark(const Kappa& kappa) { return kappa.unresolved_rows > 0 ? ">=" : ""; }

std::string head_text(const ProbeRecord& record, const ProblemSize& size) {
  if (record.head < 0) return "worst";
  if (size.batch > 1) return fmt::format("sequence {}, head {}", record.sequence, record.head);
  return fmt::format("head {}", record.head);
}

std::vector<std::string> table_row(const ProbeRecord& record, const ProblemSize& size) {
  std::vector<std::string> row;
  const auto add = [&](const auto& result, const auto& text) {
    row.push_back(result ? text(*result) : "-");
  };
  add(record.alpha, [](const Alpha& a) { return number(a.alpha); });
  add(record.alpha,
      [&](const Alpha& a) { return number(a.alpha / static_cast<double>(size.seq)); });
  add(record.alpha, [](const Alpha& a) { return fmt::format("{}", a.column); });
  add(record.kappa, [](const Kappa& k) { return bound_mark(k) + number(k.log10_kappa); });
  add(record.kappa,
      [](const Kappa& k) { return fmt::format("{}+{}", k.empty_rows, k.unresolved_rows); });
  add(record.stable_rank, [](const StableRank& s) { return number(s.stable_rank); });
  add(record.stable_rank, [](const StableRank& s) { return number(s.operator_norm); });
  add(record.lemma1, [&](const LemmaSamples& l) {
    return bound_mark(*record.kappa) + sample_text(l.lemma1, l.log10_lemma1, l.lemma1_vacuous);
  });
  add(record.lemma2,
      [](const LemmaSamples& l) { return sample_text(l.lemma2, 0, l.lemma2_vacuous); });
  add(record.head_tail, [](const HeadTail& h) {
    return number(h.ratio) + (h.ratio_error > 0 ? fmt::format("+-{:.2g}", h.ratio_error) : "");
  });
  add(record.head_tail, [](const HeadTail& h) { return number(h.nth_over_2nth); });
  row.push_back(head_text(record, size));
  return row;
}

std::string settings_text(const Diagnosis& diagnosis, const DiagnoseSettings& settings) {
  std::string text;
  const std::int64_t queries = diagnosis.size.queries;
  if (settings.alpha && settings.skip_columns > 0)
    text += fmt::format("  alpha leaves out the first {} keys\n", settings.skip_columns);
  if (settings.alpha && settings.rows > 0 && settings.rows < queries)
    text += fmt::format("  alpha is SAMPLED from {} of {} rows (seed {}): biased upwards\n",
                        settings.rows, queries, settings.run.seed);
  if (settings.kappa)
    text += fmt::format(
        "  kappa outside {} (seed {}); out: rows with nothing outside + below the f32 floor\n",
        settings.method, settings.run.seed);
  if (settings.stable_rank || (settings.alpha && settings.kappa))
    text += fmt::format(
        "  m: samples that Lemmas 1 and 2 ask for at epsilon {:g}, constants 1; * m >= n, nothing "
        "is promised\n",
        settings.epsilon);
  if (settings.head_tail)
    text += "  tail/head: Assumption A's c, all entries of the kernel matrix, no mask\n";
  return text;
}

}  // namespace

std::string diagnosis_text(const Diagnosis& diagnosis, const DiagnoseSettings& settings) {
  std::string text =
      fmt::format("{}{}\n", diagnosis.synthetic ? "SYNTHETIC DATA: " : "", diagnosis.input);
  if (!diagnosis.description.empty()) text += "  " + diagnosis.description + "\n";
  text += fmt::format("  {} (from: {}), scale {:.4g}\n", size_text(diagnosis.size),
                      diagnosis.causal_from, diagnosis.scale);
  text += settings_text(diagnosis, settings);
  std::vector<std::vector<std::string>> rows{{"alpha", "alpha/n", "at key", "log10 kappa", "out",
                                              "srnk", "|P|_op", "m Lemma 1  ", "m Lemma 2  ",
                                              "tail/head", "n:2n", "head"}};
  for (const ProbeRecord& record : diagnosis.records) {
    rows.push_back(table_row(record, diagnosis.size));
  }
  return text + aligned_text(rows);
}

}  // namespace subquad::cli
