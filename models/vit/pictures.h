// Picture files as a batch of the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vit/preprocess.h"

namespace subquad::vit {

struct Pictures {
  std::vector<float> pixels;        // (files.size(), 3, size, size)
  std::vector<std::int64_t> files;  // numbers of the files that could be read, ascending
  std::vector<std::string>
      complaints;  // of the others, in order: one line each that names the file
};

// Decoded, resized, cropped and normalised. A file that cannot be read is left out.
Pictures load_pictures(std::span<const std::string> files, std::int64_t size,
                       const Preprocessing& preprocessing, int threads);

}  // namespace subquad::vit
