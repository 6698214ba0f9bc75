#include "diagnosis.h"

#include <fmt/format.h>

#include <cmath>

#include "query_slices.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

// NaN is worse than anything.
bool worse(double a, double b) { return a > b || (std::isnan(a) && !std::isnan(b)); }

template <typename Probe>
void take_worst(const std::optional<Probe>& from, double Probe::*value,
                std::optional<Probe>& worst) {
  if (from && (!worst || worse((*from).*value, (*worst).*value))) worst = from;
}

ProbeRecord worst_of(const std::vector<ProbeRecord>& records) {
  ProbeRecord worst;
  for (const ProbeRecord& record : records) {
    take_worst(record.alpha, &Alpha::alpha, worst.alpha);
    take_worst(record.kappa, &Kappa::log10_kappa, worst.kappa);
    take_worst(record.stable_rank, &StableRank::stable_rank, worst.stable_rank);
    take_worst(record.head_tail, &HeadTail::ratio, worst.head_tail);
    take_worst(record.lemma1, &LemmaSamples::log10_lemma1, worst.lemma1);
    take_worst(record.lemma2, &LemmaSamples::lemma2, worst.lemma2);
  }
  return worst;
}

// Puts one probe's results into the records.
template <typename Probe>
void spread(const std::vector<Probe>& results, std::optional<Probe> ProbeRecord::*field,
            std::vector<ProbeRecord>& records) {
  records.resize(results.size());
  for (std::size_t n = 0; n < results.size(); ++n) {
    records[n].sequence = results[n].sequence;
    records[n].head = results[n].head;
    records[n].*field = results[n];
  }
}

void add_lemmas(const ProblemSize& size, double epsilon, ProbeRecord& record) {
  if (size.seq < 1) return;
  LemmaInputs inputs{.n = size.seq, .value_dim = size.value_dim, .epsilon = epsilon};
  if (record.alpha) inputs.alpha = record.alpha->alpha;
  if (record.kappa) inputs.log10_kappa = record.kappa->log10_kappa;
  if (record.stable_rank) inputs.stable_rank = record.stable_rank->stable_rank;
  const LemmaSamples samples = lemma_samples(inputs);
  if (record.alpha && record.kappa) record.lemma1 = samples;
  if (record.stable_rank) record.lemma2 = samples;
}

std::vector<ProbeRecord> run_probes(const Problem& problem, const DiagnoseSettings& settings,
                                    Progress& progress) {
  const int threads = settings.run.threads;
  const std::uint64_t seed = settings.run.seed;
  std::vector<ProbeRecord> records;
  if (settings.alpha) {
    progress.step("alpha");
    const AlphaOptions options{settings.skip_columns, settings.rows, threads, seed};
    spread(probe_alpha(problem, options), &ProbeRecord::alpha, records);
  }
  if (settings.kappa) {
    progress.step("kappa");
    spread(probe_kappa(problem, settings.method, {threads, seed}), &ProbeRecord::kappa, records);
  }
  if (settings.stable_rank) {
    progress.step("stable rank");
    spread(probe_stable_rank(problem, {.threads = threads}), &ProbeRecord::stable_rank, records);
  }
  if (settings.head_tail) {
    progress.step("head and tail");
    const HeadTailOptions options{0, settings.rows, threads, seed};
    spread(probe_head_tail(problem, options), &ProbeRecord::head_tail, records);
  }
  return records;
}

}  // namespace

Diagnosis diagnose_layer(const Layer& layer, const DiagnoseSettings& settings, Progress& progress) {
  Diagnosis result;
  result.input = layer.input;
  result.description = layer.description;
  result.causal_from = layer.causal_from;
  result.synthetic = layer.synthetic;
  result.size = size_of(layer.problem, Pass::forward);
  result.scale = resolved_scale(layer.problem);
  result.records = run_probes(layer.problem, settings, progress);
  for (ProbeRecord& record : result.records) add_lemmas(result.size, settings.epsilon, record);
  result.records.push_back(worst_of(result.records));
  return result;
}

Layer prefix_of(const Layer& layer, std::int64_t length) {
  const std::int64_t whole = layer.problem.key.length();
  if (layer.problem.query.length() != whole) {
    throw_invalid(
        fmt::format("--lengths: {} has {} queries and {} keys; as many of both are needed",
                    layer.input, layer.problem.query.length(), whole));
  }
  if (length < 1 || length > whole) {
    throw_invalid(fmt::format("--lengths {}: {} has {} positions", length, layer.input, whole));
  }
  Layer prefix = layer;
  for (TensorView* view : {&prefix.problem.query, &prefix.problem.key, &prefix.problem.value}) {
    *view = row_range(*view, 0, length);
  }
  return prefix;
}

}  // namespace subquad::cli
