// Writes one tensor as a .npy file.
#include "io/npy_header.h"
#include "io/writers.h"

namespace subquad::io {

void write_npy(const Tensor& tensor, const Sink& sink) {
  sink(as_bytes(format_npy_header(tensor)));
  sink(data_of(tensor));
}

}  // namespace subquad::io
