// Which random words clustering takes: purpose `cluster`, one row of draws for each use.
#pragma once

#include <cstdint>

namespace subquad {

// Tree nodes have rows of their own, below these: the node's number in the binary heap.
enum class ClusterDraw : std::uint32_t { scale = 0xFFFFFFF0u, centers, lloyd, plane };

}  // namespace subquad
