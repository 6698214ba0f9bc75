// .npy, .npz and .safetensors. What is read is not copied: arrays keep the file's memory alive.
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>

#include <array>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bind.h"

namespace subquad::python {
namespace {

using io::ElementType;
using io::Tensor;
using io::TensorFile;

struct NamedType {
  ElementType element;
  nb::dlpack::dtype type;
};

constexpr nb::dlpack::dtype dlpack_type(nb::dlpack::dtype_code code, int bits) {
  return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(bits), 1};
}

// bf16 travels as the bits of u16; the package knows it by its name.
constexpr auto types = [] {
  using Code = nb::dlpack::dtype_code;
  return std::array<NamedType, 13>{{{ElementType::boolean, dlpack_type(Code::Bool, 8)},
                                    {ElementType::u8, dlpack_type(Code::UInt, 8)},
                                    {ElementType::i8, dlpack_type(Code::Int, 8)},
                                    {ElementType::u16, dlpack_type(Code::UInt, 16)},
                                    {ElementType::i16, dlpack_type(Code::Int, 16)},
                                    {ElementType::u32, dlpack_type(Code::UInt, 32)},
                                    {ElementType::i32, dlpack_type(Code::Int, 32)},
                                    {ElementType::u64, dlpack_type(Code::UInt, 64)},
                                    {ElementType::i64, dlpack_type(Code::Int, 64)},
                                    {ElementType::f16, dlpack_type(Code::Float, 16)},
                                    {ElementType::bf16, dlpack_type(Code::UInt, 16)},
                                    {ElementType::f32, dlpack_type(Code::Float, 32)},
                                    {ElementType::f64, dlpack_type(Code::Float, 64)}}};
}();

ElementType element_of(const std::string& name) {
  for (const NamedType& known : types)
    if (name == io::name_of(known.element)) return known.element;
  throw_invalid("tensors: files hold no elements of type " + name);
}

nb::object array_of(const TensorFile& file, const Tensor& tensor) {
  const nb::capsule owner(new TensorFile(file),
                          [](void* kept) noexcept { delete static_cast<TensorFile*>(kept); });
  const std::vector<std::size_t> shape(tensor.shape.begin(), tensor.shape.end());
  const nb::dlpack::dtype type = types.at(static_cast<std::size_t>(tensor.type)).type;
  return nb::cast(nb::ndarray<nb::numpy, nb::ro>(tensor.data, shape.size(), shape.data(), owner,
                                                 nullptr, type));
}

// (name, type, array) of each tensor, and the metadata.
nb::tuple read(const std::string& path) {
  const auto file = [&] {
    const nb::gil_scoped_release unlocked;
    TensorFile opened = TensorFile::open(path);
    opened.tensors();
    return opened;
  }();
  nb::list tensors;
  for (const Tensor& tensor : file.tensors())
    tensors.append(nb::make_tuple(tensor.name, io::name_of(tensor.type), array_of(file, tensor)));
  return nb::make_tuple(tensors, file.metadata());
}

// The same, contiguous.
void write(const std::string& path, const nb::list& entries,
           const std::map<std::string, std::string>& metadata) {
  std::vector<Tensor> tensors;
  std::vector<Array> kept;
  for (const nb::handle entry : entries) {
    const Array array = kept.emplace_back(nb::cast<Array>(entry[2]));
    Tensor tensor;
    tensor.name = nb::cast<std::string>(entry[0]);
    tensor.type = element_of(nb::cast<std::string>(entry[1]));
    tensor.shape.assign(array.shape_ptr(), array.shape_ptr() + array.ndim());
    tensor.data = array.data();
    tensors.push_back(std::move(tensor));
  }
  const nb::gil_scoped_release unlocked;
  io::write_file(path, tensors, metadata);
}

}  // namespace

void bind_files(nb::module_& module) {
  module.def("read", &read, nb::arg("path"));
  module.def("write", &write, nb::arg("path"), nb::arg("tensors"), nb::arg("metadata"));
}

}  // namespace subquad::python
