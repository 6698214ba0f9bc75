// Numbers as words: the whole word, decimal, in range. Everything else is an Error that names where
// the word stood.
#pragma once

#include <charconv>
#include <string>
#include <system_error>
#include <type_traits>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::cli {

template <typename Integer>
Integer whole_number(const std::string& word, const std::string& where,
                     const std::type_identity_t<Integer> low,
                     const std::type_identity_t<Integer> high) {
  Integer value{};
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || rest != end || value < low || value > high) {
    throw_invalid(
        fmt::format("{}: '{}' is not a whole number from {} to {}", where, word, low, high));
  }
  return value;
}

// A finite number that a float can hold (not one that it would round to zero).
float finite_number(const std::string& word, const std::string& where);

// A finite number above 0.
double positive_number(const std::string& word, const std::string& where);

}  // namespace subquad::cli
