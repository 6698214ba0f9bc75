// Fuzzes the .safetensors reader and writer.
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace subquad::io;
  const auto write = [](const Loaded& loaded, const Sink& sink) {
    write_safetensors(loaded.tensors, loaded.metadata, sink);
  };
  fuzz_reader(std::as_bytes(std::span(data, size)), read_safetensors, write);
  return 0;
}
