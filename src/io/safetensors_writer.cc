// Writes tensors as a .safetensors file, widest elements first: every tensor is aligned to its
// element size, and the data section to 64 bytes.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/safetensors_types.h"
#include "io/text.h"
#include "io/writers.h"
#include "subquad/error.h"

namespace subquad::io {
namespace {

using Json = nlohmann::ordered_json;

std::vector<const Tensor*> by_element_size(std::span<const Tensor> tensors) {
  std::vector<const Tensor*> order;
  for (const Tensor& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
    return size_of(a->type) > size_of(b->type);
  });
  return order;
}

Json entry_of(const Tensor& tensor, std::int64_t begin) {
  Json entry;
  entry["dtype"] = safetensors_name(tensor.type);
  entry["shape"] = tensor.shape;
  entry["data_offsets"] = {begin, begin + tensor.bytes()};
  return entry;
}

std::string header_text(const std::vector<const Tensor*>& order, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t offset = 0;
  for (const Tensor* tensor : order) {
    header[tensor->name] = entry_of(*tensor, offset);
    offset += tensor->bytes();
  }
  std::string text = header.dump();
  return text.append((64 - (8 + text.size()) % 64) % 64, ' ');
}

}  // namespace

void write_safetensors(std::span<const Tensor> tensors, const Metadata& metadata,
                       const Sink& sink) {
  const auto order = by_element_size(tensors);
  const std::string text = header_text(order, metadata);
  const std::uint64_t length = text.size();
  sink(std::as_bytes(std::span(&length, 1)));
  sink(as_bytes(text));
  for (const Tensor* tensor : order) sink(data_of(*tensor));
}

}  // namespace subquad::io
