// Options that several commands share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layer.h"
#include "subquad/attention.h"

namespace CLI {
class App;  // its header costs seconds: include it only where options are declared
}

namespace subquad::cli {

struct CommonOptions {
  LayerOptions layer;
  int threads = 0;
  std::uint64_t seed = 0;
  std::string json;                // empty: none, "-": stdout, else a file
  std::vector<std::string> given;  // files; load_given reads them
  std::int64_t certify = 0;        // rows to recompute; 0: no certificate

  Options run() const { return {threads, seed}; }
  bool json_on_stdout() const { return json == "-"; }
};

void add_threads(CLI::App& app, CommonOptions& options);
void add_seed(CLI::App& app, CommonOptions& options);
void add_json(CLI::App& app, CommonOptions& options);
void add_causal(CLI::App& app, CommonOptions& options);
void add_scale(CLI::App& app, CommonOptions& options);
void add_tensor_names(CLI::App& app, CommonOptions& options);
void add_given(CLI::App& app, CommonOptions& options);
void add_certify(CLI::App& app, CommonOptions& options);

// What a spec looks like, for the footers.
extern const std::string spec_help;

}  // namespace subquad::cli
