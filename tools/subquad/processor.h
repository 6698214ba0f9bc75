// The processor's name, for reports.
#pragma once

#include <string>

namespace subquad::cli {

// As the system states it ("AMD EPYC 7763 64-Core Processor"); empty where it does not.
std::string processor_name();

}  // namespace subquad::cli
