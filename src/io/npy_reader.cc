// Reads a .npy file: one header, one array, nothing else.
#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/npy_header.h"

namespace subquad::io {

Contents read_npy(std::span<const std::byte> bytes, const std::string& name, const Source& source) {
  Cursor cursor(bytes, source);
  const std::size_t offset =
      npy_data_offset(Cursor(bytes, source).take(npy_prefix_bytes, "header"), source);
  const NpyHeader header = parse_npy_header(cursor.take(offset, "header"), source);
  if (header.data_bytes != cursor.remaining()) {
    source.fail("data", fmt::format("shape and type need {} bytes, the file holds {}",
                                    header.data_bytes, cursor.remaining()));
  }
  Contents contents;
  const auto data = cursor.take(header.data_bytes, "data");
  const void* place = contents.place(data, header.type, source);
  contents.tensors.push_back({name, header.type, header.shape, place});
  return contents;
}

}  // namespace subquad::io
