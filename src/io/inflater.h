// Raw deflate streams, decompressed piece by piece into the caller's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "io/source.h"

namespace subquad::io {

// Fields of the zip format's errors: every failure names "deflated data".
class Inflater {
 public:
  Inflater(std::span<const std::byte> packed, const Source& source);
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater();

  // Fills all of `out`; Error when the stream is corrupt or ends earlier.
  void read(std::span<std::byte> out);
  // Error unless the stream ends here, at the end of the packed bytes.
  void finish();
  // CRC-32 of everything read so far.
  std::uint32_t crc() const { return crc_; }

 private:
  struct Stream;

  // Runs the decoder on one piece of `out`; returns the bytes written. Sets ended_.
  std::size_t step(std::span<std::byte> out);
  void refill();

  std::unique_ptr<Stream> stream_;
  std::span<const std::byte> packed_;  // not handed to the decoder yet
  const Source& source_;
  std::uint32_t crc_ = 0;
  bool ended_ = false;
};

// CRC-32 of the bytes, as zip defines it.
std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t crc = 0);

}  // namespace subquad::io
