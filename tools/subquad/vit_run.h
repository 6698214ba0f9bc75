// A vision transformer on a folder of pictures: exact, and with other attention in some blocks.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "progress.h"
#include "vit/agreement.h"
#include "vit/image_folder.h"
#include "vit/network_metrics.h"
#include "vit/weights.h"

namespace subquad::cli {

struct VitSettings {
  std::vector<std::string> methods;  // exact is always run first and need not be named
  std::string layers = "all";
  float temperature = 1;        // of the chosen layers, for every method
  std::int64_t resolution = 0;  // 0: as trained
  std::int64_t batch = 0;       // pictures at once; 0 chooses
  int threads = 0;
  std::uint64_t seed = 0;
  bool metrics = false;
  bool predictions = false;
};

// What a run says of one picture.
struct Prediction {
  std::int64_t file = 0;             // its number in the folder
  std::vector<vit::Answer> answers;  // the five best
};

struct VitRun {
  std::string method;
  std::string layers;                  // as chosen; "none" for the reference
  std::vector<std::int64_t> replaced;  // their numbers
  float temperature = 1;
  vit::Agreement agreement;
  double attention_s = 0, total_s = 0;  // forward of all pictures, without decoding and resizing
  std::int64_t fallback_rows = 0, negative_rows = 0, exact_heads = 0, scored_entries = 0;
  std::set<std::string> paths;
  std::vector<vit::BlockMetrics> metrics;  // empty: not asked for
  std::vector<Prediction> predictions;     // likewise; of the pictures that could be read, in order
};

struct VitOutcome {
  std::int64_t resolution = 0, tokens = 0, batch = 0;
  bool has_labels = false;
  std::vector<std::string> complaints;  // of pictures that could not be read: one line each
  std::vector<VitRun> runs;             // exact, then the methods
};

// Pictures that cannot be read are left out. Throws Error (invalid_argument) when that is all of
// them.
VitOutcome run_vit(const vit::Weights& weights, const vit::ImageFolder& folder,
                   const VitSettings& settings, Progress& progress);

}  // namespace subquad::cli
