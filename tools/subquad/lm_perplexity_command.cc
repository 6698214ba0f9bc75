#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>

#include "lm_commands.h"
#include "lm_page.h"
#include "lm_perplexity.h"
#include "lm_text.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "run_record.h"
#include "text_table.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLast = 2048;

struct PerplexityOptions {
  LmOptions lm;
  LmText text;
  PerplexitySettings settings;
  std::string html, command_line;
};

const char* const examples =
    "Examples:\n"
    "  subquad lm perplexity --model M.gguf --text T.txt --tokens 8192\n"
    "  subquad lm perplexity --model M.gguf --text T.txt --tokens 8192 --method exact \\\n"
    "    --method far --layers last:20\n"
    "Columns: perplexity: exp of the mean of -log p over the predictions; last 2048: over the "
    "last\n"
    "2,048 of them; attention: time in attention, all layers; total: the forward and the\n"
    "log-probabilities. Guide: docs/guide/lm.md.\n\n";

std::string path_of(const PerplexityRun& run) {
  return fmt::format("{}", fmt::join(run.counts.paths, "|"));
}

// The first run in which no layer was replaced; null without one.
const PerplexityRun* exact_of(const std::vector<PerplexityRun>& runs) {
  const auto exact = std::find_if(runs.begin(), runs.end(),
                                  [](const PerplexityRun& run) { return run.replaced.empty(); });
  return exact == runs.end() ? nullptr : &*exact;
}

Number exact_attention(const std::vector<PerplexityRun>& runs) {
  const PerplexityRun* exact = exact_of(runs);
  return exact == nullptr ? Number() : exact->counts.attention_s;
}

Json number_json(const Number& number) { return number ? Json(*number) : Json(nullptr); }

double tokens_per_s(const PerplexityOptions& options, const PerplexityRun& run) {
  return static_cast<double>(options.text.tokens) / run.counts.total_s;
}

Json run_json(const PerplexityRun& run, const PerplexityOptions& options, const LmSource& source,
              const Number& exact_s) {
  Json json{{"method", run.method},
            {"layers", run.layers},
            {"replaced", run.replaced},
            {"model", options.lm.model},
            {"input", options.text.path},
            {"skip_chars", options.text.skip_chars},
            {"tokens", options.text.tokens},
            {"chunk", options.settings.chunk == 0 ? options.text.tokens : options.settings.chunk},
            {"rope_base", source.rotary.base}};
  json["perplexity"] = run.perplexity();
  json["perplexity_last_2048"] = number_json(run.perplexity_last(kLast));
  json["attention_s"] = run.counts.attention_s;
  json["total_s"] = run.counts.total_s;
  json["exact_attention_s"] = number_json(exact_s);
  json["tokens_per_s"] = tokens_per_s(options, run);
  json["fallback_rows"] = run.counts.fallback_rows;
  json["negative_rows"] = run.counts.negative_rows;
  json["exact_heads"] = run.counts.exact_heads;
  json["scored_entries"] = run.counts.scored_entries;
  json["path"] = path_of(run);
  return json;
}

Json report_json(const std::vector<PerplexityRun>& runs, const PerplexityOptions& options,
                 const LmSource& source) {
  Json json = to_json(machine_record(options.lm.common.threads), std::vector<RunRecord>{});
  for (const PerplexityRun& run : runs)
    json["runs"].push_back(run_json(run, options, source, exact_attention(runs)));
  return json;
}

std::string report_text(const std::vector<PerplexityRun>& runs, const PerplexityOptions& options) {
  std::vector<std::vector<std::string>> rows{
      {"perplexity", "last 2048", "attention", "total", "tokens/s", "layers", "method [path]"}};
  for (const PerplexityRun& run : runs) {
    const Number last = run.perplexity_last(kLast);
    rows.push_back({fmt::format("{:.4f}", run.perplexity()),
                    last ? fmt::format("{:.4f}", *last) : "-", seconds_text(run.counts.attention_s),
                    seconds_text(run.counts.total_s),
                    fmt::format("{:.0f}", tokens_per_s(options, run)), run.layers,
                    fmt::format("{}  [{}]", run.method, path_of(run))});
  }
  return fmt::format("{} tokens of {} after {} characters\n", options.text.tokens,
                     options.text.path, options.text.skip_chars) +
         aligned_text(rows);
}

std::vector<FileArgument> inputs_of(const PerplexityOptions& options) {
  std::vector<FileArgument> inputs = model_files(options.lm);
  inputs.push_back({"--text", options.text.path});
  return inputs;
}

// What the page compares with has to be there.
void check_html(const PerplexityOptions& options) {
  const std::vector<std::string>& methods = options.settings.methods;
  if (options.html.empty() || methods.empty()) return;
  if (std::find(methods.begin(), methods.end(), "exact") == methods.end())
    throw_invalid("--html: compares with exact attention: add --method exact");
}

PerplexityPage page_of(const PerplexityOptions& options) {
  return {options.lm.model, options.text, options.settings.layers, options.command_line,
          machine_record(options.lm.common.threads)};
}

void add_reports(const std::vector<PerplexityRun>& runs, const PerplexityOptions& options,
                 const LmSource& source, Outputs& outputs) {
  const PerplexityRun* exact = exact_of(runs);
  if (!options.html.empty() && exact != nullptr)
    outputs.add_text(options.html, perplexity_page(runs, *exact, page_of(options)));
  outputs.add_json(options.lm.common.json, report_json(runs, options, source));
}

void run_command(const PerplexityOptions& options) {
  check_html(options);
  check_outputs({{"--html", options.html}, {"--json", options.lm.common.json}}, inputs_of(options));
  const LmSource source = load_lm(options.lm);
  const std::vector<int> tokens = read_tokens(options.text, source.tokenizer);
  PerplexitySettings settings = options.settings;
  settings.threads = options.lm.common.threads;
  settings.seed = options.lm.common.seed;
  Progress progress("lm perplexity");
  const std::vector<PerplexityRun> runs = with_lm_words(
      "--tokens", {}, [&] { return run_perplexity(source, tokens, settings, progress); });
  Outputs outputs;
  add_reports(runs, options, source, outputs);
  if (!options.lm.common.json_on_stdout()) fmt::print("{}", report_text(runs, options));
  outputs.commit();
}

}  // namespace

void add_lm_perplexity(const Command& lm, const std::string& command_line) {
  auto options = std::make_shared<PerplexityOptions>();
  options->command_line = command_line;
  const Command command =
      lm.add_subcommand("perplexity", "How well a model predicts a text, by several methods");
  add_lm_text(command, options->text);
  command
      .add_option("--method", options->settings.methods,
                  "Attention of the chosen layers; repeat for several. Default: exact")
      .allow_extra_args(false)
      .type_name("SPEC");
  command
      .add_option("--layers", options->settings.layers,
                  "Which layers get the method, counted from 0: all, A, A-B, last:L")
      .type_name("WORD")
      .capture_default_str();
  add_whole(command, "--chunk", options->settings.chunk, 0, std::int64_t{1} << 30,
            "Tokens of a forward; 0: all at once. Methods that approximate see the rows of a chunk "
            "against all keys so far");
  command
      .add_option("--html", options->html,
                  "Write a page with two pictures to FILE: perplexity against time, -log p along "
                  "the text")
      .type_name("FILE");
  add_lm_options(command, options->lm);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_command(*options); });
}

}  // namespace subquad::cli
