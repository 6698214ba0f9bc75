// An open tensor file: which format it is, and its tensors by name.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "subquad/io.h"

namespace subquad::io {

struct TensorFile::State {
  std::string label;
  MappedFile map;
  Contents contents;
};

namespace {

enum class Format : std::uint8_t { unknown, npy, npz, safetensors };

Format format_of_content(std::string_view text) {
  if (text.starts_with("\x93NUMPY")) return Format::npy;
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return Format::npz;
  if (text.starts_with("PK\x06\x06")) return Format::npz;
  if (text.size() > 8 && text[8] == '{') return Format::safetensors;
  return Format::unknown;
}

Format format_of_extension(const std::string& label) {
  const std::string extension = std::filesystem::path(label).extension();
  if (extension == ".npy") return Format::npy;
  if (extension == ".npz") return Format::npz;
  if (extension == ".safetensors") return Format::safetensors;
  return Format::unknown;
}

Contents read_contents(std::span<const std::byte> bytes, const std::string& label) {
  const Source source(printable(label));
  Format format = format_of_content(as_text(bytes));
  // Content that is none of the three: the reader that the extension names says what is wrong.
  if (format == Format::unknown) format = format_of_extension(label);
  switch (format) {
    case Format::npy:
      return read_npy(bytes, std::filesystem::path(label).stem(), source);
    case Format::npz:
      return read_npz(bytes, source);
    case Format::safetensors:
      return read_safetensors(bytes, source);
    case Format::unknown:
      break;
  }
  source.fail("magic bytes", "not a .npy, .npz or .safetensors file");
}

// The names of the tensors, the first few of many.
std::string name_list(const std::vector<Tensor>& tensors) {
  constexpr std::size_t shown = 20;
  if (tensors.empty()) return "no tensors";
  std::string list;
  for (std::size_t i = 0; i < std::min(shown, tensors.size()); ++i) {
    list += (i == 0 ? "" : ", ") + in_quotes(tensors[i].name);
  }
  if (tensors.size() > shown) list += fmt::format(" and {} more", tensors.size() - shown);
  return list;
}

}  // namespace

TensorFile TensorFile::open(const std::string& path) {
  auto state = std::make_shared<State>();
  state->label = printable(path);
  state->map = MappedFile(path, Source(state->label));
  state->contents = read_contents(state->map.bytes(), path);
  TensorFile file;
  file.state_ = std::move(state);
  return file;
}

TensorFile TensorFile::parse(std::span<const std::byte> bytes, const std::string& label) {
  auto state = std::make_shared<State>();
  state->label = printable(label);
  if (bytes.empty()) Source(state->label).fail("file", "is empty");
  state->contents = read_contents(bytes, label);
  TensorFile file;
  file.state_ = std::move(state);
  return file;
}

const std::vector<Tensor>& TensorFile::tensors() const {
  static const std::vector<Tensor> none;
  return state_ ? state_->contents.tensors : none;
}

const std::map<std::string, std::string>& TensorFile::metadata() const {
  static const std::map<std::string, std::string> none;
  return state_ ? state_->contents.metadata : none;
}

const Tensor* TensorFile::find(const std::string& name) const {
  const auto& all = tensors();
  const auto it = std::find_if(all.begin(), all.end(),
                               [&](const Tensor& tensor) { return tensor.name == name; });
  return it == all.end() ? nullptr : &*it;
}

const Tensor& TensorFile::at(const std::string& name) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  const std::string label = state_ ? state_->label : "no file";
  throw_invalid(
      fmt::format("{}: no tensor {}; it has {}", label, in_quotes(name), name_list(tensors())));
}

}  // namespace subquad::io
