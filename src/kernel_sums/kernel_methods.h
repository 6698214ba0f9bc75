// The methods of kernel sums: the only list of them. A new method is one row.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"
#include "parts/spec.h"

namespace subquad {

// Writes the sums of query i of the head to out + i * channels. The head has no key with a NaN; it
// may have no queries, no keys, and values with Inf or NaN. Thread-safe.
using KernelRunner =
    std::function<KernelRecord(const KernelHead& head, float* out, const Rng& rng, int threads)>;

struct KernelMethod {
  std::string_view name;
  std::string_view help;                       // one line, of what it does
  KernelRunner (*read)(const SpecPart& part);  // checks the arguments
};

std::span<const KernelMethod> kernel_methods();

// "exact, far, ..".
std::string kernel_method_names();

// A method with its arguments.
struct ChosenKernelMethod {
  std::string_view name;
  KernelRunner run;
};

ChosenKernelMethod read_kernel_method(std::string_view spec);

}  // namespace subquad
