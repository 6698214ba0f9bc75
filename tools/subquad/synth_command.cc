#include <fmt/format.h>

#include <array>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "names.h"
#include "options.h"
#include "outputs.h"
#include "planted.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::cli {
namespace {

struct SynthOptions {
  CommonOptions common;
  PlantedOptions planted;
  std::string out;
};

const char* const footer =
    "The layer is made up, not taken from a model. Expected scores: 5 within a cluster, plus\n"
    "5 exp(-(i-j)^2 / (2 band^2)), plus 8 for the sinks, plus noise of about unit variance.\n"
    "Example:\n"
    "  subquad synth layer.safetensors --n 8192 --heads 4 && subquad compare layer.safetensors";

io::Tensor tensor(const std::string& name, const std::vector<float>& values,
                  const PlantedOptions& options) {
  const std::int64_t per_head = options.n * options.head_dim;
  const std::int64_t heads = static_cast<std::int64_t>(values.size()) / per_head;
  return {name, io::ElementType::f32, {heads, options.n, options.head_dim}, values.data()};
}

std::string note(const PlantedOptions& options) {
  return fmt::format("synthetic: {} clusters, {} sinks, band {}, seed {}", options.clusters,
                     options.sinks, options.band, options.seed);
}

// Only safetensors carries the metadata that says the data is synthetic.
void check_out(const std::string& out) {
  if (extension_of({"OUT", out}) != ".safetensors") {
    throw_invalid(fmt::format("OUT {}: the name must end in .safetensors", out));
  }
  check_outputs({{"OUT", out}}, {});
}

void run_synth(const SynthOptions& options) {
  PlantedOptions planted = options.planted;
  planted.seed = options.common.seed;
  if (planted.kv_heads > 0 && planted.heads % planted.kv_heads != 0) {
    throw_invalid(
        fmt::format("--kv-heads {}: must divide --heads {}", planted.kv_heads, planted.heads));
  }
  const std::string causal =
      options.common.layer.causal.empty() ? "none" : options.common.layer.causal;
  const char* const causal_word = causal_name(parse_causal(causal, "--causal"));
  check_out(options.out);
  const PlantedLayer layer = planted_layer(planted);
  const std::array tensors{tensor("q", layer.query, planted), tensor("k", layer.key, planted),
                           tensor("v", layer.value, planted)};
  Outputs outputs;
  outputs.add_tensors(
      options.out, tensors,
      {{"source", "subquad synth"}, {"causal", causal_word}, {"note", note(planted)}});
  outputs.commit();
}

}  // namespace

void add_synth(const Command& app) {
  auto options = std::make_shared<SynthOptions>();
  PlantedOptions& planted = options->planted;
  const Command command = app.add_subcommand(
      "synth", "Write a synthetic layer: planted clusters, sinks and a local band");
  command.add_option("OUT", options->out, "The .safetensors file to write").required();
  add_whole(command, "--n", planted.n, 1, 1 << 22, "Positions");
  add_whole(command, "--head-dim", planted.head_dim, 1, 512, "Channels of a head");
  add_whole(command, "--heads", planted.heads, 1, 4096, "Query heads");
  add_whole(command, "--kv-heads", planted.kv_heads, 0, 4096, "Key and value heads; 0: --heads");
  add_whole(command, "--clusters", planted.clusters, 1, 1 << 20, "Clusters of queries and keys");
  add_whole(command, "--sinks", planted.sinks, 0, 1 << 20,
            "Keys at the start that all queries like");
  add_whole(command, "--band", planted.band, 1, 1 << 22,
            "Distance at which liking for neighbours fades");
  add_causal(command, options->common);
  add_seed(command, options->common);
  command.footer(footer);
  command.callback([options] { run_synth(*options); });
}

}  // namespace subquad::cli
