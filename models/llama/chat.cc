#include "llama/chat.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::llama {
namespace {

using tokenizer::Tokenizer;

bool has(std::string_view text, std::string_view word) { return text.find(word) != text.npos; }

std::string_view trimmed(std::string_view text) {
  const std::string_view blank = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Tokens of a turn, piece by piece.
class Turn {
 public:
  explicit Turn(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    if (tokenizer.adds_bos() && tokenizer.bos()) tokens_.push_back(*tokenizer.bos());
  }
  Turn& mark(std::string_view name) {
    const std::vector<int> ids = tokenizer_.encode(name, {.bos = false, .special = true});
    if (ids.size() != 1)
      throw_invalid(fmt::format("chat: the model's vocabulary lacks '{}'", name));
    tokens_.push_back(ids.front());
    return *this;
  }
  Turn& text(std::string_view text) {
    const std::vector<int> ids = tokenizer_.encode(text, {.bos = false, .special = false});
    tokens_.insert(tokens_.end(), ids.begin(), ids.end());
    return *this;
  }
  std::vector<int> tokens() const { return tokens_; }

 private:
  const Tokenizer& tokenizer_;
  std::vector<int> tokens_;
};

std::vector<int> chatml(const Tokenizer& tokenizer, std::string_view user) {
  Turn turn(tokenizer);
  const std::string system = default_system(tokenizer.chat_template());
  if (!system.empty())
    turn.mark("<|im_start|>").text("system\n" + system).mark("<|im_end|>").text("\n");
  turn.mark("<|im_start|>").text("user\n" + std::string(user)).mark("<|im_end|>").text("\n");
  return turn.mark("<|im_start|>").text("assistant\n").tokens();
}

std::vector<int> llama3(const Tokenizer& tokenizer, std::string_view user) {
  Turn turn(tokenizer);
  turn.mark("<|start_header_id|>").text("user").mark("<|end_header_id|>");
  turn.text("\n\n" + std::string(trimmed(user))).mark("<|eot_id|>");
  turn.mark("<|start_header_id|>").text("assistant").mark("<|end_header_id|>");
  return turn.text("\n\n").tokens();
}

std::vector<int> llama2(const Tokenizer& tokenizer, std::string_view user) {
  return Turn(tokenizer).text(fmt::format("[INST] {} [/INST]", trimmed(user))).tokens();
}

}  // namespace

std::optional<ChatForm> chat_form(std::string_view chat_template) {
  if (has(chat_template, "<|im_start|>")) return ChatForm::chatml;
  if (has(chat_template, "<|start_header_id|>")) return ChatForm::llama3;
  if (has(chat_template, "[INST]") && has(chat_template, "<<SYS>>")) return ChatForm::llama2;
  return {};
}

std::string default_system(std::string_view chat_template) {
  const std::string_view start = "<|im_start|>system", end = "<|im_end|>";
  for (std::size_t at = chat_template.find(start); at != chat_template.npos;
       at = chat_template.find(start, at + 1)) {
    std::string_view rest = chat_template.substr(at + start.size());
    const std::size_t line = rest.starts_with("\\n") ? 2 : rest.starts_with("\n") ? 1 : 0;
    const std::string_view text = rest.substr(line, rest.find(end) - line);
    const bool ends = rest.find(end) != rest.npos && !text.empty();
    // A quote or a brace ends the literal: what follows is computed.
    if (line > 0 && ends && text.find_first_of("'\"{}\\") == text.npos) return std::string(text);
  }
  return {};
}

std::vector<int> encode_chat(const Tokenizer& tokenizer, std::string_view user) {
  if (tokenizer.chat_template().empty()) throw_invalid("chat: the model has no chat template");
  const std::optional<ChatForm> form = chat_form(tokenizer.chat_template());
  if (!form)
    throw_invalid("chat: the model's chat template is none of ChatML's, llama-2's and llama-3's");
  if (*form == ChatForm::chatml) return chatml(tokenizer, user);
  return *form == ChatForm::llama3 ? llama3(tokenizer, user) : llama2(tokenizer, user);
}

}  // namespace subquad::llama
