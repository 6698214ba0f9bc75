#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "common_options.h"
#include "denoise/nonlocal_means.h"
#include "denoise/picture_noise.h"
#include "kernel_run.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "subquad/error.h"
#include "user_words.h"
#include "vit/picture_file.h"
#include "vit/png_bytes.h"

namespace subquad::cli {
namespace {

struct DenoiseRun {
  CommonOptions common;
  std::string in, out, noisy, compare, own = "noise";
  double sigma = 0, added = 0;
  denoise::MeansOptions means;
};

const char* const footer =
    "Each pixel becomes the mean of all pixels of the picture, weighed by how alike the patches "
    "around\n"
    "them are: sums of Gaussian kernels of the patches. exact compares every pair of pixels; SPEC "
    "is\n"
    "any method of `subquad kernel`. Which one when, and what the numbers mean: "
    "docs/guide/denoise.md.\n"
    "Examples:\n"
    "  subquad denoise photo.jpg clean.png --sigma 15\n"
    "  subquad denoise photo.jpg clean.png --noise 25 --seed 1 --method far --compare three.png";

// Pixels that exact takes: beyond, it would run for hours.
constexpr std::int64_t kMostExact = std::int64_t{1} << 20;

struct Pictures {
  vit::Image original, noisy, clean, compare;
};

void check_denoise(const DenoiseRun& run, const Command& command) {
  if (command.count("--sigma") == 0 && command.count("--noise") == 0)
    throw_invalid(
        "--sigma or --noise is needed: the size of the picture's noise, or of that to add");
  const std::pair<const char*, const std::string*> outputs[] = {
      {"OUT", &run.out}, {"--compare", &run.compare}, {"--noisy", &run.noisy}};
  for (const auto& [option, path] : outputs)
    if (!path->empty() && extension_of({option, *path}) != ".png")
      throw_invalid(fmt::format("{} {}: the name must end in .png", option, *path));
  check_outputs({{"OUT", run.out},
                 {"--compare", run.compare},
                 {"--noisy", run.noisy},
                 {"--json", run.common.json}},
                {{"IN", run.in}});
}

denoise::OwnWeight own_weight(const std::string& word) {
  if (word == "noise") return denoise::OwnWeight::noise;
  if (word == "one") return denoise::OwnWeight::one;
  if (word == "none") return denoise::OwnWeight::none;
  throw_invalid(fmt::format("--own {}: must be noise, one or none", word));
}

denoise::MeansOptions means_of(const DenoiseRun& run) {
  denoise::MeansOptions means = run.means;
  // The noise that is added joins the picture's own.
  means.noise = std::hypot(run.sigma, run.added);
  if (means.bandwidth == 0) means.bandwidth = denoise::default_bandwidth(means.patch, means.noise);
  means.own = own_weight(run.own);
  means.run = run.common.run();
  return means;
}

bool is_exact(const DenoiseRun& run) {
  return (run.means.attention.empty() ? run.means.method : run.means.attention) == "exact";
}

void check_size(const DenoiseRun& run, const vit::Image& image) {
  if (is_exact(run) && image.width * image.height > kMostExact)
    throw_invalid(
        fmt::format("{}: {} x {} pixels are too many for exact, which compares every "
                    "pair ({} at most); use --method far or a smaller picture",
                    run.in, image.width, image.height, kMostExact));
}

nlohmann::ordered_json denoise_json(const DenoiseRun& run, const denoise::MeansOptions& means,
                                    const KernelRunRecord& record,
                                    const denoise::MeansReport& report, const Pictures& pictures) {
  nlohmann::ordered_json json = kernel_run_json(run.common.threads, record);
  auto& fields = json["runs"][0];
  fields["width"] = pictures.noisy.width;
  fields["height"] = pictures.noisy.height;
  fields["noise"] = means.noise;
  fields["bandwidth"] = means.bandwidth;
  fields["own"] = run.own;
  fields["checked_rows"] = report.checked;
  fields["kept_pixels"] = report.kept;
  fields["estimated_error"] = report.estimated_error;
  const bool known = run.added > 0;
  fields["psnr_before"] =
      known ? nlohmann::ordered_json(denoise::psnr(pictures.original, pictures.noisy))
            : nlohmann::ordered_json();
  fields["psnr_after"] =
      known ? nlohmann::ordered_json(denoise::psnr(pictures.original, pictures.clean))
            : nlohmann::ordered_json();
  return json;
}

void print_denoise(const DenoiseRun& run, const denoise::MeansOptions& means,
                   const KernelRunRecord& record, const denoise::MeansReport& report,
                   const Pictures& pictures) {
  fmt::print("{} x {} pixels, patches of {} x {}, bandwidth {:.3g}\n{}\n{} rows again by exact\n",
             pictures.noisy.width, pictures.noisy.height, means.patch.side, means.patch.side,
             means.bandwidth, kernel_run_text(record), report.checked);
  if (run.added > 0)
    fmt::print("PSNR {:.2f} dB with the noise, {:.2f} dB after\n",
               denoise::psnr(pictures.original, pictures.noisy),
               denoise::psnr(pictures.original, pictures.clean));
  fmt::print("wrote {}\n", run.out);
}

void add_pictures(const DenoiseRun& run, const Pictures& pictures, Outputs& outputs) {
  outputs.add_text(run.out, png_bytes(pictures.clean));
  if (!run.noisy.empty()) outputs.add_text(run.noisy, png_bytes(pictures.noisy));
  if (!run.compare.empty())
    outputs.add_text(run.compare, png_bytes(denoise::side_by_side(pictures.original, pictures.noisy,
                                                                  pictures.clean)));
}

void run_denoise(const DenoiseRun& run, const Command& command) {
  check_denoise(run, command);
  const denoise::MeansOptions means = means_of(run);
  Pictures pictures;
  pictures.original = vit::load_picture(run.in);
  check_size(run, pictures.original);
  pictures.noisy = run.added > 0 ? denoise::add_noise(pictures.original, run.added, run.common.seed)
                                 : pictures.original;
  const auto start = std::chrono::steady_clock::now();
  denoise::MeansReport report;
  pictures.clean = with_user_words({{"side", "--patch"},
                                    {"components", "--components"},
                                    {"noise", "--sigma and --noise"},
                                    {"bandwidth", "--bandwidth"},
                                    {"recheck", "--recheck"}},
                                   [&] { return nonlocal_means(pictures.noisy, means, report); });
  const KernelRunRecord record{means.attention.empty() ? means.method : means.attention,
                               run.in,
                               report.path,
                               pictures.noisy.width * pictures.noisy.height,
                               patch_dim(means.patch),
                               seconds_since(start),
                               {}};
  Outputs outputs;
  add_pictures(run, pictures, outputs);
  outputs.add_json(run.common.json, denoise_json(run, means, record, report, pictures));
  if (!run.common.json_on_stdout()) print_denoise(run, means, record, report, pictures);
  outputs.commit();
}

void add_denoise_files(const Command& command, DenoiseRun& run) {
  command.add_option("IN", run.in, "A JPEG or PNG file").type_name("FILE").required();
  command.add_option("OUT", run.out, "Write the picture to this .png file")
      .type_name("FILE")
      .required();
  command
      .add_option("--compare", run.compare,
                  "Write IN, IN with noise and OUT side by side to this .png file")
      .type_name("FILE");
  command.add_option("--noisy", run.noisy, "Write IN with noise to this .png file")
      .type_name("FILE");
}

void add_methods(const Command& command, DenoiseRun& run) {
  const Option method =
      command
          .add_option("--method", run.means.method,
                      "How sums are computed: exact, far(..), boxes(..) or kmv(..)")
          .type_name("SPEC")
          .capture_default_str();
  command
      .add_option("--attention", run.means.attention,
                  "By attention instead, of this spec (subquad specs): weights as softmax's")
      .type_name("SPEC")
      .excludes(method);
}

void add_denoise_numbers(const Command& command, DenoiseRun& run) {
  add_positive(command, "--sigma", run.sigma,
               "Standard deviation of the noise in IN, in grey levels of 255")
      .type_name("S");
  add_positive(command, "--noise", run.added,
               "Add Gaussian noise of this standard deviation first, and report PSNR")
      .type_name("S");
  add_whole(command, "--patch", run.means.patch.side, 1, 13, "Side of a patch, odd");
  add_whole(command, "--components", run.means.patch.components, -1, 507,
            "Principal components of the patches compared; 0: the patches as they are; -1: 12");
  add_positive(command, "--bandwidth", run.means.bandwidth,
               "Of the kernel, in grey levels; default: from the noise, see docs/guide/denoise.md")
      .type_name("H");
  command
      .add_option("--own", run.own,
                  "A pixel's weight in its own mean: noise (corrected for it), one or none")
      .type_name("WORD")
      .capture_default_str();
  add_positive(command, "--recheck", run.means.recheck,
               "Rows whose weights add up to less are summed again by exact")
      .type_name("X")
      .default_str(fmt::format("{}", run.means.recheck));
}

}  // namespace

void add_denoise(const Command& app) {
  auto run = std::make_shared<DenoiseRun>();
  const Command command =
      app.add_subcommand("denoise", "Non-local means of a picture, the whole of it searched");
  add_denoise_files(command, *run);
  add_methods(command, *run);
  add_denoise_numbers(command, *run);
  add_seed(command, run->common);
  add_threads(command, run->common);
  add_json(command, run->common);
  command.footer(footer);
  command.callback([run, command] { run_denoise(*run, command); });
}

}  // namespace subquad::cli
