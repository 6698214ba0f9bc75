#include "gguf/header.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "gguf/header_reader.h"
#include "io/checked.h"
#include "io/text.h"

namespace subquad::gguf {
namespace {

// Longest key or name, in bytes; the format's own limit of a key.
constexpr std::uint64_t longest_name = 65535;
constexpr std::uint32_t most_extents = 4;

// The numbers that files store.
enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  text,
  array,
  u64,
  i64,
  f64
};

std::string read_name(HeaderReader& reader, std::string_view field) {
  std::string name = reader.text(field);
  if (name.size() > longest_name)
    reader.source().fail(field, fmt::format("{} bytes are too long a name", name.size()));
  return name;
}

bool as_boolean(std::uint8_t byte, const HeaderReader& reader, const std::string& key) {
  if (byte > 1) reader.source().fail(key, fmt::format("{} is neither true nor false", byte));
  return byte == 1;
}

template <typename Stored, typename Wide>
std::vector<Wide> read_numbers(HeaderReader& reader, const std::string& key) {
  const std::uint64_t count = reader.count(sizeof(Stored), key);
  const auto bytes = reader.take(count * sizeof(Stored), key);
  std::vector<Wide> numbers(count);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    numbers[i] = Wide{stored};
  }
  return numbers;
}

std::vector<bool> read_booleans(HeaderReader& reader, const std::string& key) {
  std::vector<bool> flags;
  for (const std::byte byte : reader.take(reader.count(1, key), key))
    flags.push_back(as_boolean(static_cast<std::uint8_t>(byte), reader, key));
  return flags;
}

std::vector<std::string> read_texts(HeaderReader& reader, const std::string& key) {
  const std::uint64_t count = reader.count(sizeof(std::uint64_t), key);
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) texts.push_back(reader.text(key));
  return texts;
}

[[noreturn]] void fail_type(const HeaderReader& reader, const std::string& key, ValueType type) {
  reader.source().fail(key,
                       fmt::format("value type {} is unknown", static_cast<std::uint32_t>(type)));
}

Value read_array(HeaderReader& reader, const std::string& key) {
  const auto type = static_cast<ValueType>(reader.read<std::uint32_t>(key));
  switch (type) {
    case ValueType::u8:
      return read_numbers<std::uint8_t, std::uint64_t>(reader, key);
    case ValueType::i8:
      return read_numbers<std::int8_t, std::int64_t>(reader, key);
    case ValueType::u16:
      return read_numbers<std::uint16_t, std::uint64_t>(reader, key);
    case ValueType::i16:
      return read_numbers<std::int16_t, std::int64_t>(reader, key);
    case ValueType::u32:
      return read_numbers<std::uint32_t, std::uint64_t>(reader, key);
    case ValueType::i32:
      return read_numbers<std::int32_t, std::int64_t>(reader, key);
    case ValueType::f32:
      return read_numbers<float, double>(reader, key);
    case ValueType::boolean:
      return read_booleans(reader, key);
    case ValueType::text:
      return read_texts(reader, key);
    case ValueType::array:
      reader.source().fail(key, "is an array of arrays, which is not supported");
    case ValueType::u64:
      return read_numbers<std::uint64_t, std::uint64_t>(reader, key);
    case ValueType::i64:
      return read_numbers<std::int64_t, std::int64_t>(reader, key);
    case ValueType::f64:
      return read_numbers<double, double>(reader, key);
  }
  fail_type(reader, key, type);
}

Value read_value(HeaderReader& reader, const std::string& key) {
  const auto type = static_cast<ValueType>(reader.read<std::uint32_t>(key));
  switch (type) {
    case ValueType::u8:
      return std::uint64_t{reader.read<std::uint8_t>(key)};
    case ValueType::i8:
      return std::int64_t{reader.read<std::int8_t>(key)};
    case ValueType::u16:
      return std::uint64_t{reader.read<std::uint16_t>(key)};
    case ValueType::i16:
      return std::int64_t{reader.read<std::int16_t>(key)};
    case ValueType::u32:
      return std::uint64_t{reader.read<std::uint32_t>(key)};
    case ValueType::i32:
      return std::int64_t{reader.read<std::int32_t>(key)};
    case ValueType::f32:
      return double{reader.read<float>(key)};
    case ValueType::boolean:
      return as_boolean(reader.read<std::uint8_t>(key), reader, key);
    case ValueType::text:
      return reader.text(key);
    case ValueType::array:
      return read_array(reader, key);
    case ValueType::u64:
      return reader.read<std::uint64_t>(key);
    case ValueType::i64:
      return reader.read<std::int64_t>(key);
    case ValueType::f64:
      return reader.read<double>(key);
  }
  fail_type(reader, key, type);
}

std::uint32_t read_version(HeaderReader& reader) {
  const io::Source& source = reader.source();
  if (io::as_text(reader.take(4, "magic bytes")) != "GGUF")
    source.fail("magic bytes", "not a GGUF file");
  const auto version = reader.read<std::uint32_t>("version");
  if (version != 0 && (version & 0xFFFFu) == 0)
    source.fail("version", "the file is big-endian, which is not supported");
  if (version != 2 && version != 3)
    source.fail("version", fmt::format("{} is not supported, must be 2 or 3", version));
  return version;
}

