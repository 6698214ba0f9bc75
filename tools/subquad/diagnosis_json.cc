#include "diagnosis.h"
#include "names.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

// A field of an optional result, or null.
template <typename Result, typename Value>
Json field(const std::optional<Result>& result, Value Result::*member) {
  return result ? Json((*result).*member) : Json(nullptr);
}

Json size_json(const ProblemSize& size) {
  return {{"seq", size.seq},
          {"queries", size.queries},
          {"head_dim", size.head_dim},
          {"value_dim", size.value_dim},
          {"batch", size.batch},
          {"heads", size.heads},
          {"kv_heads", size.kv_heads},
          {"causal", causal_name(size.causal)},
          {"dtype", name_of(size.dtype)}};
}

Json alpha_json(const ProbeRecord& record, const ProblemSize& size, std::int64_t skip_columns) {
  Json over_n = nullptr;
  if (record.alpha && size.seq > 0) over_n = record.alpha->alpha / static_cast<double>(size.seq);
  return {{"skip_columns", skip_columns},
          {"alpha", field(record.alpha, &Alpha::alpha)},
          {"alpha_over_n", over_n},
          {"alpha_column", field(record.alpha, &Alpha::column)},
          {"alpha_rows", field(record.alpha, &Alpha::rows)},
          {"alpha_sampled", field(record.alpha, &Alpha::sampled)}};
}

Json kappa_json(const ProbeRecord& record, const std::string& method) {
  return {{"method", method},
          {"kappa", field(record.kappa, &Kappa::kappa)},
          {"log10_kappa", field(record.kappa, &Kappa::log10_kappa)},
          {"kappa_rows", field(record.kappa, &Kappa::rows)},
          {"kappa_empty_rows", field(record.kappa, &Kappa::empty_rows)},
          {"kappa_unresolved_rows", field(record.kappa, &Kappa::unresolved_rows)}};
}

Json rank_json(const ProbeRecord& record) {
  return {{"frobenius_squared", field(record.stable_rank, &StableRank::frobenius_squared)},
          {"operator_norm", field(record.stable_rank, &StableRank::operator_norm)},
          {"stable_rank", field(record.stable_rank, &StableRank::stable_rank)}};
}

Json head_tail_json(const ProbeRecord& record) {
  return {{"head_tail_ratio", field(record.head_tail, &HeadTail::ratio)},
          {"head_tail_ratio_error", field(record.head_tail, &HeadTail::ratio_error)},
          {"head_tail_nth_over_next", field(record.head_tail, &HeadTail::nth_over_next)},
          {"head_tail_nth_over_2nth", field(record.head_tail, &HeadTail::nth_over_2nth)},
          {"head_tail_rows", field(record.head_tail, &HeadTail::rows)}};
}

Json lemma_json(const ProbeRecord& record, double epsilon) {
  return {{"epsilon", epsilon},
          {"lemma1_m", field(record.lemma1, &LemmaSamples::lemma1)},
          {"log10_lemma1_m", field(record.lemma1, &LemmaSamples::log10_lemma1)},
          {"lemma1_vacuous", field(record.lemma1, &LemmaSamples::lemma1_vacuous)},
          {"lemma2_m", field(record.lemma2, &LemmaSamples::lemma2)},
          {"lemma2_vacuous", field(record.lemma2, &LemmaSamples::lemma2_vacuous)}};
}

Json record_json(const Diagnosis& diagnosis, const ProbeRecord& record,
                 const DiagnoseSettings& settings) {
  Json json{{"input", diagnosis.input}};
  json["sequence"] = record.head < 0 ? Json(nullptr) : Json(record.sequence);
  json["head"] = record.head < 0 ? Json("worst") : Json(record.head);
  for (const Json& part :
       {size_json(diagnosis.size), alpha_json(record, diagnosis.size, settings.skip_columns),
        kappa_json(record, settings.method), rank_json(record),
        lemma_json(record, settings.epsilon), head_tail_json(record)}) {
    json.update(part);
  }
  return json;
}

}  // namespace

Json to_json(const MachineRecord& machine, const std::vector<Diagnosis>& diagnoses,
             const DiagnoseSettings& settings) {
  Json json{{"machine", to_json(machine, {})["machine"]}, {"probes", Json::array()}};
  for (const Diagnosis& diagnosis : diagnoses) {
    for (const ProbeRecord& record : diagnosis.records) {
      json["probes"].push_back(record_json(diagnosis, record, settings));
    }
  }
  return json;
}

}  // namespace subquad::cli
