#include "common_options.h"

#include <limits>

#include "options.h"
#include "specs_text.h"

namespace subquad::cli {

const std::string spec_help =
    "SPEC names a method: parts joined by '+'. Heavy parts find keys that matter, a light part\n"
    "estimates the rest:\n" +
    part_list() +
    "Example: \"sink(4)+window(256)+sortlsh(block=256)+uniform(m=256)\". Quote it in a shell.\n"
    "`subquad specs PART` shows a part's parameters.\n";

void add_threads(const Command& app, CommonOptions& options) {
  add_whole(app, "--threads", options.threads, 0, 1024,
            "Worker threads; 0 takes every core. Results do not depend on it");
}

void add_seed(const Command& app, CommonOptions& options) {
  add_whole(app, "--seed", options.seed, 0, std::numeric_limits<std::uint64_t>::max(),
            "Seed of every random draw; same seed, same bits");
}

void add_json(const Command& app, CommonOptions& options) {
  app.add_option(
         "--json", options.json,
         "Write the results as JSON to FILE, or '-' for stdout (then nothing else goes there)")
      .type_name("FILE");
}

void add_causal(const Command& app, CommonOptions& options) {
  app.add_option(
         "--causal", options.layer.causal,
         "none | top_left (query i sees keys 0..i) | bottom_right (the last query sees every "
         "key). Wins over the file")
      .type_name("WORD");
}

void add_scale(const Command& app, CommonOptions& options) {
  app.add_option("--scale", options.layer.scale,
                 "Multiplies q.k; default: the file's, else 1/sqrt(head_dim)")
      .type_name("X");
}

void add_tensor_names(const Command& app, CommonOptions& options) {
  const auto add = [&](const char* name, std::string& target, const char* help) {
    app.add_option(name, target, help).type_name("NAME").capture_default_str();
  };
  add("--query-name", options.layer.query_name, "What the file calls the queries");
  add("--key-name", options.layer.key_name, "What the file calls the keys");
  add("--value-name", options.layer.value_name, "What the file calls the values");
}

void add_given(const Command& app, CommonOptions& options) {
  app.add_option("--given", options.given,
                 "A predefined mask: per-row lists of keys, or blocks; repeat for given(1), ..")
      .allow_extra_args(false)
      .type_name("FILE");
}

void add_certify(const Command& app, CommonOptions& options) {
  add_whole(app, "--certify", options.certify, 1, std::int64_t{1} << 40,
            "Recompute R random query rows exactly: a bound on the errors of 95 % of all rows "
            "with confidence 1 - 0.95^R (59: 95 %, 90: 99 %)")
      .type_name("R")
      .default_str("");
}

}  // namespace subquad::cli
