// Writing files: the format by extension, the bytes to a file that has no place yet.
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "io/atomic_file.h"
#include "io/contents.h"
#include "io/npy_header.h"
#include "io/text.h"
#include "io/writers.h"
#include "subquad/error.h"

namespace subquad::io {
namespace {

void require_writable(const Tensor& tensor) {
  const std::string label = "tensor " + in_quotes(tensor.name);
  // Python's zipfile cuts names at a zero byte.
  if (!is_utf8(tensor.name) || tensor.name.find('\0') != std::string::npos) {
    throw_invalid(label + ": name: is not UTF-8 text");
  }
  if (tensor.shape.size() > max_rank) {
    throw_invalid(fmt::format("{}: shape: more than {} dimensions", label, max_rank));
  }
  if (tensor.bytes() > 0 && tensor.data == nullptr) throw_invalid(label + ": data: is null");
}

void require_no_metadata(const Metadata& metadata, const std::string& extension) {
  if (metadata.empty()) return;
  throw_invalid(extension + " files hold no metadata; use .safetensors");
}

void require_safetensors(std::span<const Tensor> tensors, const Metadata& metadata) {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == "__metadata__") throw_invalid("a tensor cannot be called \"__metadata__\"");
  }
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value)) {
      throw_invalid("metadata " + in_quotes(key) + ": is not UTF-8 text");
    }
  }
}

// Only the extension's own rules; the tensors are checked for all formats.
std::function<void(const Sink&)> writer_for(const std::string& path,
                                            std::span<const Tensor> tensors,
                                            const Metadata& metadata) {
  const std::string extension = std::filesystem::path(path).extension();
  if (extension == ".safetensors") {
    require_safetensors(tensors, metadata);
    return [=, &metadata](const Sink& sink) { write_safetensors(tensors, metadata, sink); };
  }
  if (extension != ".npy" && extension != ".npz") {
    throw_invalid(
        fmt::format("unknown extension {}; use .npy, .npz or .safetensors", in_quotes(extension)));
  }
  require_no_metadata(metadata, extension);
  for (const Tensor& tensor : tensors) (void)format_npy_header(tensor);
  if (extension == ".npz") return [=](const Sink& sink) { write_npz(tensors, sink); };
  if (tensors.size() != 1) {
    throw_invalid(fmt::format("a .npy file holds one tensor, not {}; use .npz or .safetensors",
                              tensors.size()));
  }
  return [=](const Sink& sink) { write_npy(tensors.front(), sink); };
}

std::function<void(const Sink&)> checked_writer(const std::string& path,
                                                std::span<const Tensor> tensors,
                                                const Metadata& metadata) {
  try {
    require_writable(tensors);
    return writer_for(path, tensors, metadata);
  } catch (const Error& error) {
    throw Error(error.kind(), printable(path) + ": " + error.what());
  }
}

void write_and_sync(AtomicFile& file, const std::function<void(const Sink&)>& writer) {
  writer([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.sync();
}

}  // namespace

struct PendingFile::State : AtomicFile {
  using AtomicFile::AtomicFile;
};

PendingFile::PendingFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
PendingFile::PendingFile(PendingFile&&) noexcept = default;
PendingFile& PendingFile::operator=(PendingFile&&) noexcept = default;
PendingFile::~PendingFile() = default;

PendingFile PendingFile::with_tensors(const std::string& path, std::span<const Tensor> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  const std::function<void(const Sink&)> writer = checked_writer(path, tensors, metadata);
  auto state = std::make_unique<State>(path);
  write_and_sync(*state, writer);
  return PendingFile(std::move(state));
}

PendingFile PendingFile::with_text(const std::string& path, const std::string& text) {
  auto state = std::make_unique<State>(path);
  write_and_sync(*state, [&](const Sink& sink) { sink(as_bytes(text)); });
  return PendingFile(std::move(state));
}

void PendingFile::commit() {
  if (!state_) throw_failed("a file is committed twice");
  state_->commit();
  state_.reset();
}

void require_writable(std::span<const Tensor> tensors) {
  std::set<std::string> names;
  for (const Tensor& tensor : tensors) {
    require_writable(tensor);
    if (!names.insert(tensor.name).second) {
      throw_invalid("tensor " + in_quotes(tensor.name) + ": name: appears twice");
    }
  }
}

void write_file(const std::string& path, std::span<const Tensor> tensors,
                const Metadata& metadata) {
  PendingFile::with_tensors(path, tensors, metadata).commit();
}

void write_text(const std::string& path, const std::string& text) {
  PendingFile::with_text(path, text).commit();
}

}  // namespace subquad::io
