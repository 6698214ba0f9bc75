// Reading and writing tensors: .npy, .npz and .safetensors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "subquad/export.h"

namespace subquad::io {

enum class ElementType : std::uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  u64,
  i64,
  f16,
  bf16,
  f32,
  f64
};
SUBQUAD_API std::int64_t size_of(ElementType type);
SUBQUAD_API const char* name_of(ElementType type);

// A named tensor, little-endian, row-major, dense. `data` points into the file's memory map (or
// into memory that the TensorFile owns, where the map cannot serve: compressed or misaligned
// members) and lives as long as the TensorFile. It is aligned to the element size, and not null
// even without elements. A .npy file's tensor is called like the file, without folder and
// extension.
struct SUBQUAD_API Tensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;

  std::int64_t count() const;  // product of shape; Error if negative or too large
  std::int64_t bytes() const;  // count * element size; Error likewise
};

// An open file. Every length and offset is checked against the file before anything is handed out.
class SUBQUAD_API TensorFile {
 public:
  // The format follows from the content (magic bytes), with the extension only as a hint for the
  // error message. Throws Error (invalid_argument), one line: path, field, what is wrong.
  static TensorFile open(const std::string& path);
  // The same from memory that the caller keeps alive (fuzzing, tests). `label` stands for the path.
  static TensorFile parse(std::span<const std::byte> bytes, const std::string& label);

  const std::vector<Tensor>& tensors() const;
  const Tensor* find(const std::string& name) const;  // nullptr when absent
  const Tensor& at(const std::string& name) const;  // Error naming the file and the tensors it has
  const std::map<std::string, std::string>& metadata()
      const;  // safetensors __metadata__, else empty

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Writes all tensors to `path`; the extension (.npy: exactly one tensor, .npz, .safetensors)
// chooses the format. Writes a temporary file beside it, syncs and renames: the file is whole or
// absent; a symbolic link is followed, an existing file's permissions are kept. Throws Error:
// invalid_argument for an unknown extension, an unwritable place, duplicate names, and for bf16
// tensors or metadata in .npy/.npz, which cannot hold them; failed when the system cannot write.
SUBQUAD_API void write_file(const std::string& path, std::span<const Tensor> tensors,
                            const std::map<std::string, std::string>& metadata = {});

// Writes text the same way (temporary file, rename).
SUBQUAD_API void write_text(const std::string& path, const std::string& text);

}  // namespace subquad::io
