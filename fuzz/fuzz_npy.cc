// Fuzzes the .npy reader and writer.
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace subquad::io;
  const auto read = [](const Input& input, const Source& source) {
    return read_npy(input, "x", source);
  };
  const auto write = [](const Loaded& loaded, const Sink& sink) {
    write_npy(loaded.tensors.front(), sink);
  };
  fuzz_reader(std::as_bytes(std::span(data, size)), read, write);
  return 0;
}
