// Bounds-checked reading of a GGUF header, which does not say how long it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "io/cursor.h"
#include "io/input.h"

namespace subquad::gguf {

// Reads the file window by window. Every read names the field; Error (invalid_argument) when the
// file ends inside it.
class HeaderReader {
 public:
  HeaderReader(const io::Input& input, const io::Source& source) : input_(input), source_(source) {}

  const io::Source& source() const { return source_; }
  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return input_.size() - position_; }

  // Of the next `count` bytes; valid until the next call.
  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (count > remaining())
      source_.fail(field, fmt::format("needs {} bytes, the file has {} left", count, remaining()));
    if (count > window_.size()) load(count);
    const auto head = window_.first(static_cast<std::size_t>(count));
    window_ = window_.subspan(head.size());
    position_ += count;
    return head;
  }

  template <typename T>
  T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  // A length and as many bytes.
  std::string text(std::string_view field) {
    const auto length = read<std::uint64_t>(field);
    return std::string(io::as_text(take(length, field)));
  }

  // A number of things of at least `least` bytes each, so that a wild one fails before memory is
  // asked for.
  std::uint64_t count(std::uint64_t least, std::string_view field) {
    const auto count = read<std::uint64_t>(field);
    if (count > remaining() / least)
      source_.fail(field,
                   fmt::format("{} are more than the {} bytes left can hold", count, remaining()));
    return count;
  }

 private:
  void load(std::uint64_t least) {
    constexpr std::uint64_t usual = std::uint64_t{1} << 20;
    storage_ = io::Storage();
    window_ = input_.bytes(position_, std::min(remaining(), std::max(least, usual)), storage_);
  }

  const io::Input& input_;
  const io::Source& source_;
  io::Storage storage_;
  std::span<const std::byte> window_;  // from position_ on
  std::uint64_t position_ = 0;
};

}  // namespace subquad::gguf
