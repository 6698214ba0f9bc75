// Options that several commands share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command.h"
#include "layer.h"
#include "subquad/attention.h"

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

void add_threads(const Command& app, CommonOptions& options);
void add_seed(const Command& app, CommonOptions& options);
void add_json(const Command& app, CommonOptions& options);
void add_causal(const Command& app, CommonOptions& options);
void add_scale(const Command& app, CommonOptions& options);
void add_tensor_names(const Command& app, CommonOptions& options);
void add_given(const Command& app, CommonOptions& options);
void add_certify(const Command& app, CommonOptions& options);

// What a spec looks like, for the footers.
extern const std::string spec_help;

}  // namespace subquad::cli
