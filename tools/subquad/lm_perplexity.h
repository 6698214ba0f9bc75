// Perplexity of a text by a language model with exact and with other attention.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llama/model.h"
#include "lm_source.h"
#include "progress.h"

namespace subquad::cli {

struct PerplexitySettings {
  std::vector<std::string> methods;  // in this order; none: exact
  std::string layers = "all";
  std::int64_t chunk = 0;  // tokens of a forward; 0: all
  int threads = 0;
  std::uint64_t seed = 0;
};

struct PerplexityRun {
  std::string method;
  std::string layers;                   // as chosen; "all" for exact
  std::vector<std::int64_t> replaced;   // numbers of those with another spec than exact
  std::vector<double> log_probability;  // of tokens 1, 2, ..; natural log
  llama::ForwardCounts counts;          // total_s: with the log-probabilities

  double perplexity() const;
  std::optional<double> perplexity_last(std::size_t predictions) const;  // none: fewer there
};

// Throws Error (invalid_argument) for contexts, layers and specs that do not work.
std::vector<PerplexityRun> run_perplexity(const LmSource& source, std::span<const int> tokens,
                                          const PerplexitySettings& settings, Progress& progress);

}  // namespace subquad::cli
