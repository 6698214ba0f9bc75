#include "io/inflater.h"

#include <algorithm>

#define ZLIB_CONST
#include <zlib.h>

#include "subquad/error.h"

namespace subquad::io {
namespace {

// zlib counts in 32 bits: longer spans go in pieces.
constexpr std::size_t piece = std::size_t{1} << 30;

constexpr const char* field = "deflated data";

}  // namespace

struct Inflater::Stream {
  z_stream z{};
};

Inflater::Inflater(std::span<const std::byte> packed, const Source& source)
    : stream_(std::make_unique<Stream>()), packed_(packed), source_(source) {
  // Negative window bits: no zlib header, as in zip.
  if (inflateInit2(&stream_->z, -MAX_WBITS) != Z_OK) {
    throw_failed(source.label() + ": not enough memory to decompress");
  }
}

Inflater::~Inflater() { inflateEnd(&stream_->z); }

void Inflater::refill() {
  if (stream_->z.avail_in > 0) return;
  const auto next = packed_.first(std::min(piece, packed_.size()));
  packed_ = packed_.subspan(next.size());
  stream_->z.next_in = reinterpret_cast<const Bytef*>(next.data());
  stream_->z.avail_in = static_cast<uInt>(next.size());
}

std::size_t Inflater::step(std::span<std::byte> out) {
  refill();
  const std::size_t wanted = std::min(piece, out.size());
  stream_->z.next_out = reinterpret_cast<Bytef*>(out.data());
  stream_->z.avail_out = static_cast<uInt>(wanted);
  const int status = inflate(&stream_->z, Z_NO_FLUSH);
  if (status == Z_MEM_ERROR) throw_failed(source_.label() + ": not enough memory to decompress");
  if (status == Z_STREAM_END) ended_ = true;
  const bool starved = status == Z_BUF_ERROR;
  if (starved) source_.fail(field, "ends inside the deflate stream");
  if (status != Z_OK && !ended_) source_.fail(field, "corrupt");
  return wanted - stream_->z.avail_out;
}

void Inflater::read(std::span<std::byte> out) {
  auto rest = out;
  while (!rest.empty()) {
    if (ended_) source_.fail(field, "holds fewer bytes than the directory says");
    rest = rest.subspan(step(rest));
  }
  crc_ = crc32_of(out, crc_);
}

void Inflater::finish() {
  std::byte spare;
  while (!ended_) {
    if (step({&spare, 1}) > 0) source_.fail(field, "holds more bytes than the directory says");
  }
  if (stream_->z.avail_in > 0 || !packed_.empty()) {
    source_.fail(field, "goes on after the deflate stream");
  }
}

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t crc) {
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  return bytes.empty() ? crc : static_cast<std::uint32_t>(crc32_z(crc, data, bytes.size()));
}

}  // namespace subquad::io
