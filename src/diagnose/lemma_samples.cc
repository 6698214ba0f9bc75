// The sample sizes of HyperAttention's Lemmas 1 and 2, their constants given.
#include <cmath>

#include <fmt/format.h>

#include "subquad/error.h"
#include "subquad/probe.h"

namespace subquad {
namespace {

void check_positive(const char* name, double value) {
  if (!(value > 0) || std::isinf(value))
    throw_invalid(fmt::format("{}: {} must be finite and above 0", name, value));
}

// NaN, the mark of a head with NaN scores, passes.
void check_not_negative(const char* name, double value) {
  if (value < 0) throw_invalid(fmt::format("{}: {} must be 0 or more", name, value));
}

void check_arguments(const LemmaInputs& inputs, const LemmaConstants& constants) {
  if (inputs.n < 1) throw_invalid(fmt::format("n: {} is below 1", inputs.n));
  if (inputs.value_dim < 1)
    throw_invalid(fmt::format("value_dim: {} is below 1", inputs.value_dim));
  check_positive("epsilon", inputs.epsilon);
  check_positive("lemma1", constants.lemma1);
  check_positive("lemma2", constants.lemma2);
  check_not_negative("alpha", inputs.alpha);
  check_not_negative("log10_kappa", inputs.log10_kappa);
  check_not_negative("stable_rank", inputs.stable_rank);
}

}  // namespace

LemmaSamples lemma_samples(const LemmaInputs& inputs, const LemmaConstants& constants) {
  check_arguments(inputs, constants);
  const double n = static_cast<double>(inputs.n);
  LemmaSamples samples;
  samples.log10_lemma1 = std::log10(constants.lemma1) + 7 * inputs.log10_kappa +
                         2 * std::log10(inputs.alpha) - 6 * std::log10(inputs.epsilon) +
                         std::log10(std::log(n));
  samples.lemma1 = std::pow(10.0, samples.log10_lemma1);
  samples.lemma2 = constants.lemma2 * static_cast<double>(inputs.value_dim) * inputs.stable_rank /
                   (inputs.epsilon * inputs.epsilon);
  samples.lemma1_vacuous = !(samples.lemma1 < n);
  samples.lemma2_vacuous = !(samples.lemma2 < n);
  return samples;
}

}  // namespace subquad
