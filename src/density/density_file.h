// Density indices as files: magic, version, CRC-32 of the rest, sizes, bandwidths, ids, points.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "density/density_points.h"
#include "subquad/density.h"

namespace subquad {

struct DensityFile {
  DensityPoints points;
  std::vector<double> bandwidth;
  DensityOptions options;  // seed, cells
};

// Whole or absent. Throws Error naming the path.
void write_density_file(const std::string& path, const DensityPoints& points,
                        const std::vector<double>& bandwidth, const DensityOptions& options);
// Throws Error (invalid_argument): path, field, what is wrong.
DensityFile read_density_file(const std::string& path);

}  // namespace subquad
