// Fuzzes the .npz reader and writer.
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace subquad::io;
  const auto write = [](const Loaded& loaded, const Sink& sink) {
    write_npz(loaded.tensors, sink);
  };
  fuzz_reader(std::as_bytes(std::span(data, size)), read_npz, write);
  return 0;
}
