#include "heavy/expander/expander_code.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace subquad {
namespace {

constexpr int kBits = 6, kMostTries = 1 << 14, kStrong = 4;

// GF(64) as polynomials over GF(2) modulo x^6 + x + 1, of which x is a generator.
struct Field {
  std::array<std::uint8_t, 126> power{};  // x^e, twice round
  std::array<std::uint8_t, 64> log{};     // of nonzero elements

  constexpr Field() {
    std::uint32_t element = 1;
    for (std::size_t e = 0; e < 63; ++e) {
      power[e] = power[e + 63] = static_cast<std::uint8_t>(element);
      log[element] = static_cast<std::uint8_t>(e);
      element <<= 1;
      if (element >= 64) element ^= 0x43;
    }
  }
  constexpr int multiply(int a, int b) const {
    if (a == 0 || b == 0) return 0;
    return power[std::size_t{log[static_cast<std::size_t>(a)]} + log[static_cast<std::size_t>(b)]];
  }
  constexpr int inverse(int a) const {
    return power[63 - std::size_t{log[static_cast<std::size_t>(a)]}];
  }
};
constexpr Field kField;

// The next choice of `chosen.size()` out of `count`, in lexicographic order; false after the last.
bool next_choice(std::vector<std::size_t>& chosen, std::size_t count) {
  for (std::size_t at = chosen.size(); at-- > 0;) {
    if (chosen[at] + (chosen.size() - at) >= count) continue;
    ++chosen[at];
    for (std::size_t after = at + 1; after < chosen.size(); ++after)
      chosen[after] = chosen[after - 1] + 1;
    return true;
  }
  return false;
}

bool distinct_chunks(const std::vector<ChunkCode::Reading>& readings,
                     const std::vector<std::size_t>& chosen) {
  for (std::size_t a = 0; a < chosen.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (readings[chosen[a]].chunk == readings[chosen[b]].chunk) return false;
  return true;
}

}  // namespace

std::int32_t ChunkCode::chunk(std::int64_t message, std::int64_t j) const {
  int value = 0;
  for (std::int64_t digit = length_ - 1; digit >= 0; --digit)
    value = kField.multiply(value, static_cast<int>(j)) ^
            static_cast<int>((message >> (kBits * digit)) & (kSymbols - 1));
  return value;
}

// Lagrange's polynomial through the chosen readings.
std::int64_t ChunkCode::interpolate(const std::vector<Reading>& readings,
                                    const std::vector<std::size_t>& chosen) const {
  std::int64_t message = 0;
  std::array<int, 8> basis{};
  for (const std::size_t a : chosen) {
    basis.fill(0);
    basis[0] = 1;
    std::size_t degree = 0;
    int denominator = 1;
    for (const std::size_t b : chosen) {
      if (a == b) continue;
      for (std::size_t c = ++degree; c > 0; --c)  // times (x - b)
        basis[c] = basis[c - 1] ^ kField.multiply(basis[c], readings[b].chunk);
      basis[0] = kField.multiply(basis[0], readings[b].chunk);
      denominator = kField.multiply(denominator, readings[a].chunk ^ readings[b].chunk);
    }
    const int factor = kField.multiply(readings[a].value, kField.inverse(denominator));
    for (std::size_t c = 0; c <= degree; ++c)
      message ^= std::int64_t{kField.multiply(basis[c], factor)} << (static_cast<int>(c) * kBits);
  }
  return message;
}

bool ChunkCode::agrees(std::int64_t message, const Reading& reading) const {
  return chunk(message, reading.chunk) == reading.value;
}

void ChunkCode::decode(const std::vector<Reading>& readings,
                       std::vector<std::int64_t>& messages) const {
  std::vector<Reading> pool = readings;
  int tries = 0;
  while (static_cast<std::int64_t>(pool.size()) > length_) {
    const std::int64_t strong = next_message(pool, readings, tries, messages);
    if (strong < 0) return;
    std::erase_if(pool, [&](const Reading& reading) { return agrees(strong, reading); });
  }
}

// Tries choices from the pool, up to one whose message has kStrong votes more than it needs: that
// message, or -1.
std::int64_t ChunkCode::next_message(const std::vector<Reading>& pool,
                                     const std::vector<Reading>& readings, int& tries,
                                     std::vector<std::int64_t>& messages) const {
  std::vector<std::size_t> chosen(static_cast<std::size_t>(length_));
  std::iota(chosen.begin(), chosen.end(), 0);
  do {
    if (!distinct_chunks(pool, chosen)) continue;
    const std::int64_t message = interpolate(pool, chosen);
    const std::int64_t votes =
        std::count_if(readings.begin(), readings.end(),
                      [&](const Reading& reading) { return agrees(message, reading); });
    if (votes <= length_) continue;
    if (std::find(messages.begin(), messages.end(), message) == messages.end())
      messages.push_back(message);
    if (votes > length_ + kStrong) return message;
  } while (++tries < kMostTries && next_choice(chosen, pool.size()));
  return -1;
}

}  // namespace subquad