void read_metadata(HeaderReader& reader, std::uint64_t count, Metadata& metadata) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string key = read_name(reader, fmt::format("key {} of the metadata", i));
    const std::string shown = "key " + io::in_quotes(key);
    if (!metadata.add(key, read_value(reader, shown))) reader.source().fail(shown, "appears twice");
  }
}

std::uint64_t alignment_of(const Metadata& metadata) {
  const auto alignment = metadata.whole("general.alignment").value_or(32);
  if (alignment < 8 || alignment > (1 << 20) || !std::has_single_bit(std::uint64_t(alignment)))
    metadata.fail("general.alignment",
                  fmt::format("{} is not a power of two from 8 to 2^20", alignment));
  return static_cast<std::uint64_t>(alignment);
}

// Bytes of a tensor of this shape, a row of which is whole blocks.
std::uint64_t size_of(const TensorInfo& tensor, const io::Source& source) {
  const TypeTraits& type = traits_of(tensor.type);
  const std::int64_t cols = tensor.shape.back();
  if (cols % type.block_entries != 0)
    source.fail("shape", fmt::format("rows of {} entries are no whole blocks of {} ({})", cols,
                                     type.block_entries, type.name));
  // Entries fit, then bytes do.
  const auto entries = io::dense_bytes(tensor.shape, 1);
  const auto bytes =
      entries ? io::checked_multiply(*entries / type.block_entries, type.block_bytes) : entries;
  if (!bytes) source.fail("shape", "too large");
  return static_cast<std::uint64_t>(*bytes);
}

std::vector<std::int64_t> read_shape(HeaderReader& reader, const io::Source& source) {
  const auto rank = reader.read<std::uint32_t>("number of extents");
  if (rank > most_extents) source.fail("shape", fmt::format("{} extents are more than 4", rank));
  std::vector<std::int64_t> shape;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto extent = reader.read<std::uint64_t>("shape");
    if (extent < 1 || extent > std::uint64_t{1} << 48)
      source.fail("shape", fmt::format("extent {} is outside 1 to 2^48", extent));
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  if (shape.empty()) shape.push_back(1);
  std::reverse(shape.begin(), shape.end());
  return shape;
}

// The offset still counts from the data's beginning.
TensorInfo read_tensor(HeaderReader& reader, std::uint64_t index) {
  TensorInfo tensor;
  tensor.name = read_name(reader, fmt::format("name of tensor {}", index));
  const io::Source source = reader.source().inside("tensor " + io::in_quotes(tensor.name));
  tensor.shape = read_shape(reader, source);
  const auto type = reader.read<std::uint32_t>("type of tensor " + io::in_quotes(tensor.name));
  if (find_type(type) == nullptr) source.fail("type", fmt::format("{} is unknown", type));
  tensor.type = static_cast<TensorType>(type);
  tensor.bytes = size_of(tensor, source);
  tensor.offset = reader.read<std::uint64_t>("offset of tensor " + io::in_quotes(tensor.name));
  return tensor;
}

std::vector<TensorInfo> read_directory(HeaderReader& reader, std::uint64_t count) {
  std::vector<TensorInfo> tensors;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    tensors.push_back(read_tensor(reader, i));
    if (!names.insert(tensors.back().name).second)
      reader.source().fail("tensor " + io::in_quotes(tensors.back().name), "appears twice");
  }
  return tensors;
}

// Lets offsets count from the file's beginning.
void place_tensor(TensorInfo& tensor, std::uint64_t data, std::uint64_t alignment,
                  std::uint64_t size, const io::Source& file) {
  const io::Source source = file.inside("tensor " + io::in_quotes(tensor.name));
  if (tensor.offset % alignment != 0)
    source.fail("offset", fmt::format("{} is no multiple of {}", tensor.offset, alignment));
  const auto begin = io::checked_add(data, tensor.offset);
  const auto end = begin ? io::checked_add(*begin, tensor.bytes) : begin;
  if (!end || *end > size)
    source.fail("data", fmt::format("{} bytes at {} reach beyond the file's end", tensor.bytes,
                                    tensor.offset));
  tensor.offset = *begin;
}

void require_apart(const std::vector<TensorInfo>& tensors, const io::Source& source) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
      source.fail("tensor " + io::in_quotes(order[i]->name),
                  "its data overlap those of " + io::in_quotes(order[i - 1]->name));
}

}  // namespace

Header read_header(const io::Input& input, const io::Source& source) {
  HeaderReader reader(input, source);
  Header header{read_version(reader), Metadata(source.label()), {}};
  const std::uint64_t tensors = reader.count(24, "number of tensors");
  const std::uint64_t values = reader.count(13, "number of metadata keys");
  read_metadata(reader, values, header.metadata);
  header.tensors = read_directory(reader, tensors);
  const std::uint64_t alignment = alignment_of(header.metadata);
  const std::uint64_t data = (reader.position() + alignment - 1) / alignment * alignment;
  for (TensorInfo& tensor : header.tensors)
    place_tensor(tensor, data, alignment, input.size(), source);
  require_apart(header.tensors, source);
  return header;
}

}  // namespace subquad::gguf
