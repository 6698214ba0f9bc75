// Files of tensors in C.
#include <map>
#include <string>
#include <vector>

#include "capi/convert.h"
#include "io/contents.h"
#include "subquad/io.h"

struct subquad_file {
  subquad::io::TensorFile file;
};

using namespace subquad;
using namespace subquad::capi;

static_assert(static_cast<int>(io::ElementType::f64) == SUBQUAD_ELEMENT_F64 &&
              static_cast<int>(io::ElementType::bf16) == SUBQUAD_ELEMENT_BF16 &&
              static_cast<int>(io::ElementType::i8) == SUBQUAD_ELEMENT_I8);

namespace {

constexpr std::int64_t kMostEntries = 1 << 20;  // of a file

subquad_array to_array(const io::Tensor& tensor) {
  return {tensor.name.c_str(), static_cast<int>(tensor.type), std::ssize(tensor.shape),
          tensor.shape.empty() ? nullptr : tensor.shape.data(), tensor.data};
}

io::Tensor to_tensor(const subquad_array& array) {
  io::Tensor tensor;
  tensor.name = required_text("arrays: name", array.name);
  const std::string name = "array '" + tensor.name + "'";
  if (array.type < 0 || array.type > SUBQUAD_ELEMENT_F64)
    throw_invalid(name + ": unknown type " + std::to_string(array.type));
  tensor.type = static_cast<io::ElementType>(array.type);
  const std::string shape_name = name + ": shape";
  check_count("num_dimensions", array.num_dimensions, io::max_rank);
  const auto shape =
      to_span(shape_name.c_str(), array.shape, "num_dimensions", array.num_dimensions);
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.data = array.data;
  if (tensor.count() > 0 && array.data == nullptr) throw_invalid(name + ": no data");
  return tensor;
}

std::map<std::string, std::string> to_metadata(const char* const* texts, std::int64_t count) {
  check_pair("metadata", texts, "num_metadata", count);
  check_count("num_metadata", count, kMostEntries);
  std::map<std::string, std::string> metadata;
  for (std::int64_t n = 0; n < count; ++n)
    metadata.emplace(required_text("metadata: key", texts[2 * n]),
                     required_text("metadata: text", texts[2 * n + 1]));
  return metadata;
}

}  // namespace

extern "C" {

subquad_status subquad_file_open(const char* path, subquad_file** file) {
  return guarded([&] {
    required("file", file) = nullptr;
    *file = new subquad_file{io::TensorFile::open(std::string(required_text("path", path)))};
  });
}

void subquad_file_free(subquad_file* file) { delete file; }

int64_t subquad_file_num_arrays(const subquad_file* file) {
  return file == nullptr ? 0 : std::ssize(file->file.tensors());
}

subquad_status subquad_file_array(const subquad_file* file, int64_t index, subquad_array* array) {
  return guarded([&] {
    const auto& tensors = required("file", file).file.tensors();
    if (index < 0 || index >= std::ssize(tensors))
      throw_invalid("index: " + std::to_string(index) + ", but the file has " +
                    std::to_string(tensors.size()) + " tensors");
    required("array", array) = to_array(tensors[static_cast<std::size_t>(index)]);
  });
}

subquad_status subquad_file_find(const subquad_file* file, const char* name, subquad_array* array) {
  return guarded([&] {
    const io::TensorFile& tensors = required("file", file).file;
    required("array", array) = to_array(tensors.at(std::string(required_text("name", name))));
  });
}

const char* subquad_file_metadata(const subquad_file* file, const char* key) {
  if (file == nullptr || key == nullptr) return nullptr;
  const auto& metadata = file->file.metadata();
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : found->second.c_str();
}

subquad_status subquad_write_file(const char* path, const subquad_array* arrays, int64_t num_arrays,
                                  const char* const* metadata, int64_t num_metadata) {
  return guarded([&] {
    check_count("num_arrays", num_arrays, kMostEntries);
    std::vector<io::Tensor> tensors;
    for (const subquad_array& array : to_list("arrays", arrays, "num_arrays", num_arrays))
      tensors.push_back(to_tensor(array));
    io::write_file(std::string(required_text("path", path)), tensors,
                   to_metadata(metadata, num_metadata));
  });
}

}  // extern "C"
