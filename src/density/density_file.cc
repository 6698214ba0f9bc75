#include "density/density_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "core/checks.h"
#include "io/atomic_file.h"
#include "io/cursor.h"
#include "io/input.h"
#include "io/text.h"

namespace subquad {
namespace {

constexpr std::array<char, 8> kMagic{'S', 'Q', 'D', 'E', 'N', 'S', 'E', '\n'};
constexpr std::uint32_t kVersion = 1;

struct Sizes {
  std::uint64_t points = 0, dim = 0, next_id = 0, seed = 0, cells = 0;
};

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

std::uint32_t checksum(std::uint32_t crc, std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <typename T>
std::vector<T> read_values(io::Cursor& cursor, std::uint64_t count, const char* field) {
  const auto bytes = cursor.take(count * sizeof(T), field);
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void check_start(io::Cursor& cursor, const io::Source& source) {
  const auto magic = cursor.take(kMagic.size(), "magic");
  if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
    source.fail("magic", "not a density index");
  const auto version = cursor.read<std::uint32_t>("version");
  if (version != kVersion)
    source.fail("version", fmt::format("is {}, this library reads {}", version, kVersion));
}

// What a file that was written by us cannot hold, whatever its checksum.
void check_sizes(const Sizes& sizes, const io::Source& source) {
  if (sizes.dim < 1 || sizes.dim > static_cast<std::uint64_t>(kMostColumns))
    source.fail("columns", fmt::format("{} must be 1 to {}", sizes.dim, kMostColumns));
  if (sizes.points > static_cast<std::uint64_t>(kMaxLength))
    source.fail("points", fmt::format("{} must be at most {}", sizes.points, kMaxLength));
  if (sizes.next_id < sizes.points || sizes.next_id > std::uint64_t{1} << 62)
    source.fail("next id", fmt::format("{} cannot be", sizes.next_id));
  if (sizes.cells > 1) source.fail("cells", fmt::format("{} must be 0 or 1", sizes.cells));
}

void check_values(const DensityFile& file, const io::Source& source) {
  for (const double sigma : file.bandwidth)
    if (!(sigma > 0) || !std::isfinite(sigma)) source.fail("bandwidth", "not positive and finite");
  std::int64_t least = 0;
  for (const std::int64_t id : file.points.ids) {
    if (id < least || id >= file.points.next_id) source.fail("ids", "not ascending");
    least = id + 1;
  }
  const auto finite = [](float x) { return std::isfinite(x); };
  if (!std::all_of(file.points.rows.begin(), file.points.rows.end(), finite))
    source.fail("points", "not finite");
}

}  // namespace

void write_density_file(const std::string& path, const DensityPoints& points,
                        const std::vector<double>& bandwidth, const DensityOptions& options) {
  const std::vector<std::uint64_t> sizes{static_cast<std::uint64_t>(points.count()),
                                         static_cast<std::uint64_t>(points.dim),
                                         static_cast<std::uint64_t>(points.next_id), options.seed,
                                         static_cast<std::uint64_t>(options.cells)};
  const std::array parts{bytes_of(sizes), bytes_of(bandwidth), bytes_of(points.ids),
                         bytes_of(points.rows)};
  std::uint32_t crc = 0;
  for (const auto& part : parts) crc = checksum(crc, part);
  const std::array<std::uint32_t, 2> start{kVersion, crc};
  io::AtomicFile file(path);
  file.write(std::as_bytes(std::span(kMagic)));
  file.write(std::as_bytes(std::span(start)));
  for (const auto& part : parts) file.write(part);
  file.sync();
  file.commit();
}

DensityFile read_density_file(const std::string& path) {
  const io::Source source(io::printable(path));
  const io::FileInput input(path, source);
  io::Storage storage;
  const auto bytes = input.bytes(0, input.size(), storage);
  io::Cursor cursor(bytes, source);
  check_start(cursor, source);
  const auto crc = cursor.read<std::uint32_t>("checksum");
  const auto body = bytes.last(cursor.remaining());
  Sizes sizes;
  for (std::uint64_t* size : {&sizes.points, &sizes.dim, &sizes.next_id, &sizes.seed, &sizes.cells})
    *size = cursor.read<std::uint64_t>("sizes");
  check_sizes(sizes, source);
  DensityFile file;
  file.options.seed = sizes.seed;
  file.options.cells = sizes.cells == 1;
  file.bandwidth = read_values<double>(cursor, sizes.dim, "bandwidth");
  file.points.dim = static_cast<std::int64_t>(sizes.dim);
  file.points.next_id = static_cast<std::int64_t>(sizes.next_id);
  file.points.ids = read_values<std::int64_t>(cursor, sizes.points, "ids");
  file.points.rows = read_values<float>(cursor, sizes.points * sizes.dim, "points");
  if (cursor.remaining() != 0) source.fail("end", "has more bytes than its sizes say");
  if (checksum(0, body) != crc) source.fail("checksum", "does not match: the file is corrupted");
  check_values(file, source);
  return file;
}

}  // namespace subquad
