// Picture files as a batch of the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vit/preprocess.h"

namespace subquad::vit {

// Decoded, resized, cropped and normalised: (files, 3, size, size). Throws Error naming the file.
std::vector<float> load_pictures(std::span<const std::string> files, std::int64_t size,
                                 const Preprocessing& preprocessing, int threads);

}  // namespace subquad::vit
