#include "kernel_run.h"

#include <fmt/format.h>

#include "number_text.h"
#include "options.h"
#include "run_record.h"
#include "subquad/error.h"

namespace subquad::cli {

void add_points(const Command& command, MatrixFile& points, double& bandwidth,
                std::string& method) {
  command.add_option("--points", points.path, "Points (n, D), a row each")
      .type_name("FILE")
      .required();
  command
      .add_option("--points-name", points.name, "The tensor of --points where its file has several")
      .type_name("NAME");
  add_positive(command, "--bandwidth", bandwidth, "sigma, in the units of the points")
      .type_name("S")
      .required();
  command
      .add_option("--method", method,
                  "How products are computed: exact, far(..), boxes(..) or kmv(..)")
      .type_name("SPEC")
      .capture_default_str();
}

void check_tensor_extension(const FileArgument& output) {
  const std::string extension = extension_of(output);
  if (extension == ".npy" || extension == ".npz" || extension == ".safetensors") return;
  throw_invalid(fmt::format("{} {}: the name must end in .npy, .npz or .safetensors", output.option,
                            output.path));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

nlohmann::ordered_json kernel_run_json(int threads, const KernelRunRecord& record) {
  RunRecord run;
  run.method = record.method;
  run.input = record.input;
  run.path = record.path;
  run.size.heads = run.size.kv_heads = 1;
  run.size.queries = run.size.seq = record.points;
  run.size.head_dim = record.dim;
  run.median_s = record.seconds;
  run.repeats = 1;
  run.converted = record.converted;
  return to_json(machine_record(threads), {run});
}

std::string kernel_run_text(const KernelRunRecord& record) {
  return fmt::format("{} points, D {}; {} [{}] took {} (a single, cold run)", record.points,
                     record.dim, record.method, record.path, seconds_text(record.seconds));
}

}  // namespace subquad::cli
