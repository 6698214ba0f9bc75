// An open tensor file: which format it is, and its tensors by name.
#include <algorithm>
#include <filesystem>
#include <mutex>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/input.h"
#include "io/text.h"
#include "subquad/io.h"

namespace subquad::io {

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

// Content that is none of the three: the reader that the extension names says what is wrong.
Format format_of(const Input& input, const std::string& label) {
  Storage storage;
  const auto start = input.bytes(0, std::min<std::uint64_t>(input.size(), 9), storage);
  const Format format = format_of_content(as_text(start));
  return format == Format::unknown ? format_of_extension(label) : format;
}

Contents read_contents(const Input& input, const std::string& label) {
  const Source source(printable(label));
  switch (format_of(input, label)) {
    case Format::npy:
      return read_npy(input, std::filesystem::path(label).stem(), source);
    case Format::npz:
      return read_npz(input, source);
    case Format::safetensors:
      return read_safetensors(input, source);
    case Format::unknown:
      break;
  }
  source.fail("magic bytes", "not a .npy, .npz or .safetensors file");
}

// The names of the tensors, the first few of many.
std::string name_list(const std::vector<Entry>& entries) {
  constexpr std::size_t shown = 20;
  if (entries.empty()) return "no tensors";
  std::string list;
  for (std::size_t i = 0; i < std::min(shown, entries.size()); ++i) {
    list += (i == 0 ? "" : ", ") + in_quotes(entries[i].name);
  }
  if (entries.size() > shown) list += fmt::format(" and {} more", entries.size() - shown);
  return list;
}

}  // namespace

struct TensorFile::State {
  State(std::unique_ptr<Input> bytes, const std::string& file_label)
      : label(printable(file_label)),
        input(std::move(bytes)),
        contents(read_contents(*input, file_label)) {
    for (const Entry& entry : contents.entries)
      tensors.push_back({entry.name, ElementType::f32, {}, nullptr});
  }

  // Call with the mutex held.
  const Tensor& read(std::size_t i) const {
    if (tensors[i].data == nullptr) tensors[i] = contents.entries[i].read(storage);
    return tensors[i];
  }

  const std::string label;
  const std::unique_ptr<Input> input;
  const Contents contents;
  // What was read so far: tensors in the order of the entries, those without data not yet.
  mutable std::mutex mutex;
  mutable Storage storage;
  mutable std::vector<Tensor> tensors;
};

TensorFile TensorFile::open(const std::string& path) {
  TensorFile file;
  file.state_ =
      std::make_shared<State>(std::make_unique<FileInput>(path, Source(printable(path))), path);
  return file;
}

TensorFile TensorFile::parse(std::span<const std::byte> bytes, const std::string& label) {
  if (bytes.empty()) Source(printable(label)).fail("file", "is empty");
  TensorFile file;
  file.state_ = std::make_shared<State>(std::make_unique<MemoryInput>(bytes), label);
  return file;
}

std::vector<std::string> TensorFile::names() const {
  std::vector<std::string> all;
  if (!state_) return all;
  for (const Entry& entry : state_->contents.entries) all.push_back(entry.name);
  return all;
}

const std::vector<Tensor>& TensorFile::tensors() const {
  static const std::vector<Tensor> none;
  if (!state_) return none;
  const std::lock_guard lock(state_->mutex);
  for (std::size_t i = 0; i < state_->tensors.size(); ++i) (void)state_->read(i);
  return state_->tensors;
}

const std::map<std::string, std::string>& TensorFile::metadata() const {
  static const std::map<std::string, std::string> none;
  return state_ ? state_->contents.metadata : none;
}

const Tensor* TensorFile::find(const std::string& name) const {
  if (!state_) return nullptr;
  const auto& all = state_->contents.entries;
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Entry& entry) { return entry.name == name; });
  if (it == all.end()) return nullptr;
  const std::lock_guard lock(state_->mutex);
  return &state_->read(static_cast<std::size_t>(it - all.begin()));
}

const Tensor& TensorFile::at(const std::string& name) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  static const std::vector<Entry> none;
  throw_invalid(fmt::format("{}: no tensor {}; it has {}", state_ ? state_->label : "no file",
                            in_quotes(name), name_list(state_ ? state_->contents.entries : none)));
}

}  // namespace subquad::io
