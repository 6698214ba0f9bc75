// Reads a .npy file: one header, one array, nothing else.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/npy_header.h"
#include "io/npy_order.h"

namespace subquad::io {

Tensor parse_npy(std::span<const std::byte> bytes, Storage raw, const std::string& name,
                 Storage& storage, const Source& source) {
  Cursor cursor(bytes, source);
  const std::size_t offset =
      npy_data_offset(Cursor(bytes, source).take(npy_prefix_bytes, "header"), source);
  const NpyHeader header = parse_npy_header(cursor.take(offset, "header"), source);
  if (header.data_bytes != cursor.remaining()) {
    source.fail("data", fmt::format("shape and type need {} bytes, the file holds {}",
                                    header.data_bytes, cursor.remaining()));
  }
  const auto data = cursor.take(header.data_bytes, "data");
  const void* elements = plain_data(header, data, storage, source);
  if (elements == data.data()) storage.keep(std::move(raw));
  return {name, header.type, header.shape, elements};
}

// The array is all there is: it is read at once.
Contents read_npy(const Input& input, const std::string& name, const Source& source) {
  Storage held, raw;
  const auto bytes = input.bytes(0, input.size(), raw);
  const Tensor tensor = parse_npy(bytes, std::move(raw), name, held, source);
  const auto read = [held, tensor](Storage& storage) {
    storage.keep(held);
    return tensor;
  };
  return {{{name, read}}, {}};
}

}  // namespace subquad::io
