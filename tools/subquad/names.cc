#include "names.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::cli {

Causal parse_causal(const std::string& word, const std::string& where) {
  if (word == "none" || word == "false" || word == "0") return Causal::none;
  if (word == "top_left" || word == "true" || word == "1") return Causal::top_left;
  if (word == "bottom_right") return Causal::bottom_right;
  throw_invalid(fmt::format("{}: '{}' is none of none, top_left, bottom_right", where, word));
}

const char* causal_name(Causal causal) {
  if (causal == Causal::none) return "none";
  return causal == Causal::top_left ? "top_left" : "bottom_right";
}

DType parse_dtype(const std::string& word, const std::string& where) {
  for (DType type : {DType::f32, DType::bf16, DType::f16}) {
    if (word == name_of(type)) return type;
  }
  throw_invalid(fmt::format("{}: '{}' is none of f32, bf16, f16", where, word));
}

}  // namespace subquad::cli
