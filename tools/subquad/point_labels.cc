#include "point_labels.h"

#include <algorithm>
#include <cmath>

namespace subquad::cli {
namespace {

constexpr double beside = 15, lift = 5, step = 17;  // from a point to its number
constexpr double half_width = 10, height = 13, radius = 7;
constexpr int most_steps = 12;

bool overlap(const LabelSpot& a, const LabelSpot& b) {
  return std::fabs(a.x - b.x) < 2 * half_width && std::fabs(a.y - b.y) < height + 2;
}

bool covers(const LabelSpot& label, const PointSpot& point) {
  return std::fabs(label.x - point.x) < half_width + radius && label.y + radius > point.y &&
         label.y - height - radius < point.y;
}

bool is_free(const LabelSpot& spot, const std::vector<LabelSpot>& labels,
             const std::vector<PointSpot>& points) {
  const auto hits_label = [&](const LabelSpot& label) { return overlap(spot, label); };
  const auto hits_point = [&](const PointSpot& point) { return covers(spot, point); };
  return std::none_of(labels.begin(), labels.end(), hits_label) &&
         std::none_of(points.begin(), points.end(), hits_point);
}

LabelSpot spot_of(const PointSpot& point, const std::vector<LabelSpot>& labels,
                  const std::vector<PointSpot>& points, double ceiling) {
  for (const double direction : {-step, step})
    for (int steps = 0; steps < most_steps; ++steps)
      for (const double side : {beside, -beside, 0.0}) {
        const LabelSpot spot{point.x + side, point.y + lift + direction * steps};
        if (spot.y - height >= ceiling && is_free(spot, labels, points)) return spot;
      }
  return {point.x + beside, point.y + lift};
}

}  // namespace

std::vector<LabelSpot> place_labels(const std::vector<PointSpot>& points, double ceiling) {
  std::vector<LabelSpot> labels;
  for (const PointSpot& point : points) labels.push_back(spot_of(point, labels, points, ceiling));
  return labels;
}

}  // namespace subquad::cli
