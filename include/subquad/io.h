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

// A named tensor, little-endian, row-major, dense. `data` lives as long as the TensorFile it came
// from. It is aligned to the element size, and not null even without elements. A .npy file's tensor
// is called like the file, without folder and extension.
struct SUBQUAD_API Tensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;

  std::int64_t count() const;  // product of shape; Error if negative or too large
  std::int64_t bytes() const;  // count * element size; Error likewise
};

// An open file. A tensor is read from it (decompressed, converted) when it is first asked for, and
// then kept; what is not asked for costs nothing and may be of a kind that we cannot read: other
// members of an archive than .npy arrays, element types that ElementType lacks. Every length and
// offset is checked against the file before anything is handed out.
//
// Tensors are copies in memory (64-byte aligned), not views of a memory map: what happens to the
// file after a tensor was read does not touch it. A file that was cut short or changed between
// open() and the reading of a tensor is an Error; one that is replaced by rename, as our writers
// do, is read as it was. Arrays of Fortran's (column-major) order and of big-endian elements are
// converted as they are read: one more copy, freed at once.
//
// Copies of a TensorFile share what was read; all const functions may be called from several
// threads.
class SUBQUAD_API TensorFile {
 public:
  // The format follows from the content (magic bytes), with the extension only as a hint for the
  // error message. Reads what says where the tensors are, and a .npy file whole. Throws Error, one
  // line: path, field, what is wrong; invalid_argument, or failed where the system cannot read.
  static TensorFile open(const std::string& path);
  // The same from memory that the caller keeps alive and unchanged (fuzzing, tests); aligned
  // tensors are used in place. `label` stands for the path.
  static TensorFile parse(std::span<const std::byte> bytes, const std::string& label);

  // The tensors' names in the file's order, whether or not we can read them.
  std::vector<std::string> names() const;
  // The tensor, read now; nullptr when the file has none of this name. Error when it is no good.
  const Tensor* find(const std::string& name) const;
  const Tensor& at(const std::string& name) const;  // Error naming the file and the tensors it has
  // All tensors, read now. Error when one of them is no good.
  const std::vector<Tensor>& tensors() const;
  const std::map<std::string, std::string>& metadata()
      const;  // safetensors __metadata__, else empty

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Writes all tensors to `path`; the extension (.npy: exactly one tensor, .npz, .safetensors)
// chooses the format. The file is whole or absent: it is written without a name, or under a
// temporary one beside `path` where the file system cannot do that, synced, and then put in its
// place; a symbolic link is followed, an existing file's permissions are kept. Throws Error:
// invalid_argument for an unknown extension, an unwritable place, duplicate names, and for bf16
// tensors or metadata in .npy/.npz, which cannot hold them; failed when the system cannot write.
SUBQUAD_API void write_file(const std::string& path, std::span<const Tensor> tensors,
                            const std::map<std::string, std::string>& metadata = {});

// Writes text the same way.
SUBQUAD_API void write_text(const std::string& path, const std::string& text);

// A file that is written and synced, but not in its place yet. Several results that belong together
// are written first, where disks fill up, and committed last, which seldom fails.
class SUBQUAD_API PendingFile {
 public:
  // As write_file and write_text, all but the last step.
  static PendingFile with_tensors(const std::string& path, std::span<const Tensor> tensors,
                                  const std::map<std::string, std::string>& metadata = {});
  static PendingFile with_text(const std::string& path, const std::string& text);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&& other) noexcept;
  ~PendingFile();  // without commit: no trace, and an existing file as it was

  void commit();  // once; Error (failed) when the system cannot

 private:
  struct State;
  explicit PendingFile(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// For a program that ends early, on a signal for example: removes the temporary files of this
// process, and lets every write and commit that has not ended fail. It waits for a commit in
// progress: call it from a thread (sigwait), not from a signal handler.
SUBQUAD_API void abandon_files() noexcept;

}  // namespace subquad::io
