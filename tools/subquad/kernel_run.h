// What the commands on one set of points have in common.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "command.h"
#include "matrix_file.h"
#include "outputs.h"

namespace subquad::cli {

// --points, --points-name, --bandwidth, --method.
void add_points(const Command& command, MatrixFile& points, double& bandwidth, std::string& method);

// .npy, .npz or .safetensors; throws Error.
void check_tensor_extension(const FileArgument& output);

struct KernelRunRecord {
  std::string method, input, path;
  std::int64_t points = 0, dim = 0;
  double seconds = 0;
  std::vector<std::string> converted;
};

double seconds_since(std::chrono::steady_clock::time_point start);

// The JSON contract (run_record.h) with one run.
nlohmann::ordered_json kernel_run_json(int threads, const KernelRunRecord& record);
std::string kernel_run_text(const KernelRunRecord& record);

}  // namespace subquad::cli
