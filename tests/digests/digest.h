// Fingerprints of results, bit for bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "subquad/attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

// 64-bit FNV-1a. All NaNs count as one: their sign and payload depend on the order of operands
// that a compiler may exchange.
class Digest {
 public:
  std::uint64_t value() const { return hash_; }

  void add_word(std::uint64_t word) {
    for (int shift = 0; shift < 64; shift += 8) add_byte((word >> shift) & 0xff);
  }
  void add(std::int64_t count) { add_word(static_cast<std::uint64_t>(count)); }
  void add(double number) {
    add_word(std::isnan(number) ? std::uint64_t{0x7ff8} << 48
                                : std::bit_cast<std::uint64_t>(number));
  }
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte(0);
  }
  // Elements in row-major order, whatever the layout and the type.
  void add(const TensorBuffer& tensor) {
    tensor.for_each([&](auto b, auto h, auto i, auto c) { add(tensor.get(b, h, i, c)); });
  }

 private:
  void add_byte(std::uint64_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3; }

  std::uint64_t hash_ = 0xcbf29ce484222325;
};

inline void add_certificate(Digest& digest, const Certificate& certificate) {
  for (const double number :
       {certificate.share, certificate.confidence, certificate.largest_row_error,
        certificate.largest_row_error_to_rms, certificate.rms_row_norm, certificate.rel_fro})
    digest.add(number);
  for (const std::int64_t count :
       {certificate.rows, certificate.total_rows, certificate.worst.batch, certificate.worst.head,
        certificate.worst.position})
    digest.add(count);
}

// What does not depend on the threads: all but the scratch memory.
inline void add_report(Digest& digest, const Report& report) {
  digest.add(std::string_view(report.path));
  for (const std::int64_t count : {report.rows, report.fallback_rows, report.scored_entries,
                                   report.exact_heads, report.negative_rows})
    digest.add(count);
  digest.add(report.recall);
  digest.add(report.estimated_error);
  add_certificate(digest, report.certificate);
}

}  // namespace subquad::testing
