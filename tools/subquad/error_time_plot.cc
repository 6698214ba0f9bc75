#include "error_time_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "log_axis.h"
#include "number_text.h"
#include "point_labels.h"
#include "svg.h"

namespace subquad::cli {
namespace {

// Pixels of the drawing.
constexpr double width = 600, left = 112, right = 568, top = 58, bottom = 388;
constexpr double smallest_error = 1e-7;

struct Placed {
  PlotPoint point;
  std::size_t number = 0;  // from 1
  double x = 0, y = 0;
};

struct Frame {
  LogAxis x, y;
  double exact_seconds;
};

std::vector<Placed> drawable(const std::vector<PlotPoint>& points) {
  std::vector<Placed> placed;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PlotPoint& p = points[i];
    if (!std::isfinite(p.error) || !std::isfinite(p.seconds) || p.seconds <= 0) continue;
    placed.push_back({p, i + 1});
  }
  return placed;
}

// Room around the data: a factor on either side, and never less than a decade of error.
Frame make_frame(const std::vector<Placed>& placed, double exact_seconds) {
  double fast = exact_seconds, slow = exact_seconds, small = INFINITY, large = 0;
  for (const Placed& p : placed) {
    fast = std::min(fast, p.point.low);
    slow = std::max(slow, p.point.high);
    if (on_lower_edge(p.point)) continue;
    small = std::min(small, p.point.error);
    large = std::max(large, p.point.error);
  }
  if (large == 0) small = large = smallest_error;
  return {LogAxis(fast / 1.6, slow * 1.6, left, right), LogAxis(small / 3, large * 3, bottom, top),
          exact_seconds};
}

void place(std::vector<Placed>& placed, const Frame& frame) {
  for (Placed& p : placed) {
    p.x = frame.x.pixel(p.point.seconds);
    p.y = on_lower_edge(p.point) ? bottom : frame.y.pixel(p.point.error);
  }
}

std::string time_axis(const Frame& frame, const PlotTitles& titles) {
  std::string svg;
  for (const double t : frame.x.ticks()) {
    const double x = frame.x.pixel(t);
    svg += svg_line("grid", x, top, x, bottom);
    svg += svg_words("tick", x, bottom + 18, "middle", fmt::format("{:g}", t * 1e3));
  }
  return svg + svg_words("axis", (left + right) / 2, bottom + 40, "middle", titles.time);
}

std::string error_axis(const Frame& frame, const PlotTitles& titles) {
  std::string svg;
  for (const double e : frame.y.ticks()) {
    const double y = frame.y.pixel(e);
    svg += svg_line("grid", left, y, right, y);
    svg += svg_words("tick", left - 8, y + 4, "end", fmt::format("{:g}", e));
  }
  return svg + svg_upright(16, (top + bottom) / 2, titles.error);
}

std::string speedup_axis(const Frame& frame) {
  std::string svg;
  for (const double ratio : {0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0}) {
    if (!frame.x.contains(frame.exact_seconds / ratio)) continue;
    const double x = frame.x.pixel(frame.exact_seconds / ratio);
    svg += svg_line("mark", x, top - 5, x, top);
    svg += svg_words("tick", x, top - 10, "middle", fmt::format("{:g}×", ratio));
  }
  return svg;
}

// The exact line's caption and the upper axis' title share a row, at opposite ends.
std::string exact_line(const Frame& frame) {
  const double x = frame.x.pixel(frame.exact_seconds);
  const bool at_right = x > (left + right) / 2;
  const std::string caption = "exact: " + seconds_text(frame.exact_seconds);
  return svg_line("exact", x, top, x, bottom) +
         svg_words("exactword", std::clamp(x, left + 60, right - 60), 20, "middle", caption) +
         svg_words("axis", at_right ? left : right, 20, at_right ? "start" : "end",
                   "speed-up over exact");
}

// Later points are drawn over earlier ones: one that would be hidden gets a wider circle.
double radius(const std::vector<Placed>& placed, std::size_t i) {
  const auto hides = [&](const Placed& later) {
    return std::hypot(later.x - placed[i].x, later.y - placed[i].y) < 6;
  };
  const auto first = placed.begin() + static_cast<std::ptrdiff_t>(i) + 1;
  return 6 + 4 * static_cast<double>(std::count_if(first, placed.end(), hides));
}

std::string point_marks(const Placed& p, const Frame& frame, double size) {
  const std::size_t series = (p.number - 1) % 8;
  return fmt::format(
      "<line class='whisker s{0}' x1='{1:.1f}' y1='{4:.1f}' x2='{2:.1f}' y2='{4:.1f}'/>\n"
      "<circle class='point s{0}' cx='{3:.1f}' cy='{4:.1f}' "
      "r='{6:g}'><title>{5}</title></circle>\n",
      series, frame.x.pixel(p.point.low), frame.x.pixel(p.point.high), p.x, p.y,
      escaped(p.point.name), size);
}

std::string numbers(const std::vector<Placed>& placed) {
  std::vector<PointSpot> spots;
  for (const Placed& p : placed) spots.push_back({p.x, p.y});
  const std::vector<LabelSpot> labels = place_labels(spots, top);
  std::string svg;
  for (std::size_t i = 0; i < placed.size(); ++i)
    svg += svg_words("number", labels[i].x, labels[i].y, "middle",
                     fmt::format("{}", placed[i].number));
  return svg;
}

}  // namespace

bool on_lower_edge(const PlotPoint& point) { return point.error < smallest_error; }

std::string error_time_svg(const std::vector<PlotPoint>& points, double exact_seconds,
                           const PlotTitles& titles) {
  std::vector<Placed> placed = drawable(points);
  const Frame frame = make_frame(placed, exact_seconds);
  place(placed, frame);
  std::string svg = fmt::format("<svg viewBox='0 0 {} {:.0f}' role='img' aria-label='{}'>\n", width,
                                bottom + 52, escaped(titles.all));
  svg += time_axis(frame, titles) + error_axis(frame, titles) + speedup_axis(frame);
  svg += fmt::format("<rect class='frame' x='{}' y='{}' width='{}' height='{:.1f}'/>\n", left, top,
                     right - left, bottom - top);
  svg += exact_line(frame);
  for (std::size_t i = 0; i < placed.size(); ++i)
    svg += point_marks(placed[i], frame, radius(placed, i));
  return svg + numbers(placed) + "</svg>\n";
}

}  // namespace subquad::cli
