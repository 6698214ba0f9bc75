// The error-correcting code of ExpanderSketch: Reed-Solomon over GF(64), list decoding.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

// Row numbers below 64^length as polynomials of degree below `length` with digits as coefficients;
// chunk j of the code word is the value at the field's element j, 6 bits. Two words agree in at
// most length - 1 chunks.
class ChunkCode {
 public:
  static constexpr std::int64_t kSymbols = 64;
  explicit ChunkCode(std::int64_t length) : length_(length) {}

  std::int64_t length() const { return length_; }
  std::int32_t chunk(std::int64_t message, std::int64_t j) const;

  // A chunk that was read, rightly or wrongly.
  struct Reading {
    std::int32_t chunk = 0;  // j
    std::int32_t value = 0;
  };
  // Appends the messages that more than length() of the readings agree with, among those through
  // length() readings each; at most 2^14 choices of them are tried. A message with 5 agreeing
  // readings to spare is taken as right: its readings are not chosen again (they still count).
  void decode(const std::vector<Reading>& readings, std::vector<std::int64_t>& messages) const;

 private:
  std::int64_t interpolate(const std::vector<Reading>& readings,
                           const std::vector<std::size_t>& chosen) const;
  bool agrees(std::int64_t message, const Reading& reading) const;
  std::int64_t next_message(const std::vector<Reading>& pool, const std::vector<Reading>& readings,
                            int& tries, std::vector<std::int64_t>& messages) const;

  std::int64_t length_;
};

}  // namespace subquad
