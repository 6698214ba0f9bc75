#include "lm_text.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <istream>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "options.h"
#include "subquad/error.h"
#include "tokenizer/utf8.h"

namespace subquad::cli {
namespace {

// Of what is no regular file, which may never end.
constexpr std::size_t kMostOfPipe = std::size_t{1} << 28;

// Nothing where it is longer than `most` bytes.
std::optional<std::string> read_at_most(std::istream& file, std::size_t most) {
  std::string text, part(std::size_t{1} << 16, '\0');
  while (file) {
    file.read(part.data(), std::ssize(part));
    text.append(part, 0, static_cast<std::size_t>(file.gcount()));
    if (text.size() > most) return {};
  }
  return text;
}

// What follows the first `count` characters.
std::string_view without_characters(std::string_view text, std::int64_t count) {
  for (; count > 0 && !text.empty(); --count) text.remove_prefix(tokenizer::character_bytes(text));
  return text;
}

}  // namespace

void add_lm_text(const Command& command, LmText& text) {
  command.add_option("--text", text.path, "A UTF-8 text").type_name("FILE").required();
  add_whole(command, "--tokens", text.tokens, 2, std::int64_t{1} << 30,
            "How many tokens of it, the beginning token of models that expect one included")
      .required();
  add_whole(command, "--skip-chars", text.skip_chars, 0, std::int64_t{1} << 40,
            "Begin after the first K characters")
      .type_name("K");
}

std::string in_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t count = tokenizer::valid_bytes(text);
    valid.append(text.substr(0, count));
    text.remove_prefix(count);
    if (text.empty()) break;
    valid += "\uFFFD";
    text.remove_prefix(1);
  }
  return valid;
}

std::string read_utf8(const std::string& path, const std::string& option) {
  std::error_code ignored;
  if (std::filesystem::is_character_file(path, ignored))
    throw_invalid(fmt::format("{} {}: is a device, a file is needed", option, path));
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored))
    throw_invalid(fmt::format("{} {}: cannot be read", option, path));
  const bool regular = std::filesystem::is_regular_file(path, ignored);
  std::optional<std::string> read =
      read_at_most(file, regular ? std::string().max_size() : kMostOfPipe);
  if (!read)
    throw_invalid(fmt::format("{} {}: is no regular file and has more than {} bytes", option, path,
                              kMostOfPipe));
  std::string text = std::move(*read);
  const std::size_t valid = tokenizer::valid_bytes(text);
  if (valid < text.size())
    throw_invalid(
        fmt::format("{} {}: is no UTF-8: byte {} begins no character", option, path, valid));
  if (text.empty()) throw_invalid(fmt::format("{} {}: is empty", option, path));
  return text;
}

std::vector<int> read_tokens(const LmText& text, const tokenizer::Tokenizer& tokenizer) {
  const std::string all = read_utf8(text.path, "--text");
  const auto wanted = static_cast<std::size_t>(text.tokens);
  std::vector<int> tokens =
      tokenizer.encode(without_characters(all, text.skip_chars),
                       {.bos = tokenizer.adds_bos(), .special = false, .most = wanted});
  if (tokens.size() < wanted)
    throw_invalid(fmt::format("--tokens: {} are more than the {} of {} after {} characters",
                              text.tokens, tokens.size(), text.path, text.skip_chars));
  return tokens;
}

}  // namespace subquad::cli
