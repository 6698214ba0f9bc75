#include "processor.h"

#include <fstream>

namespace subquad::cli {

// Linux on x86. Other systems state numbers, or nothing.
std::string processor_name() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

}  // namespace subquad::cli
