#include "io/npy_order.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "io/contents.h"

namespace subquad::io {
namespace {

template <typename Word>
Word reversed(Word word) {
  std::byte bytes[sizeof(Word)];
  std::memcpy(bytes, &word, sizeof(Word));
  std::reverse(std::begin(bytes), std::end(bytes));
  std::memcpy(&word, bytes, sizeof(Word));
  return word;
}

// Elements from one to the next along each axis.
std::vector<std::int64_t> strides_of(const NpyHeader& header) {
  std::vector<std::int64_t> strides(header.shape.size(), 1);
  for (std::size_t n = 1; n < strides.size(); ++n) {
    const std::size_t axis = header.column_major ? n : strides.size() - 1 - n;
    const std::size_t inner = header.column_major ? axis - 1 : axis + 1;
    strides[axis] = strides[inner] * header.shape[inner];
  }
  return strides;
}

// Walks an array in row-major order.
class Walk {
 public:
  explicit Walk(const NpyHeader& header)
      : shape_(header.shape), strides_(strides_of(header)), index_(shape_.size(), 0) {}

  std::int64_t offset() const { return offset_; }
  void next() {
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      offset_ += strides_[axis];
      if (++index_[axis] < shape_[axis]) return;
      offset_ -= strides_[axis] * shape_[axis];
      index_[axis] = 0;
    }
  }

 private:
  const std::vector<std::int64_t>& shape_;
  std::vector<std::int64_t> strides_, index_;
  std::int64_t offset_ = 0;
};

template <typename Word>
void write_words(const NpyHeader& header, std::span<const std::byte> from,
                 std::span<std::byte> to) {
  Walk walk(header);
  for (std::size_t at = 0; at < to.size(); at += sizeof(Word), walk.next()) {
    Word word;
    std::memcpy(&word, from.data() + static_cast<std::size_t>(walk.offset()) * sizeof(Word),
                sizeof(Word));
    if (header.big_endian) word = reversed(word);
    std::memcpy(to.data() + at, &word, sizeof(Word));
  }
}

bool is_plain(const NpyHeader& header) {
  const bool one_order = !header.column_major || header.shape.size() < 2;
  return one_order && !header.big_endian;
}

void write_plain(const NpyHeader& header, std::span<const std::byte> from,
                 std::span<std::byte> to) {
  switch (size_of(header.type)) {
    case 1:
      return write_words<std::uint8_t>(header, from, to);
    case 2:
      return write_words<std::uint16_t>(header, from, to);
    case 4:
      return write_words<std::uint32_t>(header, from, to);
    default:
      return write_words<std::uint64_t>(header, from, to);
  }
}

}  // namespace

const void* plain_data(const NpyHeader& header, std::span<const std::byte> data, Storage& storage,
                       const Source& source) {
  if (is_plain(header)) return place(data, header.type, storage, source);
  if (data.empty()) return empty_data();
  const std::span<std::byte> copy = storage.allocate(data.size(), source);
  write_plain(header, data, copy);
  return copy.data();
}

}  // namespace subquad::io
