#include "error_time_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "log_axis.h"
#include "markup.h"
#include "number_text.h"

namespace subquad::cli {
namespace {

// Pixels of the drawing.
constexpr double width = 1000, left = 74, right = 560, top = 58, gutter = 590;
constexpr double label_pitch = 44, smallest_error = 1e-7;
constexpr std::size_t longest_label = 56;

struct Placed {
  PlotPoint point;
  std::size_t series = 0;
  double x = 0, y = 0, label_y = 0;
};

struct Frame {
  LogAxis x, y;
  double bottom;
  double exact_seconds;
};

std::vector<Placed> drawable(const std::vector<PlotPoint>& points) {
  std::vector<Placed> placed;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PlotPoint& p = points[i];
    if (!std::isfinite(p.error) || !std::isfinite(p.seconds) || p.seconds <= 0) continue;
    placed.push_back({p, i % 8});
  }
  return placed;
}

// Room around the data: a factor on either side, and never less than a decade of error.
Frame make_frame(const std::vector<Placed>& placed, double exact_seconds, double bottom) {
  double fast = exact_seconds, slow = exact_seconds, small = INFINITY, large = 0;
  for (const Placed& p : placed) {
    fast = std::min(fast, p.point.seconds);
    slow = std::max(slow, p.point.seconds);
    if (p.point.error < smallest_error) continue;
    small = std::min(small, p.point.error);
    large = std::max(large, p.point.error);
  }
  if (large == 0) small = large = smallest_error;
  return {LogAxis(fast / 1.6, slow * 1.6, left, right), LogAxis(small / 3, large * 3, bottom, top),
          bottom, exact_seconds};
}

// Labels go down the gutter in the order of the points, each as near to its point as room allows.
void place(std::vector<Placed>& placed, const Frame& frame) {
  for (Placed& p : placed) {
    p.x = frame.x.pixel(p.point.seconds);
    const bool resolved = p.point.error >= smallest_error;
    p.y = resolved ? frame.y.pixel(p.point.error) : frame.bottom;
  }
  std::sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
  double lowest = top + 6;
  for (Placed& p : placed) {
    p.label_y = std::max(p.y, lowest);
    lowest = p.label_y + label_pitch;
  }
  double highest = frame.bottom - 12;
  for (auto p = placed.rbegin(); p != placed.rend(); ++p) {
    p->label_y = std::min(p->label_y, highest);
    highest = p->label_y - label_pitch;
  }
}

std::string line(const char* style, double x1, double y1, double x2, double y2) {
  return fmt::format("<line class='{}' x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}'/>\n", style,
                     x1, y1, x2, y2);
}

std::string words(const char* style, double x, double y, const char* anchor,
                  const std::string& content) {
  return fmt::format("<text class='{}' x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>\n", style,
                     x, y, anchor, escaped(content));
}

std::string time_axis(const Frame& frame) {
  std::string svg;
  for (const double t : frame.x.ticks()) {
    const double x = frame.x.pixel(t);
    svg += line("grid", x, top, x, frame.bottom);
    svg += words("tick", x, frame.bottom + 18, "middle", fmt::format("{:g}", t * 1e3));
  }
  return svg + words("axis", (left + right) / 2, frame.bottom + 40, "middle",
                     "time for all heads, milliseconds (median)");
}

std::string error_axis(const Frame& frame) {
  std::string svg;
  for (const double e : frame.y.ticks()) {
    const double y = frame.y.pixel(e);
    svg += line("grid", left, y, right, y);
    svg += words("tick", left - 8, y + 4, "end", fmt::format("{:g}", e));
  }
  const double middle = (top + frame.bottom) / 2;
  return svg + fmt::format(
                   "<text class='axis' text-anchor='middle' transform='translate(16 {:.1f}) "
                   "rotate(-90)'>relative error (Frobenius)</text>\n",
                   middle);
}

std::string speedup_axis(const Frame& frame) {
  std::string svg;
  for (const double ratio : {0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0}) {
    if (!frame.x.contains(frame.exact_seconds / ratio)) continue;
    const double x = frame.x.pixel(frame.exact_seconds / ratio);
    svg += line("mark", x, top - 5, x, top);
    svg += words("tick", x, top - 10, "middle", fmt::format("{:g}×", ratio));
  }
  return svg;
}

// The exact line's caption and the upper axis' title share a row, at opposite ends.
std::string exact_line(const Frame& frame) {
  const double x = frame.x.pixel(frame.exact_seconds);
  const bool at_right = x > (left + right) / 2;
  const std::string caption = "exact: " + seconds_text(frame.exact_seconds);
  return line("exact", x, top, x, frame.bottom) +
         words("exactword", std::clamp(x, left + 60, right - 60), 20, "middle", caption) +
         words("axis", at_right ? left : right, 20, at_right ? "start" : "end",
               "speed-up over exact");
}

std::string short_label(const std::string& label) {
  return label.size() <= longest_label ? label : label.substr(0, longest_label - 1) + "…";
}

std::string point_marks(const Placed& p, double exact_seconds) {
  const std::string numbers =
      fmt::format("error {}, {}, {:.3g}×", error_text(p.point.error), seconds_text(p.point.seconds),
                  exact_seconds / p.point.seconds);
  return fmt::format(
             "<polyline class='leader s{}' points='{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}'/>\n",
             p.series, p.x, p.y, right + 8, p.label_y, gutter - 8, p.label_y) +
         fmt::format(
             "<circle class='point s{}' cx='{:.1f}' cy='{:.1f}' r='6'><title>{}</title>"
             "</circle>\n",
             p.series, p.x, p.y, escaped(p.point.label)) +
         words("label", gutter, p.label_y, "start", short_label(p.point.label)) +
         words("tick", gutter, p.label_y + 17, "start", numbers);
}

}  // namespace

std::string error_time_svg(const std::vector<PlotPoint>& points, double exact_seconds) {
  std::vector<Placed> placed = drawable(points);
  const double height = std::max(300.0, label_pitch * static_cast<double>(placed.size()) + 20);
  const Frame frame = make_frame(placed, exact_seconds, top + height);
  place(placed, frame);
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {} {:.0f}' role='img' aria-label='Relative error against time'>\n", width,
      frame.bottom + 52);
  svg += time_axis(frame) + error_axis(frame) + speedup_axis(frame);
  svg += fmt::format("<rect class='frame' x='{}' y='{}' width='{}' height='{:.1f}'/>\n", left, top,
                     right - left, height);
  svg += exact_line(frame);
  for (const Placed& p : placed) svg += point_marks(p, exact_seconds);
  return svg + "</svg>\n";
}

}  // namespace subquad::cli
