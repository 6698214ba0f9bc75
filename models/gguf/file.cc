#include "gguf/file.h"

#include <algorithm>
#include <utility>

#include "io/text.h"

namespace subquad::gguf {

File::File(std::unique_ptr<io::Input> input, const std::string& label)
    : input_(std::move(input)),
      header_(
          std::make_unique<const Header>(read_header(*input_, io::Source(io::printable(label))))) {}

File File::open(const std::string& path) {
  return {std::make_unique<io::FileInput>(path, io::Source(io::printable(path))), path};
}

File File::parse(std::span<const std::byte> bytes, const std::string& label) {
  return {std::make_unique<io::MemoryInput>(bytes), label};
}

const TensorInfo* File::find(const std::string& name) const {
  const auto found = std::find_if(tensors().begin(), tensors().end(),
                                  [&](const TensorInfo& tensor) { return tensor.name == name; });
  return found == tensors().end() ? nullptr : &*found;
}

std::span<const std::byte> File::read(const TensorInfo& tensor, io::Storage& storage) const {
  return input_->bytes(tensor.offset, tensor.bytes, storage);
}

}  // namespace subquad::gguf
