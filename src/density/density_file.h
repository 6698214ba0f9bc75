// Density indices as files: magic, version, CRC-32 of the rest, sizes, bandwidths, ids, points.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "density/density_points.h"

namespace subquad {

struct DensityFile {
  DensityPoints points;
  std::vector<double> bandwidth;
  std::uint64_t seed = 0;
};

// Whole or absent. Throws Error naming the path.
void write_density_file(const std::string& path, const DensityPoints& points,
                        const std::vector<double>& bandwidth, std::uint64_t seed);
// Throws Error (invalid_argument): path, field, what is wrong.
DensityFile read_density_file(const std::string& path);

}  // namespace subquad
