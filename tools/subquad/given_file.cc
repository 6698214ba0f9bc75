#include "given_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "numbers.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::cli {
namespace {

// One file's tensors as whole numbers.
class GivenReader {
 public:
  GivenReader(const std::string& path, GivenFiles& files)
      : path_(path), file_(io::TensorFile::open(path)), files_(files) {}

  void read() {
    const bool rows = file_.find("row_offsets") != nullptr || file_.find("row_keys") != nullptr;
    const bool blocks = file_.find("blocks") != nullptr;
    if (rows == blocks)
      throw_invalid(fmt::format(
          "{}: needs either tensors 'row_offsets' and 'row_keys', or tensor 'blocks'", path_));
    rows ? read_rows() : read_blocks();
    add_words(rows);
  }

 private:
  // The library calls a mask's tensors given[i].offsets and the like.
  void add_words(bool rows) {
    const std::string mask = fmt::format("given[{}]", files_.masks.size() - 1);
    const auto call = [&](const char* field, const char* tensor) {
      files_.words.emplace_back(mask + "." + field, fmt::format("--given {}: '{}'", path_, tensor));
    };
    call("offsets", rows ? "row_offsets" : "block_offsets");
    call("keys", "row_keys");
    for (const char* name : {"blocks", "query_block_size", "key_block_size"}) call(name, name);
    files_.words.emplace_back(mask, "--given " + path_);
  }

  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw_invalid(fmt::format("{}: tensor '{}' {}", path_, name, what));
  }

  // The elements of a tensor, row by row, as `Number`.
  template <typename Number>
  std::span<const Number> numbers(const io::Tensor& tensor) {
    auto values = std::make_shared<std::vector<Number>>();
    values->reserve(static_cast<std::size_t>(tensor.count()));
    for (std::int64_t i = 0; i < tensor.count(); ++i) values->push_back(number<Number>(tensor, i));
    files_.storage.push_back(values);
    return *values;
  }

  template <typename Number>
  Number number(const io::Tensor& tensor, std::int64_t i) const {
    std::int64_t value = 0;
    if (tensor.type == io::ElementType::i32)
      value = static_cast<const std::int32_t*>(tensor.data)[i];
    else if (tensor.type == io::ElementType::i64)
      value = static_cast<const std::int64_t*>(tensor.data)[i];
    else
      fail(tensor.name, fmt::format("holds {}; i32 or i64 is needed", io::name_of(tensor.type)));
    if (value < std::numeric_limits<Number>::min() || value > std::numeric_limits<Number>::max())
      fail(tensor.name, fmt::format("holds {}, which is out of range", value));
    return static_cast<Number>(value);
  }

  const io::Tensor& vector_at(const std::string& name) const {
    const io::Tensor& tensor = file_.at(name);
    if (tensor.shape.size() != 1)
      fail(name, fmt::format("has {} dimensions; one is needed", tensor.shape.size()));
    return tensor;
  }

  void read_rows() {
    GivenMask mask;
    mask.kind = GivenKind::rows;
    mask.offsets = numbers<std::int64_t>(vector_at("row_offsets"));
    mask.keys = numbers<std::int32_t>(vector_at("row_keys"));
    files_.masks.push_back(mask);
  }

  void read_blocks() {
    GivenMask mask;
    mask.kind = GivenKind::blocks;
    mask.query_block_size = size("query_block_size");
    mask.key_block_size = size("key_block_size");
    if (file_.find("block_offsets") != nullptr)
      mask.offsets = numbers<std::int64_t>(vector_at("block_offsets"));
    mask.blocks = pairs(file_.at("blocks"));
    files_.masks.push_back(mask);
  }

  std::span<const BlockPair> pairs(const io::Tensor& tensor) {
    if (tensor.shape.size() != 2 || tensor.shape[1] != 2)
      fail(tensor.name, "must have shape (count, 2): query block, key block");
    auto values = std::make_shared<std::vector<BlockPair>>();
    for (std::int64_t i = 0; i < tensor.shape[0]; ++i)
      values->push_back(
          {number<std::int32_t>(tensor, 2 * i), number<std::int32_t>(tensor, 2 * i + 1)});
    files_.storage.push_back(values);
    return *values;
  }

  std::int64_t size(const std::string& name) const {
    if (const io::Tensor* tensor = file_.find(name)) {
      if (file_.metadata().contains(name)) fail(name, "is among the metadata, too");
      if (tensor->count() != 1)
        fail(name, fmt::format("has {} elements; one is needed", tensor->count()));
      return number<std::int64_t>(*tensor, 0);
    }
    const auto found = file_.metadata().find(name);
    if (found == file_.metadata().end())
      throw_invalid(fmt::format("{}: no tensor and no metadata '{}'", path_, name));
    return whole_number<std::int64_t>(found->second, fmt::format("{}: metadata '{}'", path_, name),
                                      1, std::numeric_limits<std::int64_t>::max());
  }

  const std::string& path_;
  io::TensorFile file_;
  GivenFiles& files_;
};

}  // namespace

GivenFiles load_given(const std::vector<std::string>& paths, std::span<const std::string> specs) {
  GivenFiles files;
  if (paths.empty()) return files;
  const bool used = std::any_of(specs.begin(), specs.end(), [](const std::string& spec) {
    return spec.find("given") != std::string::npos;
  });
  if (!used)
    throw_invalid(fmt::format("--given {}: no --method has a part given(0)", paths.front()));
  for (const std::string& path : paths) GivenReader(path, files).read();
  return files;
}

std::string in_given_words(const std::string& message, const GivenFiles& given) {
  const bool missing = message.find("there is no given[") != std::string::npos;
  return missing ? "--given: " + message : in_user_words(message, given.words);
}

}  // namespace subquad::cli
