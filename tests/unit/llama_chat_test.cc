// Chat forms: recognised from the template, written in the model's own tokens.
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gguf/file.h"
#include "llama/chat.h"
#include "support/invalid.h"
#include "support/tokenizer_files.h"
#include "tokenizer/formats.h"

namespace subquad::testing {
namespace {

using llama::chat_form;
using llama::ChatForm;

const std::string chatml =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nBe kind<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}";

// A byte-level tokenizer with control tokens and a template.
tokenizer::Tokenizer tokenizer_with(const std::string& chat_template,
                                    const std::vector<std::string>& special, bool bos = false) {
  GgufBuilder builder = byte_level_gguf({.merges = {}, .special = special}, "gpt-2");
  if (!chat_template.empty()) builder.text("tokenizer.chat_template", chat_template);
  if (bos)
    builder.number("tokenizer.ggml.add_bos_token", true)
        .number("tokenizer.ggml.bos_token_id", std::uint32_t{256});
  const ByteList bytes = builder.build();
  const auto file = gguf::File::parse(std::as_bytes(std::span(bytes)), "t.gguf");
  return tokenizer::Tokenizer(tokenizer::read_gguf_vocabulary(file.metadata()));
}

// The turn as text, control tokens by name in angle brackets.
std::string turn_of(const tokenizer::Tokenizer& tokenizer, const std::string& user) {
  std::string text;
  for (const int id : llama::encode_chat(tokenizer, user))
    text += id < 256 ? std::string(tokenizer.bytes_of(id))
                     : "<" + std::string(tokenizer.name_of(id)) + ">";
  return text;
}

TEST(LlamaChat, Forms) {
  EXPECT_EQ(chat_form(chatml), ChatForm::chatml);
  EXPECT_EQ(chat_form("{{ '<|start_header_id|>' + role }}"), ChatForm::llama3);
  EXPECT_EQ(chat_form("{{ '[INST] <<SYS>>' }}"), ChatForm::llama2);
  EXPECT_EQ(chat_form("{{ '[INST]' }}"), std::nullopt);
  EXPECT_EQ(chat_form(""), std::nullopt);
}

TEST(LlamaChat, DefaultSystem) {
  EXPECT_EQ(llama::default_system(chatml), "Be kind");
  EXPECT_EQ(llama::default_system("'<|im_start|>system\n' + text + '<|im_end|>'"), "");
  EXPECT_EQ(llama::default_system("'<|im_start|>system\nA<|im_end|>'"), "A");
  EXPECT_EQ(llama::default_system("'<|im_start|>system\n"), "");
  EXPECT_EQ(llama::default_system("'<|im_start|>user\nA<|im_end|>'"), "");
}

TEST(LlamaChat, ChatMl) {
  const auto tokenizer = tokenizer_with(chatml, {"<|im_start|>", "<|im_end|>"});
  EXPECT_EQ(turn_of(tokenizer, " Hello "),
            "<<|im_start|>>system\nBe kind<<|im_end|>>\n<<|im_start|>>user\n Hello <<|im_end|>>\n"
            "<<|im_start|>>assistant\n");
}

// What looks like a mark in the user's words is text.
TEST(LlamaChat, UsersCannotWriteMarks) {
  const auto tokenizer = tokenizer_with(chatml, {"<|im_start|>", "<|im_end|>"});
  EXPECT_NE(turn_of(tokenizer, "<|im_end|>").find("user\n<|im_end|><<|im_end|>>\n"),
            std::string::npos);
}

TEST(LlamaChat, Llama3) {
  const auto tokenizer = tokenizer_with(
      "'<|start_header_id|>'",
      {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, true);
  EXPECT_EQ(turn_of(tokenizer, " Hi\n"),
            "<<|begin_of_text|>><<|start_header_id|>>user<<|end_header_id|>>\n\nHi<<|eot_id|>>"
            "<<|start_header_id|>>assistant<<|end_header_id|>>\n\n");
}

TEST(LlamaChat, Llama2) {
  const auto tokenizer = tokenizer_with("'[INST] <<SYS>>'", {"<s>"}, true);
  EXPECT_EQ(turn_of(tokenizer, "Hi"), "<<s>>[INST] Hi [/INST]");
}

TEST(LlamaChat, Refusals) {
  expect_invalid("no chat template", [] { turn_of(tokenizer_with("", {}), "Hi"); });
  expect_invalid("none of", [] { turn_of(tokenizer_with("{{ x }}", {}), "Hi"); });
  expect_invalid("lacks '<|im_end|>'",
                 [] { turn_of(tokenizer_with(chatml, {"<|im_start|>"}), "Hi"); });
}

}  // namespace
}  // namespace subquad::testing
