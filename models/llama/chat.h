// A user's words in the form that a chat model was trained on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace subquad::llama {

// chatml: <|im_start|>role .. <|im_end|>; llama2: [INST] .. [/INST]; llama3: <|start_header_id|>
// role <|end_header_id|> .. <|eot_id|>.
enum class ChatForm : std::uint8_t { chatml, llama2, llama3 };

// The form of a chat template (Jinja), by the marks in it; nothing for others.
std::optional<ChatForm> chat_form(std::string_view chat_template);

// What a ChatML template has the system say where the user does not: the text in it, or nothing.
std::string default_system(std::string_view chat_template);

// The tokens of one turn of `user`, up to where the answer begins; the beginning token where the
// model expects one. Names of control tokens in `user` are text. Throws Error (invalid_argument)
// where the model has no chat template, or one of another form.
std::vector<int> encode_chat(const tokenizer::Tokenizer& tokenizer, std::string_view user);

}  // namespace subquad::llama
