#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <string>

#include "llama/chat.h"
#include "lm_commands.h"
#include "lm_generate.h"
#include "lm_text.h"
#include "messages.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "run_record.h"
#include "standard_output.h"
#include "subquad/error.h"
#include "tokenizer/utf8.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateOptions {
  LmOptions lm;
  GenerateSettings settings;
  std::string prompt, prompt_file;
  bool chat = false;
};

const char* const examples =
    "Examples:\n"
    "  subquad lm generate --model M.gguf --prompt \"Once upon a time\" --max-tokens 64\n"
    "  subquad lm generate --model M.gguf --prompt-file P.txt --chat --temperature 0.7 --top-p 0.9 "
    "\\\n"
    "    --method far --decode \"sink(4)+window(512)\"\n"
    "The continuation goes to stdout as it is drawn, the speed to stderr. Guide: docs/guide/lm.md."
    "\n\n";

std::string prompt_option(const GenerateOptions& options) {
  return options.prompt_file.empty() ? "--prompt" : "--prompt-file " + options.prompt_file;
}

std::string prompt_text(const GenerateOptions& options) {
  if (!options.prompt_file.empty()) return read_utf8(options.prompt_file, "--prompt-file");
  if (options.prompt.empty())
    throw_invalid("--prompt or --prompt-file is required: there is nothing to continue");
  const std::size_t valid = tokenizer::valid_bytes(options.prompt);
  if (valid < options.prompt.size())
    throw_invalid(fmt::format("--prompt: is no UTF-8: byte {} begins no character", valid));
  return options.prompt;
}

std::vector<int> prompt_tokens(const GenerateOptions& options, const std::string& text,
                               const tokenizer::Tokenizer& tokenizer) {
  if (options.chat)
    return with_user_words({{"chat", "--chat"}},
                           [&] { return llama::encode_chat(tokenizer, text); });
  return tokenizer.encode(text, {.bos = tokenizer.adds_bos(), .special = false});
}

// Tokens drawn per second after the prompt.
double tokens_per_s(const Generation& generation) {
  return static_cast<double>(generation.tokens.size()) / generation.decode_s;
}

std::string paths_text(const llama::ForwardCounts& counts) {
  return fmt::format("{}", fmt::join(counts.paths, "|"));
}

Json run_json(const Generation& generation, const GenerateOptions& options) {
  const GenerateSettings& settings = options.settings;
  Json json{{"method", settings.method},
            {"decode", settings.decode},
            {"layers", settings.layers},
            {"model", options.lm.model},
            {"prompt_tokens", generation.prompt_tokens},
            {"tokens", generation.tokens.size()},
            {"text", generation.text},
            {"ids", generation.tokens},
            {"ended_by", generation.ended ? "model" : "max_tokens"}};
  json["temperature"] = settings.sampler.temperature;
  json["top_p"] = settings.sampler.top_p;
  json["prefill_s"] = generation.prefill_s;
  json["decode_s"] = generation.decode_s;
  json["prefill_attention_s"] = generation.prefill.attention_s;
  json["decode_attention_s"] = generation.decode.attention_s;
  json["tokens_per_s"] = tokens_per_s(generation);
  json["path"] = paths_text(generation.prefill);
  json["decode_path"] = paths_text(generation.decode);
  return json;
}

Generation run_model(const GenerateOptions& options, const LmSource& source,
                     const std::vector<int>& prompt) {
  GenerateSettings settings = options.settings;
  settings.threads = options.lm.common.threads;
  settings.sampler.seed = options.lm.common.seed;
  const bool silent = options.lm.common.json_on_stdout();
  return with_lm_words("--max-tokens", {{"prompt", prompt_option(options)}}, [&] {
    return generate(source, prompt, settings, [&](std::string_view bytes) {
      if (silent) return;
      (void)std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      flush_stdout();
    });
  });
}

void run_command(const GenerateOptions& options) {
  std::vector<FileArgument> inputs = model_files(options.lm);
  inputs.push_back({"--prompt-file", options.prompt_file});
  check_outputs({{"--json", options.lm.common.json}}, inputs);
  if (options.settings.sampler.top_p > 1)
    throw_invalid(fmt::format("--top-p: {} is above 1", options.settings.sampler.top_p));
  const std::string text = prompt_text(options);
  const LmSource source = load_lm(options.lm);
  const Generation generation =
      run_model(options, source, prompt_tokens(options, text, source.tokenizer));
  if (!options.lm.common.json_on_stdout()) fmt::print("\n");
  flush_stdout();  // before the note, where both go to one place
  print_note(fmt::format("{} tokens at {:.1f} tokens/s after {} of the prompt in {}",
                         generation.tokens.size(), tokens_per_s(generation),
                         generation.prompt_tokens, seconds_text(generation.prefill_s)));
  Outputs outputs;
  Json json = to_json(machine_record(options.lm.common.threads), std::vector<RunRecord>{});
  json["runs"].push_back(run_json(generation, options));
  outputs.add_json(options.lm.common.json, json);
  outputs.commit();
}

void add_prompt(const Command& command, GenerateOptions& options) {
  const Option prompt =
      command.add_option("--prompt", options.prompt, "What to continue").type_name("TEXT");
  command.add_option("--prompt-file", options.prompt_file, "The same from a UTF-8 file")
      .type_name("FILE")
      .excludes(prompt);
  command.add_flag("--chat", options.chat,
                   "The prompt is a user's message, in the form of the model's chat template "
                   "(ChatML, llama-2, llama-3)");
}

void add_methods(const Command& command, GenerateSettings& settings) {
  command.add_option("--method", settings.method, "Attention of the prompt in the chosen layers")
      .type_name("SPEC")
      .capture_default_str();
  command
      .add_option("--decode", settings.decode,
                  "Attention of each further token in the chosen layers")
      .type_name("SPEC")
      .capture_default_str();
  command
      .add_option("--layers", settings.layers,
                  "Which layers get them, counted from 0: all, A, A-B, last:L")
      .type_name("WORD")
      .capture_default_str();
}

void add_sampling(const Command& command, GenerateSettings& settings) {
  add_whole(command, "--max-tokens", settings.max_tokens, 1, std::int64_t{1} << 20,
            "Stop after N tokens, if the model does not end the text before");
  const auto read = [&settings](const std::string& word) {
    settings.sampler.temperature = finite_number(word, "--temperature");
    if (settings.sampler.temperature < 0)
      throw_invalid(fmt::format("--temperature: {} is below 0", word));
  };
  command
      .add_word("--temperature", "Draw from softmax(scores / T); 0: the most probable token", read)
      .type_name("T")
      .default_str("0");
  add_positive(command, "--top-p", settings.sampler.top_p,
               "Draw among the fewest most probable tokens that have this share, up to 1")
      .type_name("P")
      .default_str("1");
}

}  // namespace

void add_lm_generate(const Command& lm) {
  auto options = std::make_shared<GenerateOptions>();
  const Command command = lm.add_subcommand("generate", "Continue a text");
  add_prompt(command, *options);
  add_methods(command, options->settings);
  add_sampling(command, options->settings);
  add_lm_options(command, options->lm);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_command(*options); });
}

}  // namespace subquad::cli
